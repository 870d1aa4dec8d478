"""What a provider is: the only module of Tocsin that a provider plug-in imports.

A provider is an account at a company (or a device) that sends SMS and makes calls for the channels ``sms`` and
``voice``. Its kind is a folder with ``provider.py`` (an instance of a ``Provider`` named ``provider``, registered under
the entry point group ``tocsin.providers``), ``guide.md`` and tests. Sending returns a value and never raises. What
comes in is checked by ``verify`` before anything reads it, and ``parse`` turns it into typed events. One suite of tests
runs over all: ``tests/contracts/test_providers.py``.
"""

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlsplit

from tocsin.delivery.contract import Accepted, Field, Rejected, Script, TryLater, result_of_status
from tocsin.platform.outbound import Answer, Client, OutboundError

__all__ = [
    "Accepted",
    "Account",
    "Answer",
    "Carrying",
    "Descriptor",
    "Event",
    "Field",
    "Heard",
    "Incoming",
    "Provider",
    "Rejected",
    "Reply",
    "Result",
    "Script",
    "State",
    "StatusUpdate",
    "TryLater",
    "Turn",
    "Unfit",
    "post",
    "result_of_status",
]

# --- what comes out of sending ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unfit:
    """The account cannot be used as it is: a wrong credential, no money, a sender that is not ours. Another may."""

    reason: str


# Accepted: taken over. TryLater: an outage or a limit of the provider's. Rejected: this number or text will never work,
# whoever is asked.
Result = Accepted | TryLater | Rejected | Unfit

# --- what goes out ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """One configured provider, its secret in the clear."""

    slug: str
    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    secret: str = ""

    def text(self, name: str, default: str = "") -> str:
        """A field of the configuration, as text."""
        return str(self.config.get(name) or default)


@dataclass(frozen=True, slots=True)
class Carrying:
    """What a provider may use of the house while it carries something.

    http        shared client that refuses private addresses, follows no redirects and caps answers
    status_url  where to tell what became of it
    voice_url   where to ask what a call says next
    timeout_s   how long one request may take
    key         the same whenever the same is asked for again, because the answer to an earlier request was lost; for
                providers that can tell so
    at          the present moment, for signatures
    """

    http: Client
    status_url: str
    voice_url: str
    timeout_s: float = 8.0
    key: str = field(kw_only=True)
    at: datetime = field(kw_only=True)


# --- what comes in ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request from a provider. ``urls``: every address that it may have been sent to, as the provider wrote it: the
    public one first, then with and without the port. ``headers`` by lower-case name."""

    urls: tuple[str, ...]
    headers: Mapping[str, str]
    body: bytes
    at: datetime

    def query(self) -> dict[str, str]:
        """What the address carries."""
        return dict(parse_qsl(urlsplit(self.urls[0]).query, keep_blank_values=True))

    def form(self) -> list[tuple[str, str]]:
        """The body as a form. Raises ValueError when it is none."""
        return parse_qsl(
            self.body.decode("utf-8"), keep_blank_values=True, strict_parsing=bool(self.body), max_num_fields=200
        )


State = Literal["sent", "delivered", "failed"]


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """What became of something we sent. ``ref``: the provider's name for it; ``machine``: an answering machine took
    it."""

    ref: str
    state: State
    reason: str = ""
    machine: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMS from a person. ``ref``: the provider's name for it."""

    sender: str
    text: str
    ref: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A call asks what to say next. ``keys``: what was pressed, empty at the beginning and when nothing was;
    ``machine``: an answering machine has taken the call."""

    ref: str
    keys: str = ""
    machine: bool = False


Event = StatusUpdate | Reply | Heard


@dataclass(frozen=True, slots=True)
class Turn:
    """What a call says next. ``listen_url``: then wait for one key and tell it there; empty: hang up afterwards.
    ``again_url``: where to go when no key comes."""

    text: str
    listen_url: str = ""
    again_url: str = ""


# --- what a kind of provider says about itself --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a kind of provider is, declaratively: forms, checks and choices come from it.

    sms, voice  what it can carry with this configuration filled in: names of fields that must be, or None for never
    answers     an incoming SMS is answered in the answer to the provider's request, at no cost of another call
    """

    kind: str
    label: str
    summary: str
    secret: Field
    config: tuple[Field, ...] = ()
    sms: tuple[str, ...] | None = ()
    voice: tuple[str, ...] | None = ()
    answers: bool = False
    icon: str = "phone-call"

    def check(self, secret: object, config: Mapping[str, object]) -> dict[str, str]:
        """What is wrong with an account's fields, by field name; empty when nothing is."""
        problems = {}
        if problem := self.secret.problem(secret):
            problems["secret"] = problem
        for item in self.config:
            if problem := item.problem(config.get(item.name)):
                problems[f"config.{item.name}"] = problem
        known = {item.name for item in self.config}
        return problems | {f"config.{name}": "is not a field of this kind" for name in config if name not in known}

    def clean(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration as it is kept: without what is empty, numbers in one way of writing."""
        fields = {item.name: item for item in self.config}
        return {
            name: fields[name].clean(value) if isinstance(value, str) else value
            for name, value in config.items()
            if name in fields and value not in (None, "")
        }

    def carries(self, channel: str, config: Mapping[str, Any]) -> bool:
        """Whether an account with this configuration can carry for a channel."""
        needed = {"sms": self.sms, "voice": self.voice}.get(channel)
        return needed is not None and all(config.get(name) for name in needed)


class Provider(ABC):
    """A kind of account that messages and calls go through."""

    descriptor: ClassVar[Descriptor]

    @abstractmethod
    async def send_sms(self, text: str, number: str, account: Account, context: Carrying) -> Result:
        """Send once. Never raises for what the network or the provider does."""

    @abstractmethod
    async def call(self, script: Script, number: str, account: Account, context: Carrying) -> Result:
        """Begin one call; what it says is asked for at ``context.voice_url``. Never raises, as above."""

    @abstractmethod
    def verify(self, request: Incoming, account: Account) -> bool:
        """Whether the account's provider made this request. Never raises; no is the answer to what is not
        understood."""

    @abstractmethod
    def parse(self, what: str, request: Incoming) -> list[Event]:
        """What a verified request tells; ``what`` is the last part of its address: status, message or voice.

        Raises ValueError when it cannot be read; knows nothing of numbers or incidents.
        """

    def say(self, turn: Turn, account: Account) -> tuple[str, str]:
        """What a call says next, as the provider reads it: media type and body."""
        raise NotImplementedError(f"{self.descriptor.kind} makes no calls")

    def answer(self, text: str) -> tuple[str, str]:
        """The answer to an incoming SMS, when ``descriptor.answers``: media type and body; empty text: say nothing."""
        raise NotImplementedError(f"{self.descriptor.kind} answers with another message")

    def guide(self) -> str:
        """How to set it up, for people: the ``guide.md`` beside the provider's module, in Markdown."""
        return Path(inspect.getfile(type(self))).with_name("guide.md").read_text()


# --- helpers for providers that speak HTTP ------------------------------------------------------------------------


async def post(
    context: Carrying, url: str, content: bytes, headers: Mapping[str, str]
) -> Answer | TryLater | Rejected | Unfit:
    """POST within the context's time; the answer, whatever its status, or why there is none."""
    try:
        async with asyncio.timeout(context.timeout_s):
            return await context.http.post(url, content, headers)
    except TimeoutError:
        return TryLater(None, f"no answer within {context.timeout_s:g} s")
    except OutboundError as error:
        reason = str(error)[:300]
        return Unfit(reason) if error.lasting else TryLater(None, reason)
