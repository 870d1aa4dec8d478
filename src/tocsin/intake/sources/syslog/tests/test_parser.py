"""What the samples do not show of syslog."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.contracts.sources import samples

from tocsin.intake.contract import Parsed, ParseError, Request, checked_config
from tocsin.intake.sources.syslog.parser import plain_of
from tocsin.intake.sources.syslog.reading import read_message
from tocsin.intake.sources.syslog.source import source
from tocsin.testing.sources import cut, well_formed

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(raw: bytes, **config: Any) -> Parsed:
    checked, problems = checked_config(source, config)
    assert not problems
    return source.parse(Request(raw, now=NOW, headers={"x-syslog-frame": "one", "x-syslog-peer": "192.0.2.7"}), checked)


@pytest.mark.parametrize(
    ("raw", "facts"),
    [
        # RFC 5424, 6.5
        (b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed",
         (34, "mymachine.example.com", "su", "", "ID47", "'su root' failed")),
        (b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
         (165, "192.0.2.1", "myproc", "8710", "", "%% It's time to make the do-nuts.")),
        (b'<165>1 2003-10-11T22:14:15.003Z m e - ID47 [a@1 x="1"][b@1 y="\\"\\]\\\\"]',
         (165, "m", "e", "", "ID47", "")),
        (b"<0>1 - - - - - -", (0, "", "", "", "", "")),
        (b"<13>1 - - - - - [unfinished x", (13, "", "", "", "", "[unfinished x")),
        # RFC 3164, 5.4
        (b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
         (34, "mymachine", "su", "", "", "'su root' failed for lonvick on /dev/pts/8")),
        (b"Use the BFG!", (13, "", "", "", "", "Use the BFG!")),
        (b"<13>Feb  5 17:32:18 2001:db8::1 app[12]: text", (13, "2001:db8::1", "app", "12", "", "text")),
        # rsyslog's forward format, util-linux without a host, Python, a device
        (b"<30>2026-05-04T09:29:58.123456+02:00 web-1 nginx[9]: boo", (30, "web-1", "nginx", "9", "", "boo")),
        (b"<13>Feb  5 17:32:18 app[12]: text", (13, "", "app", "12", "", "text")),
        (b"<11>myapp: text\0", (11, "", "myapp", "", "", "text")),
        (b"<187>24: *May  4 09:00:10.123: %LINK-3-UPDOWN: down", (187, "", "%LINK-3-UPDOWN", "", "", "down")),
        (b"<192>x", (13, "", "", "", "", "<192>x")),
        (b"<13>\xff\xfe", (13, "", "", "", "", "\ufffd\ufffd")),
    ],
)  # fmt: skip
def test_messages_are_read(raw: bytes, facts: tuple[Any, ...]) -> None:
    found = read_message(raw)
    assert (found.priority, found.host, found.app, found.process, found.kind, found.text) == facts


def test_structured_data_is_read_and_the_key_taken_out() -> None:
    found = read_message(b'<13>1 - h a - - [a@1 x="1" y="\\"\\]\\\\\\n"][tocsin@32473 key="K" other="o"] t')
    assert found.data == {"a@1": {"x": "1", "y": '"]\\\\n'}}
    assert found.key == "K"
    assert read_message(b'<13>1 - h a - - [tocsinx key="K"] t').key == ""


def test_moments_count_only_with_their_zone() -> None:
    assert read_message(b"<13>1 2026-05-04T09:00:00Z h a - - - t").at == NOW.replace(minute=0)
    assert read_message(b"<13>1 2026-05-04T09:00:00 h a - - - t").at is None
    assert read_message(b"<13>May  4 09:00:00 h a: t").at is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("disk 12% full on /dev/sda1", "disk 97% full on /dev/sda1", True),
        ("session deadbeef01 failed", "session 0123456789ab failed", True),
        ("0xFFAA at 7f6c1c2e-3d4f-4a5b-8c6d-0123456789ab", "0x1 at 00000000-3d4f-4a5b-8c6d-0123456789ab", True),
        ("disk full", "disk empty", False),
        ("facade failed", "decade failed", False),
    ],
)
def test_numbers_do_not_tell_messages_apart(one: str, other: str, same: bool) -> None:
    assert (plain_of(one) == plain_of(other)) is same


@pytest.mark.parametrize(
    ("priority", "opens", "severity"),
    [(8, "err", "critical"), (10, "err", "critical"), (11, "err", "error"), (12, "err", None),
     (12, "warning", "warning"), (15, "debug", "info"), (9, "emerg", None)],
)  # fmt: skip
def test_what_is_bad_enough_opens(priority: int, opens: str, severity: str | None) -> None:
    found = parse(b"<%d>app: text" % priority, opens=opens).signals
    assert [signal.severity for signal in found] == ([severity] if severity else [])


def test_identities_and_rules() -> None:
    raw = b'<11>1 - h app 7 LINK [m@1 port="3"] port 3 down'
    assert parse(raw).signals[0].dedup_key == "h app port # down"
    assert parse(raw, identity="kind").signals[0].dedup_key == "h app LINK"
    assert parse(raw, identity="host").signals[0].dedup_key == "host h"
    rules = 'ignore app ^cron$\nresolve message port \\S+ up\nkey data "port":"(\\d+)"\ncritical host ^h$'
    found = parse(raw, rules=rules).signals[0]
    assert (found.dedup_key, found.severity) == ("3", "critical")
    up = parse(b'<14>1 - h app 7 LINK [m@1 port="3"] port 3 up', rules=rules).signals[0]
    assert (up.action, up.dedup_key) == ("resolve", "3")
    assert parse(b"<11>1 - h CRON - - - x", rules=rules).signals == []
    assert parse(b"<11>app: no host").signals[0].labels["host"] == "192.0.2.7"


def test_configurations_that_cannot_be_are_refused_by_field() -> None:
    _, problems = checked_config(source, {"rules": "open subject x", "senders": "10.0.0.0/8, web-1"})
    assert set(problems) == {"rules", "senders"}
    assert "web-1" in problems["senders"]
    with pytest.raises(ParseError) as many:
        source.parse(Request(b"x\n" * 10_001, now=NOW), {})
    assert many.value.status == 413


def test_a_thousand_torn_messages_are_taken_or_refused() -> None:
    chance = random.Random("syslog")
    whole = [sample.body for sample in samples() if sample.kind is source]
    taken, refused = 0, []
    for _ in range(1000):
        raw = chance.choice(whole)
        for _ in range(chance.randrange(1, 4)):
            raw = cut(raw, chance)
        try:
            parsed = parse(raw, opens="debug", rules="key any (\\d{4})\nignore message spam")
        except ParseError as error:
            refused.append(error)
        else:
            taken += 1
            for signal in parsed.signals:
                well_formed(signal)
    assert taken > 500
    assert all(error.errors for error in refused)
