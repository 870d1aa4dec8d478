"""The calculator against an oracle written differently: it asks moment by moment and reads a clock on the wall."""

import os
from calendar import monthrange
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.oncall import rules
from tocsin.oncall.rules import Handoff, Layer, Override, Restriction, Schedule
from tocsin.oncall.rules.holidays import holidays_of

MINUTE = timedelta(minutes=1)
EXAMPLES = int(os.environ.get("ORACLE_SCHEDULES", "400"))
# moments around which clocks change, and one around which nothing happens
TURNING = {
    "Europe/Berlin": ["2026-03-29T01:00", "2026-10-25T01:00"],
    "America/New_York": ["2026-03-08T07:00", "2026-11-01T06:00"],
    "Australia/Lord_Howe": ["2026-04-04T15:00", "2026-10-03T15:30"],
    "Asia/Kathmandu": ["2026-05-01T00:00"],
    "America/St_Johns": ["2026-03-08T05:30", "2026-11-01T04:30"],
    "Africa/Casablanca": ["2026-02-15T02:00", "2026-03-22T02:00"],
    "Asia/Tehran": ["2022-03-21T20:30", "2022-09-21T19:30"],
    "UTC": ["2026-12-31T23:00"],
}


def real(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a naive local time: the first at which the wall shows it or has passed it.

    Clocks move by minutes, so it is one of the instants that some offset of the zone around that day makes of it, or
    the moment of the change itself, which is searched by walking.
    """
    around = {
        (local + timedelta(hours=hours)).replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta()
        for hours in (-30, -4, 4, 30)
    }
    for at in sorted(local.replace(tzinfo=UTC) - offset for offset in around):
        if at.astimezone(zone).replace(tzinfo=None) == local:
            return at
    low = min(local.replace(tzinfo=UTC) - offset for offset in around) - timedelta(hours=3)
    while low.astimezone(zone).replace(tzinfo=None) < local:
        low += MINUTE
    return low


def zone_of(layer: Layer, schedule: Schedule) -> ZoneInfo:
    return ZoneInfo(layer.zone or schedule.zone)


def turn_start(layer: Layer, zone: ZoneInfo, turn: int) -> datetime:
    return real(local_start(layer, zone, turn), zone)


def local_start(layer: Layer, zone: ZoneInfo, turn: int) -> datetime:
    """When a turn begins on the wall: day by day, moment by moment."""
    local = layer.anchor.astimezone(zone).replace(tzinfo=None)
    if layer.unit == "day" and layer.weekdays:
        moments = [(day, local.time()) for day in sorted(layer.weekdays)]
    elif layer.unit == "week" and layer.handoffs:
        clock = datetime(2000, 1, 1)  # noqa: DTZ001
        moments = [(one.day, (clock + one.minute * MINUTE).time()) for one in layer.handoffs]
    else:
        if layer.unit == "month":
            year, month = divmod(local.year * 12 + local.month - 1 + turn * layer.length, 12)
            return local.replace(year=year, month=month + 1, day=min(local.day, monthrange(year, month + 1)[1]))
        step = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}[layer.unit]
        return local + turn * layer.length * step
    days = range(-1, 8 + 7 * abs(turn) * layer.length)
    back = turn < 0
    found = sorted(
        datetime.combine(day, at)
        for offset in days
        for day in [local.date() + timedelta(days=-offset if back else offset)]
        for weekday, at in set(moments)
        if day.isoweekday() == weekday
    )
    if back:
        return [one for one in found if one < local][turn * layer.length]
    return [one for one in found if one >= local][turn * layer.length]


def on_day(window: Restriction, day: date) -> bool:
    from_end = day.day - monthrange(day.year, day.month)[1] - 1
    return (
        day.isoweekday() in window.days
        and (not window.months or day.month in window.months)
        and (not window.month_days or day.day in window.month_days or from_end in window.month_days)
        and (not window.holidays or (day in holidays_of(window.region, day.year)) == (window.holidays == "only"))
    )


def allowed(window: Restriction, zone: ZoneInfo, at: datetime) -> bool:
    today = at.astimezone(zone).date()
    for back in (-1, 0, 1, 2):
        day = datetime.combine(today - timedelta(days=back), datetime.min.time())
        if on_day(window, day.date()):
            start = day + timedelta(minutes=window.start)
            end = day + timedelta(minutes=window.end, days=1 if window.end <= window.start else 0)
            if real(start, zone) <= at < real(end, zone):
                return True
    return False


def there(schedule: Schedule, user: int, at: datetime) -> bool:
    return user not in schedule.left or at < schedule.left[user]


def named_by(layer: Layer, schedule: Schedule, at: datetime) -> set[int]:
    """Whom a layer alone names at a moment."""
    if at < (layer.starts_at or layer.anchor) or (layer.ends_at and at >= layer.ends_at):
        return set()
    zone = zone_of(layer, schedule)
    if layer.restrictions and not any(allowed(window, zone, at) for window in layer.restrictions):
        return set()
    days = {"hour": 1 / 24, "day": 1, "week": 7, "month": 28}[layer.unit] * layer.length
    if layer.unit == "week" and layer.handoffs:
        days /= len(set(layer.handoffs))
    if layer.unit == "day" and layer.weekdays:
        days *= 7 / len(layer.weekdays)
    turn = int((at - layer.anchor) / timedelta(days=days)) + 3 + len(layer.handoffs)
    while turn_start(layer, zone, turn) > at:
        turn -= 1
    if turn < 0 and layer.starts_at is None:
        return set()
    if layer.shift_minutes is not None:
        # several turns may begin at one instant of a gap of the clock; the last of them is the one that lasts
        over = real(local_start(layer, zone, turn) + layer.shift_minutes * MINUTE, zone)
        if at >= over:
            return set()
    group = layer.members[turn % len(layer.members)]
    return {user for user in group if there(schedule, user, at)}


def slow(schedule: Schedule, at: datetime) -> dict[int, str]:
    """Who is on call at a moment and why, asked the long way."""
    on: dict[int, str] = {}
    for level in sorted({layer.precedence for layer in schedule.layers}, reverse=True):
        for layer in [one for one in schedule.layers if one.precedence == level]:
            for user in named_by(layer, schedule, at):
                on.setdefault(user, f"layer {layer.id}")
        if on:
            break
    for one in schedule.overrides:
        void = one.user_id is not None and not there(schedule, one.user_id, at)
        if one.kind == "shadow" or void or not one.start <= at < one.end:
            continue
        if one.kind == "instead":
            if one.replaces is None:
                on.clear()
            elif on.pop(one.replaces, None) is None:
                continue
        if one.user_id is not None:
            on[one.user_id] = f"override {one.id}"
    return on


def planned(shifts: Iterable[rules.Shift], at: datetime) -> dict[int, str]:
    found: dict[int, str] = {}
    for shift in shifts:
        if shift.start <= at < shift.end:
            assert shift.user_id not in found, "nobody stands twice"
            found[shift.user_id] = f"override {shift.override.id}" if shift.override else f"layer {shift.layer.id}"  # type: ignore[union-attr]
    return found


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Schedule, datetime]:
    zone = draw(st.sampled_from(sorted(TURNING)))
    near = datetime.fromisoformat(draw(st.sampled_from(TURNING[zone]))).replace(tzinfo=UTC)
    minutes = st.integers(-600, 600).map(lambda count: near + count * 5 * MINUTE)
    people = st.integers(1, 5)
    quarter = st.integers(0, 95).map(lambda count: count * 15)
    days = st.frozensets(st.integers(1, 7), min_size=1)
    plain = st.builds(Restriction, days=days, start=quarter, end=quarter | st.just(1440))
    odd = st.builds(
        Restriction,
        days=st.just(rules.ALL_DAYS) | days,
        start=quarter,
        end=quarter | st.just(1440),
        month_days=st.frozensets(st.integers(1, 31) | st.integers(-31, -1)),
        months=st.frozensets(st.integers(1, 12)),
        holidays=st.sampled_from(["", "only", "except"]),
        region=st.sampled_from(["DE", "US", "DE-BY"]),
    )
    windows = st.one_of(plain, plain, odd)
    groups = st.lists(people, min_size=1, max_size=3, unique=True).map(tuple) | people.map(lambda one: (one,))
    handoff = st.builds(Handoff, day=st.integers(1, 7), minute=quarter)
    layers = []
    level = -1
    for position in range(draw(st.integers(0, 3))):
        level += draw(st.sampled_from([1, 1, 0])) if position else 1
        unit = draw(st.sampled_from(rules.UNITS))
        layers.append(
            Layer(
                id=position,
                name=f"layer {position}",
                position=position,
                level=level,
                zone=draw(st.sampled_from(["", "", *sorted(TURNING)])),
                unit=unit,
                length=draw(st.integers(1, 3)),
                anchor=draw(minutes) - timedelta(days=draw(st.integers(0, 40))),
                members=tuple(draw(st.lists(groups, min_size=1, max_size=4))),
                restrictions=tuple(draw(st.lists(windows, max_size=2))),
                starts_at=draw(st.none() | minutes),
                ends_at=draw(st.none() | minutes),
                weekdays=draw(st.just(frozenset()) | st.frozensets(st.integers(1, 7)))
                if unit == "day"
                else frozenset(),
                handoffs=tuple(draw(st.just([]) | st.lists(handoff, max_size=3))) if unit == "week" else (),
                shift_minutes=draw(st.none() | st.integers(1, 60).map(lambda count: count * 30)),
            )
        )
    overrides = []
    for number in range(draw(st.integers(0, 4))):
        start = draw(minutes)
        kind = draw(st.sampled_from(("instead", *rules.OVERRIDE_KINDS)))
        user = draw(people if kind != "instead" else st.none() | people)
        replaces = draw(st.none() | people) if kind == "instead" else None
        replaces = None if replaces == user else replaces
        end = start + draw(st.integers(1, 300)) * 5 * MINUTE
        overrides.append(Override(number, user, start, end, "", kind, replaces))
    left = draw(st.dictionaries(people, minutes | st.just(datetime(1970, 1, 1, tzinfo=UTC)), max_size=1))
    start = near + draw(st.integers(-30, 20)) * timedelta(minutes=20)
    return Schedule(1, "any", zone, tuple(layers), tuple(overrides), left=left), start


@settings(max_examples=EXAMPLES, deadline=None)
@given(worlds())
def test_the_calculator_agrees_with_the_oracle_at_every_edge_and_between(world: tuple[Schedule, datetime]) -> None:
    """Before, at and after every beginning and end within two days, and every half hour: the same people, and why."""
    schedule, start = world
    end = start + timedelta(days=2)
    shifts = rules.final_schedule(schedule, start, end)
    edges = {at for shift in shifts for at in (shift.start, shift.end)}
    edges |= {datetime.fromisoformat(text).replace(tzinfo=UTC) for text in TURNING[schedule.zone]}
    moments = {start + n * 30 * MINUTE for n in range(96)}
    moments |= {at + step for at in edges for step in (-MINUTE, timedelta(), MINUTE) if start <= at + step < end}
    for at in sorted(moments):
        assert planned(shifts, at) == slow(schedule, at), at
    for at in sorted(edges)[:6]:
        now = rules.oncall_at(schedule, at)
        assert planned(now, at) == slow(schedule, at)
        for shift in now:  # its whole length, and not a moment less
            for moment in (shift.start, shift.end - timedelta(microseconds=1)):
                assert shift.user_id in slow(schedule, moment)


@settings(max_examples=300, deadline=None)
@given(worlds(), st.integers(1, 60 * 24 * 60))
def test_shifts_and_gaps_cover_any_window_exactly(world: tuple[Schedule, datetime], minutes: int) -> None:
    schedule, start = world
    end = start + minutes * MINUTE
    shifts = rules.final_schedule(schedule, start, end)
    gaps = rules.gaps(schedule, start, end)
    for begin, stop in gaps:
        assert start <= begin < stop <= end
        assert not any(shift.start < stop and shift.end > begin for shift in shifts)
    at = start
    for begin, stop in sorted([(shift.start, shift.end) for shift in shifts] + gaps):
        assert begin <= at
        assert stop > begin
        at = max(at, stop)
    assert at == end
    for shift in shifts[:5]:
        now = rules.oncall_at(schedule, shift.start)
        (whole,) = (one for one in now if one.user_id == shift.user_id)
        assert (whole.layer, whole.override) == (shift.layer, shift.override)
        assert whole.start <= shift.start
        assert whole.end >= shift.end
        coming = rules.next_change(schedule, shift.start)
        first = min(one.end for one in now)
        ahead = rules.final_schedule(schedule, shift.start, first)
        edges = {first} | {one.start for one in ahead if one.start > shift.start}
        assert coming == min(edges)


@settings(max_examples=200, deadline=None)
@given(worlds(), st.integers(0, 60), st.integers(1, 60))
def test_a_window_shows_the_same_as_a_part_of_a_longer_one(
    world: tuple[Schedule, datetime], skip: int, hours: int
) -> None:
    schedule, start = world
    low, high = start + timedelta(hours=skip), start + timedelta(hours=skip + hours)
    wide = rules.final_schedule(schedule, start, start + timedelta(days=6))
    cut = [s._replace(start=max(s.start, low), end=min(s.end, high)) for s in wide if s.start < high and s.end > low]
    assert sorted(cut, key=lambda s: (s.start, s.end, s.user_id)) == sorted(
        rules.final_schedule(schedule, low, high), key=lambda s: (s.start, s.end, s.user_id)
    )
