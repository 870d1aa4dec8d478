"""When people are away: written by hand, or from a file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tocsin.oncall import calendars, models, queries, rules
from tocsin.oncall.actions.common import plain
from tocsin.oncall.calendars import Problem
from tocsin.people.models import User
from tocsin.platform import audit, clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Forbidden, Invalid, NotFound

LONGEST = timedelta(days=1100)
MAX_BYTES = 2_000_000
FILE, FEED = "file", "feed"


def save_absence(
    user_id: int,
    start: datetime,
    end: datetime,
    *,
    actor: Actor,
    kind: str = "",
    note: str = "",
    id: int | None = None,
) -> models.Absence:
    """Say that somebody is away from ``start`` to ``end``, or change what was said.

    Everybody for themselves; managers of a team of theirs and administrators for others. A moment without an offset is
    local time of the person's zone. Raises Forbidden, NotFound, Invalid; Conflict for one that a feed brought.
    """
    with transaction.atomic():
        user = _person(user_id, actor)
        row = models.Absence(user=user, created_at=clock.now()) if id is None else _absence(id, actor)
        if row.user_id != user.pk:
            raise Invalid("This absence cannot be kept.", {"user": "whose it is; make another one for somebody else"})
        problems = {}
        for name, moment in (("start", start), ("end", end)):
            if not 1970 <= moment.year <= 9000:
                problems[name] = "a year from 1970 to 9000"
        if not problems:
            start, end = (rules.local_instant(_zone(user), moment) for moment in (start, end))
            if end <= start:
                problems["end"] = "after the start"
            elif end - start > LONGEST:
                problems["end"] = f"{LONGEST.days} days after the start at most"
        for name, text, most in (("kind", kind, 40), ("note", note, 300)):
            if len(text) > most or "\x00" in text:
                problems[name] = f"{most} characters at most"
        if problems:
            raise Invalid("This absence cannot be kept.", problems)
        before = None if id is None else _facts(row)
        row.starts_at, row.ends_at, row.kind, row.note = start, end, kind.strip(), note.strip()
        row.save()
        if before != _facts(row):
            audit.record(
                actor, "created" if id is None else "changed", "absence", row.pk, user.name, before, _facts(row)
            )
    return row


def delete_absences(ids: Iterable[int], *, actor: Actor) -> int:
    """Take absences back; how many went. Raises Forbidden; Conflict for those that a feed brought."""
    with transaction.atomic():
        found = models.Absence.objects.select_for_update(of=("self",)).filter(pk__in=list(ids))
        rows = list(found.select_related("user").order_by("pk"))
        for row in rows:
            _guard(row, actor)
        for row in rows:
            audit.record(actor, "deleted", "absence", row.pk, row.user.name, before=_facts(row))
            row.delete()
    return len(rows)


def _person(user_id: int, actor: Actor) -> User:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise NotFound("There is no such person, or they are not active.", {"user": "an active person"})
    require_absences(actor, user.pk)
    return user


def _absence(absence_id: int, actor: Actor) -> models.Absence:
    row = models.Absence.objects.select_for_update(of=("self",)).select_related("user").filter(pk=absence_id).first()
    if row is None:
        raise NotFound("There is no such absence any more.")
    _guard(row, actor)
    return row


def _guard(row: models.Absence, actor: Actor) -> None:
    require_absences(actor, row.user_id)
    if row.source == FEED:
        raise Conflict("This absence comes from a calendar and would come back: change it there.")


def require_absences(actor: Actor, user_id: int) -> None:
    """Raise Forbidden unless ``queries.may_edit_absences``."""
    if not queries.may_edit_absences(actor, user_id):
        raise Forbidden("Only the person themselves, managers of a team of theirs and administrators may change this.")


def _zone(user: User) -> str:
    return user.zone if rules.known_zone(user.zone) else "UTC"


def _facts(row: models.Absence) -> dict[str, Any]:
    return {
        "start": row.starts_at.isoformat(),
        "end": row.ends_at.isoformat(),
        "kind": row.kind,
        "note": row.note,
    }


# -- from a file -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: how many absences are new or changed, were there already, and what was wrong by row."""

    saved: int
    known: int
    problems: tuple[Problem, ...]


def import_absences(body: bytes | str, *, actor: Actor, save_good: bool = False, zone: str = "UTC") -> Imported:
    """Keep the absences of a CSV file; see ``calendars.from_csv``, which says what it may look like.

    Nothing is kept unless all rows are good, or ``save_good``. Reading the same file again changes nothing. Raises
    Invalid for what is too long.
    """
    if len(body) > MAX_BYTES:
        raise Invalid("This file is too long.", {"file": f"{MAX_BYTES // 1_000_000} MB at most"})
    body = body.replace(b"\x00", b"") if isinstance(body, bytes) else body.replace("\x00", "")
    found = calendars.from_csv(body, zone=zone, known=queries.directory())
    problems = list(found.problems)
    good: list[calendars.Absence] = []
    allowed: dict[int, bool] = {}
    for one in found.absences:
        key = int(one.person)
        if key not in allowed:
            allowed[key] = queries.may_edit_absences(actor, key)
            if not allowed[key]:
                name = User.objects.values_list("name", flat=True).get(pk=key)
                problems.append(Problem(f"you may not say when {name} is away; their team's manager may"))
        if allowed[key] and one.end - one.start > LONGEST:
            problems.append(Problem(f"from {one.start:%Y-%m-%d}: longer than {LONGEST.days} days"))
        elif allowed[key]:
            good.append(one)
    if problems and not save_good:
        return Imported(0, 0, tuple(problems))
    with transaction.atomic():
        added, changed, same = keep(good, FILE)
        if added or changed:
            facts = {"added": added, "changed": changed, "people": len({one.person for one in good})}
            audit.record(actor, "imported", "absence", 0, "Absences from a file", None, facts)
    return Imported(added + changed, same, tuple(problems))


def keep(wanted: Sequence[calendars.Absence], source: str) -> tuple[int, int, int]:
    """Store absences of known people under a source: how many are new, changed, the same. In a transaction."""
    now = clock.now()
    users = {int(one.person) for one in wanted}
    # one writer at a time for each person, or two would add the same
    list(User.objects.select_for_update().filter(pk__in=users).order_by("pk").values_list("pk", flat=True))
    stored = {
        (row.user_id, row.uid, row.starts_at): row
        for row in models.Absence.objects.filter(user_id__in=users, source=source).exclude(uid="")
    }
    fresh: dict[tuple[int, str, datetime], models.Absence] = {}
    changed: dict[int, models.Absence] = {}
    same = 0
    for one in wanted:
        key = (int(one.person), uid_of(one), one.start)
        facts = {"ends_at": one.end, "kind": plain(one.kind, 40), "note": plain(one.note, 300)}
        row = stored.get(key)
        if row is None:
            fresh[key] = models.Absence(
                user_id=key[0], source=source, uid=key[1], starts_at=one.start, created_at=now, **facts
            )
        elif any(getattr(row, name) != value for name, value in facts.items()):
            for name, value in facts.items():
                setattr(row, name, value)
            changed[row.pk] = row
        else:
            same += 1
    models.Absence.objects.bulk_create(fresh.values())
    models.Absence.objects.bulk_update(changed.values(), ["ends_at", "kind", "note"])
    return len(fresh), len(changed), same


def uid_of(one: calendars.Absence) -> str:
    """What an absence is called in its feed or file, short enough for its column."""
    return calendars.short_name(one.uid)
