"""Calendar feeds of PagerDuty, Google, Outlook and Apple as events within a window: RFC 5545, read leniently. Pure.

What is not as it should be is left out and told (``Skipped``), never raised. Where the RFC and the calendars in use
differ, the calendars win:

* An occurrence ends at the same local time as the first one, also over a change of clocks. (The RFC keeps the exact
  length when there is a DTEND; weekly shifts that follow each other would then overlap or leave a gap.)
* Of changed occurrences with equal RECURRENCE-ID the one with the highest SEQUENCE counts, of these the last; of events
  with equal UID likewise, but those of one SEQUENCE that begin at different times are all kept.
* EXDATE and RECURRENCE-ID that are mere dates fit any occurrence of that local day.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice

from tocsin.oncall.calendars import content, recurrence, zones
from tocsin.oncall.calendars.content import Component
from tocsin.oncall.calendars.entries import MAX_TEXT, Entry, Feed, Gone, entry, occurrences
from tocsin.oncall.calendars.moments import When
from tocsin.oncall.calendars.recurrence import Unreadable
from tocsin.oncall.calendars.shapes import Event, NotACalendar, Reading, Skipped

MAX_BYTES = 10_000_000
MAX_EVENTS = 20_000
MAX_OCCURRENCES = 50_000


def read(
    body: bytes | str,
    start: datetime,
    end: datetime,
    *,
    zone: str = "UTC",
    max_bytes: int = MAX_BYTES,
    max_events: int = MAX_EVENTS,
    max_occurrences: int = MAX_OCCURRENCES,
) -> Reading:
    """The events of a feed that touch ``start`` to ``end`` (aware), at their whole length, sorted by start.

    ``zone`` (IANA) is where floating times and all-day events are meant when the feed does not say so itself. Of a body
    longer than ``max_bytes`` the beginning is read; of VEVENTs the first ``max_events``; then occurrences until there
    are ``max_occurrences``. Raises NotACalendar when there is no calendar in it at all.
    """
    raw = body.encode(errors="replace") if isinstance(body, str) else body
    # cut between lines and not within a character
    text = content.decoded(raw if len(raw) <= max_bytes else raw[:max_bytes].rpartition(b"\n")[0])
    calendars, whole = content.tree(text, max_events)
    if not calendars:
        raise NotACalendar("This is no calendar", {"calendar": _right(text)})
    missing = []
    if len(raw) > max_bytes:
        missing.append(f"the calendar has {len(raw)} bytes; only the first {max_bytes} were read")
    elif not all(one.closed for one in calendars):
        missing.append("the calendar breaks off before END:VCALENDAR")
    if not whole:
        missing.append(f"more than {max_events} events; the rest was not read")
    skipped: list[Skipped] = []
    events: list[Event] = []
    steps = recurrence.Steps()
    for calendar in calendars:
        feed = _feed(calendar, start.astimezone(UTC), end.astimezone(UTC), zone, steps, skipped)
        # one more than there may be, to know whether there are more
        events += islice(_events(calendar, feed, skipped), max_occurrences + 1 - len(events))
    if len(events) > max_occurrences:
        missing.append(f"more than {max_occurrences} occurrences; the rest was left out")
        del events[max_occurrences:]
    if steps.short:
        missing.append("more recurrence than is followed in one calendar; rules were left out")
    events.sort(key=lambda event: (event.start, event.end, event.uid, event.summary))
    return Reading(
        tuple(events),
        (*(Skipped("", "", why) for why in missing), *skipped),
        (calendars[0].text("X-WR-CALNAME") or calendars[0].text("NAME"))[:MAX_TEXT],
        zones.iana(calendars[0].text("X-WR-TIMEZONE")),
        not missing,
    )


def _right(text: str) -> str:
    right = "an iCalendar text, which begins with BEGIN:VCALENDAR"
    beginning = text.lstrip()[:200].casefold()
    if not beginning:
        return f"{right}; this is empty"
    if beginning.startswith(("<!doctype html", "<html")):
        return f"{right}; this is a web page: take the address of the feed itself, one that asks for no sign-in"
    return f"{right}; this begins with {text.lstrip()[:40]!r}"


def _feed(
    calendar: Component, start: datetime, end: datetime, zone: str, steps: recurrence.Steps, skipped: list[Skipped]
) -> Feed:
    definitions = {
        one.text("TZID").strip('"'): one for one in calendar.children if one.name == "VTIMEZONE" and one.raw("TZID")
    }
    feed = Feed(definitions, zones.Iana(zones.iana(zone) or "UTC"), start, end, steps)
    if own := calendar.text("X-WR-TIMEZONE"):
        try:
            feed.zone = feed.named(own)
        except Unreadable as error:
            skipped.append(Skipped("", "", f"X-WR-TIMEZONE: {error}; read as {feed.zone.name}"))
    return feed


def _events(calendar: Component, feed: Feed, skipped: list[Skipped]) -> Iterable[Event]:
    others: Counter[str] = Counter()
    groups: dict[str, list[Entry]] = defaultdict(list)
    all_cancelled = calendar.raw("METHOD").upper() == "CANCEL"
    for component in calendar.children:
        if component.name != "VEVENT":
            others[component.name[:40]] += 1
            continue
        try:
            made = entry(component, feed)
        except (Unreadable, ValueError, OverflowError) as error:
            skipped.append(_skipped(component, error))
            continue
        made.cancelled = made.cancelled or all_cancelled
        groups[made.uid].append(made)
    del others["VTIMEZONE"]
    skipped += [Skipped("", "", f"{count} {name}: only events are read") for name, count in others.items()]
    for entries in groups.values():
        yield from _group(entries, feed, skipped)


def _skipped(component: Component, why: Exception | str) -> Skipped:
    if isinstance(why, ValueError | OverflowError):
        why = f"a date beyond what calendars can count ({why})"
    return Skipped(component.text("UID")[:MAX_TEXT], component.text("SUMMARY")[:MAX_TEXT], str(why))


def _group(entries: Sequence[Entry], feed: Feed, skipped: list[Skipped]) -> Iterable[Event]:
    """The events of one UID: what recurs, without the occurrences that were changed, and these."""
    changed: dict[tuple[bool, datetime], Entry] = {}
    masters: dict[When, Entry] = {}
    newest = max((one.sequence for one in entries if one.replaces is None), default=0)
    for one in entries:
        if one.replaces is not None:
            try:
                key = (one.replaces.all_day, one.replaces.instant)
            except (ValueError, OverflowError) as error:
                skipped.append(_skipped(one.component, error))
                continue
            if key not in changed or changed[key].sequence <= one.sequence:
                changed[key] = one
        elif one.sequence == newest:
            masters[one.start] = one
    gone, none = Gone(one.replaces for one in changed.values() if one.replaces is not None), Gone()
    for one in [*masters.values(), *changed.values()]:
        if one.cancelled:
            skipped.append(_skipped(one.component, "cancelled"))
            continue
        if one.from_now_on:
            skipped.append(_skipped(one.component, "RANGE=THISANDFUTURE is not followed: this occurrence only"))
        try:
            yield from occurrences(one, gone if one.replaces is None else none, feed)
        except (Unreadable, ValueError, OverflowError) as error:
            skipped.append(_skipped(one.component, error))
