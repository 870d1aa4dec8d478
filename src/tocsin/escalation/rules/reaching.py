"""How one person is reached: their notification rules for a page's urgency."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from tocsin.escalation.rules.shapes import duration

Urgency = Literal["high", "low"]


def page_urgency(priority: str) -> Urgency:
    """Which of a person's notification rules a page follows: ``low`` for P4 and P5, ``high`` for all else.

    An incident without a priority is paged with high urgency: better loud than late.
    """
    return "low" if priority in ("P4", "P5") else "high"


@dataclass(frozen=True, slots=True)
class NotifyRule:
    """One way in which a person wants to be reached.

    ``usable`` False: the contact method is disabled. ``implicit``: no rule of theirs, only a contact method they have;
    used when nothing else is left. ``label`` names the contact method for reading.
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


def notifications(rules: Iterable[NotifyRule], urgency: Urgency) -> Notified:
    """How a person is reached by a page of this urgency.

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
