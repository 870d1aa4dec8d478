"""One suite for every source that is installed, built in or not: samples, malformed bodies, hostile values.

``BODIES`` (environment) sets how many malformed bodies are tried over all sources together (10,000 for a long run). The
mutations are seeded, so that a failure can be repeated.
"""

import json
import os
import random
from typing import Any

import pytest

from tests.contracts.sources import RAW, Sample, plain, samples
from tocsin.intake.contract import ACTIONS, KEY_LIMIT, SEVERITIES, TITLE_LIMIT, ParseError, Signal, SourceKind
from tocsin.intake.kinds import all_kinds
from tocsin.intake.rules import row_of

SAMPLES = samples()
BODIES = int(os.environ.get("BODIES", "2400"))


def by_name(sample: Sample) -> str:
    return sample.name


@pytest.mark.parametrize("kind", all_kinds().values(), ids=list(all_kinds()))
def test_source_is_complete(kind: SourceKind) -> None:
    assert kind.label
    assert kind.summary.endswith(".")
    assert len(list((kind.folder / "samples").glob("*.json"))) >= 3
    assert "{url}" in kind.guide()
    assert all(item.label for item in kind.fields)
    assert kind.address("https://x.example", "KEY").startswith("https://x.example/")


@pytest.mark.parametrize("sample", SAMPLES, ids=by_name)
def test_sample_becomes_what_it_says(sample: Sample) -> None:
    expect = sample.expect
    if "key" in expect:
        assert sample.kind.key is not None
        assert sample.kind.key(sample.request()) == expect["key"]
    if "errors" in expect:
        with pytest.raises(ParseError) as caught:
            sample.parse()
        assert caught.value.errors == expect["errors"]
        assert caught.value.status == expect["status"]
        body = sample.kind.refuse(caught.value.status, caught.value.errors, caught.value.kind)
        assert expect["errors"][0] in json.dumps(json.loads(body), ensure_ascii=False)
        if "answer" in expect:
            assert json.loads(body) == expect["answer"]
        return
    parsed = sample.parse()
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


@pytest.mark.parametrize("sample", SAMPLES, ids=by_name)
def test_sample_parses_the_same_twice(sample: Sample) -> None:
    if "errors" in sample.expect:
        return
    keys = [[signal.dedup_key for signal in sample.parse().signals] for _ in range(2)]
    if all(signal.action != "change" for signal in sample.parse().signals):
        assert keys[0] == keys[1]


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


@pytest.mark.parametrize("kind", all_kinds().values(), ids=list(all_kinds()))
def test_raw_rubbish_is_refused_by_name(kind: SourceKind) -> None:
    for sample in [sample for sample in SAMPLES if sample.kind is kind]:
        for body in RAW:
            survives(sample, body)


@pytest.mark.parametrize("kind", all_kinds().values(), ids=list(all_kinds()))
@pytest.mark.parametrize("how", ["values", "bytes"])
def test_malformed_bodies_never_break_a_source(kind: SourceKind, how: str) -> None:
    random_ = random.Random(f"{kind.kind}-{how}")
    own = [sample for sample in SAMPLES if sample.kind is kind]
    rounds = BODIES // (2 * len(all_kinds()))
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
    if kind.kind != "heartbeat":
        assert seen["refused"]
