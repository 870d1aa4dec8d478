"""What the samples do not show of mail."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.contracts.sources import samples

from tocsin.intake.contract import Parsed, ParseError, Request, checked_config
from tocsin.intake.sources.email.parser import subject_of
from tocsin.intake.sources.email.source import source
from tocsin.testing.sources import cut, well_formed

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
ENVELOPE = {"x-envelope-from": "tool@x.example", "x-envelope-to": "k@in.example"}


def mail(subject: str = "Disk full", body: str = "It is.", **headers: str) -> bytes:
    lines = {"From": "tool@x.example", "Subject": subject} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return ("".join(f"{name}: {value}\r\n" for name, value in lines.items()) + f"\r\n{body}\r\n").encode()


def parse(raw: bytes, envelope: dict[str, str] | None = ENVELOPE, **config: Any) -> Parsed:
    checked, problems = checked_config(source, config)
    assert not problems
    return source.parse(Request(raw, now=NOW, headers=envelope), checked)


@pytest.mark.parametrize(
    ("subject", "kept"),
    [
        ("Re: Fwd: AW: Disk 12 full", "Disk 12 full"),
        ("RE[4]: WG : [x] Re: y", "[x] Re: y"),
        ("Result: bad", "Result: bad"),
        ("Re:", ""),
        ("转发：磁盘", "磁盘"),  # noqa: RUF001 - as it is written
    ],
)
def test_what_answering_puts_before_a_subject_does_not_count(subject: str, kept: str) -> None:
    assert subject_of(subject) == kept


def test_identities() -> None:
    one = mail("Disk 1 full", Message_ID="<1@x>")
    answer = mail("Re: disk 1 FULL", Message_ID="<2@x>", In_Reply_To="<1@x>", References="<0@x> <1@x>")
    keys = {how: [parse(raw, identity=how).signals[0].dedup_key for raw in (one, answer)]
            for how in ("subject", "thread", "mail", "all")}  # fmt: skip
    assert keys == {
        "subject": ["disk 1 full", "disk 1 full"],
        "thread": ["<1@x>", "<0@x>"],
        "mail": ["<1@x>", "<2@x>"],
        "all": ["mail", "mail"],
    }
    assert parse(mail("Disk 2 full")).signals[0].dedup_key == "disk 2 full"


@pytest.mark.parametrize(
    ("headers", "config", "severity"),
    [
        ({}, {}, "error"),
        ({}, {"severity": "warning"}, "warning"),
        ({"X_Priority": "1 (Highest)"}, {}, "critical"),
        ({"Importance": "Low"}, {}, "info"),
        ({"X_Priority": "3"}, {"severity": "info"}, "info"),
        ({"X_Priority": "1"}, {"rules": "warning subject disk"}, "warning"),
    ],
)
def test_severity(headers: dict[str, str], config: dict[str, Any], severity: str) -> None:
    assert parse(mail(**headers), ENVELOPE, **config).signals[0].severity == severity


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Auto_Submitted": "auto-replied; x"}, "auto-replied"),
        ({"Precedence": "auto_reply"}, "Precedence"),
        ({"X_Autoreply": "yes"}, "x-autoreply"),
        ({"X_Tocsin_Incident": "12"}, "Tocsin itself"),
        ({"Content_Type": "multipart/report; boundary=x"}, "report about another mail"),
        ({"Subject": "Automatische Antwort: Disk", "Auto_Submitted": "auto-generated"}, "by its subject"),
    ],
)
def test_answers_and_loops_are_left_out(headers: dict[str, str], why: str) -> None:
    parsed = parse(mail(**headers))
    assert parsed.signals == []
    assert why in parsed.refused[0]
    assert parsed.reason == "ignored"


@pytest.mark.parametrize(
    "headers",
    [{"Auto_Submitted": "auto-generated"}, {"Precedence": "bulk"}, {"List_Id": "<x>"}, {"X_Autoreply": "no"},
     {"Subject": "Automatic response time is bad"}],
)  # fmt: skip
def test_what_machines_write_by_themselves_is_taken(headers: dict[str, str]) -> None:
    assert len(parse(mail(**headers)).signals) == 1


def test_mail_that_goes_in_circles_is_left_out() -> None:
    assert "circles" in parse(b"Received: x\r\n" * 101 + mail()).refused[0]


@pytest.mark.parametrize(
    ("sender", "taken"),
    [("tool@x.example", True), ("Tool <TOOL@X.example>", True), ("a@ups.example", True), ("a@xups.example", False),
     ("tool@x.example.evil", False), ("", False)],
)  # fmt: skip
def test_senders(sender: str, taken: bool) -> None:
    raw = mail(From=sender)
    config = {"senders": "tool@x.example; @ups.example"}
    if taken:
        assert parse(raw, ENVELOPE, **config).signals
    else:
        with pytest.raises(ParseError) as refused:
            parse(raw, {"x-envelope-from": ""}, **config)
        assert refused.value.status == 403


@pytest.mark.parametrize(
    ("results", "taken"),
    [
        ("mx.example.org; spf=pass; dmarc=pass header.from=x.example", True),
        ("mx.example.org 1; dkim=pass; DMARC = pass", True),
        ("mx.example.org; dmarc=fail", False),
        ("mx.evil.example; dmarc=pass", False),
        ("", False),
    ],
)
def test_a_mail_server_checks_senders(results: str, taken: bool) -> None:
    # whoever writes the mail can put such a header in too, but below that of the last server
    raw = (f"Authentication-Results: {results}\r\n" if results else "").encode() + mail()
    if taken:
        assert parse(raw, checked_by="mx.example.org").signals
        return
    with pytest.raises(ParseError):
        parse(raw, checked_by="mx.example.org")


def test_rules_decide_and_say_so() -> None:
    rules = "ignore headers ^x-mailer: spam\nresolve body all clear\nopen subject disk\nkey body ticket (\\d+)"
    opened = parse(mail(body="Ticket 12: bad"), rules=rules, otherwise="ignore").signals[0]
    assert (opened.action, opened.dedup_key) == ("trigger", "12")
    assert opened.remarks == ["open by line 3: open subject disk", "key by line 4: key body ticket (\\d+)"]
    assert parse(mail(body="Ticket 12: all clear"), rules=rules).signals[0].action == "resolve"
    assert parse(mail("Lunch"), rules=rules, otherwise="ignore").refused == ["'mail': no line of the rules is about it"]
    assert (
        parse(mail(X_Mailer="Spam"), rules="ignore headers x-mailer: spam")
        .refused[0]
        .startswith("'mail': it is left out by line 1")
    )


def test_configurations_that_cannot_be_are_refused_by_field() -> None:
    _, problems = checked_config(source, {"rules": "open subject (", "senders": "x", "identity": "subject"})
    assert problems == {
        "rules": "line 1: missing ): (",
        "senders": "an address, or a domain as @example.org, not 'x'",
    }


def test_eight_bit_and_strange_charsets_are_read() -> None:
    raw = b"From: x@y.example\r\nSubject: Gr\xc3\xbc\xc3\x9fe\r\n"
    raw += b"Content-Type: text/plain; charset=klingon\r\n\r\n\xc3\xa4\xff"
    signal = parse(raw).signals[0]
    assert signal.title == "Grüße"
    assert signal.details["text"] == "ä\ufffd"


def test_a_moment_that_is_still_to_come_is_not_believed() -> None:
    assert parse(mail(Date="Mon, 04 May 2026 09:00:00 +0000")).signals[0].occurred_at == NOW.replace(minute=0)
    assert parse(mail(Date="Mon, 04 May 2027 09:00:00 +0000")).signals[0].occurred_at is None
    assert parse(mail(Date="nonsense")).signals[0].occurred_at is None


@pytest.mark.parametrize("envelope", [None, ENVELOPE])
def test_a_thousand_torn_mails_are_taken_or_refused(envelope: dict[str, str] | None) -> None:
    chance = random.Random("mail")
    whole = [sample.body for sample in samples() if sample.kind is source]
    config = {"rules": "ignore subject spam\nkey any (\\d{4})\ncritical any down"}
    taken, refused = 0, []
    for _ in range(1000):
        raw = chance.choice(whole)
        for _ in range(chance.randrange(1, 4)):
            raw = cut(raw, chance)
        try:
            parsed = parse(raw, envelope, **config)
        except ParseError as error:
            refused.append(error)
        else:
            taken += 1
            for signal in parsed.signals:
                well_formed(signal)
    assert taken > 500
    assert all(error.errors and 400 <= error.status < 500 for error in refused)
