"""The calculator against an oracle written differently: it walks minute by minute and reads a clock on the wall."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.oncall import rules
from tocsin.oncall.rules import Layer, Override, Restriction, Schedule

MINUTE = timedelta(minutes=1)
# moments around which clocks change, and one around which nothing happens
TURNING = {
    "Europe/Berlin": ["2026-03-29T01:00", "2026-10-25T01:00"],
    "America/New_York": ["2026-03-08T07:00", "2026-11-01T06:00"],
    "Australia/Lord_Howe": ["2026-04-04T15:00", "2026-10-03T15:30"],
    "Asia/Kathmandu": ["2026-05-01T00:00"],
    "America/St_Johns": ["2026-03-08T05:30", "2026-11-01T04:30"],
    "UTC": ["2026-12-31T23:00"],
}


def real(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a naive local time, by walking: the first minute at which the wall shows it or has passed it."""
    at = (local - timedelta(hours=30)).replace(tzinfo=UTC)
    low = at
    # coarse steps are safe only where the wall never shows more than the local time before it is reached
    while (low + timedelta(hours=1)).astimezone(zone).replace(tzinfo=None) < local - timedelta(hours=3):
        low += timedelta(hours=1)
    while low.astimezone(zone).replace(tzinfo=None) < local:
        low += MINUTE
    return low


def turn_start(layer: Layer, zone: ZoneInfo, turn: int) -> datetime:
    anchor = layer.anchor.astimezone(zone).replace(tzinfo=None)
    if layer.unit == "day" and layer.weekdays:
        local, left = anchor, turn * layer.length
        while local.isoweekday() not in layer.weekdays:
            local += timedelta(days=1)
        while left:
            local += timedelta(days=1 if left > 0 else -1)
            if local.isoweekday() in layer.weekdays:
                left -= 1 if left > 0 else -1
        return real(local, zone)
    if layer.unit == "month":
        year, month = divmod(anchor.year * 12 + anchor.month - 1 + turn * layer.length, 12)
        local = anchor.replace(year=year, month=month + 1, day=min(anchor.day, monthrange(year, month + 1)[1]))
    else:
        local = anchor + turn * layer.length * {
            "hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1),
        }[layer.unit]  # fmt: skip
    return real(local, zone)


def allowed(window: Restriction, zone: ZoneInfo, at: datetime) -> bool:
    today = at.astimezone(zone).date()
    for back in (-1, 0, 1, 2):
        day = datetime.combine(today - timedelta(days=back), datetime.min.time())
        if day.isoweekday() in window.days:
            start = day + timedelta(minutes=window.start)
            end = day + timedelta(minutes=window.end, days=1 if window.end <= window.start else 0)
            if real(start, zone) <= at < real(end, zone):
                return True
    return False


def slow(schedule: Schedule, at: datetime) -> int | None:
    """Who is on call at a moment, asked the long way."""
    zone = ZoneInfo(schedule.zone)
    for override in reversed(schedule.overrides):
        if override.start <= at < override.end and override.user_id not in schedule.inactive:
            return override.user_id
    for layer in sorted(schedule.layers, key=lambda one: one.position, reverse=True):
        if at < (layer.starts_at or layer.anchor) or (layer.ends_at and at >= layer.ends_at):
            continue
        if layer.restrictions and not any(allowed(window, zone, at) for window in layer.restrictions):
            continue
        days = {"hour": 1 / 24, "day": 1, "week": 7, "month": 28}[layer.unit] * layer.length
        turn = int((at - layer.anchor) / timedelta(days=days)) + 3
        while turn_start(layer, zone, turn) > at:
            turn -= 1
        if turn < 0 and layer.starts_at is None:
            continue
        user = layer.members[turn % len(layer.members)]
        if user not in schedule.inactive:
            return user
    return None


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Schedule, datetime]:
    zone = draw(st.sampled_from(sorted(TURNING)))
    near = datetime.fromisoformat(draw(st.sampled_from(TURNING[zone]))).replace(tzinfo=UTC)
    minutes = st.integers(-600, 600).map(lambda count: near + count * 5 * MINUTE)
    people = st.integers(1, 5)
    quarter = st.integers(0, 95).map(lambda count: count * 15)
    windows = st.builds(
        Restriction, days=st.frozensets(st.integers(1, 7), min_size=1), start=quarter, end=quarter | st.just(1440)
    )
    layers = [
        Layer(
            id=position,
            name=f"layer {position}",
            position=position,
            unit=draw(st.sampled_from(rules.UNITS)),
            length=draw(st.integers(1, 3)),
            anchor=draw(minutes) - timedelta(days=draw(st.integers(0, 40))),
            members=tuple(draw(st.lists(people, min_size=1, max_size=4))),
            restrictions=tuple(draw(st.lists(windows, max_size=2))),
            starts_at=draw(st.none() | minutes),
            ends_at=draw(st.none() | minutes),
            weekdays=draw(st.just(frozenset()) | st.frozensets(st.integers(1, 7))),
        )
        for position in range(draw(st.integers(0, 3)))
    ]
    overrides = []
    for number in range(draw(st.integers(0, 3))):
        start = draw(minutes)
        overrides.append(Override(number, draw(people), start, start + draw(st.integers(1, 300)) * 5 * MINUTE))
    away = draw(st.frozensets(people, max_size=1))
    start = near + draw(st.integers(-30, 20)) * timedelta(minutes=20)
    return Schedule(1, "any", zone, tuple(layers), tuple(overrides), inactive=away), start


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_the_calculator_agrees_with_a_walk_through_every_five_minutes(world: tuple[Schedule, datetime]) -> None:
    schedule, start = world
    moments = [start + n * 5 * MINUTE for n in range(72)]
    expected = [(user, len(list(run))) for user, run in groupby(slow(schedule, at) for at in moments)]
    shifts = rules.final_schedule(schedule, start, moments[-1] + 5 * MINUTE)

    def planned(at: datetime) -> int | None:
        return next((shift.user_id for shift in shifts if shift.start <= at < shift.end), None)

    assert [(user, len(list(run))) for user, run in groupby(planned(at) for at in moments)] == expected
    for at in moments[::12]:
        now = rules.oncall_at(schedule, at)
        assert [shift.user_id for shift in now] == [user for user in [planned(at)] if user is not None]


@settings(max_examples=300, deadline=None)
@given(worlds(), st.integers(1, 60 * 24 * 60))
def test_shifts_and_gaps_cover_any_window_exactly_once(world: tuple[Schedule, datetime], minutes: int) -> None:
    schedule, start = world
    end = start + minutes * MINUTE
    shifts = rules.final_schedule(schedule, start, end)
    pieces = sorted([(shift.start, shift.end) for shift in shifts] + rules.gaps(schedule, start, end))
    at = start
    for begin, stop in pieces:
        assert begin == at
        assert stop > begin
        at = stop
    assert at == end
    for shift in shifts[:5]:
        (whole,) = rules.oncall_at(schedule, shift.start)
        assert (whole.user_id, whole.layer, whole.override) == (shift.user_id, shift.layer, shift.override)
        assert whole.start <= shift.start
        assert whole.end >= shift.end
        assert rules.next_change(schedule, shift.start) == whole.end
