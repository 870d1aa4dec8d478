"""When people work and sleep, what the organisation takes for bearable, and what it pays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction

from tocsin.oncall import load, models, queries, rules
from tocsin.oncall.actions.absences import require_absences
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform import audit
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid, NotFound
from tocsin.platform.models import Setting

MOST_BUDGET = 1000
LARGEST = 15  # digits of an amount


@dataclass(frozen=True, slots=True)
class HabitsSpec:
    """When a person works and sleeps, by their own clock: weekdays (1 Monday ... 7 Sunday), local times ``HH:MM``.

    ``region``: whose public holidays count (``DE``, ``DE-BY``); ``part``: of on call, 1 whole, 0.5 half time, 0 none.
    """

    region: str = ""
    workdays: Sequence[int] = (1, 2, 3, 4, 5)
    work_from: str = "09:00"
    work_to: str = "17:00"
    night_from: str = "22:00"
    night_to: str = "07:00"
    part: float = 1.0


def save_habits(user_id: int, spec: HabitsSpec, *, actor: Actor) -> models.Habits:
    """Say when a person works and sleeps. They, managers of a team of theirs, administrators.

    Raises Forbidden, NotFound, Invalid.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id).first()
        if user is None:
            raise NotFound("There is no such person.")
        require_absences(actor, user.pk)
        problems = {}
        region = spec.region.strip().upper()
        if region and not rules.known_region(region):
            problems["region"] = "an ISO 3166 code such as DE or DE-BY whose holidays are known, or empty"
        if not all(1 <= day <= 7 for day in spec.workdays):
            problems["workdays"] = "numbers from 1 (Monday) to 7 (Sunday)"
        times = ("work_from", "work_to", "night_from", "night_to")
        for name in times:
            try:
                rules.minutes(getattr(spec, name))
            except ValueError as error:
                problems[name] = str(error)
        if not 0 <= spec.part <= 1:
            problems["part"] = "0 to 1; 0.5 is half time"
        if problems:
            raise Invalid("These hours cannot be kept.", problems)
        old = models.Habits.objects.filter(user=user).first()
        before = _facts(old) if old else None
        row = old or models.Habits(user=user)
        row.region, row.workdays, row.part = region, sorted(set(spec.workdays)), float(spec.part)
        for name in times:
            setattr(row, name, getattr(spec, name))
        row.save()
        if before != _facts(row):
            audit.record(
                actor, "changed" if old else "created", "working hours", row.pk, user.name, before, _facts(row)
            )
    return row


def _facts(row: models.Habits) -> dict[str, Any]:
    names = ("region", "workdays", "work_from", "work_to", "night_from", "night_to", "part")
    return {name: getattr(row, name) for name in names}


def save_night_budget(weekly: int, *, actor: Actor) -> None:
    """Say how many interruptions of sleep a week are bearable. Raises Forbidden, Invalid."""
    require(actor, Deed.ADMINISTER)
    if not 0 <= weekly <= MOST_BUDGET:
        raise Invalid("This budget cannot be kept.", {"weekly": f"0 to {MOST_BUDGET}"})
    _set(queries.BUDGET_SETTING, {"weekly": queries.night_budget()}, {"weekly": weekly}, "Night budget", actor)


def save_pay_rates(value: Mapping[str, Any], *, actor: Actor) -> load.Rates:
    """Say what on call is paid; see ``load.Rates``. Amounts are decimal texts. Raises Forbidden, Invalid."""
    require(actor, Deed.ADMINISTER)
    wanted = _plain(value)
    try:
        rates = queries.rates_of_json(wanted)
    except ValueError as error:
        name, _, right = str(error).partition(": ")
        raise Invalid("These rates cannot be kept.", {name.split()[0]: right or str(error)}) from error
    row = Setting.objects.filter(name=queries.RATES_SETTING).first()
    _set(queries.RATES_SETTING, row.value if row else {}, wanted, "Pay of on call", actor)
    return rates


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """The rates as they are stored; each amount is looked at by itself, so that an error names it. Raises Invalid."""
    problems: dict[str, str] = {}

    def amount(name: str, text: Any) -> str:
        text = str(text if text is not None else "").strip().replace(",", ".")
        try:
            number = Decimal(text) if text else None
        except InvalidOperation:
            number = None
            problems[name] = "an amount such as 12.50, or empty"
        # a NaN compares with nothing
        if number is not None and not (number.is_finite() and 0 <= number < 10**LARGEST and len(text) <= 30):
            problems[name] = f"0 or more, {LARGEST} digits at most"
        return f"{number:f}" if number is not None and name not in problems else ""

    places = value.get("places", 2)
    found: dict[str, Any] = {"currency": str(value.get("currency", "")).strip().upper()}
    for name in queries.KIND_AMOUNTS:
        given = value.get(name) or {}
        for kind in given:
            if kind not in load.KINDS:
                problems[f"{name}.{kind}"[:100]] = f"one of {', '.join(load.KINDS)}"
        found[name] = {
            kind: amount(f"{name}.{kind}", given.get(kind)) for kind in load.KINDS if given.get(kind) is not None
        }
    for name in queries.AMOUNTS:
        found[name] = amount(name, value.get(name))
    if not isinstance(places, int) or not 0 <= places <= 4:
        problems["places"] = "0 to 4 decimal places"
    found["places"] = places
    if len(found["currency"]) != 3 or not (found["currency"].isascii() and found["currency"].isalpha()):
        problems["currency"] = "three letters such as EUR"
    if problems:
        raise Invalid("These rates cannot be kept.", problems)
    return found


def _set(name: str, before: Mapping[str, Any], value: Mapping[str, Any], words: str, actor: Actor) -> None:
    if before == value:
        return
    with transaction.atomic():
        Setting.objects.update_or_create(name=name, defaults={"value": dict(value)})
        audit.record(actor, "changed", "setting", name, words, before, value)
