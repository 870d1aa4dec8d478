"""One suite for every channel that is installed: whatever a provider does, a typed result comes back, in time."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from importlib import import_module
from typing import Any

import pytest

from tests.contracts import push_service
from tests.contracts.channel_servers import TWILIO, Seen, http_server, smtp_server
from tests.contracts.phone_accounts import carrying
from tocsin.delivery import actions
from tocsin.delivery.contract import (
    Accepted,
    Channel,
    Context,
    Message,
    Method,
    Rejected,
    Result,
    TryLater,
)
from tocsin.delivery.models import Attempt
from tocsin.delivery.queries import channels
from tocsin.delivery.rules import Settled
from tocsin.delivery.tests.conftest import World
from tocsin.delivery.tests.conftest import world as world
from tocsin.platform import outbound
from tocsin.testing.channels import (
    AT,
    BUNDLE,
    EXPECTED,
    MESSAGES,
    PAGE,
    RESOLVED,
    TEST,
    Meeting,
    check_badly,
    check_descriptor,
    check_well,
    free_port,
    over_http,
)
from tocsin.testing.channels import send as send_through

# --- how each channel meets a server: a channel without an entry fails the suite ----------------------------------

SMTP_BEHAVIOUR: dict[str, Callable[[str], str | None]] = {
    "well": lambda command: None,
    "not-found": lambda command: "550 5.1.1 no such user" if command == "RCPT" else None,
    "unauthorised": lambda command: "530 5.7.0 authentication required" if command == "MAIL" else None,
    "error": lambda command: "451 4.3.0 trouble" if command == "BODY" else None,
    "unavailable": lambda command: "421 4.3.2 not now" if command == "CONNECT" else None,
    "too-many": lambda command: "450 4.7.1 slow down" if command == "RCPT" else None,
    "silent": lambda command: "silent" if command == "BODY" else None,
    "drip": lambda command: "silent" if command == "MAIL" else None,
    "reset": lambda command: "reset" if command == "BODY" else None,
    "cut": lambda command: "reset" if command == "CONNECT" else None,
    "garbage": lambda command: "\x16\x03 what" if command == "CONNECT" else None,
    "bad-length": lambda command: "what?" if command == "MAIL" else None,
}


@asynccontextmanager
async def over_smtp(behaviour: str) -> AsyncIterator[tuple[Method, dict[str, Any], Seen]]:
    method = Method("ada@example.org", user_id=1, id=5)
    if behaviour == "refused":
        yield method, {"smtp_url": f"smtp://127.0.0.1:{free_port()}"}, Seen()
    elif behaviour == "no-host":
        yield method, {"smtp_url": "smtp://no-such-host.invalid:25"}, Seen()
    else:
        async with smtp_server(SMTP_BEHAVIOUR[behaviour]) as seen:
            yield method, {"smtp_url": f"smtp://127.0.0.1:{seen.port}"}, seen


@asynccontextmanager
async def in_pocket(behaviour: str) -> AsyncIterator[tuple[Method, dict[str, Any], Seen]]:
    seen = Seen()

    async def keep(message: Message, method: Method) -> str:
        if behaviour != "well":
            raise OSError("the database is away")
        seen.requests.append(("keep", {}, message.title.encode()))
        return "pocket-1"

    yield Method("phone", user_id=1, id=5), {"keep": keep}, seen


BROWSER = push_service.Browser()
OURS = push_service.Keys()


@asynccontextmanager
async def over_push(behaviour: str) -> AsyncIterator[tuple[Method, dict[str, Any], Seen]]:
    public = push_service.text(OURS.public)

    async def push_key(asked: str) -> str:
        return OURS.secret if asked == public else ""

    async with over_http("http://{host}:{port}/wp/abc")(behaviour) as (method, extra, seen):
        origin = method.address.removesuffix("/wp/abc")
        seen.reads = lambda headers, body: push_service.receive(headers, body, BROWSER, OURS.public, origin)
        yield replace(method, secret=BROWSER.secret, config={"key": public}), extra | {"push_key": push_key}, seen


@asynccontextmanager
async def over_unified_push(behaviour: str) -> AsyncIterator[tuple[Method, dict[str, Any], Seen]]:
    """An app that gave keys may still be sent to without them, or without our signature."""
    async with over_push(behaviour) as (method, extra, seen):
        whole = seen.reads

        def reads(headers: dict[str, str], body: bytes) -> bytes:
            if "content-encoding" not in headers:
                return body
            return whole(headers, body) if "authorization" in headers else BROWSER.open(body)

        seen.reads = reads
        yield method, extra, seen


@asynccontextmanager
async def through_a_provider(behaviour: str) -> AsyncIterator[tuple[Method, dict[str, Any], Seen]]:
    """SMS and calls go through Twilio here; the other kinds are met in test_providers.py."""
    method = Method("+41791234567", user_id=1, id=5)
    if behaviour in ("refused", "no-host"):
        host = f"127.0.0.1:{free_port()}" if behaviour == "refused" else "no-such-host.invalid"
        async with carrying([("twilio", f"http://{host}")]) as carrier:
            yield method, {"carry": carrier.carry}, Seen()
        return
    async with (
        http_server(behaviour, TWILIO) as seen,
        carrying([("twilio", f"http://127.0.0.1:{seen.port}")], seen) as carrier,
    ):
        yield method, {"carry": carrier.carry}, seen


MEETINGS: dict[str, Meeting] = {
    "email": over_smtp,
    "webhook": over_http("http://{host}:{port}/hook?x=1"),
    "ntfy": over_http("http://{host}:{port}/topic"),
    "apprise": over_http("gotify://{host}:{port}/token"),
    "pocket": in_pocket,
    "webpush": over_push,
    "unifiedpush": over_unified_push,
    "sms": through_a_provider,
    "voice": through_a_provider,
}
ALL = list(channels().items())


def meeting_of(kind: str, channel: Channel) -> tuple[Meeting, set[str]]:
    """How a channel meets a server, and what such a server cannot do: as above, or as its own tests say (``MEET`` and
    ``NEVER`` in ``tests/meeting.py`` beside it), so that a new channel is one folder and nothing else."""
    if kind in MEETINGS:
        return MEETINGS[kind], NEVER.get(kind, set())
    own = import_module(f"{type(channel).__module__.rpartition('.')[0]}.tests.meeting")
    return own.MEET, set(own.NEVER)


def send(kind: str, channel: Channel, behaviour: str, message: Message = PAGE, **method: Any) -> tuple[Result, Seen]:
    return send_through(meeting_of(kind, channel)[0], channel, behaviour, message, **method)


@pytest.mark.parametrize(("kind", "channel"), ALL)
def test_descriptor_is_complete(kind: str, channel: Channel) -> None:
    assert channel.descriptor.kind == kind
    check_descriptor(channel)


@pytest.mark.parametrize("message", MESSAGES.values(), ids=list(MESSAGES))
@pytest.mark.parametrize(("kind", "channel"), ALL)
def test_well(kind: str, channel: Channel, message: Message) -> None:
    check_well(channel, meeting_of(kind, channel)[0], message)


# what cannot happen to a channel: SMTP knows no redirects, Apprise reads no body of this service's answer, and the
# pocket has the database in place of a server
NEVER: dict[str, set[str]] = {
    "email": {"redirect"},
    "apprise": {"bad-length", "cut", "drip"},
    "pocket": {name for name, _ in EXPECTED} - {"reset"},
}
BADLY = [
    pytest.param(kind, channel, name, expected, id=f"{kind}-{name}")
    for kind, channel in ALL
    for name, expected in EXPECTED
    if name not in meeting_of(kind, channel)[1]
]


OUTCOMES: dict[type[Result], tuple[str, str]] = {TryLater: ("try_later", "pending"), Rejected: ("rejected", "failed")}


def kept(world: World, kind: str, result: Result) -> tuple[str, str, str]:
    """What the database says after a page ended so: the attempt's outcome and detail, the delivery's state."""
    user = world.person()
    [number] = world.enqueue(world.page(world.incident(), user), [world.method(user, kind)])
    [claimed] = actions.claim(channels={kind: 1})
    actions.settle([Settled(claimed, result, 0.0, 0.1)])
    attempt = Attempt.objects.get(delivery_id=number)
    return attempt.outcome, attempt.detail, attempt.delivery.state


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "channel", "behaviour", "expected"), BADLY)
def test_badly(kind: str, channel: Channel, behaviour: str, expected: type[Result], world: World) -> None:
    result = check_badly(channel, meeting_of(kind, channel)[0], behaviour, expected)
    assert isinstance(result, TryLater | Rejected)
    outcome, state = OUTCOMES[expected]
    assert kept(world, kind, result) == (outcome, result.reason, state)


@pytest.mark.parametrize("behaviour", ["too-many", "too-many-until", "unavailable"])
@pytest.mark.parametrize("kind", ["webhook", "ntfy", "webpush", "unifiedpush"])
def test_retry_after_is_heeded(kind: str, behaviour: str) -> None:
    result, _ = send(kind, channels()[kind], behaviour)
    assert isinstance(result, TryLater)
    assert result.after_s == 7.0


@pytest.mark.parametrize("behaviour", ["endless", "chunked"])
def test_unusual_bodies(behaviour: str) -> None:
    result, _ = send("webhook", channels()["webhook"], behaviour)
    assert isinstance(result, Accepted)


@pytest.mark.parametrize("kind", ["webhook", "ntfy", "apprise", "webpush", "unifiedpush"])
@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]", "192.168.1.1"])
def test_our_own_network_is_refused(kind: str, host: str) -> None:
    scheme = "gotify" if kind == "apprise" else "http"
    result, _ = send(kind, channels()[kind], "well", address=f"{scheme}://{host}/topic")
    assert isinstance(result, Rejected)
    assert "TOCSIN_OUTBOUND_ALLOW" in result.reason


# --- what is sent -------------------------------------------------------------------------------------------------


def test_webhook_is_signed_over_the_raw_body() -> None:
    _, seen = send("webhook", channels()["webhook"], "well", secret="shh", config={"authorization": "Bearer abc"})
    line, headers, body = seen.requests[0]
    assert line == "POST /hook?x=1 HTTP/1.1"
    assert headers["x-pagerduty-signature"] == "v1=" + hmac.new(b"shh", body, hashlib.sha256).hexdigest()
    assert headers["x-webhook-id"] == headers["idempotency-key"] == PAGE.key
    assert headers["authorization"] == "Bearer abc"
    assert headers["content-type"] == "application/json"
    event = json.loads(body)["event"]
    assert (event["event_type"], event["resource_type"]) == ("incident.triggered", "incident")
    assert event["occurred_at"] == "2026-11-23T08:00:00.123Z"
    data = event["data"]
    assert (data["number"], data["status"], data["urgency"]) == (12, "triggered", "high")
    assert data["title"] == "Checkout is döwn <b>"
    assert data["service"]["summary"] == "Checkout"
    assert event["tocsin"]["links"]["acknowledge"] == "http://t.example/a/AAA:1"


def test_webhook_without_a_secret_is_not_signed() -> None:
    _, seen = send("webhook", channels()["webhook"], "well")
    assert "x-pagerduty-signature" not in seen.requests[0][1]


def test_webhook_kinds() -> None:
    def event(message: Message) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(send("webhook", channels()["webhook"], "well", message)[1].requests[0][2])[
            "event"
        ]
        return body

    assert event(RESOLVED)["event_type"] == "incident.resolved"
    assert event(TEST)["event_type"] == "pagey.ping"
    many = event(BUNDLE)
    assert many["data"]["type"] == "incident_list"
    assert len(many["data"]["incidents"]) == 2


def test_ntfy_has_buttons_and_a_token() -> None:
    _, seen = send("ntfy", channels()["ntfy"], "well", secret="tk_x")
    line, headers, body = seen.requests[0]
    assert line == "POST / HTTP/1.1"
    assert headers["authorization"] == "Bearer tk_x"
    said = json.loads(body)
    assert (said["topic"], said["priority"], said["click"]) == ("topic", 5, "http://t.example/incidents/12/")
    assert [(item["action"], item["label"], item["method"]) for item in said["actions"]] == [
        ("http", "Acknowledge", "POST"), ("http", "Resolve", "POST"), ("http", "Escalate", "POST"),
    ]  # fmt: skip


def test_ntfy_knows_its_own_answers() -> None:
    result, _ = send("ntfy", channels()["ntfy"], "endless")
    assert isinstance(result, TryLater)
    assert "not ntfy's" in result.reason


def test_apprise_closed_schemes_and_nonsense() -> None:
    for address in ("json://127.0.0.1/", "syslog://", "nonsense://x"):
        result, _ = send("apprise", channels()["apprise"], "well", address=address)
        assert isinstance(result, Rejected), address


def mail(message: Message = PAGE) -> EmailMessage:
    _, seen = send("email", channels()["email"], "well", message)
    parsed = message_from_bytes(seen.requests[0][2], policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_mail_can_be_read() -> None:
    parsed = mail()
    assert parsed.defects == []
    assert parsed["Subject"] == PAGE.title
    assert parsed["To"] == "ada@example.org"
    assert parsed["From"].addresses[0].addr_spec == "tocsin@t.example"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["Date"].datetime.replace(microsecond=0) == AT.replace(microsecond=0)
    plain, rich = parsed.get_body(["plain"]), parsed.get_body(["html"])
    assert plain is not None
    assert rich is not None
    assert "Acknowledge: http://t.example/a/AAA:1" in plain.get_content()
    assert "Checkout is döwn &lt;b&gt;" in rich.get_content()
    assert 'href="http://t.example/a/AAA:1"' in rich.get_content()


def test_mails_of_one_incident_are_one_thread_and_attempts_are_one_mail() -> None:
    page, again, over = mail(), mail(), mail(RESOLVED)
    assert page["Message-ID"] == again["Message-ID"] != over["Message-ID"]
    assert page["References"] == over["References"] == over["In-Reply-To"]
    assert page["References"].startswith("<incident-12.")


def test_mail_headers_cannot_be_injected() -> None:
    result, seen = send("email", channels()["email"], "well", replace(PAGE, title="One\nBcc: all@example.org"))
    assert isinstance(result, Rejected)
    assert seen.requests == []


def test_mail_connections_are_used_again() -> None:
    channel = channels()["email"]

    async def work() -> int:
        commands: list[str] = []

        def note(command: str) -> None:
            commands.append(command)

        async with smtp_server(note) as seen:
            context = Context(
                http=outbound.Client(), public_url="http://t.example", smtp_url=f"smtp://127.0.0.1:{seen.port}",
                email_from="t@t.example",
            )  # fmt: skip
            for _ in range(3):
                assert isinstance(await channel.send(PAGE, Method("ada@example.org"), context), Accepted)
            await channel.close()
        return commands.count("CONNECT")

    assert asyncio.run(work()) == 1
