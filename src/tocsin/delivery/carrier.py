"""Carrying: an SMS or a call goes to the first provider that takes it, in one attempt of its delivery.

Which one is asked first, and which rests, is decided in ``rules.providers``; what happened is kept by a ledger, which
is the database in production.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol, TypeVar

import structlog

from tocsin.delivery import provider_queries
from tocsin.delivery.actions import handovers
from tocsin.delivery.contract import Accepted, Errand, Rejected, Result, TryLater
from tocsin.delivery.provider_contract import Account, Carrying, Provider, Unfit
from tocsin.delivery.provider_contract import Result as Outcome
from tocsin.delivery.provider_queries import Choice
from tocsin.delivery.rules import providers as rules
from tocsin.platform import secrets
from tocsin.platform.outbound import Client

log = structlog.get_logger("tocsin.delivery")
T = TypeVar("T")

EACH_S = 8.0  # one provider may take this long
ALL_S = 23.0  # all of them, less than the channels' own limit
LEAST_S = 1.0  # with less time left nobody else is asked


class Runs(Protocol):
    """Does blocking work elsewhere."""

    async def __call__(self, work: Callable[..., T], *args: object, **more: object) -> T:
        """What the work returns."""


class Ledger(Protocol):
    """Where it is kept who carries what."""

    async def choice(self, channel: str, number: str, only: int | None) -> Choice:
        """Whom to choose from."""

    async def begin(self, provider_id: int, errand: Errand, probe: bool) -> int | None:
        """A provider is about to be asked; the handover's id, None when the probe is somebody else's."""

    async def end(self, handover_id: int, provider_id: int, result: Outcome, probe: bool) -> None:
        """It has answered."""


class Stored:
    """The ledger in the database; ``run`` does blocking work elsewhere."""

    def __init__(self, run: Runs) -> None:
        self._run = run

    async def choice(self, channel: str, number: str, only: int | None) -> Choice:
        """See Ledger."""
        return await self._run(provider_queries.choice, channel, number, only)

    async def begin(self, provider_id: int, errand: Errand, probe: bool) -> int | None:
        """See Ledger."""
        found = await self._run(handovers.begin, provider_id, errand, probe=probe)
        return found[0] if found else None

    async def end(self, handover_id: int, provider_id: int, result: Outcome, probe: bool) -> None:
        """See Ledger."""
        await self._run(handovers.end, handover_id, provider_id, result, probe=probe)


def callback_path(slug: str, what: str) -> str:
    """Where a provider tells ``what`` ("status", "message" or "voice"). Not under ``/in/``: that is the senders' door,
    which never asks Django."""
    return f"/callbacks/{slug}/{what}"


def callback_url(public_url: str, slug: str, what: str, handover_id: int) -> str:
    """Where a provider tells about a handover. Its number is signed by us as well: not every provider signs
    addresses."""
    return f"{public_url}{callback_path(slug, what)}?h={secrets.sign(handover_id, 'handover', compress=False)}"


def key_of(errand: Errand) -> str:
    """The same over all attempts of one message. Two bundles that begin alike are two messages."""
    told = f"{errand.message.key}\n{errand.number}\n{sorted(errand.message.delivery_ids)}"
    return hashlib.sha256(told.encode()).hexdigest()[:40]


class Carrier:
    """Carries for the channels of one engine."""

    def __init__(self, http: Client, public_url: str, ledger: Ledger, kinds: Mapping[str, Provider]) -> None:
        self.http = http
        self.public_url = public_url
        self.ledger = ledger
        self.kinds = kinds
        self.each_s = EACH_S

    async def carry(self, errand: Errand) -> Result:
        """Ask the providers in their order until one takes it, or says that the number is bad."""
        ends = asyncio.get_running_loop().time() + ALL_S
        only = rules.provider_id(errand.message.key)
        choice = await self.ledger.choice(errand.channel, errand.number, only)
        if errand.channel == "sms" and errand.message.kind != "test":
            wait = rules.wait_for_number(choice.sent, choice.now)
            if wait:
                return TryLater(wait, "this number has had many messages lately; what comes meanwhile is put together")
        tried: list[tuple[str, TryLater | Unfit]] = [(problem, Unfit("")) for problem in choice.problems]
        resting: list[tuple[str, float]] = []
        for candidate in rules.in_order(choice.candidates, errand.number):
            name = candidate.account.name
            standing = rules.standing(candidate.circuit, choice.now)
            if standing == "open":
                left = ((candidate.circuit.open_until or choice.now) - choice.now) / timedelta(seconds=1)
                resting.append((name, left))
                continue
            left = ends - asyncio.get_running_loop().time()
            if left < LEAST_S:
                tried.append((name, TryLater(None, "not asked, the others took all the time")))
                break
            probe = standing == "probe"
            handover = await self.ledger.begin(candidate.id, errand, probe)
            if handover is None:
                resting.append((name, rules.PROBE_S))
                continue
            context = Carrying(
                self.http,
                callback_url(self.public_url, candidate.account.slug, "status", handover),
                callback_url(self.public_url, candidate.account.slug, "voice", handover),
                min(left, self.each_s),
                key=key_of(errand),
                at=choice.now,
            )
            outcome = await self._hand(candidate.kind, candidate.account, errand, context)
            await self.ledger.end(handover, candidate.id, outcome, probe)
            if isinstance(outcome, Accepted):
                return Accepted(outcome.ref, f"through {name}")
            if isinstance(outcome, Rejected):
                return Rejected(f"{name}: {outcome.reason}")
            tried.append((name, outcome))
        return rules.verdict(tried, resting)

    async def _hand(self, kind: str, account: Account, errand: Errand, context: Carrying) -> Outcome:
        """Ask one provider; whatever happens is an outcome."""
        timeout_s = context.timeout_s
        provider = self.kinds[kind]
        try:
            async with asyncio.timeout(timeout_s + 0.5):
                if errand.script is not None:
                    outcome = await provider.call(errand.script, errand.number, account, context)
                else:
                    outcome = await provider.send_sms(errand.text, errand.number, account, context)
        except TimeoutError:
            return TryLater(None, f"no answer within {timeout_s:.0f} s")
        except Exception as error:
            log.exception("delivery.provider", kind=kind)
            return TryLater(None, f"fault in the provider: {type(error).__name__}: {error}"[:300])
        if type(outcome) not in (Accepted, TryLater, Rejected, Unfit):
            return TryLater(None, f"fault in the provider: it answered {type(outcome).__name__}")
        return outcome
