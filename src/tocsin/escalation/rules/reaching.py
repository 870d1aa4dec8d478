"""How one person is reached: their notification rules for a page's urgency, and their quiet hours."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from tocsin.escalation.rules.shapes import duration
from tocsin.oncall.rules.wallclock import local_instant

Urgency = Literal["high", "low"]


def page_urgency(priority: str) -> Urgency:
    """Which of a person's notification rules a page follows: ``low`` for P4 and P5, ``high`` for all else.

    An incident without a priority is paged with high urgency: better loud than late.
    """
    return "low" if priority in ("P4", "P5") else "high"


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which pages of low urgency wait: minutes of the day on the person's own clock; may pass midnight."""

    start: int
    end: int
    zone: str

    def over(self, at: datetime) -> datetime | None:
        """When the quiet hours are over that go on at a moment; None: none do."""
        local = at.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        length = (self.end - self.start) % 1440 or 1440
        for day in (midnight, midnight - timedelta(days=1)):
            begin = day + timedelta(minutes=self.start)
            if begin <= local < begin + timedelta(minutes=length):
                return max(local_instant(self.zone, begin + timedelta(minutes=length)), at)
        return None


@dataclass(frozen=True, slots=True)
class NotifyRule:
    """One way in which a person wants to be reached.

    ``usable`` False: the contact method is disabled. ``implicit``: no rule of theirs, only a contact method they have;
    used when nothing else is left. ``label`` names the contact method for reading. ``quiet``: the person's.
    """

    position: int
    delay_s: int
    contact_method_id: int
    channel: str
    usable: bool = True
    urgency: Urgency = "high"
    implicit: bool = False
    address: str = ""
    label: str = ""
    quiet: Quiet | None = None


@dataclass(frozen=True, slots=True)
class PlannedDelivery:
    """A message to one contact method, ``delay_s`` seconds after the page."""

    contact_method_id: int
    delay_s: int
    position: int
    channel: str
    address: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Notified:
    """The deliveries of one page, in order; iterates over them. ``notes`` say what was skipped or assumed."""

    deliveries: tuple[PlannedDelivery, ...] = ()
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[PlannedDelivery]:
        return iter(self.deliveries)

    def __len__(self) -> int:
        return len(self.deliveries)


def notifications(rules: Iterable[NotifyRule], urgency: Urgency, at: datetime | None = None) -> Notified:
    """How a person is reached by a page of this urgency at a moment.

    Of low urgency, what falls into the person's quiet hours waits for their end; ``at`` None: they are not asked for.
    """
    mine = list(rules)
    found = _by_rules(mine, urgency)
    quiet = next((one.quiet for one in mine if one.quiet is not None), None)
    if at is None or quiet is None or urgency == "high":
        return found
    held: list[PlannedDelivery] = []
    note = ""
    for one in found:
        until = quiet.over(at + timedelta(seconds=one.delay_s))
        if until is not None:
            one = replace(one, delay_s=round((until - at).total_seconds()))
            note = f"quiet hours until {until.astimezone(ZoneInfo(quiet.zone)):%H:%M}"
        held.append(one)
    return Notified(tuple(held), (*found.notes, note) if note else found.notes)


def _by_rules(rules: Iterable[NotifyRule], urgency: Urgency) -> Notified:
    """How a person is reached, whatever the hour.

    Their own rules for the urgency, by delay and position, without those whose contact method is disabled; when that
    takes away the earliest, the next one takes its time. Nothing left: all other usable contact methods at once. Empty
    only when the person has no usable contact method at all; ``notes`` says so.
    """
    mine = sorted((r for r in rules if r.urgency == urgency), key=lambda r: (r.delay_s, r.position))
    own = [r for r in mine if not r.implicit]
    usable = [r for r in own if r.usable]
    notes = [f"{_method(r)} is disabled and was skipped" for r in own if not r.usable]
    if usable:
        first = own[0].delay_s
        if usable[0].delay_s > first:
            notes.append(f"{_method(usable[0])} takes its place after {duration(first)}")
        delays = [first, *(r.delay_s for r in usable[1:])]
        return Notified(tuple(map(_delivery, usable, delays)), tuple(notes))
    spare = [r for r in mine if r.implicit and r.usable]
    if not spare:
        return Notified((), (*notes, "no usable contact method"))
    cause = "every rule's contact method is disabled" if own else f"no notification rule for {urgency} urgency"
    notes.append(f"{cause}: all usable contact methods at once")
    return Notified(tuple(_delivery(r, 0) for r in spare), tuple(notes))


def _delivery(rule: NotifyRule, delay_s: int) -> PlannedDelivery:
    return PlannedDelivery(rule.contact_method_id, delay_s, rule.position, rule.channel, rule.address, rule.label)


def _method(rule: NotifyRule) -> str:
    return f"{rule.channel} ({rule.label})" if rule.label else rule.channel
