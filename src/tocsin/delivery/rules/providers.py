"""Decisions about providers: which one carries, when one rests, how much one number gets, what late news means."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tocsin.delivery import numbers
from tocsin.delivery.contract import Accepted, Delivered, Pace, Rejected, TryLater
from tocsin.delivery.provider_contract import Account, Unfit
from tocsin.delivery.rules import pacing

PROVIDER = "provider"


@dataclass
class ProviderSpec:
    """A provider as people write it. ``countries``: dialling prefixes that it serves, such as +49; empty: all.
    ``position``: lower is asked first. ``secret`` goes in and never comes out; None: leave what is stored."""

    name: str
    kind: str
    slug: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    secret: str | None = None
    countries: list[str] = field(default_factory=list)
    position: int = 0
    enabled: bool = True


def bad_prefixes(countries: Iterable[str]) -> list[str]:
    """Those that are no dialling prefixes."""
    return [prefix for prefix in countries if not numbers.PREFIX.fullmatch(prefix)]


def key_of_test(provider_id: int, random: str) -> str:
    """The idempotency key of a test of a provider; it names the provider."""
    return f"{PROVIDER}:{provider_id}:test:{random}"


def provider_id(key: str) -> int | None:
    """The only provider that may carry the delivery with this key, if it names one."""
    parts = key.split(":")
    return int(parts[1]) if len(parts) > 2 and parts[0] == PROVIDER and parts[1].isdecimal() else None


# --- a circuit: a provider that fails again and again rests, and is tried with one message after a pause -----------


@dataclass(frozen=True, slots=True)
class Circuit:
    """How a provider has behaved. ``failures`` in a row; ``open_until``: it rests until then, empty: it does not
    rest."""

    failures: int = 0
    open_until: datetime | None = None
    reason: str = ""


TRIPS_AT = 3  # failures in a row that make a provider rest
PAUSE_S = 30.0  # first rest; each failed probe doubles it
LONGEST_PAUSE_S = 600.0
UNFIT_PAUSE_S = 300.0  # nobody mends a credential within seconds
PROBE_S = 40.0  # a probe has this long, longer than any attempt, before the next one may go

Outcome = Accepted | Delivered | TryLater | Rejected | Unfit


def standing(circuit: Circuit, now: datetime) -> str:
    """``closed``: use it; ``open``: it rests; ``probe``: its pause is over, one message may find out."""
    if circuit.open_until is None:
        return "closed"
    return "probe" if now >= circuit.open_until else "open"


def circuit_after(circuit: Circuit, outcome: Outcome, now: datetime, *, probe: bool = False) -> Circuit:
    """The circuit after an outcome; ``probe``: it was the probe's. A number that is rejected says that the provider
    works.

    What was under way when the circuit opened fails as well, and does not make the rest any longer.
    """
    if isinstance(outcome, Accepted | Delivered | Rejected):
        return Circuit()
    if standing(circuit, now) == "open" and not probe:
        return circuit
    failures = circuit.failures + 1
    reason = outcome.reason[:300]
    if isinstance(outcome, Unfit):
        return Circuit(failures, now + timedelta(seconds=UNFIT_PAUSE_S), reason)
    asked = min(outcome.after_s or 0.0, 3600.0)
    pause = 0.0
    if failures >= TRIPS_AT:
        pause = min(LONGEST_PAUSE_S, PAUSE_S * 2.0 ** min(failures - TRIPS_AT, 10))
    rest = max(pause, asked)
    return Circuit(failures, now + timedelta(seconds=rest) if rest else None, reason)


def probing(circuit: Circuit, now: datetime) -> Circuit:
    """The circuit while its probe is under way: to everybody else it still rests."""
    return replace(circuit, open_until=now + timedelta(seconds=PROBE_S))


# --- which one carries --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """How a provider did with one country's numbers over the last hour."""

    good: int = 0
    bad: int = 0

    @property
    def rate(self) -> float:
        """Share of what went well; 1 when nothing was tried."""
        return self.good / (self.good + self.bad) if self.good + self.bad else 1.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider that could carry something now."""

    id: int
    kind: str
    account: Account
    position: int = 0
    countries: tuple[str, ...] = ()
    circuit: Circuit = Circuit()
    record: Record = Record()


ENOUGH = 5  # tries that a success rate is judged by


def serves(countries: Iterable[str], number: str) -> bool:
    """Whether a provider with these prefixes serves a number; without prefixes it serves all."""
    prefixes = list(countries)
    return not prefixes or any(number.startswith(prefix) for prefix in prefixes)


def grade(record: Record) -> int:
    """0: good, or too little is known; 1: fails now and then; 2: fails more often than not."""
    if record.good + record.bad < ENOUGH or record.rate >= 0.9:
        return 0
    return 1 if record.rate >= 0.5 else 2


def in_order(candidates: Sequence[Candidate], number: str) -> list[Candidate]:
    """Who is asked first: those that work, by the position people gave them; then those that did badly lately."""
    able = [one for one in candidates if serves(one.countries, number)]
    return sorted(able, key=lambda one: (grade(one.record), one.position, -one.record.rate, one.id))


def verdict(tried: Sequence[tuple[str, TryLater | Unfit]], resting: Sequence[tuple[str, float]]) -> TryLater | Rejected:
    """What to say when no provider carried it. ``tried``: name and outcome; ``resting``: name and seconds left.

    While one may work later it is tried again; when all that can be said is that nobody is configured well, it never
    is.
    """
    told = [f"{name}: {outcome.reason}".removesuffix(": ") for name, outcome in tried]
    told += [f"{name} rests for {left:.0f} s after failures" for name, left in resting]
    reason = "; ".join(told)[:900]
    waits = [outcome.after_s or 0.0 for _, outcome in tried if isinstance(outcome, TryLater)]
    waits += [left for _, left in resting]
    if not waits:
        return Rejected(reason or "no provider serves this number; an administrator can add one")
    shortest = min(waits)
    return TryLater(shortest or None, reason)


# --- how much one number gets -------------------------------------------------------------------------------------

# After five within ten minutes one a minute, which waits short enough for loud pages and gathers the rest in a bundle.
NUMBER = Pace(free=5, spacing_s=55.0)


def wait_for_number(sent: Sequence[datetime], now: datetime) -> float:
    """Seconds until a number may get its next SMS; ``sent``: when it got the last ones."""
    return pacing.wait(NUMBER, sent, now, urgent=False)


# --- news that comes later ----------------------------------------------------------------------------------------


def handover_after(state: str, news: str) -> str | None:
    """The state of what a provider took after its news; None: nothing changes. What has ended never moves again."""
    if state in ("begun", "accepted") and news in ("delivered", "failed"):
        return news
    return None


def delivery_after(state: str, news: str, *, newest: bool) -> str | None:
    """The state of a delivery after news of one of its handovers; None: nothing changes.

    accepted -> delivered | failed. While it is tried again, only that it did arrive matters: unless the news is of this
    very try (``newest``), a failure is what the new try is for. Nothing moves backwards, nothing that ended elsewise
    comes back.
    """
    if news == "delivered" and state in ("pending", "sending", "accepted"):
        return "delivered"
    if news == "failed" and (state == "accepted" or (state == "sending" and newest)):
        return "failed"
    return None
