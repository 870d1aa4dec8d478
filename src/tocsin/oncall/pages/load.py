"""What on call costs people, when they work and sleep, and what they are paid."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_GET, require_http_methods

from tocsin.oncall import actions, load, queries, rules
from tocsin.people import queries as people
from tocsin.people.models import Team, User
from tocsin.people.rules import Deed, may, require
from tocsin.platform.errors import Forbidden, Invalid, TocsinError
from tocsin.web.context import now
from tocsin.web.shortcuts import Request, attempt, back_to, done, export, number, page, signed_in

HOUR = timedelta(hours=1)
KIND_WORDS: Mapping[load.HourKind, str] = {
    "working": "working hours",
    "evening": "evenings",
    "night": "nights",
    "weekend": "weekends",
    "holiday": "holidays",
}
DAYS = [("1", "Mon"), ("2", "Tue"), ("3", "Wed"), ("4", "Thu"), ("5", "Fri"), ("6", "Sat"), ("7", "Sun")]


@dataclass(frozen=True)
class Part:
    """One kind of hour in a person's bar; ``x`` and ``width`` in per cent."""

    kind: str
    x: float
    width: float
    title: str


def parts_of(line: queries.Burden, most: float) -> list[Part]:
    """A person's hours as a bar that is as long as ``most`` hours are the whole width."""
    found: list[Part] = []
    x = 0.0
    for kind, words in KIND_WORDS.items():
        hours = line.hours.of(kind) / HOUR
        if hours and most:
            found.append(Part(kind, round(x, 2), round(100 * hours / most, 2), f"{words}: {hours:.1f} h"))
            x += 100 * hours / most
    return found


def _period(request: Request, usual: str) -> tuple[str, str]:
    """(the stretch that the address asks for, what is wrong with it)."""
    since = (request.GET.get("month") or request.GET.get("since") or usual)[:20]
    try:
        queries.period_of(since, now(request), _zone(request.user))
    except Invalid as error:
        return usual, error.problems["since"]
    return since, ""


def _zone(user: User) -> str:
    return user.zone if rules.known_zone(user.zone) else "UTC"


def _team(request: Request) -> Team | None:
    ref = request.GET.get("team", "")
    return people.team(request.actor, ref) if ref else None


def _months(request: Request) -> tuple[str, str]:
    """This month and the one before it, as 2026-10."""
    today = load.local_day(now(request), _zone(request.user))
    before = today.replace(day=1) - timedelta(days=1)
    return f"{today:%Y-%m}", f"{before:%Y-%m}"


def _views(request: Request, since: str, team: Team | None) -> list[tuple[str, str, bool]]:
    this, last = _months(request)
    more = {"team": team.slug} if team else {}
    words = [("4w", "4 weeks"), ("12w", "12 weeks"), (this, "This month"), (last, "Last month")]
    return [("?" + urlencode({"since": key} | more), text, key == since) for key, text in words]


@require_GET
@signed_in
def load_page(request: Request) -> HttpResponse:
    """Who carried how much, whose sleep was disturbed, who is due."""
    moment, team = now(request), _team(request)
    since, problem = _period(request, "4w")
    start, end = queries.period_of(since, moment, _zone(request.user))
    if start >= moment:
        since, problem = "4w", "a time that has begun"
        start, end = queries.period_of(since, moment, _zone(request.user))
    report = queries.load_report(request.actor, start, end, moment, team)
    columns = [
        ("person", lambda line: line.user.name),
        ("e-mail", lambda line: line.user.email),
        *((f"{kind} h", lambda line, kind=kind: round(line.hours.of(kind) / HOUR, 2)) for kind in KIND_WORDS),
        ("nights", lambda line: line.hours.nights),
        ("pages", lambda line: line.pages),
        ("interruptions", lambda line: line.interruptions),
        ("bad nights", lambda line: len(line.bad_nights)),
        ("budget used", lambda line: line.budget.used),
        ("share", lambda line: round(line.share.share, 4)),
        ("even would be", lambda line: round(line.share.expected, 4)),
    ]
    if answer := export(request, "on-call-load", columns, report.lines):
        return answer
    most = max((line.hours.total / HOUR for line in report.lines), default=0.0)
    names = queries.names({one.schedule_id for one in report.relief})
    return page(
        request,
        "oncall/load.html",
        {
            "title": "Load",
            "report": report,
            "lines": [
                (line, parts_of(line, most), line.hours.total / HOUR, 100 * line.share.share, 100 * line.share.expected)
                for line in report.lines
            ],
            "relief": [
                (one, report.names.get(one.user_id, ""), names.get(one.schedule_id, "")) for one in report.relief
            ],
            "kinds": list(KIND_WORDS.items()),
            "views": _views(request, since, team),
            "since": since,
            "problem": problem,
            "team": team,
            "teams": people.teams(request.actor),
            "weekly": report.weekly,
            "may_override": may(request.actor, Deed.OVERRIDE),
            "may_administer": may(request.actor, Deed.ADMINISTER),
            "may_pay": may(request.actor, Deed.CONFIGURE, team.pk if team else None),
        },
    )


class BudgetForm(forms.Form):
    """How much lost sleep is bearable."""

    weekly = forms.IntegerField(
        label="Interruptions of sleep a week",
        min_value=0,
        max_value=1000,
        help_text="Pages of one night that follow each other within half an hour are one interruption.",
    )


@require_http_methods(["GET", "POST"])
@signed_in
def budget(request: Request) -> HttpResponse:
    """The organisation's night budget."""
    require(request.actor, Deed.ADMINISTER)
    form = BudgetForm(request.POST or None, initial={"weekly": queries.night_budget()})
    if request.method == "POST" and form.is_valid():
        actions.save_night_budget(form.cleaned_data["weekly"], actor=request.actor)
        return done(request, "/on-call/load/", "The night budget is kept.")
    return page(
        request,
        "oncall/budget.html",
        {"title": "Night budget", "form": form, "cancel": "/on-call/load/"},
        422 if form.errors else 200,
    )


class HabitsForm(forms.Form):
    """When a person works and sleeps, by their own clock."""

    region = forms.CharField(
        label="Public holidays of", required=False, max_length=10, help_text="Such as DE, DE-BY or US-CA; empty: none."
    )
    workdays = forms.MultipleChoiceField(
        label="Works on", required=False, choices=DAYS, widget=forms.CheckboxSelectMultiple
    )
    work_from = forms.CharField(label="Works from", max_length=5)
    work_to = forms.CharField(label="Works until", max_length=5)
    night_from = forms.CharField(label="Sleeps from", max_length=5)
    night_to = forms.CharField(label="Sleeps until", max_length=5)
    part = forms.FloatField(
        label="Part of on call", min_value=0, max_value=1, help_text="1 whole, 0.5 half time, 0 none."
    )


@require_http_methods(["GET", "POST"])
@signed_in
def habits(request: Request) -> HttpResponse:
    """When somebody works and sleeps: what counts as night, weekend and holiday for them."""
    user = people.user(request.actor, number(request, "user") or request.user.pk)
    if not queries.may_edit_absences(request.actor, user.pk):
        raise Forbidden("Only the person themselves, managers of a team of theirs and administrators may change this.")
    row = queries.habits_row(user.pk)
    names = ("region", "work_from", "work_to", "night_from", "night_to", "part")
    initial: dict[str, Any] = {name: getattr(row, name) for name in names}
    form = HabitsForm(request.POST or None, initial=initial | {"workdays": [str(day) for day in row.workdays]})
    home = back_to(request, "/on-call/mine/" if user.pk == request.user.pk else f"/people/{user.pk}/")
    if request.method == "POST" and form.is_valid():
        data = dict(form.cleaned_data)
        data["workdays"] = [int(day) for day in data["workdays"]]
        spec = actions.HabitsSpec(**data)
        if attempt(form, lambda: actions.save_habits(user.pk, spec, actor=request.actor)):
            return done(request, home, "The working hours are kept.")
    own = user.pk == request.user.pk
    return page(
        request,
        "oncall/habits.html",
        {
            "title": "Your working hours" if own else f"Working hours of {user.name}",
            "form": form,
            "person": user,
            "cancel": home,
        },
        422 if form.errors else 200,
    )


# -- pay ---------------------------------------------------------------------------------------------------------------


@require_GET
@signed_in
def pay(request: Request) -> HttpResponse:
    """What everybody is paid for a time; for managers and administrators."""
    moment, team = now(request), _team(request)
    require(request.actor, Deed.CONFIGURE, team.pk if team else None)
    since, problem = _period(request, _months(request)[1])
    start, end = queries.period_of(since, moment, _zone(request.user))
    if start >= moment:
        since, problem = _months(request)[1], "a month that has begun"
        start, end = queries.period_of(since, moment, _zone(request.user))
    context: dict[str, Any] = {
        "title": "Pay",
        "views": _views(request, since, team),
        "since": since,
        "problem": problem,
        "team": team,
        "teams": people.teams(request.actor),
        "may_administer": may(request.actor, Deed.ADMINISTER),
        "rates": queries.pay_rates(),
        "start": start,
        "end": min(end, moment),
    }
    if context["rates"] is None:
        return page(request, "oncall/pay.html", context)
    paid = queries.pay(request.actor, start, end, moment, team, _zone(request.user))
    kind = request.GET.get("format", "")
    if kind in ("csv", "xlsx"):
        write, content_type = (
            (load.to_csv, "text/csv; charset=utf-8")
            if kind == "csv"
            else (load.to_xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        )
        response = HttpResponse(write(paid.bill, paid.people, paid.schedules, paid.zone), content_type=content_type)
        response["Content-Disposition"] = f'attachment; filename="on-call-pay-{since}.{kind}"'
        response["Cache-Control"] = "private, no-store"
        return response
    totals = sorted(paid.bill.totals.items(), key=lambda item: paid.people[item[0]])
    lines = [(paid.people[key], amount, *_sums(paid, key)) for key, amount in totals]
    return page(
        request,
        "oncall/pay.html",
        context | {"bill": paid.bill, "lines": lines, "zone": ZoneInfo(paid.zone)},
    )


def _sums(paid: queries.Paid, user_id: int) -> list[Decimal]:
    """What a person is paid for hours, shifts, callouts, and what caps take."""
    none = paid.bill.totals[user_id] * 0  # with the currency's decimal places
    return [
        sum((line.amount for line in paid.bill.lines if line.user_id == user_id and line.what == what), none)
        for what in ("standby", "shift", "callout", "cap")
    ]


@require_http_methods(["GET", "POST"])
@signed_in
def rates(request: Request) -> HttpResponse:
    """What on call is paid; for administrators."""
    require(request.actor, Deed.ADMINISTER)
    stored = queries.pay_rates()
    problems: dict[str, str] = {}
    given: dict[str, str] = {}
    if request.method == "POST":
        given = {name: request.POST.get(name, "")[:40] for name in _names()}
        value: dict[str, Any] = {name: given[name] for name in ("currency", *queries.AMOUNTS)}
        value["places"] = int(given["places"]) if given["places"].isdecimal() and given["places"].isascii() else -1
        for name in queries.KIND_AMOUNTS:
            value[name] = {kind: given[f"{name}.{kind}"] for kind in load.KINDS}
        try:
            actions.save_pay_rates(value, actor=request.actor)
            return done(request, "/on-call/pay/", "The rates are kept.")
        except TocsinError as error:
            problems = error.problems or {"": error.message}
    elif stored is not None:
        given = _given(stored)
    return page(
        request,
        "oncall/rates.html",
        {
            "title": "Rates of pay",
            "currency": given.get("currency", "EUR"),
            "places": given.get("places", "2"),
            "kinds": [
                (
                    kind,
                    KIND_WORDS[kind],
                    [(f"{name}.{kind}", word, given.get(f"{name}.{kind}", "")) for name, word in WORDS],
                )
                for kind in KIND_WORDS
            ],
            "headings": [word for _, word in WORDS],
            "amounts": [(name, word, given.get(name, "")) for name, word in AMOUNT_WORDS],
            "problems": [
                (NAMES.get(name.split(".")[0], name) + name[len(name.split(".")[0]) :].replace(".", ", "), text)
                for name, text in problems.items()
            ],
        },
        422 if problems else 200,
    )


WORDS = [("standby", "An hour on call"), ("callout", "A callout"), ("callout_hour", "An hour of work")]
AMOUNT_WORDS = [
    ("callout_minimum", "A callout pays at least"),
    ("shift", "For each shift"),
    ("cap_shift", "A shift pays at most"),
    ("cap_person", "A person gets at most, for the period"),
]
NAMES = dict([*WORDS, *AMOUNT_WORDS, ("currency", "Currency"), ("places", "Decimal places")])


def _names() -> list[str]:
    return ["currency", "places", *queries.AMOUNTS, *(f"{name}.{kind}" for name, _ in WORDS for kind in load.KINDS)]


def _given(of: load.Rates) -> dict[str, str]:
    found = {"currency": of.currency, "places": str(of.places)}
    for name in queries.AMOUNTS:
        amount = getattr(of, name)
        found[name] = f"{amount:f}" if amount else "" if amount is None or name in ("callout_minimum", "shift") else "0"
    for name in queries.KIND_AMOUNTS:
        found |= {f"{name}.{kind}": f"{amount:f}" for kind, amount in getattr(of, name).items()}
    return found
