"""What schedules, policies and people of other products become: against their rules, worked out the slow way."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.project.importing.shapes import Export, Finding, Translation, ref, resolved
from tocsin.project.importing.tests import company
from tocsin.project.importing.tests.company import NOW, Size
from tocsin.project.importing.translating import translate
from tocsin.project.importing.translating.common import WEEK, moment, week_windows
from tocsin.project.importing.translating.comparing import difference, rendered

SMALL = Size(20, 12, 60)


def made(product: str, **data: list[dict[str, Any]]) -> Translation:
    return translate(Export(product, "test", NOW, data))


def thing(found: Translation, section: str) -> dict[str, Any]:
    (one,) = (one for one in found.things if one.section == section)
    return one.spec


def reasons(found: Translation, verdict: str = "") -> str:
    return "\n".join(one.reason for one in found.findings if verdict in ("", one.verdict))


# -- PagerDuty's schedules, by definition ------------------------------------------------------------------------------


def _wall(at: datetime, zone: str) -> datetime:
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _in_window(restrictions: list[dict[str, Any]], local: datetime) -> bool:
    if not restrictions:
        return True
    for one in restrictions:
        hour, minute, _ = map(int, one["start_time_of_day"].split(":"))
        for back in range(9):
            begin = (local - timedelta(days=back)).replace(hour=hour, minute=minute, second=0, microsecond=0)
            fits = one["type"] == "daily_restriction" or begin.isoweekday() == one["start_day_of_week"]
            if fits and begin <= local < begin + timedelta(seconds=one["duration_seconds"]):
                return True
    return False


def pagerduty_says(schedule: dict[str, Any], at: datetime) -> str:
    """Who is on call: overrides first, then the layers in the order in which GET answers them."""
    for one in schedule["overrides"]:
        if moment(one["start"]) <= at < moment(one["end"]):  # type: ignore[operator]
            return str(one["user"]["id"])
    for layer in schedule["schedule_layers"]:
        start, origin = moment(layer["start"]), moment(layer["rotation_virtual_start"])
        assert start is not None
        assert origin is not None
        local = _wall(at, schedule["time_zone"])
        length = timedelta(seconds=layer["rotation_turn_length_seconds"])
        gone = (
            local - _wall(origin, schedule["time_zone"]) if length % timedelta(days=1) == timedelta() else at - origin
        )
        if at >= start and _in_window(layer["restrictions"], local):
            users = layer["users"]
            return str(users[gone // length % len(users)]["user"]["id"])
    return ""


@pytest.mark.parametrize("number", range(SMALL.schedules))
def test_pagerdutys_schedules_name_the_same_people(number: int) -> None:
    schedule = company.pagerduty(SMALL)["schedules"][number]
    found = made("pagerduty", schedules=[schedule])
    (one,) = found.things
    differing = "follow the clock on the wall" in reasons(found)
    begin, end = datetime(2027, 3, 10, tzinfo=UTC), datetime(2027, 4, 20, tzinfo=UTC)
    shifts = rendered(one, begin, end) + rendered(one, NOW, NOW + timedelta(days=7))
    for hours in [*range(7 * 24), *(int((begin - NOW).total_seconds() // 3600) + hour for hour in range(40 * 24))]:
        at = NOW + timedelta(hours=hours, minutes=30)
        expected = pagerduty_says(schedule, at)
        ours = [who for start, stop, who in shifts if start <= at < stop]
        if not differing:
            assert ours == ([ref("people", expected)] if expected else []), (schedule, at)


def test_layers_are_turned_round_and_gos_moments_are_read() -> None:
    schedule = company.pagerduty(SMALL)["schedules"][1]
    spec = thing(made("pagerduty", schedules=[schedule]), "schedules")
    assert [layer["name"] for layer in spec["layers"]] == ["Layer 1", "Layer 2"]
    assert spec["layers"][0]["anchor"] == "2026-01-05T09:00:00+00:00"


def test_a_schedule_that_comes_to_something_else_is_told() -> None:
    schedule = company.pagerduty(SMALL)["schedules"][1]
    since, until = NOW, NOW + timedelta(days=2)
    entry = {"start": since.isoformat(), "end": until.isoformat(), "user": {"id": "PU000019"}}
    more = {"rendered_since": since.isoformat(), "rendered_until": until.isoformat()}
    told = made("pagerduty", schedules=[schedule | more | {"final_schedule": {"rendered_schedule_entries": [entry]}}])
    assert "differs at 2026-11-24 09:00 UTC" in reasons(told, "approximated")
    (one,) = translate(Export("pagerduty", "", NOW, {"schedules": [schedule]})).things
    right = [
        {"start": begin.isoformat(), "end": stop.isoformat(), "user": {"id": who.strip("\x1f").partition(":")[2]}}
        for begin, stop, who in rendered(one, since, until)
    ]
    same = made("pagerduty", schedules=[schedule | more | {"final_schedule": {"rendered_schedule_entries": right}}])
    assert "differs" not in reasons(same)


def test_pagerdutys_policies_services_and_people() -> None:
    data = company.pagerduty(SMALL)
    found = made("pagerduty", **data)
    policy = next(one.spec for one in found.things if one.id == "PP000000")
    assert [step["wait_s"] for step in policy["steps"]] == [300, 900]
    assert policy["steps"][1]["rotate"] is True
    assert (policy["repeats"], policy["ack_timeout_s"]) == (2, 1800)
    service = next(one.spec for one in found.things if one.id == "PV000000" and one.section == "services")
    assert (service["auto_resolve_s"], service["policy"]) == (14_400, ref("policies", "PP000000"))
    owner = next(one.spec for one in found.things if one.id == "PU000000")
    assert owner["role"] == "manager"
    assert {"channel": "sms", "address": "+41790000000"} in owner["contact_methods"]
    assert {rule["urgency"] for rule in owner["rules"]} == {"high"}
    said = reasons(found)
    for words in ("round robin", "administrators are named", "pocket phone", "make a webhook"):
        assert words in said


# -- Opsgenie ----------------------------------------------------------------------------------------------------------


def rotation(**more: Any) -> dict[str, Any]:
    people = [{"type": "user", "id": name} for name in "ab"]
    base = {"name": "R", "type": "weekly", "length": 1, "startDate": "2026-03-02T08:00:00Z", "participants": people}
    return base | more


def opsgenie(*rotations: dict[str, Any], **more: Any) -> Translation:
    users = [{"user": {"id": name, "username": f"{name}@example.org", "fullName": name}} for name in "abc"]
    schedule = {"id": "s", "name": "S", "timezone": "Europe/Berlin", "rotations": list(rotations)}
    return made("opsgenie", users=users, schedules=[{"schedule": schedule} | more])


def on(found: Translation, *at: str) -> list[str]:
    """Whom the schedule names at these moments of Berlin; ``-`` for nobody."""
    (one,) = (one for one in found.things if one.section == "schedules")
    answer = []
    for text in at:
        instant = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
        shifts = rendered(one, instant, instant + timedelta(minutes=1))
        answer.append("".join(sorted(who.strip("\x1f").partition(":")[2] for _, _, who in shifts)) or "-")
    return answer


CASES = {
    "a turn keeps its hour when clocks change": (
        [rotation()],
        ["2026-12-07 08:59", "2026-12-07 09:00", "2027-04-05 08:59", "2027-04-05 09:00"],
        ["b", "a", "a", "b"],
    ),
    "nobody has a turn": (
        [rotation(participants=[{"type": "user", "id": "a"}, {"type": "none"}, {"type": "user", "id": "b"}])],
        ["2026-11-24 12:00", "2026-12-01 12:00", "2026-12-08 12:00", "2026-12-14 09:00"], ["b", "a", "-", "b"],
    ),
    "rotations run beside each other": ([rotation(), rotation(participants=[{"type": "user", "id": "c"}])],
        ["2026-11-24 12:00"], ["ac"]),
    "office hours": ([rotation(timeRestriction={"type": "weekday-and-time-of-day", "restrictions": [
        {"startDay": "monday", "endDay": "friday", "startHour": 22, "startMin": 0, "endHour": 6, "endMin": 30}]})],
        ["2026-11-23 21:59", "2026-11-23 22:00", "2026-11-25 03:00", "2026-11-27 06:29", "2026-11-27 06:30"],
        ["-", "a", "a", "a", "-"]),
    "nights": ([rotation(timeRestriction={"type": "time-of-day", "restriction":
        {"startHour": 18, "startMin": 0, "endHour": 8, "endMin": 0}})],
        ["2026-11-24 17:59", "2026-11-24 18:00", "2026-11-25 07:59", "2026-11-25 08:00"], ["-", "a", "a", "-"]),
    "twelve hours": ([rotation(type="hourly", length=12)],
        ["2027-04-01 09:59", "2027-04-01 10:00", "2027-04-01 21:59", "2027-04-01 22:00"], ["b", "a", "a", "b"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_opsgenies_rotations(name: str) -> None:
    rotations, moments, expected = CASES[name]
    found = opsgenie(*rotations)
    assert on(found, *moments) == expected


def test_opsgenies_participants_that_are_no_people_are_told() -> None:
    found = opsgenie(rotation(participants=[{"type": "team", "id": "t"}, {"type": "escalation", "id": "e"}]))
    assert "an escalation takes part" in reasons(found, "impossible")
    assert "a team without anybody" in reasons(found, "approximated")


def test_opsgenies_escalations_count_from_the_step_before() -> None:
    def rule(minutes: int, notify: str, kind: str = "schedule") -> dict[str, Any]:
        delay = {"timeAmount": minutes, "timeUnit": "minutes"}
        return {
            "condition": "if-not-acked",
            "notifyType": notify,
            "delay": delay,
            "recipient": {"type": kind, "id": "x"},
        }

    rules = [rule(10, "all", "team"), rule(0, "default"), rule(25, "random", "team"), rule(10, "next")]
    repeat = {"waitInterval": 7, "count": 2, "closeAlertAfterAll": True}
    found = made("opsgenie", escalations=[{"id": "e", "name": "E", "rules": rules, "repeat": repeat}])
    spec = thing(found, "policies")
    assert [step["wait_s"] for step in spec["steps"]] == [600, 900, 420]
    assert [len(step["targets"]) for step in spec["steps"]] == [1, 2, 1]
    assert spec["repeats"] == 2
    assert spec["steps"][2]["rotate"] is True
    said = reasons(found, "approximated")
    for words in ("at random", "on call next", "closes the alert"):
        assert words in said


def test_an_unknown_zone_is_utc_and_told() -> None:
    user = {"user": {"id": "u", "username": "u@example.org", "timeZone": "Mars/Olympus"}}
    found = made("opsgenie", users=[user])
    assert thing(found, "people")["zone"] == "UTC"
    assert "Mars/Olympus" in reasons(found)


# -- Grafana OnCall ----------------------------------------------------------------------------------------------------


def oncall(**shift: Any) -> Translation:
    base = {"id": "O", "name": "O", "type": "rolling_users", "frequency": "weekly", "interval": 1, "duration": 604_800,
            "start": "2026-03-02T09:00:00", "rolling_users": [["a"], ["b"]], "week_start": "MO"}  # fmt: skip
    users = [{"id": name, "email": f"{name}@example.org", "username": name} for name in "ab"]
    schedule = {"id": "S", "name": "S", "type": "web", "time_zone": "Europe/Berlin", "shifts": ["O"]}
    return made("grafana-oncall", users=users, on_call_shifts=[base | shift], schedules=[schedule])


@pytest.mark.parametrize(
    ("shift", "moments", "expected"),
    [
        ({}, ["2026-11-30 08:59", "2026-11-30 09:00", "2027-04-05 09:00"], ["a", "b", "b"]),
        ({"start_rotation_from_user_index": 1}, ["2026-11-24 12:00"], ["b"]),
        ({"by_day": ["MO", "WE"], "duration": 28_800}, ["2026-11-25 08:59", "2026-11-25 09:00", "2026-11-26 10:00",
          "2026-11-30 10:00"], ["-", "a", "-", "b"]),
        ({"frequency": "daily", "duration": 3600}, ["2026-11-24 09:30", "2026-11-25 09:30", "2026-11-25 10:30"],
         ["b", "a", "-"]),
    ],
)  # fmt: skip
def test_oncalls_shifts(shift: dict[str, Any], moments: list[str], expected: list[str]) -> None:
    assert on(oncall(**shift), *moments) == expected


def test_oncalls_chains_wait_in_steps_of_their_own() -> None:
    found = made("grafana-oncall", **company.grafana_oncall(Size(20, 12, 240)))
    chain = next(one.spec for one in found.things if one.id == "C000000")
    assert [step["wait_s"] for step in chain["steps"]] == [300, 900]
    assert chain["steps"][1]["urgency"] == "high"
    assert chain["repeats"] == 5
    said = reasons(found, "impossible")
    assert "a channel of chat is not paged" in said
    assert "tells nobody the number" in said


# -- small parts -------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, WEEK - 1), st.integers(0, WEEK - 1)), max_size=4), st.integers(0, WEEK - 1))
def test_windows_of_the_week_are_cut_at_midnight_and_nothing_else(spans: list[tuple[int, int]], at: int) -> None:
    inside = any((at - start) % WEEK < ((end - start) % WEEK or WEEK) for start, end in spans)
    day, minute = divmod(at, 24 * 60)
    found = False
    for window in week_windows(spans):
        start, end = (int(window[name][:2]) * 60 + int(window[name][3:]) for name in ("start", "end"))
        assert start < end
        found = found or (day + 1 in window["days"] and start <= minute < end)
    assert found == inside


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("product", ["opsgenie", "pagerduty", "grafana-oncall"])
def test_no_export_breaks_a_translation(product: str) -> None:
    data = getattr(company, product.replace("-", "_"))(Size(3, 4, 9))

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def spoiled(draw: st.DataObject) -> None:
        name = draw.draw(st.sampled_from(sorted(data)))
        rows = [dict(row) for row in data[name]]
        for row in rows[:1]:
            inner = draw.draw(st.sampled_from(sorted(row))) if row else ""
            row[inner] = draw.draw(JSON)
        translate(Export(product, "", NOW, data | {name: rows}))

    spoiled()


def test_references_that_lead_nowhere_are_left_out_and_named() -> None:
    missing: set[str] = set()
    spec = {
        "team": ref("teams", "t"),
        "steps": [{"targets": [f"user:{ref('people', 'a')}", f"user:{ref('people', 'b')}"]}],
    }
    assert resolved(spec, {("people", "a"): "a@example.org"}, missing) == {
        "team": "",
        "steps": [{"targets": ["user:a@example.org"]}],
    }
    assert missing == {"team t", "people b"}


def test_a_finding_is_said_once() -> None:
    into = Translation("opsgenie")
    for _ in range(2):
        into.note("exact", "user", "A", "1", "why")
    assert into.findings == [Finding("exact", "user", "A", "1", "why")]


def test_differences_shorter_than_a_minute_do_not_count() -> None:
    def entry(minutes: float, who: str) -> tuple[datetime, datetime, str]:
        return (NOW, NOW + timedelta(minutes=minutes), who)

    end = NOW + timedelta(minutes=60)
    assert difference([entry(60, "a")], [entry(59.5, "a")], NOW, end) is None
    assert difference([entry(60, "a")], [entry(30, "a")], NOW, end) == NOW + timedelta(minutes=30)
