"""One suite for every kind of provider that is installed: sending, failing over, and who may tell us something."""

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode
from xml.etree import ElementTree

import pytest
from multidict import MultiDict
from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse
from twilio.twiml.voice_response import Gather, VoiceResponse

from tests.contracts.channel_servers import GATEWAY, TELNYX, TWILIO, Seen, http_server
from tests.contracts.phone_accounts import KEY, NOW, Remembered, account, carrying, remembered
from tests.contracts.test_channels import PAGE, free_port
from tocsin.delivery.contract import Accepted, Errand, Rejected, Result, Script, TryLater
from tocsin.delivery.pages.incoming import addresses
from tocsin.delivery.provider_contract import (
    Carrying,
    Heard,
    Incoming,
    Provider,
    Reply,
    StatusUpdate,
    Turn,
    Unfit,
)
from tocsin.delivery.provider_contract import Result as Outcome
from tocsin.delivery.provider_queries import kinds
from tocsin.delivery.providers.twilio.provider import signature
from tocsin.platform import outbound, signed

ANSWERS = {"twilio": TWILIO, "telnyx": TELNYX, "gateway": GATEWAY}
ALL = list(kinds().items())
WAYS = ["sms", "voice"]
NUMBER = "+41791234567"
SCRIPT = Script("This is Tocsin. Incident 12.", "Nobody has acknowledged it.", ("acknowledge", "resolve", "escalate"))


async def ask(kind: str, way: str, base_url: str, seen: Seen | None = None) -> Outcome:
    http = outbound.Client()
    try:
        context = Carrying(
            http, "https://t.example/callbacks/x/status?h=1", "https://t.example/callbacks/x/voice?h=1", 1.5,
            key="a-key", at=NOW,
        )  # fmt: skip
        if way == "sms":
            return await kinds()[kind].send_sms("Hello", NUMBER, account(kind, base_url), context)
        return await kinds()[kind].call(SCRIPT, NUMBER, account(kind, base_url), context)
    finally:
        await http.aclose()


def tried(kind: str, way: str, behaviour: str) -> tuple[Outcome, Seen]:
    async def work() -> tuple[Outcome, Seen]:
        if behaviour == "refused":
            return await ask(kind, way, f"http://127.0.0.1:{free_port()}"), Seen()
        if behaviour == "no-host":
            return await ask(kind, way, "http://no-such-host.invalid"), Seen()
        if behaviour == "our-network":
            return await ask(kind, way, "http://10.0.0.1"), Seen()
        async with http_server(behaviour, ANSWERS[kind]) as seen:
            return await ask(kind, way, f"http://127.0.0.1:{seen.port}"), seen

    return asyncio.run(work())


@pytest.mark.parametrize(("name", "kind"), ALL)
def test_descriptor_is_complete(name: str, kind: Provider) -> None:
    descriptor = kind.descriptor
    assert (descriptor.kind, name) == (name, descriptor.kind)
    assert descriptor.summary.endswith(".")
    assert name in ANSWERS, "say in ANSWERS what this kind's server says"
    assert kind.guide().startswith("# ")
    assert descriptor.check("x" * 20, account(name).config) == {}
    assert "secret" in descriptor.check("", {})
    assert descriptor.check("x" * 20, {"nonsense": "1"})["config.nonsense"]
    assert descriptor.carries("sms", account(name).config)
    assert not descriptor.carries("sms", {})
    assert not descriptor.carries("pigeon", account(name).config)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "kind"), ALL)
def test_well(name: str, kind: Provider, way: str) -> None:
    outcome, seen = tried(name, way, "well")
    assert outcome == Accepted("SM1")
    assert len(seen.requests) == 1


EXPECTED: list[tuple[str, type[Outcome]]] = [
    ("bad-number", Rejected),
    ("stopped", Rejected),
    ("no-sender", Unfit),
    ("unauthorised", Unfit),
    ("not-found", Unfit),
    ("redirect", Unfit),
    ("our-network", Unfit),
    ("error", TryLater),
    ("unavailable", TryLater),
    ("too-many", TryLater),
    ("limited", TryLater),
    ("not-theirs", TryLater),
    ("html", TryLater),
    ("garbage", TryLater),
    ("bad-length", TryLater),
    ("silent", TryLater),
    ("drip", TryLater),
    ("reset", TryLater),
    ("cut", TryLater),
    ("refused", TryLater),
    ("no-host", TryLater),
]


@pytest.mark.parametrize(("behaviour", "expected"), EXPECTED, ids=[name for name, _ in EXPECTED])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [name for name, _ in ALL])
def test_badly(name: str, way: str, behaviour: str, expected: type[Outcome]) -> None:
    began = time.monotonic()
    outcome, _ = tried(name, way, behaviour)
    assert isinstance(outcome, expected), outcome
    assert not isinstance(outcome, Accepted)
    assert outcome.reason, "people want to know why"
    assert "a-token" not in outcome.reason
    assert time.monotonic() - began < 4, "in time"
    if behaviour in ("unavailable", "limited"):
        assert isinstance(outcome, TryLater)
        assert outcome.after_s == 7.0


def test_what_twilio_is_sent() -> None:
    _, seen = tried("twilio", "sms", "well")
    line, headers, body = seen.requests[0]
    assert line == "POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1"
    assert headers["authorization"] == "Basic " + base64.b64encode(b"AC1:a-token").decode()
    assert parse_qs(body.decode()) == {
        "To": [NUMBER], "From": ["+41798071234"], "Body": ["Hello"],
        "StatusCallback": ["https://t.example/callbacks/x/status?h=1"],
    }  # fmt: skip
    _, seen = tried("twilio", "voice", "well")
    line, _, body = seen.requests[0]
    assert line == "POST /2010-04-01/Accounts/AC1/Calls.json HTTP/1.1"
    form = parse_qs(body.decode())
    assert form["MachineDetection"] == ["DetectMessageEnd"]
    assert form["Url"] == ["https://t.example/callbacks/x/voice?h=1"]


def test_what_telnyx_is_sent() -> None:
    _, seen = tried("telnyx", "sms", "well")
    line, headers, body = seen.requests[0]
    assert line == "POST /v2/messages HTTP/1.1"
    assert headers["authorization"] == "Bearer a-token"
    assert json.loads(body) == {
        "from": "+41798071234", "to": NUMBER, "text": "Hello", "webhook_url": "https://t.example/callbacks/x/status?h=1",
    }  # fmt: skip
    _, seen = tried("telnyx", "voice", "well")
    line, _, body = seen.requests[0]
    assert line == "POST /v2/texml/Accounts/acc/Calls HTTP/1.1"
    assert json.loads(body)["ApplicationSid"] == "app"


def test_what_a_gateway_is_sent() -> None:
    _, seen = tried("gateway", "sms", "well")
    line, headers, body = seen.requests[0]
    assert line == "POST /sms HTTP/1.1"
    assert signed.problem("a-token", headers["tocsin-signature"], "sms", body, NOW.timestamp()) == ""
    assert json.loads(body) == {
        "id": "a-key", "number": NUMBER, "text": "Hello", "wait_s": 0.0,
        "status_url": "https://t.example/callbacks/x/status?h=1",
    }  # fmt: skip
    _, seen = tried("gateway", "voice", "well")
    line, headers, body = seen.requests[0]
    assert line == "POST /calls HTTP/1.1"
    assert json.loads(body)["voice_url"] == "https://t.example/callbacks/x/voice?h=1"
    assert b"Incident 12" not in body, "what a call says is asked for when it is picked up"


# --- one after the other ------------------------------------------------------------------------------------------


def carried(
    accounts: list[tuple[str, str]], ledger: Remembered | None = None, number: str = NUMBER, way: str = "sms"
) -> tuple[Result, Remembered, list[Seen]]:
    """Carry once: ``accounts`` are kinds with how their server behaves."""

    async def work() -> tuple[Result, Remembered, list[Seen]]:
        async with asyncio.timeout(10):
            servers = [http_server(behaviour, ANSWERS[kind]) for kind, behaviour in accounts]
            seen = [await server.__aenter__() for server in servers]
            try:
                urls = [(kind, f"http://127.0.0.1:{one.port}") for (kind, _), one in zip(accounts, seen, strict=True)]
                kept = remembered(urls)
                if ledger is not None:
                    kept = replace(
                        ledger,
                        candidates=[
                            replace(old, account=new.account)
                            for old, new in zip(ledger.candidates, kept.candidates, strict=True)
                        ],
                    )
                async with carrying(ledger=kept) as carrier:
                    errand = Errand(number, PAGE, text="Hello") if way == "sms" else Errand(number, PAGE, script=SCRIPT)
                    return await carrier.carry(errand), kept, seen
            finally:
                for server in servers:
                    await server.__aexit__(None, None, None)

    return asyncio.run(work())


OWN_FAULTS = ["error", "unavailable", "too-many", "unauthorised", "no-sender", "silent", "reset", "html", "redirect"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("behaviour", OWN_FAULTS)
def test_the_next_one_is_asked_in_the_same_attempt(behaviour: str, way: str) -> None:
    result, ledger, seen = carried([("twilio", behaviour), ("telnyx", "well")], way=way)
    assert result == Accepted("SM1", "through Telnyx 2")
    assert [len(one.requests) for one in seen] == [1, 1]
    assert [provider for provider, _ in ledger.told] == [1, 2]


@pytest.mark.parametrize("behaviour", ["bad-number", "stopped"])
@pytest.mark.parametrize("kind", ["twilio", "telnyx"])
def test_a_bad_number_is_not_tried_elsewhere(kind: str, behaviour: str) -> None:
    result, _, seen = carried([(kind, behaviour), ("twilio", "well")])
    assert isinstance(result, Rejected)
    assert result.reason.startswith(f"{kind.capitalize()} 1: ")
    assert seen[1].requests == []


def test_when_all_fail_every_reason_is_told() -> None:
    result, _, _ = carried([("twilio", "unauthorised"), ("telnyx", "unavailable")])
    assert isinstance(result, TryLater)
    assert result.after_s == 7.0
    assert "Twilio 1: HTTP 401" in result.reason
    assert "Telnyx 2: HTTP 503" in result.reason
    result, _, _ = carried([("twilio", "unauthorised"), ("telnyx", "no-sender")])
    assert isinstance(result, Rejected), "nobody will mend a credential within a minute"


def test_without_a_provider_for_the_country_it_fails_at_once() -> None:
    ledger = remembered([("twilio", "")])
    ledger.candidates = [replace(one, countries=("+49",)) for one in ledger.candidates]
    result, _, seen = carried([("twilio", "well")], ledger)
    assert isinstance(result, Rejected)
    assert "no provider serves this number" in result.reason
    assert seen[0].requests == []
    result, _, _ = carried([("twilio", "well")], ledger, "+4915112345678")
    assert isinstance(result, Accepted)


def test_a_provider_that_fails_rests_and_is_probed() -> None:
    ledger = remembered([("twilio", ""), ("telnyx", "")])
    for _ in range(3):
        _, ledger, _ = carried([("twilio", "error"), ("telnyx", "well")], ledger)
    result, ledger, seen = carried([("twilio", "error"), ("telnyx", "well")], ledger)
    assert isinstance(result, Accepted)
    assert seen[0].requests == [], "it rests"
    ledger.later(31)
    _, ledger, seen = carried([("twilio", "error"), ("telnyx", "well")], ledger)
    assert len(seen[0].requests) == 1, "one message finds out"
    _, ledger, seen = carried([("twilio", "well"), ("telnyx", "well")], ledger)
    assert seen[0].requests == [], "it failed, so it rests for longer"
    ledger.later(61)
    for _ in range(2):
        result, ledger, seen = carried([("twilio", "well"), ("telnyx", "well")], ledger)
        assert result == Accepted("SM1", "through Twilio 1")


def test_when_all_rest_the_message_waits_for_the_first_to_wake() -> None:
    ledger = remembered([("twilio", "")])
    for _ in range(3):
        _, ledger, _ = carried([("twilio", "error")], ledger)
    ledger.later(10)
    result, _, seen = carried([("twilio", "well")], ledger)
    assert isinstance(result, TryLater)
    assert result.after_s == 20.0
    assert seen[0].requests == []


def test_one_number_does_not_get_everything() -> None:
    ledger = remembered([("twilio", "")])
    ledger.sent = (NOW,) * 5
    result, _, seen = carried([("twilio", "well")], ledger)
    assert isinstance(result, TryLater)
    assert result.after_s == 55.0
    assert seen[0].requests == []
    result, _, _ = carried([("twilio", "well")], ledger, way="voice")
    assert isinstance(result, Accepted), "only SMS are counted"


# --- what comes in ------------------------------------------------------------------------------------------------

PUBLIC = "https://tocsin.example"


def incoming(
    headers: Mapping[str, str], body: bytes, path: str = "/callbacks/main/status?h=1", public: str = PUBLIC
) -> Incoming:
    return Incoming(addresses(public, path), {name.lower(): value for name, value in headers.items()}, body, NOW)


def signed_by_twilio(url: str, form: Mapping[str, Any], token: str = "a-token") -> str:
    """What Twilio's own library computes."""
    return str(RequestValidator(token).compute_signature(url, dict(form)))


FORMS: list[dict[str, str]] = [
    {"MessageSid": "SM1", "MessageStatus": "delivered", "To": NUMBER},
    {"Body": "ACK 12 & más +%20 \r\n ü€", "From": NUMBER, "MessageSid": "SM2", "Empty": ""},
    {"CallSid": "CA1", "Digits": "4", "B": "2", "a": "1"},
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", ["/callbacks/main/status?h=1%3Aab&n=2", "/callbacks/main/status"])
def test_twilio_signature_is_twilios_own(form: dict[str, str], path: str) -> None:
    given = signed_by_twilio(PUBLIC + path, form)
    assert signature("a-token", PUBLIC + path, list(form.items())) == given
    request = incoming({"X-Twilio-Signature": given}, urlencode(form).encode(), path)
    assert kinds()["twilio"].verify(request, account("twilio"))
    assert RequestValidator("a-token").validate(PUBLIC + path, form, given)


@pytest.mark.parametrize(
    ("public", "called"),
    [
        ("https://tocsin.example", "https://tocsin.example:443/callbacks/main/status"),
        ("https://tocsin.example:443", "https://tocsin.example/callbacks/main/status"),
        ("http://tocsin.example:8700", "http://tocsin.example:8700/callbacks/main/status"),
        ("http://tocsin.example", "http://tocsin.example:80/callbacks/main/status"),
        ("https://tocsin.example/base", "https://tocsin.example/base/callbacks/main/status"),
    ],
)
def test_twilio_signature_with_and_without_the_port(public: str, called: str) -> None:
    form = {"MessageSid": "SM1"}
    request = incoming(
        {"X-Twilio-Signature": signed_by_twilio(called, form)},
        urlencode(form).encode(),
        "/callbacks/main/status",
        public,
    )
    assert kinds()["twilio"].verify(request, account("twilio"))


def test_twilio_signature_with_repeated_keys_and_over_a_body() -> None:
    url = f"{PUBLIC}/callbacks/main/status"
    body = b"A=2&A=1&A=2&MessageSid=SM1"
    many = MultiDict([("A", "2"), ("A", "1"), ("A", "2"), ("MessageSid", "SM1")])
    given = str(RequestValidator("a-token").compute_signature(url, many))
    assert signature("a-token", url, [("A", "2"), ("A", "1"), ("A", "2"), ("MessageSid", "SM1")]) == signature(
        "a-token", url, [("A", "1"), ("A", "2"), ("MessageSid", "SM1")]
    )
    assert kinds()["twilio"].verify(
        incoming({"X-Twilio-Signature": given}, body, "/callbacks/main/status"), account("twilio")
    )
    digest = RequestValidator("a-token").compute_hash("{}")
    path = f"/callbacks/main/status?bodySHA256={digest}"
    headers = {"X-Twilio-Signature": signed_by_twilio(PUBLIC + path, {})}
    assert kinds()["twilio"].verify(incoming(headers, b"{}", path), account("twilio"))
    assert not kinds()["twilio"].verify(incoming(headers, b"{ }", path), account("twilio"))


def telnyx_headers(body: bytes, at: int = int(NOW.timestamp())) -> dict[str, str]:
    made = KEY.sign(str(at).encode() + b"|" + body)
    return {"telnyx-timestamp": str(at), "telnyx-signature-ed25519": base64.b64encode(made).decode()}


def gateway_headers(
    body: bytes, target: str = "status?h=1", secret: str = "a-token", at: float = NOW.timestamp()
) -> dict[str, str]:
    return {signed.HEADER: signed.signature(secret, target, body, at)}


FORGED: list[dict[str, str]] = [
    {},
    {"X-Twilio-Signature": "", "telnyx-timestamp": "", "telnyx-signature-ed25519": ""},
    {"X-Twilio-Signature": "ü", "telnyx-timestamp": "²", "telnyx-signature-ed25519": "%%%"},
    {"X-Twilio-Signature": signed_by_twilio(f"{PUBLIC}/callbacks/main/status?h=1", FORMS[0], "other")},
    {"X-Twilio-Signature": signed_by_twilio(f"{PUBLIC}/callbacks/main/status?h=2", FORMS[0])},
    {"X-Twilio-Signature": signed_by_twilio(f"{PUBLIC}/callbacks/main/status?h=1", FORMS[1])},
    gateway_headers(b"other"),
    gateway_headers(urlencode(FORMS[0]).encode(), "status?h=2"),
    gateway_headers(urlencode(FORMS[0]).encode(), "voice?h=1"),
    gateway_headers(urlencode(FORMS[0]).encode(), secret="another"),
    gateway_headers(urlencode(FORMS[0]).encode(), at=NOW.timestamp() - 301),
    gateway_headers(urlencode(FORMS[0]).encode(), at=NOW.timestamp() + 301),
    telnyx_headers(b"other"),
    telnyx_headers(urlencode(FORMS[0]).encode(), int(NOW.timestamp()) - 301),
    telnyx_headers(urlencode(FORMS[0]).encode(), int(NOW.timestamp()) + 301),
    {**telnyx_headers(urlencode(FORMS[0]).encode()), "telnyx-timestamp": str(int(NOW.timestamp()) + 1)},
]


@pytest.mark.parametrize("headers", FORGED)
@pytest.mark.parametrize(("name", "kind"), ALL)
def test_forged_signatures(name: str, kind: Provider, headers: dict[str, str]) -> None:
    assert not kind.verify(incoming(headers, urlencode(FORMS[0]).encode()), account(name))


@pytest.mark.parametrize("body", [b"\xff\xfe", b"no form", b"=&=", b"a" * 5000, b"&".join([b"a=1"] * 500), b""])
@pytest.mark.parametrize("what", ["status", "message", "voice"])
@pytest.mark.parametrize(("name", "kind"), ALL)
def test_what_cannot_be_read_is_no_fault_of_ours(name: str, kind: Provider, what: str, body: bytes) -> None:
    request = incoming({"X-Twilio-Signature": "x"}, body)
    kind.verify(request, account(name))
    with suppress(ValueError):
        kind.parse(what, request)


def test_telnyx_is_believed_when_it_signed() -> None:
    body = urlencode(FORMS[0]).encode()
    assert kinds()["telnyx"].verify(incoming(telnyx_headers(body), body), account("telnyx"))


def parsed(kind: str, what: str, body: dict[str, Any]) -> list[Any]:
    raw = json.dumps(body).encode() if "data" in body else urlencode(body).encode()
    return kinds()[kind].parse(what, incoming({}, raw))


def test_what_twilio_tells() -> None:
    assert parsed("twilio", "status", {"MessageSid": "S", "MessageStatus": "delivered"}) == [
        StatusUpdate("S", "delivered")
    ]
    assert parsed("twilio", "status", {"MessageSid": "S", "MessageStatus": "undelivered", "ErrorCode": "30003"}) == [
        StatusUpdate("S", "failed", "undelivered, error 30003")
    ]
    assert parsed("twilio", "status", {"MessageSid": "S", "MessageStatus": "queued"}) == []
    assert parsed("twilio", "message", {"MessageSid": "S", "From": NUMBER, "Body": "ack"}) == [
        Reply(NUMBER, "ack", "S")
    ]
    assert parsed("twilio", "voice", {"CallSid": "C", "Digits": "4"}) == [Heard("C", "4")]
    assert parsed("twilio", "voice", {"CallSid": "C", "AnsweredBy": "machine_end_beep"}) == [Heard("C", "", True)]
    assert parsed("twilio", "status", {"CallSid": "C", "CallStatus": "busy"}) == [
        StatusUpdate("C", "failed", "the line was busy")
    ]
    assert parsed("twilio", "status", {"CallSid": "C", "CallStatus": "completed", "AnsweredBy": "machine_start"}) == [
        StatusUpdate("C", "failed", "an answering machine took the call", True)
    ]
    assert parsed("twilio", "status", {"CallSid": "C", "CallStatus": "completed"}) == [StatusUpdate("C", "delivered")]


def test_a_gateway_is_believed_when_it_signed() -> None:
    body = b'{"ref": "S"}'
    for public in (PUBLIC, f"{PUBLIC}:443", "http://tocsin.example/base"):
        request = incoming(gateway_headers(body), body, public=public)
        assert kinds()["gateway"].verify(request, account("gateway"))
    assert not kinds()["gateway"].verify(incoming(gateway_headers(body), body), replace(account("gateway"), secret=""))


def test_what_a_gateway_tells() -> None:
    def told(what: str, **body: object) -> list[Any]:
        return kinds()["gateway"].parse(what, incoming({}, json.dumps(body).encode()))

    assert told("status", ref="S", state="delivered") == [StatusUpdate("S", "delivered")]
    assert told("status", ref="S", state="failed", reason="busy") == [StatusUpdate("S", "failed", "busy")]
    assert told("status", ref="S", state="queued") == []
    assert told("message", ref="S", sender=NUMBER, text="ack 12") == [Reply(NUMBER, "ack 12", "S")]
    assert told("voice", ref="C") == [Heard("C")]
    assert told("voice", ref="C", keys="4") == [Heard("C", "4")]
    for what in ("status", "message", "voice"):
        with pytest.raises(ValueError, match="no ref"):
            told(what, state="delivered")
    with pytest.raises(ValueError, match="no sender"):
        told("message", ref="S", text="ack")
    turn = Turn("Press 4.", "https://t.example/callbacks/x/voice?h=1&n=2", "")
    assert json.loads(kinds()["gateway"].say(turn, account("gateway"))[1]) == {
        "text": "Press 4.", "listen_url": turn.listen_url, "again_url": "",
    }  # fmt: skip
    assert json.loads(kinds()["gateway"].answer("Done.")[1]) == {"text": "Done."}


def test_what_telnyx_tells() -> None:
    def event(kind: str, **payload: object) -> dict[str, Any]:
        return {"data": {"event_type": kind, "payload": {"id": "S", **payload}}}

    assert parsed("telnyx", "status", event("message.finalized", to=[{"status": "delivered"}])) == [
        StatusUpdate("S", "delivered")
    ]
    assert parsed("telnyx", "status", event("message.finalized", to=[{"status": "delivery_failed"}])) == [
        StatusUpdate("S", "failed", "undelivered: delivery failed")
    ]
    assert parsed("telnyx", "status", event("message.sent", to=[{"status": "sent"}])) == []
    told = event("message.received", **{"from": {"phone_number": NUMBER}, "text": "ack"})
    assert parsed("telnyx", "message", told) == [Reply(NUMBER, "ack", "S")]
    with pytest.raises(ValueError, match="no event of Telnyx's"):
        parsed("telnyx", "status", {"data": {}})
    assert parsed("telnyx", "voice", {"CallSid": "C", "Digits": "6"}) == [Heard("C", "6")]


# --- TwiML --------------------------------------------------------------------------------------------------------


def canonical(xml: str) -> str:
    return ElementTree.canonicalize(xml, strip_text=True)


@pytest.mark.parametrize("text", ["Press 4.", "<b> & \"quotes\" 'and' ü €", "\x00control\x1b"])
def test_twiml_is_what_twilios_library_writes(text: str) -> None:
    media, body = kinds()["twilio"].say(
        Turn(text, "https://t.example/?a=1&n=2", "https://t.example/?n=3"), account("twilio")
    )
    assert media.startswith("text/xml")
    said = text.replace("\x00", " ").replace("\x1b", " ")
    wanted = VoiceResponse()
    gather = Gather(
        action="https://t.example/?a=1&n=2", method="POST", input="dtmf", num_digits=1, finish_on_key="", timeout=6
    )
    gather.say(said, language="en-GB")
    wanted.append(gather)
    wanted.redirect("https://t.example/?n=3", method="POST")
    assert canonical(body) == canonical(str(wanted))

    _, body = kinds()["twilio"].say(Turn(text), account("twilio"))
    wanted = VoiceResponse()
    wanted.say(said, language="en-GB")
    wanted.hangup()
    assert canonical(body) == canonical(str(wanted))

    _, body = kinds()["twilio"].answer(text)
    answer = MessagingResponse()
    answer.message(said)
    assert canonical(body) == canonical(str(answer))
    assert canonical(kinds()["twilio"].answer("")[1]) == canonical(str(MessagingResponse()))
