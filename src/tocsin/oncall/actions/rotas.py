"""Generated rotas: people with what is known of them into the generator, and what comes out onto a schedule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from tocsin.oncall import models, queries, rota, rules
from tocsin.oncall.actions.common import lock, tell
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid

MAX_SECONDS = 60.0
UID = "rota:"


@dataclass
class RotaPerson:
    """Somebody who takes part, by e-mail address. Zone, region and absences come from what is known of them."""

    email: str
    skills: list[str] = field(default_factory=list)
    weight: float = 1.0
    preferred: list[int] = field(default_factory=list)
    unwanted: list[int] = field(default_factory=list)
    history: float = 0.0
    max_per_week: int | None = None
    region: str = ""


@dataclass
class RotaShift:
    """See ``rota.ShiftKind``."""

    name: str
    start: str = "08:00"
    end: str = "20:00"
    days: list[int] = field(default_factory=lambda: sorted(rules.ALL_DAYS))
    zone: str = ""
    unit: str = "day"
    people: int = 1
    skills: dict[str, int] = field(default_factory=dict)


@dataclass
class RotaRules:
    """See ``rota.Rules``; weights count an hour of that kind."""

    rest_hours: float = 11.0
    nights_in_a_row: int | None = 4
    shifts_in_a_row: int | None = 6
    hours_in_7_days: float | None = None
    days_off: int = 0
    night_weight: float = 1.5
    weekend_weight: float = 1.5
    holiday_weight: float = 2.0
    tolerance: float = 1.0


@dataclass
class RotaRequest:
    """A rota that is asked for: ``weeks`` from ``start`` on, in the zone of the schedule unless ``zone`` is given."""

    schedule: str
    start: date
    weeks: int
    people: list[RotaPerson]
    shifts: list[RotaShift]
    rules: RotaRules = field(default_factory=RotaRules)
    zone: str = ""
    seconds: float = 20.0


def rota_spec(request: RotaRequest, *, actor: Actor) -> rota.RotaSpec:
    """The request with what is known: names, zones, absences. Raises Forbidden, NotFound, Invalid by field."""
    schedule = queries.schedule(actor, request.schedule)
    emails = {one.email.strip().lower() for one in request.people}
    known = {user.email.lower(): user for user in User.objects.filter(email__in=emails, is_active=True)}
    problems = {
        f"people.{index}.email": "the e-mail address of somebody active"
        for index, one in enumerate(request.people)
        if one.email.strip().lower() not in known
    }
    if not 1 <= request.seconds <= MAX_SECONDS:
        problems["seconds"] = f"1 to {MAX_SECONDS:.0f}"
    for index, shift in enumerate(request.shifts):
        if shift.unit not in ("day", "week"):
            problems[f"shifts.{index}.unit"] = "day or week"
    if problems:
        raise Invalid("This rota cannot be made.", problems)
    since = datetime.combine(request.start, datetime.min.time())
    begin = rules.local_instant(schedule.zone, since) - timedelta(days=2)
    away = queries.absences(
        [user.pk for user in known.values()], begin, begin + timedelta(weeks=min(max(request.weeks, 1), 53) + 1)
    )
    spec = rota.RotaSpec(
        start=request.start,
        weeks=request.weeks,
        zone=request.zone or schedule.zone,
        shifts=tuple(_shift(one) for one in request.shifts),
        people=tuple(
            _person(one, known[one.email.strip().lower()], away.get(known[one.email.strip().lower()].pk, ()))
            for one in request.people
        ),
        rules=replace(rota.Rules(), **vars(request.rules)),
    )
    if wrong := rota.problems(spec):
        raise Invalid("This rota cannot be made.", wrong)
    return spec


def _shift(one: RotaShift) -> rota.ShiftKind:
    return rota.ShiftKind(
        one.name,
        one.start,
        one.end,
        frozenset(one.days),
        one.zone,
        "week" if one.unit == "week" else "day",
        one.people,
        dict(one.skills),
    )


def _person(one: RotaPerson, user: User, away: Sequence[models.Absence]) -> rota.Person:
    return rota.Person(
        key=user.email,
        name=user.name,
        zone=user.zone or "UTC",
        skills=frozenset(one.skills),
        absences=tuple(rota.Absence(absence.starts_at, absence.ends_at) for absence in away),
        weight=one.weight,
        preferred=frozenset(one.preferred),
        unwanted=frozenset(one.unwanted),
        history=one.history,
        max_per_week=one.max_per_week,
        region=one.region,
    )


def generated(request: RotaRequest, *, actor: Actor) -> dict[str, Any]:
    """A fair rota as JSON: shifts with reasons, fairness beside plain rotation. Keeps nothing; takes its seconds.

    Raises Forbidden, NotFound, Invalid; Conflict with the reasons when no rota keeps the rules, when the time was too
    short, and when the solver is not installed.
    """
    require(actor, Deed.READ)
    spec = rota_spec(request, actor=actor)
    try:
        found = rota.generate(spec, request.seconds)
    except rota.Impossible as error:
        raise Conflict(
            "No rota keeps these rules.", {f"reason {n}": text for n, text in enumerate(error.reasons, 1)}
        ) from error
    except rota.RotaError as error:
        raise Conflict(str(error)) from error
    return {
        "verdict": found.verdict,
        "proven": found.proven,
        "repeatable": found.repeatable,
        "shifts": [
            {"email": row.key, "from": row.start.isoformat(), "to": row.end.isoformat(), "why": row.reason}
            for row in rota.to_overrides(found)
        ],
        "fairness": _fairness(found.fairness),
        "rotation": _fairness(found.naive) | {"broken": dict(found.naive_broken)},
    }


def _fairness(one: rota.Fairness) -> dict[str, Any]:
    return {
        "spread": round(one.spread, 2),
        "deviation": round(one.deviation, 2),
        "gini": round(one.gini, 4),
        "handoffs": one.handoffs,
        "people": [
            {
                "email": share.key,
                "shifts": share.shifts,
                "points": round(share.points, 1),
                "load": round(share.load, 1),
                "hours": round(share.hours, 1),
                "nights": share.nights,
                "weekend_hours": round(share.weekend_hours, 1),
                "holiday_hours": round(share.holiday_hours, 1),
                "unwanted_days": share.unwanted_days,
            }
            for share in one.shares
        ],
    }


def keep_rota(schedule_id: int, shifts: Sequence[Mapping[str, Any]], *, actor: Actor) -> int:
    """Put a generated rota onto a schedule, as overrides beside each other; how many.

    Generated shifts that had been kept before and lie ahead within the same stretch go first; the past stays. Each of
    ``shifts``: ``email``, ``from``, ``to``, ``why``. Raises Forbidden, NotFound, Invalid.
    """
    with transaction.atomic():
        schedule = lock(schedule_id)
        require(actor, Deed.CONFIGURE, schedule.team_id)
        now = clock.now()
        ids = {email.lower(): pk for email, pk in User.objects.filter(is_active=True).values_list("email", "pk")}
        rows = []
        problems: dict[str, str] = {}
        for index, shift in enumerate(shifts):
            try:
                start, end = (datetime.fromisoformat(str(shift[name])) for name in ("from", "to"))
            except (KeyError, ValueError):
                problems[f"shifts.{index}"] = "moments from and to, with their offsets"
                continue
            user = ids.get(str(shift.get("email", "")).lower())
            if user is None:
                problems[f"shifts.{index}.email"] = "the e-mail address of somebody active"
            elif start.tzinfo is None or end.tzinfo is None or end <= start:
                problems[f"shifts.{index}.to"] = "after from, both with their offsets"
            elif end > now:
                rows.append((user, max(start, now), end, str(shift.get("why", ""))[:300]))
        if problems:
            raise Invalid("This rota cannot be kept.", problems)
        if not rows:
            return 0
        first, last = min(row[1] for row in rows), max(row[2] for row in rows)
        models.Override.objects.filter(
            schedule=schedule, uid__startswith=UID, starts_at__gte=max(first, now), starts_at__lt=last
        ).delete()
        models.Override.objects.bulk_create(
            models.Override(
                schedule=schedule,
                kind="beside",
                user_id=user,
                starts_at=start,
                ends_at=end,
                reason=why,
                created_by_id=actor.user_id,
                created_at=now,
                uid=f"{UID}{start.isoformat()}:{user}",
            )
            for user, start, end, why in rows
        )
        audit.record(
            actor, "generated", "rota", schedule.pk, schedule.name,
            after={"shifts": len(rows), "from": first.isoformat(), "to": last.isoformat()},
        )  # fmt: skip
        tell([schedule.pk])
    return len(rows)


def task(value: dict[str, Any], actor: Actor) -> dict[str, Any]:
    """``generated`` for a process apart."""
    return generated(request_of(value), actor=actor)


def request_of(value: Mapping[str, Any]) -> RotaRequest:
    """A request that went through JSON."""
    return RotaRequest(
        schedule=value["schedule"],
        start=date.fromisoformat(value["start"]),
        weeks=value["weeks"],
        people=[RotaPerson(**one) for one in value["people"]],
        shifts=[RotaShift(**one) for one in value["shifts"]],
        rules=RotaRules(**value["rules"]),
        zone=value["zone"],
        seconds=value["seconds"],
    )
