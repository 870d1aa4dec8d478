"""Checks of a source: samples, malformed bodies, hostile values.

``checks(kind)`` in a plug-in's tests is all that is needed:

    @pytest.mark.parametrize("check", checks(source), ids=str)
    def test_source(check: Check) -> None:
        check()

A sample is a JSON file in the folder ``samples`` beside the source: a request, and what must come of it.
"""

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tocsin.intake.contract import (
    ACTIONS,
    KEY_LIMIT,
    SEVERITIES,
    TITLE_LIMIT,
    Parsed,
    ParseError,
    Request,
    Signal,
    SourceKind,
    checked_config,
)
from tocsin.intake.rules import row_of

# bodies that are nothing a tool would send
RAW = [
    b"", b" ", b"\xff\xfe", b"{", b"[", b"}", b"null", b"true", b"1", b'"x"', b"[]", b"{}", b"[[]]", b"[null]", b"NaN",
    b"[NaN]", b'{"a":Infinity}', b"[" * 100_000, b'{"a":' * 50_000, b"[" * 900 + b"]" * 900, b"\xef\xbb\xbf{}",
    b'{"a":1}{"b":2}', b"\x00", b'{"a":"\x00"}', b'{"a":"\xc3\x28"}', b'"\\ud800"', b"1e999", b"9" * 5000,
    b'{"payload":' + b"[" * 2000 + b"]" * 2000 + b"}", b"a=b&c=d", b"<xml/>", b"\xed\xa0\x80", b'{"a":1,"a":2}',
]  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One file below a source's ``samples``."""

    kind: SourceKind
    path: Path
    content: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.kind.kind}-{self.path.stem}"

    @property
    def body(self) -> bytes:
        request = self.content["request"]
        return request["text"].encode() if "text" in request else json.dumps(request["body"]).encode()

    @property
    def config(self) -> dict[str, Any]:
        config, problems = checked_config(self.kind, self.content.get("config", {}))
        assert not problems, problems
        return config

    @property
    def expect(self) -> dict[str, Any]:
        expected: dict[str, Any] = self.content["expect"]
        return expected

    def request(self, body: bytes | None = None) -> Request:
        asked = self.content["request"]
        return Request(
            self.body if body is None else body,
            now=datetime.fromisoformat(self.content["now"]),
            method=asked.get("method", "POST"),
            path=asked.get("path", f"/in/{self.kind.kind}/key"),
            tail=asked.get("tail", ""),
            query=asked.get("query", ""),
            headers=asked.get("headers", {}),
        )

    def parse(self, body: bytes | None = None) -> Parsed:
        """What the source makes of the sample, or of another body in its place. Raises ParseError."""
        request = self.request(body)
        if self.kind.key is not None and "key" in self.expect:
            self.kind.key(request)
        return self.kind.parse(request, self.config)


def samples_of(kind: SourceKind) -> list[Sample]:
    """The samples of a source, by name."""
    return [
        Sample(kind, path, json.loads(path.read_text(encoding="utf-8")))
        for path in sorted((kind.folder / "samples").glob("*.json"))
    ]


def plain(signal: Any) -> dict[str, Any]:
    """A signal as JSON values, with every field."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(signal))
    return found


def well_formed(signal: Signal) -> None:
    """What triage relies on."""
    assert signal.action in ACTIONS
    assert signal.severity in SEVERITIES
    assert 0 < len(signal.dedup_key) <= KEY_LIMIT
    assert len(signal.title) <= TITLE_LIMIT
    assert signal.title or signal.action in ("acknowledge", "resolve")
    assert all(isinstance(name, str) and isinstance(text, str) for name, text in signal.labels.items())
    for moment in (signal.occurred_at, signal.expires_at):
        assert moment is None or moment.utcoffset() is not None
    row = row_of(1, signal)
    for text in row:
        if isinstance(text, str):
            assert "\0" not in text
            text.encode()
    data = json.loads(row[6])
    assert data.get("priority", "P3") in ("P1", "P2", "P3", "P4", "P5")
    assert set(data) - {"priority"} == {
        "labels", "details", "links", "remarks", "origin", "client", "client_url", "expires_at"
    }  # fmt: skip
    assert "\0" not in json.dumps(data, ensure_ascii=False)


# -- malformed bodies ------------------------------------------------------------------------------------------------

HOSTILE: list[Any] = [
    None, True, 0, -1, 10**30, 10**400, 1e308, "", " ", "\0", "a\0b", "\ud800", "x" * 3000, "🔔" * 700, [], {}, [[]],
    [{}],
    {"": ""}, {"\0": "\0"}, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999+00:00", "not a time", "2026-02-30",
    {"a": {"b": {"c": [1, 2, {"d": None}]}}}, "\u2028", "NaN", ["\ud800"],
]  # fmt: skip


def mutated(value: Any, random_: random.Random) -> Any:
    """The value with one place of it replaced, removed, doubled or renamed."""
    if isinstance(value, dict) and value and random_.random() < 0.85:
        name = random_.choice(list(value))
        copy = dict(value)
        what = random_.random()
        if what < 0.15:
            del copy[name]
        elif what < 0.25:
            copy[random_.choice(["", "\0", "x" * 300, "\ud800"])] = copy.pop(name)
        elif what < 0.45:
            copy[name] = random_.choice(HOSTILE)
        else:
            copy[name] = mutated(copy[name], random_)
        return copy
    if isinstance(value, list) and value and random_.random() < 0.85:
        copy_ = list(value)
        index = random_.randrange(len(copy_))
        if random_.random() < 0.2:
            copy_.insert(index, random_.choice(HOSTILE))
        else:
            copy_[index] = mutated(copy_[index], random_)
        return copy_
    return random_.choice(HOSTILE)


def cut(body: bytes, random_: random.Random) -> bytes:
    """The bytes with something torn, flipped, doubled or inserted."""
    if not body:
        return random_.choice(RAW)
    at = random_.randrange(len(body))
    what = random_.randrange(6)
    if what == 0:
        return body[:at]
    if what == 1:
        return body[:at] + bytes([random_.randrange(256)]) + body[at + 1 :]
    if what == 2:
        return body[:at] + body[at // 2 :]
    if what == 3:
        return (
            body[:at]
            + random_.choice([b"\\u0000", b"\\ud800", b"\x00", b"\xff", b"NaN", b"1e999", b'"', b"["])
            + body[at:]
        )
    if what == 4:
        return body.replace(b":", b":" + random_.choice([b"[", b"{", b'"']), 1)
    return random_.choice(RAW)


def survives(sample: Sample, body: bytes) -> str:
    """What became of the body: ``parsed`` or ``refused``; anything else fails the test."""
    try:
        parsed = sample.parse(body)
    except ParseError as caught:
        refused = caught
    else:
        for signal in parsed.signals:
            well_formed(signal)
        return "parsed"
    assert refused.errors, body[:200]
    assert all(isinstance(text, str) and text.strip() for text in refused.errors)
    assert 400 <= refused.status < 500
    named = " ".join(refused.errors)
    assert "'" in named or "body" in named or "label" in named, f"names no field: {named}"
    json.loads(sample.kind.refuse(refused.status, refused.errors, refused.kind))
    return "refused"


# -- the checks ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Check:
    """One check, by name."""

    name: str
    run: Callable[[], object]

    def __call__(self) -> None:
        """Raises AssertionError when it fails."""
        self.run()

    def __str__(self) -> str:
        return self.name


def checks(kind: SourceKind, bodies: int = 200) -> list[Check]:
    """Everything that a source has to keep. ``bodies``: how many malformed ones are tried, of each of two ways."""
    own = samples_of(kind)
    return [
        Check("complete", partial(check_complete, kind)),
        *(Check(f"sample {sample.path.stem}", partial(check_sample, sample)) for sample in own),
        *(Check(f"twice {sample.path.stem}", partial(check_twice, sample)) for sample in own),
        Check("rubbish", partial(check_rubbish, own)),
        *(Check(f"malformed {how}", partial(check_malformed, own, how, bodies)) for how in ("values", "bytes")),
    ]


def check_complete(kind: SourceKind) -> None:
    """It describes itself, has a guide and three samples."""
    assert kind.label
    assert kind.summary.endswith(".")
    assert len(samples_of(kind)) >= 3, "three samples or more"
    assert kind.guide().startswith("# ")
    assert "{url}" in kind.guide()
    assert all(item.label for item in kind.fields)
    assert kind.address("https://x.example", "KEY").startswith("https://x.example/")


def check_sample(sample: Sample) -> None:
    """It becomes what it says."""
    expect = sample.expect
    if "key" in expect:
        assert sample.kind.key is not None
        assert sample.kind.key(sample.request()) == expect["key"]
    try:
        parsed = sample.parse()
    except ParseError as caught:
        assert "errors" in expect, f"refused: {caught.errors}"
        assert caught.errors == expect["errors"]
        assert caught.status == expect["status"]
        body = sample.kind.refuse(caught.status, caught.errors, caught.kind)
        assert expect["errors"][0] in json.dumps(json.loads(body), ensure_ascii=False)
        if "answer" in expect:
            assert json.loads(body) == expect["answer"]
        return
    assert "errors" not in expect, "it is not refused"
    assert parsed.answer.status == expect["status"]
    if "answer" in expect:
        assert (json.loads(parsed.answer.body) if parsed.answer.body else None) == expect["answer"]
    assert parsed.refused == expect.get("refused", [])
    assert len(parsed.signals) == len(expect["signals"])
    for signal, wanted in zip(parsed.signals, expect["signals"], strict=True):
        found = plain(signal)
        assert {name: found[name] for name in wanted} == wanted
        if "remarked" in expect:
            assert any(expect["remarked"] in remark for remark in signal.remarks)
        well_formed(signal)


def check_twice(sample: Sample) -> None:
    """Parsed again, it names the same conditions."""
    if "errors" in sample.expect:
        return
    first, second = sample.parse().signals, sample.parse().signals
    if all(signal.action != "change" for signal in first):
        assert [signal.dedup_key for signal in first] == [signal.dedup_key for signal in second]


def check_rubbish(own: Iterable[Sample]) -> None:
    """Bodies that no tool sends are refused by name, or make sense."""
    for sample in own:
        for body in RAW:
            survives(sample, body)


def check_malformed(own: list[Sample], how: str, rounds: int) -> None:
    """Bodies that are a little wrong never break it. ``how``: ``values`` or ``bytes`` are exchanged. Seeded."""
    kind = own[0].kind.kind
    random_ = random.Random(f"{kind}-{how}")
    seen = {"parsed": 0, "refused": 0}
    for _ in range(rounds):
        sample = random_.choice(own)
        if how == "values" and "body" in sample.content["request"]:
            value = sample.content["request"]["body"]
            for _ in range(random_.randrange(1, 4)):
                value = mutated(value, random_)
            body = json.dumps(value).encode()
        else:
            body = cut(sample.body, random_)
        seen[survives(sample, body)] += 1
    assert sum(seen.values()) == rounds
    if kind != "heartbeat":  # a check-in may say anything
        assert seen["refused"], "it refuses something"
