"""Calendars of other tools, read again and again: shifts for a schedule, absences of a person.

What is past stays as it was: only what lies ahead is changed. Nobody is taken off call, and no absence taken back, for
not being in a calendar that was not read to its end.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from tocsin.oncall import calendars, models, queries, rules
from tocsin.oncall.actions import fetching
from tocsin.oncall.actions.absences import FEED, keep, require_absences, uid_of
from tocsin.oncall.actions.common import lock, plain, tell
from tocsin.oncall.calendars import Event, Piece, Reading
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, clock, secrets
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound

EVERY = timedelta(minutes=30)
BEHIND, AHEAD = timedelta(days=1), timedelta(days=180)
ABSENCES_BEHIND, ABSENCES_AHEAD = timedelta(days=30), timedelta(days=400)
MOST_SOURCES = 20
MOST_PIECES = 3_000
MOST_PROBLEMS = 50
FILE_RIGHT = f"an iCalendar file (.ics) of {fetching.MAX_BYTES // 1_000_000} MB at most"


def create_calendar_source(
    schedule_id: int, name: str, *, actor: Actor, url: str = "", body: bytes | str = b""
) -> models.CalendarSource:
    """Let the events of a calendar put people on call: from an address, read by the engine, or a file, read at once.

    Raises Forbidden, NotFound, Conflict, Invalid.
    """
    text = body if isinstance(body, str) else body.decode("utf-8-sig", errors="replace")
    with transaction.atomic():
        schedule = lock(schedule_id)
        require(actor, Deed.CONFIGURE, schedule.team_id)
        problems = {}
        if not name.strip() or len(name) > 120 or "\x00" in name:
            problems["name"] = "1 to 120 characters"
        if bool(url.strip()) == bool(text.strip()):
            problems["url"] = f"{fetching.RIGHT}, or a file: one of them"
        elif url.strip():
            problems |= _address_problems(url)
        elif len(text.encode(errors="replace")) > fetching.MAX_BYTES:
            problems["file"] = FILE_RIGHT
        if problems:
            raise Invalid("This calendar cannot be read.", problems)
        if schedule.calendar_sources.count() >= MOST_SOURCES:
            raise Conflict(f"A schedule has {MOST_SOURCES} calendars at most.")
        now = clock.now()
        row = models.CalendarSource.objects.create(
            schedule=schedule,
            name=name.strip(),
            url=secrets.encrypt(fetching.address_of(url)) if url.strip() else "",
            body="" if url.strip() else text.replace("\x00", ""),
            created_by_id=actor.user_id,
            created_at=now,
            due_at=now,
        )
        audit.record(actor, "created", "calendar source", row.pk, f"{schedule.name}: {row.name}", None, _facts(row))
        if row.body:
            try:
                _read_shifts(row, row.body.encode(), now)
            except calendars.NotACalendar as error:
                raise Invalid("This file cannot be read.", {"file": error.problems["calendar"]}) from error
        tell([schedule.pk])
    return row


def _address_problems(url: str) -> dict[str, str]:
    try:
        fetching.address_of(url)
    except fetching.Unread as error:
        return {"url": str(error)}
    return {}


def _facts(row: models.CalendarSource) -> dict[str, object]:
    return {"from": fetching.host_of(secrets.decrypt(row.url)) if row.url else "a file"}


def delete_calendar_sources(ids: Iterable[int], *, actor: Actor) -> int:
    """Read calendars no more: their shifts to come go, a running one ends now, past ones stay. How many went."""
    with transaction.atomic():
        rows = list(models.CalendarSource.objects.filter(pk__in=list(ids)).select_related("schedule").order_by("pk"))
        now = clock.now()
        for row in rows:
            schedule = lock(row.schedule_id)
            require(actor, Deed.CONFIGURE, schedule.team_id)
            _take_back(list(row.overrides.select_for_update().filter(ends_at__gt=now)), now)
            audit.record(actor, "deleted", "calendar source", row.pk, f"{schedule.name}: {row.name}", _facts(row))
            row.delete()
        tell([row.schedule_id for row in rows])
    return len(rows)


def read_again(ids: Iterable[int], *, actor: Actor) -> int:
    """Have calendars of schedules read now instead of at their time; how many."""
    with transaction.atomic():
        rows = list(models.CalendarSource.objects.filter(pk__in=list(ids)).select_related("schedule"))
        for row in rows:
            require(actor, Deed.OVERRIDE, row.schedule.team_id)
            audit.record(actor, "read", "calendar source", row.pk, f"{row.schedule.name}: {row.name}")
        models.CalendarSource.objects.filter(pk__in=[row.pk for row in rows]).update(due_at=clock.now())
    return len(rows)


def save_absence_feed(user_id: int, url: str, *, actor: Actor, everything: bool = False) -> models.AbsenceFeed:
    """Read a person's absences from a calendar from now on; one for each person. Raises Forbidden, NotFound, Invalid.

    With ``everything`` each event is an absence, else those that say so (vacation, sick, out of office ...).
    """
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id, is_active=True).first()
        if user is None:
            raise NotFound("There is no such person, or they are not active.", {"user": "an active person"})
        require_absences(actor, user.pk)
        if problems := _address_problems(url):
            raise Invalid("This calendar cannot be read.", problems)
        now = clock.now()
        address = fetching.address_of(url)
        values = {"url": secrets.encrypt(address), "everything": everything, "due_at": now, "failure": ""}
        row, new = models.AbsenceFeed.objects.update_or_create(
            user=user, defaults=values, create_defaults=values | {"created_at": now}
        )
        facts = {"from": fetching.host_of(address), "everything": everything}
        audit.record(actor, "created" if new else "changed", "absence calendar", row.pk, user.name, None, facts)
    return row


def delete_absence_feed(user_id: int, *, actor: Actor) -> int:
    """Read a person's calendar no more; absences from it that are not over go. Returns how many calendars went."""
    require_absences(actor, user_id)
    with transaction.atomic():
        row = models.AbsenceFeed.objects.select_for_update(of=("self",)).filter(user_id=user_id).first()
        if row is None:
            return 0
        models.Absence.objects.filter(user_id=user_id, source=FEED, ends_at__gt=clock.now()).delete()
        audit.record(actor, "deleted", "absence calendar", row.pk, row.user.name)
        row.delete()
    return 1


# -- what the engine does ----------------------------------------------------------------------------------------------


def read_due() -> int:
    """Read one calendar that is due, if there is one; how many were read. Takes ``fetching.TIMEOUT_S`` at most, and
    what reading takes. Two engines never read the same one at once."""
    claimed = _claimed()
    if claimed is None:
        return 0
    try:
        body = fetching.fetch(secrets.decrypt(claimed.url)) if claimed.url else claimed_body(claimed)
        why = ""
    except fetching.Unread as error:
        body, why = b"", str(error)
    except secrets.SecretUnreadable:
        body, why = b"", "the address was stored under another secret key: enter it again"
    settle(claimed, body, why)
    return 1


def claimed_body(claimed: models.CalendarSource | models.AbsenceFeed) -> bytes:
    """The file of a source that has no address."""
    return claimed.body.encode() if isinstance(claimed, models.CalendarSource) else b""


def _claimed() -> models.CalendarSource | models.AbsenceFeed | None:
    """A calendar that is due; its next time is noted at once."""
    with transaction.atomic():
        now = clock.now()
        for rows in (
            models.CalendarSource.objects.filter(due_at__lte=now),
            models.AbsenceFeed.objects.filter(due_at__lte=now, user__is_active=True),
        ):
            row = rows.select_for_update(skip_locked=True, of=("self",)).order_by("due_at", "pk").first()
            if row is not None:
                row.due_at = now + EVERY
                row.save(update_fields=["due_at"])
                return row
    return None


def settle(claimed: models.CalendarSource | models.AbsenceFeed, body: bytes, why: str = "") -> None:
    """Take over what a calendar says, or note ``why`` it could not be read; nothing if it changed or went meanwhile."""
    with transaction.atomic():
        if isinstance(claimed, models.CalendarSource):
            # the schedule first, as everybody does who writes its overrides
            models.Schedule.objects.select_for_update().filter(pk=claimed.schedule_id).first()
        row = type(claimed).objects.select_for_update(of=("self",)).filter(pk=claimed.pk, url=claimed.url).first()
        if row is None:
            return
        now = clock.now()
        if not why:
            try:
                # what is no calendar at all leaves nothing half done
                if isinstance(row, models.CalendarSource):
                    _read_shifts(row, body, now)
                else:
                    _read_absences(row, body, now)
            except calendars.NotACalendar as error:
                why = error.problems.get("calendar", error.message)
        if why and why != row.failure:
            row.failure = plain(why, 500)
            row.save(update_fields=["failure"])
            if isinstance(row, models.CalendarSource):
                tell([row.schedule_id])


def _read(body: bytes, since: datetime, until: datetime, zone: str) -> Reading:
    zone = zone if rules.known_zone(zone) else "UTC"
    return calendars.read(body, since, until, zone=zone, max_bytes=fetching.MAX_BYTES)


def _noted(row: models.CalendarSource | models.AbsenceFeed, now: datetime, found: int, problems: list[str]) -> None:
    texts = list(dict.fromkeys(plain(text, 300) for text in problems))
    if len(texts) > MOST_PROBLEMS:
        texts = [*texts[:MOST_PROBLEMS], f"and {len(texts) - MOST_PROBLEMS} more"]
    row.read_at, row.failure, row.problems, row.found = now, "", texts, found
    row.save(update_fields=["read_at", "failure", "problems", "found"])


def _skipped(reading: Reading) -> list[str]:
    return [
        f"{one.summary}: {one.why}" if one.summary else one.why for one in reading.skipped if one.why != "cancelled"
    ]


def _read_shifts(row: models.CalendarSource, body: bytes, now: datetime) -> None:
    """Make the overrides of a source as its calendar has them. The schedule is locked."""
    schedule = row.schedule
    reading = _read(body, now - BEHIND, now + AHEAD, schedule.zone)
    known = queries.directory()
    problems = _skipped(reading)
    meant: list[tuple[Event, tuple[int, ...]]] = []
    seen: set[str] = set()
    unclear: set[str] = set()
    for event in reading.events:
        match = calendars.meant(event, known)
        what = f"{event.start:%Y-%m-%d} {event.summary or 'without a title'}"
        problems += [f"{what}: {text!r} is nobody who is known here" for text in match.unknown]
        problems += [f"{what}: {one.text!r} could be several people" for one in match.ambiguous]
        seen.add(calendars.name_of(event))
        if match.people:
            meant.append((event, match.people))
            continue
        # whoever it named before stays on call: nobody knows whom it names now
        unclear.add(calendars.name_of(event))
        if not match.unknown and not match.ambiguous:
            problems.append(f"{what}: names nobody")
    pieces = [one for one in calendars.pieces(meant) if one.end > now]
    if len(pieces) > MOST_PIECES:
        problems.append(f"more than {MOST_PIECES} shifts; those from {pieces[MOST_PIECES].start:%Y-%m-%d} are left out")
        pieces = pieces[:MOST_PIECES]
    added, changed, removed = _write(row, pieces, seen - unclear, reading.complete, unclear, now)
    _noted(row, now, len(meant), problems)
    if added or changed or removed:
        facts = {"added": added, "changed": changed, "removed": removed}
        audit.record(SYSTEM, "changed", "calendar source", row.pk, f"{schedule.name}: {row.name}", None, facts)
    tell([row.schedule_id])


def _write(
    row: models.CalendarSource, pieces: list[Piece], told: set[str], complete: bool, unclear: set[str], now: datetime
) -> tuple[int, int, int]:
    """(added, changed, removed) overrides; ``told``: events that said clearly whom they mean."""
    stored = {
        (one.uid, one.user_id, one.kind, max(one.starts_at, now)): one
        for one in row.overrides.select_for_update().filter(ends_at__gt=now).order_by("pk")
    }
    fresh, changed = [], []
    for piece in pieces:
        start, reason = max(piece.start, now), plain(f"{row.name}: {piece.summary}", 300)
        old = stored.pop((piece.event, piece.user_id, piece.kind, start), None)
        if old is None:
            fresh.append(
                models.Override(
                    schedule_id=row.schedule_id,
                    source=row,
                    uid=piece.event,
                    kind=piece.kind,
                    user_id=piece.user_id,
                    starts_at=start,
                    ends_at=piece.end,
                    reason=reason,
                    created_by_id=row.created_by_id,
                    created_at=row.created_at,
                )
            )
        elif (old.ends_at, old.reason) != (piece.end, reason):
            old.ends_at, old.reason = piece.end, reason
            changed.append(old)
    gone = [one for (uid, *_), one in stored.items() if uid in told or (complete and uid not in unclear)]
    _take_back(gone, now)
    models.Override.objects.bulk_update(changed, ["ends_at", "reason"])
    models.Override.objects.bulk_create(fresh)
    return len(fresh), len(changed), len(gone)


def _take_back(rows: list[models.Override], now: datetime) -> None:
    """Remove overrides that have not begun; those that run end now."""
    models.Override.objects.filter(pk__in=[one.pk for one in rows if one.starts_at >= now]).delete()
    models.Override.objects.filter(pk__in=[one.pk for one in rows if one.starts_at < now]).update(ends_at=now)


def _read_absences(row: models.AbsenceFeed, body: bytes, now: datetime) -> None:
    """Make the absences of a person's calendar as it has them; those written by hand are not looked at."""
    since, until = now - ABSENCES_BEHIND, now + ABSENCES_AHEAD
    reading = _read(body, since, until, row.user.zone)
    found = calendars.from_events(reading.events, person=row.user_id, everything=row.everything)
    added, changed, _ = keep(found.absences, FEED)
    removed = 0
    if reading.complete:
        wanted = {(uid_of(one), one.start) for one in found.absences}
        stored = models.Absence.objects.filter(
            user_id=row.user_id, source=FEED, ends_at__gt=max(since, now), starts_at__lt=until
        )
        gone = [one.pk for one in stored if (one.uid, one.starts_at) not in wanted]
        removed = models.Absence.objects.filter(pk__in=gone).delete()[0]
    _noted(row, now, len(found.absences), [*_skipped(reading), *(one.text for one in found.problems)])
    if added or changed or removed:
        facts = {"added": added, "changed": changed, "removed": removed}
        audit.record(SYSTEM, "changed", "absence calendar", row.pk, row.user.name, None, facts)
