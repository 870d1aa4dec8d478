"""What on call costs people, and what it is paid: what ``load`` works out, from the tables."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.apps import apps

from tocsin.oncall import load, models, rules
from tocsin.oncall.load import BadNight, Bill, Budget, Evenness, Fairness, Hours, Interruption, Paged, Relief, Share
from tocsin.oncall.queries.loading import load as load_schedules
from tocsin.oncall.queries.watching import MAX_WINDOW
from tocsin.people.models import Team, User
from tocsin.people.rules import Deed, require
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid
from tocsin.platform.models import Setting

BUDGET_SETTING, RATES_SETTING = "oncall.night_budget", "oncall.pay_rates"
DEFAULT_BUDGET = 2
MOST_PAGES = 200_000
RELIEF_WITHIN = timedelta(hours=36)
DAYS = timedelta(days=1)


def night_budget() -> int:
    """How many interruptions of sleep a week the organisation takes for bearable."""
    row = Setting.objects.filter(name=BUDGET_SETTING).first()
    return int(row.value["weekly"]) if row else DEFAULT_BUDGET


def pay_rates() -> load.Rates | None:
    """What on call is paid; None: nobody has said."""
    row = Setting.objects.filter(name=RATES_SETTING).first()
    return rates_of_json(row.value) if row else None


KIND_AMOUNTS = ("standby", "callout", "callout_hour")
AMOUNTS = ("callout_minimum", "shift", "cap_shift", "cap_person")


def rates_of_json(value: Mapping[str, Any]) -> load.Rates:
    """Rates as they are stored: amounts are texts, empty or missing for none. Raises ValueError for what is none."""

    def amount(text: Any) -> Decimal | None:
        return Decimal(str(text)) if text not in (None, "") else None

    def kinds(name: str) -> dict[load.HourKind, Decimal]:
        given = {kind: amount(value.get(name, {}).get(kind)) for kind in load.KINDS}
        return {kind: sum_ for kind, sum_ in given.items() if sum_ is not None}

    return load.Rates(
        currency=str(value.get("currency", "")),
        standby=kinds("standby"),
        callout=kinds("callout"),
        callout_hour=kinds("callout_hour"),
        callout_minimum=amount(value.get("callout_minimum")) or Decimal(0),
        shift=amount(value.get("shift")) or Decimal(0),
        cap_shift=amount(value.get("cap_shift")),
        cap_person=amount(value.get("cap_person")),
        places=int(value.get("places", 2)),
    )


def habits_row(user_id: int) -> models.Habits:
    """When a person works and sleeps, as stored; what is usual when they never said."""
    row = models.Habits.objects.filter(user_id=user_id).first()
    return row or models.Habits(user_id=user_id, workdays=[1, 2, 3, 4, 5])


def habits(users: Mapping[int, User]) -> dict[int, load.Habits]:
    """Habits of people for ``load``, by id: everybody has some."""
    stored = models.Habits.objects.in_bulk(list(users))
    return {key: _habits(user.zone, stored.get(key)) for key, user in users.items()}


def _habits(zone: str, row: models.Habits | None) -> load.Habits:
    zone = zone if rules.known_zone(zone) else "UTC"
    if row is None:
        return load.Habits(zone=zone)
    days = frozenset(row.workdays)
    # who works from Sunday to Thursday is off on Friday and Saturday
    weekend = frozenset({5, 6} if 7 in days and 5 not in days else {6, 7}) - days
    return load.Habits(
        zone=zone,
        region=row.region,
        workdays=days,
        work=(rules.minutes(row.work_from), rules.minutes(row.work_to)),
        night=(rules.minutes(row.night_from), rules.minutes(row.night_to)),
        weekend=weekend,
    )


@dataclass(frozen=True, slots=True)
class Burden:
    """One person's line: their hours, pages, lost sleep, and share of the whole."""

    user: User
    hours: Hours
    pages: int
    interruptions: int
    bad_nights: tuple[BadNight, ...]
    budget: Budget
    share: Share


@dataclass(frozen=True, slots=True)
class Report:
    """Load from ``since`` to ``until``: by person, how even it is, who should be relieved; see ``load``.

    ``weekly``: interruptions a week that are bearable. ``budget`` of a person is of the week that ends at ``until``,
    or now if that is earlier.
    """

    since: datetime
    until: datetime
    lines: tuple[Burden, ...]
    fairness: Fairness
    summary: str
    weekly: int
    relief: tuple[Relief, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def evenness(self) -> Evenness:
        return self.fairness.whole

    @property
    def due(self) -> str:
        """Who is due next; empty: nobody."""
        return self.names.get(self.fairness.due[0], "") if self.fairness.due else ""


def period_of(text: str, now: datetime, zone: str = "UTC") -> tuple[datetime, datetime]:
    """``2026-10`` a month, ``4w`` the last four weeks, ``2026-10-05`` from that day on; local days of ``zone``.

    Raises Invalid.
    """
    today = load.local_day(now, zone)
    try:
        if text.endswith("w") and 1 <= int(text[:-1]) <= 52:
            return _midnight(today + DAYS - timedelta(weeks=int(text[:-1])), zone), now
        if len(text) == 7:
            first = date.fromisoformat(f"{text}-01")
            return _midnight(first, zone), _midnight((first + 31 * DAYS).replace(day=1), zone)
        if len(text) == 10 and date.fromisoformat(text) <= today:
            return _midnight(date.fromisoformat(text), zone), now
    except (ValueError, OverflowError):
        pass
    raise Invalid(
        "This is no time to look at.", {"since": "a month as 2026-10, weeks as 4w, or a past day as 2026-10-05"}
    )


def _midnight(day: date, zone: str) -> datetime:
    if not 1970 <= day.year <= 9000:
        raise ValueError("a year from 1970 to 9000")
    return rules.local_instant(zone, datetime.combine(day, time()))


def _shifts(since: datetime, until: datetime, team: Team | None) -> tuple[list[rules.Shift], set[int]]:
    """(shifts from ``since`` to ``until``, cut to it; people in a layer now) of a team's schedules or of all."""
    if not timedelta() < until - since <= MAX_WINDOW:
        raise Invalid("This is no time to look at.", {"until": f"after since, by {MAX_WINDOW.days} days at most"})
    ids = models.Schedule.objects.filter(team=team).values_list("pk", flat=True) if team else None
    loaded = load_schedules(ids, since, until).values()
    shifts = [shift for one in loaded for shift in rules.final_schedule(one, since, until)]
    rota = models.LayerMember.objects.filter(layer__effective_until=None, user__is_active=True)
    if team is not None:
        rota = rota.filter(layer__schedule__team=team)
    return shifts, set(rota.values_list("user_id", flat=True))


def paged(user_ids: set[int], since: datetime, until: datetime) -> list[Paged]:
    """Pages that went to people from ``since`` to ``until``, exercises left out; the newest ``MOST_PAGES`` at most."""
    rows = (
        apps.get_model("escalation", "Page")
        .objects.filter(user_id__in=user_ids, at__gte=since, at__lt=until, incident__drill=False)
        .order_by("-id")
    )
    return [
        Paged(*row) for row in rows.values_list("user_id", "at", "incident_id", "answered_at", "urgency")[:MOST_PAGES]
    ]


def load_report(actor: Actor, since: datetime, until: datetime, now: datetime, team: Team | None = None) -> Report:
    """What on call cost everybody from ``since`` to ``until`` (not later than ``now``). Raises Forbidden, Invalid."""
    require(actor, Deed.READ)
    until = min(until, now)
    shifts, rota = _shifts(since, until, team)
    users = User.objects.in_bulk({shift.user_id for shift in shifts} | rota)
    theirs = habits(users)
    pages = paged(set(users), min(since, until - timedelta(weeks=1)), until)
    woken = load.interruptions_of(pages, theirs)
    within = [one for one in woken if one.start >= since]
    counts = Counter(one.user_id for one in pages if one.at >= since)
    losses = Counter(one.user_id for one in within)
    bad = load.bad_nights(within)
    hours = {user: of for (_, user), of in load.hours_of(shifts, theirs).items()}
    fairness = _fairness(shifts, within, theirs, users, now)
    names = {key: user.name for key, user in users.items()}
    shares = {one.user_id: one for one in fairness.whole.shares}
    weekly = night_budget()
    lines = [
        Burden(
            user,
            hours.get(key, Hours()),
            counts[key],
            losses[key],
            tuple(one for one in bad if one.user_id == key),
            load.budget(woken, key, until, weekly),
            shares.get(key, Share(key, 0.0, 0.0, 0.0, 0.0)),
        )
        for key, user in users.items()
    ]
    lines.sort(key=lambda line: (-line.share.burden, line.user.name))
    recent = [one for one in bad if one.end > now - RELIEF_WITHIN]
    relief = load.relief(recent, _coming(shifts, now, team), theirs) if recent else []
    return Report(
        since,
        until,
        tuple(lines),
        fairness,
        load.summary(fairness, names),
        weekly,
        tuple(one for one in relief if one.end > now),
        names,
    )


def _coming(shifts: list[rules.Shift], now: datetime, team: Team | None) -> list[rules.Shift]:
    """Shifts around now, also those to come, which a report up to now has not."""
    return _shifts(now - RELIEF_WITHIN, now + RELIEF_WITHIN, team)[0]


def _fairness(
    shifts: list[rules.Shift],
    woken: list[Interruption],
    theirs: Mapping[int, load.Habits],
    users: Mapping[int, User],
    now: datetime,
) -> Fairness:
    by_month: dict[str, dict[int, float]] = {}
    nights: dict[tuple[str, int], int] = {}
    for one in woken:
        key = (f"{one.night.year:04}-{one.night.month:02}", one.user_id)
        nights[key] = nights.get(key, 0) + 1
    hours = load.hours_of(shifts, theirs, "month")
    for month, user in {*hours, *nights}:
        carried = load.burden(hours.get((month, user), Hours()), nights.get((month, user), 0))
        by_month.setdefault(month, {})[user] = carried
    stored = dict(models.Habits.objects.filter(user_id__in=users).values_list("user_id", "part"))
    parts = {key: stored.get(key, 1.0) if user.is_active else 0.0 for key, user in users.items()}
    last: dict[int, datetime] = {}
    for shift in shifts:
        last[shift.user_id] = max(shift.end, last.get(shift.user_id, shift.end))
    away = models.Absence.objects.filter(starts_at__lte=now, ends_at__gt=now).values_list("user_id", flat=True)
    return load.fairness_of(by_month, parts, last, set(away))


@dataclass(frozen=True, slots=True)
class Paid:
    """A bill with the names that belong to it, for showing and for ``load.to_csv`` and ``to_xlsx``."""

    since: datetime
    until: datetime
    bill: Bill
    people: Mapping[int, str]
    emails: Mapping[int, str]
    schedules: Mapping[int, str]
    zone: str


def pay(
    actor: Actor, since: datetime, until: datetime, now: datetime, team: Team | None = None, zone: str = "UTC"
) -> Paid:
    """What everybody is paid from ``since`` to ``until`` (not later than ``now``), or for a team's schedules.

    For managers and administrators; a team's manager for that team. A callout is an incident that paged somebody; its
    work lasts until they answered. Raises Forbidden, and Invalid while nobody has said what is paid.
    """
    require(actor, Deed.CONFIGURE, team.pk if team else None)
    rates = pay_rates()
    if rates is None:
        raise Invalid("Nobody has said yet what on call is paid.", {"rates": "set by an administrator"})
    until = min(until, now)
    if until <= since:
        raise Invalid("This is no time to look at.", {"since": "in the past"})
    shifts, _ = _shifts(since, until, team)
    users = User.objects.in_bulk({shift.user_id for shift in shifts})
    if team is None:
        everybody = apps.get_model("escalation", "Page").objects.filter(at__gte=since, at__lt=until, user__isnull=False)
        users |= User.objects.in_bulk(set(everybody.values_list("user_id", flat=True).distinct()))
    stretches = load.stretches_of(shifts)
    callouts: dict[tuple[int, int], load.Callout] = {}
    for one in sorted(paged(set(users), since, until), key=lambda page: page.at):
        inside = any(start <= one.at < end for start, end in stretches.get(one.user_id, ()))
        if team is None or inside:
            minutes = max(0, int((one.answered_at - one.at).total_seconds() // 60)) if one.answered_at else 0
            # an incident calls somebody out once, however many pages it takes
            callouts.setdefault(
                (one.user_id, one.incident_id), load.Callout(one.user_id, one.at, one.incident_id, minutes)
            )
    bill = load.bill(shifts, callouts.values(), habits(users), rates)
    names = dict(models.Schedule.objects.filter(pk__in={s.schedule_id for s in shifts}).values_list("pk", "name"))
    return Paid(
        since,
        until,
        bill,
        {key: user.name for key, user in users.items()},
        {key: user.email for key, user in users.items()},
        names,
        zone if rules.known_zone(zone) else "UTC",
    )
