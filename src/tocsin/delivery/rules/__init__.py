"""Decisions about deliveries: order, patience, bundling, and the words of a message.

Pure: plain values in, plain values out.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.delivery.contract import Accepted, Delivered, IncidentFacts, Link, Message, Rejected, Result
from tocsin.escalation.rules import PageReason
from tocsin.incidents.rules import public_title
from tocsin.platform import moments

# --- what happened (see project/reactions.py for what follows) ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class PagesFailed:
    """No contact method of these pages' people worked: nobody has been reached by them."""

    page_ids: tuple[int, ...]


# --- what goes in and out of the outbox ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A message to put into the outbox.

    kind           ``page``, ``resolved``, ``test``, ``notice``, ``code`` or ``check``
    generation     the incident's when the page was planned; None: not fenced
    rule_position  which of the person's notification rules
    rank           see ``rank_of``
    delay_s        seconds to wait before it is sent
    key            idempotency key, unique for ever; a second delivery with the same key is not made
    """

    kind: str
    key: str
    channel: str
    address: str
    page_id: int | None = None
    incident_id: int | None = None
    generation: int | None = None
    user_id: int | None = None
    contact_method_id: int | None = None
    rule_position: int = 0
    rank: int = 50
    delay_s: float = 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to send until its lease ends. ``at``: when it was claimed, by the database's clock."""

    id: int
    claim: int
    kind: str
    key: str
    page_id: int | None
    incident_id: int | None
    generation: int | None
    user_id: int | None
    contact_method_id: int | None
    channel: str
    address: str
    rank: int
    number: int
    urgency: str
    at: datetime
    reason: str = ""  # why it was put back into the outbox, if it was


@dataclass(frozen=True, slots=True)
class Release:
    """Not tried after all (we stop, or it waited too long in line): back into the outbox for so many seconds, not
    counted as an attempt."""

    reason: str = ""
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of a claimed delivery. ``took_s``: from claim to outcome; ``waited_s``: from claim to the try."""

    delivery: Claimed
    result: Result | Release
    waited_s: float
    took_s: float


# --- order --------------------------------------------------------------------------------------------------------

PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
TEST_RANK = 5
RESOLVED_RANK = 30
NOTICE_RANK = 31


def rank_of(priority: str, *, first: bool) -> int:
    """Place in the queue, lower first: first pages of incidents by priority (0 to 4), then all other pages (10 to 14).

    A test (5) goes between them because somebody is looking at the screen; notices of resolution (30) and others (31)
    come last.
    """
    place = PRIORITIES.index(priority) if priority in PRIORITIES else 2
    return place if first else 10 + place


# --- patience -----------------------------------------------------------------------------------------------------

# Waits between attempts, seconds. Loud: five tries within a minute, because the next contact method and the next step
# wait for the verdict. Quiet: seven tries within about eight hours, because nobody is to be woken by the next one.
BACK_OFF: dict[str, tuple[float, ...]] = {
    "high": (2, 5, 15, 30),
    "low": (10, 60, 300, 900, 3600, 21600),
}
# A provider that asks for more patience than this has failed: somebody else may still reach the person in time.
LONGEST_WAIT = {"high": 60.0, "low": 6 * 3600.0}


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after this many seconds."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Over:
    """It is over: ``state`` delivered, accepted or failed."""

    state: str
    reason: str = ""


def after(result: Result, *, number: int, urgency: str, delivery_id: int = 0) -> Again | Over:
    """What follows from the result of attempt ``number`` (from 1).

    Waits are spread by up to a tenth, by the delivery's id, so that a thousand failures do not come back as one.
    """
    if isinstance(result, Delivered):
        return Over("delivered")
    if isinstance(result, Accepted):
        return Over("accepted")
    if isinstance(result, Rejected):
        return Over("failed", result.reason)
    waits = BACK_OFF.get(urgency, BACK_OFF["high"])
    if number > len(waits):
        return Over("failed", f"given up after {number} attempts: {result.reason}")
    longest = LONGEST_WAIT.get(urgency, LONGEST_WAIT["high"])
    if result.after_s is not None and result.after_s > longest:
        return Over("failed", f"asked to wait {result.after_s:.0f} s, which is too long: {result.reason}")
    wait = waits[number - 1] * (1 + (zlib.crc32(str(delivery_id).encode()) % 100) / 1000)
    return Again(max(wait, result.after_s or 0.0))


def after_unknown(*, number: int, urgency: str) -> Again | Over:
    """What follows when a lease ran out: nobody knows whether it was sent, so it is sent again, at once.

    Not without end: a delivery that kills its sender every time is given up like any other.
    """
    if number > len(BACK_OFF.get(urgency, BACK_OFF["high"])):
        return Over("failed", f"given up after {number} attempts: the sender died each time")
    return Again(0.0)


# --- ringing again ------------------------------------------------------------------------------------------------

AGAIN = ":again:"


def again(delivery: Claimed, waits: Sequence[float]) -> NewDelivery | None:
    """The same page once more, for a device that rings once; None when it was repeated often enough.

    It has the page's generation, so that any answer drops it like every page that waits.
    """
    key, _, times = delivery.key.partition(AGAIN)
    done = int(times) if times.isdecimal() else 0
    if delivery.kind != "page" or delivery.urgency != "high" or delivery.generation is None or done >= len(waits):
        return None
    return NewDelivery(
        kind="page",
        key=f"{key}{AGAIN}{done + 1}",
        channel=delivery.channel,
        address=delivery.address,
        page_id=delivery.page_id,
        incident_id=delivery.incident_id,
        generation=delivery.generation,
        user_id=delivery.user_id,
        contact_method_id=delivery.contact_method_id,
        rank=delivery.rank if delivery.rank >= 10 else delivery.rank + 10,
        delay_s=waits[done],
    )


# --- bundling -----------------------------------------------------------------------------------------------------


def bundles(count: int, *, size: int, alone_first: bool) -> list[int]:
    """How many deliveries go into each message when ``count`` wait for one contact method.

    ``alone_first``: the person has heard nothing from us just now, so the first page goes out alone and at once.
    """
    parts = []
    if alone_first and count:
        parts.append(1)
        count -= 1
    while count > 0:
        parts.append(min(size, count))
        count -= parts[-1]
    return parts


# --- words --------------------------------------------------------------------------------------------------------

LINK_VERBS = ("acknowledge", "resolve", "escalate")
LINK_TEXT = {"view": "Open", "acknowledge": "Acknowledge", "resolve": "Resolve", "escalate": "Escalate"}
LINK_HOURS = 24
TITLE_LENGTH = 150


def cut(text: str, length: int) -> str:
    """The text on one line, at most ``length`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def redacted(incident: IncidentFacts) -> IncidentFacts:
    """What may leave the house of a confidential incident: its number, state and priority, and where to read more."""
    return replace(
        incident, title=public_title(incident.id), service_id=0, service="", alert_count=0, acknowledged_by="",
        confidential=True,
    )  # fmt: skip


def _drill(drill: bool) -> str:
    return "[DRILL] " if drill else ""


def title_of_page(incident: IncidentFacts) -> str:
    """The title of a page: what a lock screen or an SMS must say."""
    if incident.confidential:
        return f"{_drill(incident.drill)}{incident.title}"
    return cut(
        f"{_drill(incident.drill)}{incident.priority} {incident.service}: {incident.title} ({incident.number})",
        TITLE_LENGTH,
    )


def title_of_resolved(incident: IncidentFacts) -> str:
    """The title of a notice of resolution."""
    if incident.confidential:
        return f"{_drill(incident.drill)}Resolved: {incident.title}"
    return cut(
        f"{_drill(incident.drill)}Resolved: {incident.service}: {incident.title} ({incident.number})", TITLE_LENGTH
    )


def body_of_page(incident: IncidentFacts, *, why: str, others: Sequence[str], zone: str = "UTC") -> str:
    """The text of a page: what is wrong, since when, why you, who else. Moments as people of the IANA ``zone`` read
    them. Of a confidential incident only that somebody must look."""
    if incident.confidential:
        first = "This is a drill.\n" if incident.drill else ""
        return f"{first}{incident.title}\n{incident.priority}. Sign in to read what it is about."
    alerts = f", {incident.alert_count} alerts" if incident.alert_count > 1 else ""
    since = moments.absolute(incident.opened_at, zone, now=incident.opened_at, seconds=False)
    lines = [
        incident.title,
        f"{incident.priority} on {incident.service}{alerts}, since {since}.",
    ]
    if incident.drill:
        lines.insert(0, "This is a drill.")
    if why:
        lines.append(f"You are paged because: {moments.localised(why, zone)}.")
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        lines.append(f"Also paged: {', '.join(others[:5])}{more}.")
    return "\n".join(lines)


def body_of_resolved(incident: IncidentFacts) -> str:
    """The text of a notice of resolution."""
    first = "This is a drill.\n" if incident.drill else ""
    if incident.confidential:
        return f"{first}{incident.title} is {incident.state}. Nothing more to do."
    return f"{first}{incident.title}\n{incident.number} on {incident.service} is {incident.state}. Nothing more to do."


def why_of(reason: object) -> str:
    """One clause out of a page's recorded reason (escalation.rules.PageReason as JSON): policy, step, schedule ...

    Lenient on purpose: a page is sent even when its reason cannot be read.
    """
    if not isinstance(reason, dict):
        return ""
    try:
        text = PageReason.from_json(reason).text
    except (KeyError, TypeError, ValueError, AttributeError):
        text = str(reason.get("text") or reason.get("why") or "")
    return cut(text, 250).rstrip(".")


def trial_message(*, key: str, at: datetime, to: str, url: str, delivery_id: int = 0, received: str = "") -> Message:
    """A test: it says so, and asks for nothing. ``received``: where a device that can tells that it came."""
    links = [Link("view", "Open Tocsin", url)]
    if received:
        links.append(Link("received", "It came", received))
    return Message(
        kind="test",
        about="test",
        key=key,
        title="Test from Tocsin",
        body="This is a test. If you can read it, Tocsin can reach you here. Nothing is wrong.",
        at=at,
        to=to,
        links=tuple(links),
        loud=False,
        delivery_ids=(delivery_id,) if delivery_id else (),
    )


def notice_message(
    *, key: str, title: str, body: str, at: datetime, to: str, url: str, delivery_id: int = 0
) -> Message:
    """A notice: something to know that nobody is woken for."""
    return Message(
        kind="notice",
        about="notice",
        key=key,
        title=cut(title, TITLE_LENGTH),
        body=body,
        at=at,
        to=to,
        links=(Link("view", "Open", url),),
        loud=False,
        delivery_ids=(delivery_id,) if delivery_id else (),
    )


def code_message(
    *, key: str, code: str, minutes: int, at: datetime, to: str, url: str, confirm: str, delivery_id: int
) -> Message:
    """The code that proves that somebody reads what arrives here; ``confirm``: the link that says the same."""
    return Message(
        kind="test",
        about="test",
        key=key,
        title=f"{code} is your Tocsin code",
        body=f"Enter {code} where you asked for it, within {minutes} minutes, or follow the link. "
        "If you did not ask for it, do nothing.",
        at=at,
        to=to,
        links=(Link("confirm", "It reached me", confirm), Link("view", "Open Tocsin", url)),
        loud=False,
        delivery_ids=(delivery_id,),
    )


def check_message(*, key: str, days: int, at: datetime, to: str, url: str, confirm: str, delivery_id: int) -> Message:
    """The question whether a contact method still reaches its person."""
    return Message(
        kind="test",
        about="test",
        key=key,
        title="Does Tocsin still reach you here?",
        body="Nothing has been answered here for a month. Follow the link to say that it reaches you. Without an "
        f"answer within {days} days it counts as not verified, and whoever relies on it is told.",
        at=at,
        to=to,
        links=(Link("confirm", "It reaches me", confirm), Link("view", "Open Tocsin", url)),
        loud=False,
        delivery_ids=(delivery_id,),
    )


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a browser says when it subscribes to web push. ``key``: the public half of our pair that it was given."""

    endpoint: str
    p256dh: str
    auth: str
    key: str


def subscription_keys(secret: str) -> tuple[str, str]:
    """The two keys of a subscription out of a contact method's secret: the browser's public key, and the shared one."""
    p256dh, _, auth = secret.partition(".")
    return p256dh, auth


WEBHOOK = "webhook"


@dataclass
class WebhookSpec:
    """A webhook that policies call, as people write it. ``team`` is a slug or empty; ``slug`` empty: of the name.

    ``secret`` and ``authorization`` go in and never come out; None: leave what is stored. ``format``: pagerduty or
    cloudevents.
    """

    name: str
    url: str
    slug: str = ""
    team: str = ""
    secret: str | None = None
    authorization: str | None = None
    enabled: bool = True
    format: str = "pagerduty"


def webhook_key(page_id: int, webhook_id: int, extra: str = "") -> str:
    """The idempotency key of a delivery to a webhook; it names the webhook."""
    return f"webhook:{webhook_id}:{page_id}{extra}"


def webhook_id(key: str) -> int | None:
    """Which webhook a delivery's key names."""
    parts = key.split(":")
    return int(parts[1]) if len(parts) > 2 and parts[0] == WEBHOOK and parts[1].isdecimal() else None


def notice_id(key: str) -> int | None:
    """Which notice a delivery's key names."""
    parts = key.split(":")
    return int(parts[1]) if len(parts) == 3 and parts[0] == "notice" and parts[1].isdecimal() else None


def bundle(messages: Sequence[Message], *, key: str, url: str, acknowledge: str = "") -> Message:
    """Several messages to one contact method as one; each keeps its incident, titles come in the order given.

    ``url``: where all incidents are listed; ``acknowledge``: the address of a link that acknowledges all of them.
    """
    first = messages[0]
    incidents = tuple(incident for message in messages for incident in message.incidents)
    drills = sum(message.drill for message in messages)
    count = len(messages)
    if first.about == "resolved":
        title = f"{count} incidents are over"
    elif first.about == "notice":
        title = f"{count} notices: {cut(first.title, 100)}"
    else:
        worst = min((incident.priority for incident in incidents), default="")
        title = f"{count} more incidents, worst {worst}" if worst else f"{count} more incidents"
    if drills:
        title = "[DRILL] " + title if drills == count else f"{title} ({drills} of them a drill)"
    shown = [message.title for message in messages[:20]]
    if count > len(shown):
        shown.append(f"... and {count - len(shown)} more")
    links = [Link("view", "Open the list", url)]
    if acknowledge:
        links.append(Link("acknowledge", f"Acknowledge all {count}", acknowledge))
    return Message(
        kind="bundle",
        about=first.about,
        key=key,
        title=title,
        body="\n".join(shown),
        at=first.at,
        to=first.to,
        incidents=incidents,
        links=tuple(links),
        why=first.why,
        loud=any(message.loud for message in messages),
        drill=drills == count,
        delivery_ids=tuple(item for message in messages for item in message.delivery_ids),
    )
