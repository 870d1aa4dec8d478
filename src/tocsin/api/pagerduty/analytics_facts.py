"""What the analytics are made of: facts of each incident, from its row, its timeline and its pages.

The names are PagerDuty's, and so are the rules: an interruption is a loud page of a person; business hours are Monday
to Friday, 8 to 18 o'clock, sleep hours 22 to 8 o'clock, both on the person's own clock; a major incident has one of the
two highest priorities. Five queries for any number of incidents; drills are left out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tocsin.api.pagerduty.urgency import urgency_of
from tocsin.delivery import queries as delivery
from tocsin.escalation import queries as escalation
from tocsin.incidents import queries
from tocsin.incidents import rules as incident_rules
from tocsin.intake.contract import moment
from tocsin.platform.actor import Actor

MAJOR = incident_rules.PRIORITIES[:2]
ANSWERS = ("acknowledged", "partly_acknowledged", "mitigated")
# what ends a snooze before its time
AWAKE = (*ANSWERS, "unacknowledged", "snoozed", "snooze_ended", "reassigned", "escalated", "resolved", "merged")
KINDS = tuple(dict.fromkeys((*AWAKE, "paged", "paged_by_hand")))


@dataclass(slots=True)
class Facts:
    """Facts of one incident; ``row`` is its own. Times are whole seconds, None where it has not come to that."""

    row: Any
    now: datetime
    acknowledged: dict[int, str] = field(default_factory=dict)
    assigned: dict[int, None] = field(default_factory=dict)
    answers: list[datetime] = field(default_factory=list)
    acknowledgements: int = 0
    timeouts: int = 0
    by_hand: int = 0
    reassigned: int = 0
    snoozed_s: int = 0
    auto_resolved: bool = False
    resolver: tuple[int, str] | None = None
    business: int = 0
    off: int = 0
    sleep: int = 0
    notifications: int = 0

    @property
    def major(self) -> bool:
        return self.row.priority in MAJOR

    @property
    def urgency(self) -> str:
        return urgency_of(self.row.priority)

    @property
    def to_first_ack(self) -> int | None:
        return _seconds(self.row.opened_at, min(self.answers, default=None))

    @property
    def to_mobilize(self) -> int | None:
        """Until the last of several people answered; with one alone nobody had to be mobilised."""
        return _seconds(self.row.opened_at, max(self.answers)) if len(self.acknowledged) > 1 else None

    @property
    def to_resolve(self) -> int | None:
        return _seconds(self.row.opened_at, self.row.resolved_at)

    @property
    def engaged_s(self) -> int:
        """From the first answer to the end, for each person who answered."""
        first = min(self.answers, default=None)
        return (_seconds(first, self.row.resolved_at or self.now) or 0) * len(self.acknowledged) if first else 0

    @property
    def interruptions(self) -> int:
        return self.business + self.off + self.sleep


def _seconds(start: datetime | None, end: datetime | None) -> int | None:
    return None if start is None or end is None else max(0, int((end - start).total_seconds()))


def facts_of(actor: Actor, rows: Iterable[Any], now: datetime) -> list[Facts]:
    """Facts of these incidents, in their order."""
    found = {row.pk: Facts(row, now) for row in rows}
    numbers = list(found)
    entries = queries.entries(actor, kinds=KINDS).filter(incident_id__in=numbers).order_by("incident_id", "seq")
    entries = entries.select_related(None)
    snoozes: dict[int, tuple[datetime, datetime]] = {}
    for entry in entries:
        _read(found[entry.incident_id], entry, snoozes)
    for number, (start, until) in snoozes.items():
        found[number].snoozed_s += _seconds(start, min(until, now)) or 0
    _interruptions(actor, found)
    for number, count in delivery.counts(actor, numbers).items():
        found[number].notifications = count
    return list(found.values())


def _read(facts: Facts, entry: Any, snoozes: dict[int, tuple[datetime, datetime]]) -> None:
    number, data = entry.incident_id, entry.data
    if entry.kind in AWAKE and number in snoozes:
        start, until = snoozes.pop(number)
        facts.snoozed_s += _seconds(start, min(until, entry.at)) or 0
    personal = entry.actor_kind in ("user", "token", "link")
    if entry.kind in ANSWERS:
        facts.answers.append(entry.at)
        facts.acknowledgements += 1
        if personal:
            facts.acknowledged[entry.actor_id] = entry.actor_name
    elif entry.kind == "snoozed":
        if (rests_until := moment(data.get("until"))) is not None:
            snoozes[number] = (entry.at, rests_until)
    elif entry.kind == "paged":
        facts.assigned |= dict.fromkeys(data.get("users") or ())
        facts.timeouts += (data.get("step") or 1) > 1 or (data.get("loop") or 1) > 1
    elif entry.kind == "paged_by_hand":
        facts.assigned |= dict.fromkeys(data.get("users") or ())
    elif entry.kind == "reassigned":
        facts.assigned |= dict.fromkeys(data.get("to") or ())
        facts.reassigned += 1
    elif entry.kind == "escalated":
        facts.by_hand += 1
    elif entry.kind in ("resolved", "merged"):
        facts.auto_resolved = not personal
        facts.resolver = (entry.actor_id, entry.actor_name) if personal else None


def _interruptions(actor: Actor, found: Mapping[int, Facts]) -> None:
    pages = escalation.pages(actor).filter(incident_id__in=list(found), user__isnull=False, urgency="high")
    zones: dict[str, ZoneInfo] = {}
    seen: set[tuple[int, int, datetime]] = set()
    for number, user, at, zone in (
        pages.prefetch_related(None).order_by("id").values_list("incident_id", "user_id", "at", "user__zone")
    ):
        if (number, user, at) in seen:
            continue  # two targets of one step are one interruption
        seen.add((number, user, at))
        local = at.astimezone(zones.setdefault(zone, ZoneInfo(zone)))
        if local.hour >= 22 or local.hour < 8:
            found[number].sleep += 1
        elif local.isoweekday() <= 5 and local.hour < 18:
            found[number].business += 1
        else:
            found[number].off += 1


def up_time(facts: Iterable[Facts], start: datetime, end: datetime) -> float:
    """The share of the time from ``start`` to ``end``, in percent, in which no major incident was open."""
    whole = (end - start).total_seconds()
    if whole <= 0:
        return 100.0
    spans = sorted(
        (max(one.row.opened_at, start), min(one.row.resolved_at or one.now, end)) for one in facts if one.major
    )
    down, reached = timedelta(), start
    for begin, stop in spans:
        if stop > reached:
            down += stop - max(begin, reached)
            reached = stop
    return round(100 * (1 - down.total_seconds() / whole), 2)
