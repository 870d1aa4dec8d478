"""What on call costs, over HTTP: load, working hours, the night budget, pay."""

import base64
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tocsin.api.auth import asker
from tocsin.api.schema import Strict
from tocsin.oncall import actions, load, queries
from tocsin.oncall.models import Habits
from tocsin.people import queries as people
from tocsin.people.rules import Deed, require
from tocsin.platform import clock
from tocsin.platform.actor import Actor

router = Router(tags=["on call"])
HOUR = timedelta(hours=1)


class PersonLoad(Schema):
    user: str
    name: str
    hours: dict[str, float] = Field(description="By kind of hour; together the time on call.")
    nights: int
    weekends: int
    holidays: int
    pages: int
    interruptions: int
    bad_nights: int
    budget_used: int
    share: float
    expected: float


class ReliefOut(Schema):
    user: str
    schedule: str
    from_: datetime = Field(serialization_alias="from")
    to: datetime
    why: str


class LoadOut(Schema):
    since: datetime
    until: datetime
    summary: str
    gini: float
    spread: float
    due: str | None
    weekly_budget: int
    items: list[PersonLoad]
    relief: list[ReliefOut]


class HabitsIn(Strict):
    """Weekdays from 1 (Monday) to 7 (Sunday), local times as HH:MM; `part` of on call: 1 whole, 0.5 half, 0 none."""

    region: str = ""
    workdays: list[int] = Field([1, 2, 3, 4, 5], max_length=50)
    work_from: str = "09:00"
    work_to: str = "17:00"
    night_from: str = "22:00"
    night_to: str = "07:00"
    part: float = 1.0


class HabitsOut(Schema):
    user: str
    zone: str
    region: str
    workdays: list[int]
    work_from: str
    work_to: str
    night_from: str
    night_to: str
    part: float


class BudgetIn(Strict):
    weekly: int


class BudgetOut(Schema):
    weekly: int


class RatesIn(Strict):
    """Amounts are decimal texts; kinds of hour: holiday, weekend, night, evening, working. Empty: nothing, no limit."""

    currency: str
    standby: dict[str, str] = Field(default_factory=dict)
    callout: dict[str, str] = Field(default_factory=dict)
    callout_hour: dict[str, str] = Field(default_factory=dict)
    callout_minimum: str = ""
    shift: str = ""
    cap_shift: str = ""
    cap_person: str = ""
    places: int = 2


class RatesOut(Schema):
    currency: str
    standby: dict[str, str]
    callout: dict[str, str]
    callout_hour: dict[str, str]
    callout_minimum: str
    shift: str
    cap_shift: str
    cap_person: str
    places: int


class PayTotal(Schema):
    user: str
    name: str
    amount: str


class PayLine(Schema):
    user: str
    schedule: str
    from_: datetime | None = Field(serialization_alias="from")
    to: datetime | None
    what: str
    kind: str
    quantity: str
    rate: str
    amount: str


class PayOut(Schema):
    since: datetime
    until: datetime
    currency: str
    total: str
    items: list[PayTotal]
    lines: list[PayLine]


class PayFile(Schema):
    name: str
    content: str = Field(description="Base64.")


@router.get("/oncall/load", response=LoadOut, by_alias=True)
def show_load(request: HttpRequest, since: str = "4w", team: str = "") -> dict[str, Any]:
    """Hours by kind, pages, interruptions of sleep, how even it is and who is due.

    `since`: a month as `2026-10`, weeks as `4w`, or a day as `2026-10-05`; days of one's own zone.
    """
    actor = asker(request)
    now = clock.now()
    start, end = queries.period_of(since, now, _zone(actor))
    report = queries.load_report(actor, start, end, now, people.team(actor, team) if team else None)
    emails = {line.user.pk: line.user.email for line in report.lines}
    names = queries.slugs({one.schedule_id for one in report.relief})
    due = report.fairness.due
    return {
        "since": report.since,
        "until": report.until,
        "summary": report.summary,
        "gini": round(report.evenness.gini, 4),
        "spread": round(report.evenness.spread, 2),
        "due": emails.get(due[0]) if due else None,
        "weekly_budget": report.weekly,
        "items": [_line(line) for line in report.lines],
        "relief": [
            {
                "user": emails.get(one.user_id, ""),
                "schedule": names.get(one.schedule_id, ""),
                "from_": one.start,
                "to": one.end,
                "why": one.why,
            }
            for one in report.relief
        ],
    }


def _line(line: queries.Burden) -> dict[str, Any]:
    return {
        "user": line.user.email,
        "name": line.user.name,
        "hours": {kind: round(line.hours.of(kind) / HOUR, 2) for kind in load.KINDS},
        "nights": line.hours.nights,
        "weekends": line.hours.weekends,
        "holidays": line.hours.holidays,
        "pages": line.pages,
        "interruptions": line.interruptions,
        "bad_nights": len(line.bad_nights),
        "budget_used": line.budget.used,
        "share": round(line.share.share, 4),
        "expected": round(line.share.expected, 4),
    }


def _zone(actor: Actor) -> str:
    return people.user(actor, actor.user_id).zone if actor.user_id is not None else "UTC"


@router.get("/people/{ref}/working-hours", response=HabitsOut)
def show_habits(request: HttpRequest, ref: str) -> dict[str, Any]:
    """When a person works and sleeps."""
    user = people.user(asker(request), ref)
    return _habits(queries.habits_row(user.pk), user.email, user.zone)


@router.put("/people/{ref}/working-hours", response=HabitsOut)
def save_habits(request: HttpRequest, ref: str, body: HabitsIn) -> dict[str, Any]:
    """Say when a person works and sleeps. They, managers of a team of theirs, administrators."""
    actor = asker(request)
    user = people.user(actor, ref)
    row = actions.save_habits(user.pk, actions.HabitsSpec(**body.dict()), actor=actor)
    return _habits(row, user.email, user.zone)


def _habits(row: Habits, email: str, zone: str) -> dict[str, Any]:
    names = ("region", "workdays", "work_from", "work_to", "night_from", "night_to", "part")
    return {"user": email, "zone": zone} | {name: getattr(row, name) for name in names}


@router.get("/oncall/night-budget", response=BudgetOut)
def show_budget(request: HttpRequest) -> dict[str, int]:
    """How many interruptions of sleep a week the organisation takes for bearable."""
    require(asker(request), Deed.READ)
    return {"weekly": queries.night_budget()}


@router.put("/oncall/night-budget", response=BudgetOut)
def save_budget(request: HttpRequest, body: BudgetIn) -> dict[str, int]:
    """Change that. Needs an administrator."""
    actions.save_night_budget(body.weekly, actor=asker(request))
    return show_budget(request)


@router.get("/oncall/pay-rates", response=RatesOut)
def show_rates(request: HttpRequest) -> dict[str, Any]:
    """What on call is paid. For managers and administrators."""
    require(asker(request), Deed.CONFIGURE)
    rates = queries.pay_rates() or load.Rates("EUR")

    def kinds(amounts: Any) -> dict[str, str]:
        return {kind: f"{amount:f}" for kind, amount in amounts.items()}

    return {
        "currency": rates.currency,
        "standby": kinds(rates.standby),
        "callout": kinds(rates.callout),
        "callout_hour": kinds(rates.callout_hour),
        "callout_minimum": f"{rates.callout_minimum:f}",
        "shift": f"{rates.shift:f}",
        "cap_shift": _text(rates.cap_shift),
        "cap_person": _text(rates.cap_person),
        "places": rates.places,
    }


def _text(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:f}"


@router.put("/oncall/pay-rates", response=RatesOut)
def save_rates(request: HttpRequest, body: RatesIn) -> dict[str, Any]:
    """Say what on call is paid. Needs an administrator."""
    actions.save_pay_rates(body.dict(), actor=asker(request))
    return show_rates(request)


def _paid(request: HttpRequest, since: str, team: str) -> queries.Paid:
    actor = asker(request)
    now, zone = clock.now(), _zone(actor)
    start, end = queries.period_of(since, now, zone)
    return queries.pay(actor, start, end, now, people.team(actor, team) if team else None, zone)


@router.get("/oncall/pay", response=PayOut, by_alias=True)
def show_pay(request: HttpRequest, since: str = "4w", team: str = "") -> dict[str, Any]:
    """What everybody is paid for on call. For managers and administrators; `since` as for the load."""
    paid = _paid(request, since, team)
    bill = paid.bill
    return {
        "since": paid.since,
        "until": paid.until,
        "currency": bill.currency,
        "total": f"{bill.total:f}",
        "items": [
            {"user": paid.emails[key], "name": paid.people[key], "amount": f"{amount:f}"}
            for key, amount in sorted(bill.totals.items(), key=lambda item: paid.people[item[0]])
        ],
        "lines": [
            {
                "user": paid.emails[line.user_id],
                "schedule": paid.schedules.get(line.schedule_id, "") if line.schedule_id else "",
                "from_": line.start,
                "to": line.end,
                "what": line.what,
                "kind": line.kind or "",
                "quantity": f"{line.quantity:f}",
                "rate": _text(line.rate),
                "amount": f"{line.amount:f}",
            }
            for line in bill.lines
        ],
    }


@router.get("/oncall/pay/file", response=PayFile)
def pay_file(request: HttpRequest, since: str = "4w", team: str = "", kind: Literal["csv", "xlsx"] = "xlsx") -> Any:
    """The same as a file for spreadsheets."""
    paid = _paid(request, since, team)
    write = load.to_csv if kind == "csv" else load.to_xlsx
    content = write(paid.bill, paid.people, paid.schedules, paid.zone)
    return {"name": f"on-call-pay-{since}.{kind}", "content": base64.b64encode(content).decode()}
