"""Who was on call stays true, whatever is edited afterwards: random schedules through random edits, days apart."""

import random
from datetime import datetime, timedelta

import pytest

from tocsin.oncall import actions, queries
from tocsin.oncall.rules import HandoffSpec, LayerSpec, RestrictionSpec, ScheduleSpec, Shift
from tocsin.people.models import User
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM, Actor

pytestmark = pytest.mark.django_db

EMAILS = [f"p{n}@example.org" for n in range(6)]
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
BOSS = Actor("user", None, "Boss", "admin", frozenset(), frozenset())


def some_layer(dice: random.Random, name: str, now: datetime) -> LayerSpec:
    unit = dice.choice(["hour", "day", "week", "month"])
    members: list[str | list[str]] = [
        dice.choice(EMAILS) if dice.random() < 0.8 else dice.sample(EMAILS, 2) for _ in range(dice.randint(1, 4))
    ]
    windows = [RestrictionSpec(dice.sample(range(1, 8), 4), "18:00", "08:00")] if dice.random() < 0.3 else []
    return LayerSpec(
        name,
        (now + timedelta(hours=dice.randint(-2000, 100))).replace(microsecond=0),
        members,
        unit,
        dice.randint(1, 3),
        windows,
        starts_at=now + timedelta(hours=dice.randint(-300, 300)) if dice.random() < 0.2 else None,
        handoffs=[HandoffSpec(1, "09:00"), HandoffSpec(4, "17:00")] if unit == "week" and dice.random() < 0.4 else [],
        shift_minutes=600 if dice.random() < 0.2 else None,
        zone=dice.choice(["", "", *ZONES]),
    )


def edited(dice: random.Random, spec: ScheduleSpec, now: datetime) -> ScheduleSpec:
    layers = list(spec.layers)
    what = dice.choice(["add", "remove", "order", "change", "zone", "beside", "nothing"])
    if what == "add" or not layers:
        layers.insert(dice.randint(0, len(layers)), some_layer(dice, f"layer {dice.random():.6f}", now))
    elif what == "remove":
        layers.pop(dice.randrange(len(layers)))
    elif what == "order":
        dice.shuffle(layers)
    elif what == "change":
        index = dice.randrange(len(layers))
        layers[index] = some_layer(dice, layers[index].name, now)
    elif what == "beside":
        layers[-1].beside = not layers[-1].beside
    if layers:
        layers[0].beside = False
    zone = dice.choice(ZONES) if what == "zone" else spec.zone
    return ScheduleSpec(spec.name, spec.slug, zone=zone, layers=layers)


def plain(shifts: list[Shift]) -> list[tuple[object, ...]]:
    return sorted(
        (s.start, s.end, s.user_id, s.override.id if s.override else s.layer and s.layer.name) for s in shifts
    )


@pytest.mark.parametrize("seed", range(12))
def test_history_is_stable_under_edits(seed: int) -> None:
    dice = random.Random(seed)
    people = [
        User.objects.create(email=email, name=email[:2], role="responder", created_at=clock.now()) for email in EMAILS
    ]
    begin = clock.now() - timedelta(days=60)
    first = ScheduleSpec("Rota", zone=dice.choice(ZONES), layers=[some_layer(dice, "first", clock.now())])
    row = actions.save_schedule(first, actor=SYSTEM)
    known: list[tuple[datetime, list[tuple[object, ...]]]] = []
    for _ in range(10):
        clock.shift(timedelta(hours=dice.randint(1, 400), minutes=dice.randint(0, 59)))
        now = clock.now()
        known.append((now, plain(queries.final(row.pk, begin, now))))
        spec = edited(dice, queries.export_schedules()[0], now)
        effective = now + timedelta(hours=dice.randint(0, 300)) if dice.random() < 0.4 else None
        actions.save_schedule(spec, actor=BOSS, id=row.pk, effective=effective)
        if dice.random() < 0.5:
            start = now + timedelta(hours=dice.randint(-50, 200))
            made = actions.add_override(
                row.pk, dice.choice(people).pk, start, max(start, now) + timedelta(hours=9), actor=BOSS
            )
            if dice.random() < 0.5:
                clock.shift(timedelta(hours=dice.randint(0, 250)))
                cut = clock.now()
                known.append((cut, plain(queries.final(row.pk, begin, cut))))
                actions.delete_overrides([made.pk], actor=BOSS)
        for until, was in known:
            assert plain(queries.final(row.pk, begin, until)) == was, until
        written = queries.export_schedules()[0]
        assert [layer.name for layer in written.layers] == [layer.name for layer in spec.layers]
