"""Malformed bodies against every source, over HTTP, on the running product: never a 5xx, and every refusal says why.

``FUZZ_BODIES`` (environment) sets how many bodies are sent to each source. The mutations are seeded, so
that a failure can be repeated. What the product makes of a body that it accepts is the contract tests' matter.
"""

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

import tocsin.intake.sources
from tests.journeys.company import team
from tests.journeys.product import Product

pytestmark = pytest.mark.journey

BODIES = int(os.environ.get("FUZZ_BODIES", "10000"))
CONNECTIONS = 4
KINDS = (
    "pagerduty",
    "alertmanager",
    "alertmanager-api",
    "cloudevents",
    "generic",
    "heartbeat",
    "grafana",
    "grafana-oncall",
    "datadog",
    "zabbix",
    "uptime-kuma",
    "healthchecks",
    "sentry",
    "nagios",
    "azure-monitor",
    "google-cloud-monitoring",
    "new-relic",
    "kibana",
    "github",
    "gitlab",
    "opsgenie",
    "victorops",
    "aws-sns",
    "email",
    "syslog",
)
OTHER_KEY = b"0123456789abcdef0123456789abcdef"  # the key in the forms of PagerDuty's samples
# a signature could not be checked here: nobody reaches Amazon from a test
CONFIGS: dict[str, dict[str, Any]] = {"aws-sns": {"unsigned": True}}
ODD: list[Any] = [
    None, True, False, 0, -1, 2**70, 1e300, "", " ", "\x00", "\ud83d", "a" * 5000, "é" * 1100, [], {}, [[[]]], [None],
    {"": None}, "1970-01-01", "2026-13-45T99:99:99Z", "9999-12-31T23:59:60Z", {"href": "javascript:1"}, ["", 0, {}],
]  # fmt: skip
TORN = [
    b"", b"\n", b"{", b"[", b"]", b"null", b"0", b'"', b'""', b"[[", b"{}", b"[]", b"[{}]", b"[null]", b"{]", b"nul",
    b"-", b"1e400", b"\xfe\xff\x00{", b"\x80\x81", b"\xef\xbb\xbf[]", b'{"a":}', b'{"a" 1}', b"{'a': 1}", b'{"a":NaN}',
    b"[" * 3000, b'{"x":' * 3000, b"&&&", b"%00", b"<alert/>", b'"\\ud83d"', b'{"\\u0000":"\\u0000"}', b"1" * 4400,
]  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """A request that a source knows, and where to send it."""

    kind: str
    method: str
    path: str
    headers: dict[str, str]
    body: Any  # JSON value, or bytes

    @property
    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Tally:
    """What became of the bodies."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def _samples(kind: str, url: str, key: str) -> Iterator[Sample]:
    """The samples that come with a source, addressed to this product's source."""
    folder = Path(tocsin.intake.sources.__file__).parent / kind.replace("-", "_") / "samples"
    for file in sorted(folder.glob("*.json")):
        request = json.loads(file.read_text(encoding="utf-8"))["request"]
        body = request["text"].encode() if "text" in request else request["body"]
        path = urlsplit(url).path
        if kind == "pagerduty":
            path = request["path"]
            name = "service_key" if path.endswith("create_event.json") else "routing_key"
            body = {**body, name: key} if isinstance(body, dict) else body.replace(OTHER_KEY, key.encode())
        elif kind == "opsgenie":
            path = quote(request["path"] if "tail" not in request else f"/in/opsgenie/{key}/{request['tail']}")
            request["headers"]["authorization"] = f"GenieKey {key}"
        elif tail := request.get("tail"):
            path += f"/{tail.lstrip('/')}"
        if query := request.get("query"):
            path += f"?{query}"
        yield Sample(kind, request.get("method", "POST"), path, _lowered(request.get("headers", {})), body)


def _lowered(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _bent(value: Any, chance: random.Random) -> Any:
    """The value with one place in it replaced, removed, repeated, moved or renamed."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        name = chance.choice(sorted(value))
        bent = dict(value)
        match chance.randrange(7):
            case 0:
                del bent[name]
            case 1:
                bent[chance.choice(["", "\x00", "n" * 400, name.upper(), name + " "])] = bent.pop(name)
            case 2 | 3:
                bent[name] = chance.choice(ODD)
            case 4:
                bent[name] = [bent[name]]
            case _:
                bent[name] = _bent(bent[name], chance)
        return bent
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        bent_list = list(value)
        match chance.randrange(4):
            case 0:
                bent_list[place] = chance.choice(ODD)
            case 1:
                bent_list += bent_list
            case _:
                bent_list[place] = _bent(bent_list[place], chance)
        return bent_list
    return chance.choice(ODD)


def _torn(raw: bytes, chance: random.Random) -> bytes:
    """The bytes cut, with some of them exchanged, or something else altogether."""
    if not raw or chance.random() < 0.2:
        return chance.choice(TORN)
    place = chance.randrange(len(raw))
    match chance.randrange(5):
        case 0:
            return raw[:place]
        case 1:
            return raw[place:]
        case 2:
            return raw[:place] + chance.randbytes(3) + raw[place + 3 :]
        case 3:
            return raw[:place] + chance.choice(TORN) + raw[place:]
        case _:
            other = chance.randrange(len(raw))
            return raw[: min(place, other)] + raw[max(place, other) :]


def _malformed(sample: Sample, chance: random.Random) -> bytes:
    if isinstance(sample.body, bytes) or chance.random() < 0.4:
        return _torn(sample.raw, chance)
    value = sample.body
    for _ in range(chance.randrange(1, 4)):
        value = _bent(value, chance)
    return json.dumps(value).encode()


def _complaint(status: int, content_type: str, answer: bytes) -> str:
    """What is wrong with an answer; empty when nothing is."""
    if 200 <= status < 300:
        return ""
    if status >= 500 or status < 400:
        return f"answered {status}"
    if status == 429:
        return "the limit was reached: the test sends too fast for it"
    if not content_type.startswith("application/json"):
        return f"refused as {content_type!r}"
    try:
        told = json.loads(answer)
    except ValueError:
        return "refused without JSON"
    errors = None if isinstance(told, str) else told.get("errors") or told.get("messages") or [told.get("message", "")]
    text = told if errors is None else " ".join(map(str, errors.values() if isinstance(errors, dict) else errors))
    # a field stands in quotes; a body that is no JSON at all has no fields
    named = ("'", "body", "label", "routing key")
    return "" if any(word in text for word in named) else f"names no field: {text!r}"


def _send(product: Product, samples: list[Sample], count: int, seed: str) -> Tally:
    """Send so many malformed bodies over one connection at a time."""
    chance = random.Random(seed)
    tally = Tally()
    connection = HTTPConnection("127.0.0.1", product.port, timeout=60)
    for _ in range(count):
        sample = chance.choice(samples)
        body = _malformed(sample, chance)
        headers = {"content-type": "application/json"} | sample.headers
        try:
            connection.request(sample.method if sample.method != "GET" else "POST", sample.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (HTTPException, OSError) as error:
            tally.wrong.append(f"{sample.kind} {sample.path}: {error!r} for {body[:300]!r}")
            connection.close()
            continue
        tally.statuses[answer.status] += 1
        complaint = _complaint(answer.status, answer.headers.get("Content-Type", ""), content)
        if complaint:
            tally.wrong.append(f"{sample.kind} {sample.path}: {complaint}: {content[:300]!r} for {body[:300]!r}")
    connection.close()
    return tally


def test_no_malformed_body_breaks_a_door(product: Product) -> None:
    people = team(product, "fuzz")
    # nobody is to be woken ten thousand times: what is accepted ends in this service, without a policy
    product.tell(f"services/{people.service}", {"name": "fuzz shop", "slug": people.service, "team": "fuzz"}, "PUT")
    samples: dict[str, list[Sample]] = {}
    for kind in KINDS:
        source = product.tell(
            "sources",
            {
                "service": people.service,
                "kind": kind,
                "name": kind,
                "config": CONFIGS.get(kind, {}),
                "limit_per_minute": 100_000_000,
            },
        )
        samples[kind] = list(_samples(kind, source["url"], source["key"]))
        assert samples[kind]
    each = -(-BODIES // CONNECTIONS)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        work = {
            (kind, number): pool.submit(_send, product, samples[kind], each, f"{kind}-{number}")
            for kind in KINDS
            for number in range(CONNECTIONS)
        }
        tallies = {name: job.result() for name, job in work.items()}
    for kind in KINDS:
        statuses: Counter[int] = sum((tallies[kind, number].statuses for number in range(CONNECTIONS)), Counter())
        print(f"{kind}: {sum(statuses.values())} bodies, {dict(sorted(statuses.items()))}")
        if kind != "heartbeat":  # a check-in may say anything
            assert any(status >= 400 for status in statuses), f"{kind} refused nothing"
    wrong = [text for tally in tallies.values() for text in tally.wrong]
    assert not wrong, f"{len(wrong)} answers are wrong, such as:\n" + "\n".join(wrong[:8])
    assert product.ask("refusals")["items"], "what was refused is kept for people to look at"
    health = product.http.get("/readyz")
    assert health.status_code == 200, health.text
