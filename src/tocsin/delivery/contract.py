"""What a channel is: the only module of Tocsin that a channel plug-in imports.

A channel is a folder with ``channel.py`` (an instance of a ``Channel`` named ``channel``, registered under the entry
point group ``tocsin.channels``), ``guide.md`` and tests. ``send`` returns a value and never raises: what a provider
does wrong is an outcome, not a fault of ours. One suite of tests runs over all: ``tests/contracts/test_channels.py``.
"""

import asyncio
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, ClassVar

from tocsin.delivery import numbers
from tocsin.platform.outbound import Answer, Client, OutboundError

# --- what comes out of sending ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delivered:
    """The provider says that the person's device has it. ``ref``: the provider's name for the message; ``detail``: what
    people should know of how it went."""

    ref: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has taken it over. ``ref`` and ``detail``: see Delivered."""

    ref: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TryLater:
    """It may work later. ``after_s``: how long the provider asks us to wait, if it says so."""

    after_s: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """It will never work as it is: a wrong address, a wrong credential, a refused message.

    ``gone``: the provider says that the address is no more; the contact method is switched off with this reason.
    """

    reason: str
    gone: bool = False


Result = Delivered | Accepted | TryLater | Rejected

# --- what is sent -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """``verb``: view, acknowledge, resolve, escalate. Following it (GET) changes nothing; the page has a button.

    ``confirm``: the person's word that a contact method reaches them. ``received``: the same, said by the device itself
    when a test comes to a channel that ``confirms``.
    """

    verb: str
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """What a message may tell about an incident."""

    id: int
    title: str
    state: str
    priority: str
    urgency: str
    severity: str
    service_id: int
    service: str
    opened_at: datetime
    updated_at: datetime
    url: str
    alert_count: int = 0
    drill: bool = False
    acknowledged_by: str = ""
    confidential: bool = False  # then title, service and names are blank or say only that

    @property
    def number(self) -> str:
        """How people call it: INC-123."""
        return f"INC-{self.id}"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one contact method.

    kind       ``page``, ``resolved``, ``test``, ``notice`` (something to know beside incidents) or ``bundle`` (several
               of one kind in one)
    about      what a bundle holds: ``page``, ``resolved`` or ``notice``; otherwise the same as ``kind``
    key        idempotency key: the same over all attempts of one message
    title      one line, at most 150 characters, understandable alone
    body       plain text, few lines
    incidents  none for a test or a notice, one for a page, many for a bundle
    links      view first, then what the person may do
    why        why this person gets it: policy, step, schedule ...
    others     names of the other people who were paged for it
    loud       whether it may wake somebody up
    drill      it is an exercise; channels must show it
    answers    what this message answers, by the name that its sender gave it: a Message-ID; empty when nothing
    """

    kind: str
    about: str
    key: str
    title: str
    body: str
    at: datetime
    to: str = ""
    incidents: tuple[IncidentFacts, ...] = ()
    links: tuple[Link, ...] = ()
    why: str = ""
    others: tuple[str, ...] = ()
    loud: bool = True
    drill: bool = False
    delivery_ids: tuple[int, ...] = ()
    answers: str = ""

    @property
    def incident(self) -> IncidentFacts | None:
        """The incident of a message about exactly one."""
        return self.incidents[0] if len(self.incidents) == 1 else None

    def link(self, verb: str) -> str:
        """The address behind a verb; empty when the message has none."""
        return next((link.url for link in self.links if link.verb == verb), "")


@dataclass(frozen=True, slots=True)
class Script:
    """What a call says. ``text``: to a person, read again on demand; ``machine``: to an answering machine; ``verbs``:
    what the person may do with a key, of acknowledge, resolve and escalate; none for a test or a notice."""

    text: str
    machine: str
    verbs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Errand:
    """Something to be carried to a phone number: ``text`` as an SMS, or ``script`` as a call. ``message`` is what it
    was made of."""

    number: str
    message: "Message"
    text: str = ""
    script: Script | None = None

    @property
    def channel(self) -> str:
        """Which of the two it is: sms or voice."""
        return "voice" if self.script else "sms"


@dataclass(frozen=True, slots=True)
class Method:
    """Where a message goes: a contact method, its secret in the clear."""

    address: str
    secret: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    user_id: int | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a channel may use of the house.

    http          shared client that refuses private addresses, follows no redirects and caps answers
    public_url    address of this installation, without a slash at its end
    smtp_url      mail server, see the setting of that name
    email_from    sender of mail
    timeout_s     how long one send may take altogether
    keep          keeps a message for the person's pocket phone; returns a reference
    refuses       why a host must not be reached (it is in our own network); empty when it may, or is no host at all
    push_key      the private half of one of our key pairs for web push, by its public half; empty when there is none
    carry         has a provider send an SMS or make a call; chooses the provider, and another when one fails
    mailbox       our own mail address for what comes back of a message: ``reply`` or ``bounce``; empty: there is none
    """

    http: Client
    public_url: str
    smtp_url: str = ""
    email_from: str = ""
    timeout_s: float = 10.0
    keep: Callable[[Message, Method], Awaitable[str]] | None = None
    refuses: Callable[[str], Awaitable[str]] | None = None
    push_key: Callable[[str], Awaitable[str]] | None = None
    carry: "Callable[[Errand], Awaitable[Result]] | None" = None
    mailbox: "Callable[[str, Message], str] | None" = None


# --- what a channel says about itself -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to fill in. ``kind``: text, email, url, phone, secret, bool, choice; a form is rendered from it."""

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    required: bool = False
    default: str | bool = ""
    choices: tuple[tuple[str, str], ...] = ()
    pattern: str = ""
    max_length: int = 1000
    placeholder: str = ""

    def problem(self, value: object) -> str:
        """What would be right, when ``value`` is not; otherwise empty."""
        if self.kind == "bool":
            return "" if isinstance(value, bool) or value in (None, "") else "must be true or false"
        if value in (None, ""):
            return f"{self.label} is needed" if self.required else ""
        if not isinstance(value, str):
            return "must be text"
        if len(value) > self.max_length:
            return f"must be at most {self.max_length} characters"
        if self.choices and value not in [choice for choice, _ in self.choices]:
            return "must be one of " + ", ".join(choice for choice, _ in self.choices)
        if any(ord(char) < 32 for char in value):
            return "must not contain control characters"
        if self.kind == "email" and not re.fullmatch(r"[^@\s<>,;]+@[^@\s<>,;]+", value):
            return "must be an e-mail address"
        if self.kind == "url" and not re.fullmatch(r"https?://[^/\s]+\S*", value):
            return "must be an address that begins with http:// or https://"
        if self.kind == "phone" and (wrong := numbers.problem(value)):
            return f"must be {wrong}"
        if self.pattern and not re.fullmatch(self.pattern, value):
            return self.hint or f"must look like {self.pattern}"
        return ""

    def clean(self, value: str) -> str:
        """The value as it is kept: one way to write each phone number, no blanks around anything."""
        return numbers.normal(value) if self.kind == "phone" else value.strip()


@dataclass(frozen=True, slots=True)
class Pace:
    """How many messages one contact method gets: ``free`` within ``window_s`` at once, then one every ``spacing_s``
    with all that came meanwhile, and one every ``urgent_s`` while a page of priority 1 waits. Seconds."""

    free: int = 5
    window_s: float = 600.0
    spacing_s: float = 20.0
    urgent_s: float = 1.5


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a channel is, declaratively: forms, checks and limits come from it.

    actions       its messages carry buttons or links to acknowledge and resolve
    bundles       several deliveries to one contact method may become one message, of at most ``bundle_size``
    pace          how many messages one contact method gets in a storm; None: as many as there are
    verifies      the provider says whether the person's device got it
    concurrency   most messages under way at once, of one engine
    timeout_s     how long one send may take altogether
    resolved      whether notices of resolution are sent unless the contact method's ``resolved`` says otherwise
    confirms      its device answers a test by itself, which proves the contact method
    repeats       seconds after which a loud page is sent again while nobody has answered, one after the other: for
                  devices that ring only once
    enrols        the page on which a device adds itself; there is nothing that a person could fill in
    """

    kind: str
    label: str
    summary: str
    address: Field
    secret: Field | None = None
    config: tuple[Field, ...] = ()
    actions: bool = False
    bundles: bool = False
    pace: Pace | None = None
    verifies: bool = False
    bundle_size: int = 1
    concurrency: int = 16
    timeout_s: float = 10.0
    resolved: bool = True
    confirms: bool = False
    repeats: tuple[float, ...] = ()
    enrols: str = ""
    icon: str = "bell"

    def check(self, address: object, secret: object = "", config: Mapping[str, object] | None = None) -> dict[str, str]:
        """What is wrong with a contact method's fields, by field name; empty when nothing is."""
        config = config or {}
        values: list[tuple[str, Field, object]] = [("address", self.address, address)]
        if self.secret:
            values.append(("secret", self.secret, secret))
        values += [(f"config.{item.name}", item, config.get(item.name)) for item in self.all_config]
        problems = {name: problem for name, item, value in values if (problem := item.problem(value))}
        known = {item.name for item in self.all_config}
        problems |= {f"config.{name}": "is not a field of this channel" for name in config if name not in known}
        return problems

    @property
    def all_config(self) -> tuple[Field, ...]:
        """The channel's own fields and those that every channel has."""
        return (*self.config, Field("resolved", "Tell me when it is over", "bool", default=self.resolved))


class Channel(ABC):
    """A way out of the house."""

    descriptor: ClassVar[Descriptor]

    @abstractmethod
    async def send(self, message: Message, method: Method, context: Context) -> Result:
        """Try once. Never raises for what the network or the provider does; cancelled when it takes too long."""

    def guide(self) -> str:
        """How to set it up, for people: the ``guide.md`` beside the channel's module, in Markdown."""
        return Path(inspect.getfile(type(self))).with_name("guide.md").read_text()

    async def close(self) -> None:
        """Let go of connections; called when the engine stops."""
        return  # most channels hold none


# --- helpers for channels that speak HTTP -------------------------------------------------------------------------


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for: a number or an HTTP date (RFC 9110, 10.2.3); None: unreadable."""
    if not value:
        return None
    value = value.strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if now is None or moment.tzinfo is None:
        return None
    return max(0.0, (moment - now).total_seconds())


def result_of_status(status: int, headers: Mapping[str, str], detail: str = "") -> Result:
    """What an HTTP answer means: 2xx accepted; 408, 425, 429 and 5xx later (honouring Retry-After); the rest never.

    ``headers`` by lower-case name.
    """
    text = f"HTTP {status}" + (f": {detail[:200]}" if detail else "")
    if 200 <= status < 300:
        return Accepted()
    if status in (408, 425, 429) or status >= 500:
        return TryLater(retry_after(headers.get("retry-after"), _date(headers.get("date"))), text)
    if 300 <= status < 400:
        return Rejected(f"{text}; redirects are not followed")
    return Rejected(text)


def _date(value: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(value).astimezone(UTC) if value else None
    except ValueError:
        return None


async def post(context: Context, url: str, content: bytes, headers: Mapping[str, str]) -> tuple[Result, Answer | None]:
    """POST and say what came of it, within the context's time; the answer too, when there was one."""
    try:
        async with asyncio.timeout(context.timeout_s):
            answer = await context.http.post(url, content, headers)
    except TimeoutError:
        return TryLater(None, f"no answer within {context.timeout_s:g} s"), None
    except OutboundError as error:
        reason = str(error)[:300]
        return (Rejected(reason) if error.lasting else TryLater(None, reason)), None
    detail = "" if answer.status < 300 else " ".join(answer.text[:200].split())
    return result_of_status(answer.status, answer.headers, detail), answer
