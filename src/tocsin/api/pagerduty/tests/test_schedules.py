"""Schedules, overrides and who is on call, over PagerDuty's REST API."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.tests.conftest import PagerDuty
from tocsin.escalation import actions as escalation
from tocsin.escalation.rules import PolicySpec, StepSpec
from tocsin.oncall import actions as oncall
from tocsin.oncall import queries as oncall_queries
from tocsin.oncall.rules import HandoffSpec, LayerSpec, RestrictionSpec, ScheduleSpec
from tocsin.people.tests.named import Named
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM

AskAs = Callable[..., PagerDuty]
WEEK = "since=2026-11-02T00:00:00Z&until=2026-11-09T00:00:00Z"


@pytest.fixture
def ask(people: Named, ask_as: AskAs) -> PagerDuty:
    return ask_as(people.alice)


def at(kind: str, row: Any) -> str:
    return ids.write(kind, row.pk)


def refer(kind: str, row: Any) -> dict[str, str]:
    return {"id": at(kind, row), "type": f"{kind}_reference"}


def told(answer: Any) -> list[str]:
    return list(answer.json()["error"].get("errors", []))


def layer(*people: Any, **more: object) -> dict[str, Any]:
    return {
        "name": "Primary",
        "start": "2026-11-02T09:00:00Z",
        "rotation_virtual_start": "2026-11-02T09:00:00Z",
        "rotation_turn_length_seconds": 86_400,
        "users": [{"user": refer("user", one)} for one in people],
        **more,
    }


def body(*layers: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"schedule": {"type": "schedule", "name": "Rota", "time_zone": "UTC", "schedule_layers": layers, **more}}


def plain(schedule: dict[str, Any], part: str = "final_schedule") -> list[tuple[str, str, str]]:
    return [
        (one["user"]["summary"], one["start"][5:16], one["end"][5:16])
        for one in schedule[part]["rendered_schedule_entries"]
    ]


def test_a_schedule_comes_changes_and_goes(ask: PagerDuty, people: Named) -> None:
    made = ask(
        "POST",
        "/schedules",
        body(layer(people.alice, people.bob), description="Who", teams=[refer("team", people.core)]),
    )
    schedule = made.json()["schedule"]
    assert (made.status_code, schedule["type"], schedule["description"]) == (201, "schedule", "Who")
    assert schedule["teams"][0]["summary"] == "Core"
    assert schedule["final_schedule"]["rendered_schedule_entries"] == []
    assert schedule["schedule_layers"][0]["rendered_coverage_percentage"] is None
    where = f"/schedules/{schedule['id']}"
    shown = ask("GET", f"{where}?since=2026-11-02T00:00:00Z&until=2026-11-04T12:00:00Z").json()["schedule"]
    assert plain(shown) == [
        ("Alice", "11-02T09:00", "11-03T09:00"), ("Bob", "11-03T09:00", "11-04T09:00"),
        ("Alice", "11-04T09:00", "11-04T12:00"),
    ]  # fmt: skip
    assert shown["final_schedule"]["rendered_coverage_percentage"] == 85.0
    overflowing = ask("GET", f"{where}?since=2026-11-03T12:00:00Z&until=2026-11-03T13:00:00Z&overflow=true").json()
    for part in (overflowing["schedule"]["final_schedule"], overflowing["schedule"]["schedule_layers"][0]):
        assert plain({"it": part}, "it") == [("Bob", "11-03T09:00", "11-04T09:00")]
    zoned = ask("GET", f"{where}?{WEEK}&time_zone=Asia/Tokyo").json()["schedule"]
    assert zoned["final_schedule"]["rendered_schedule_entries"][0]["start"] == "2026-11-02T18:00:00+09:00"
    changed = ask("PUT", where, {"schedule": {"name": "Rota 2"}}).json()["schedule"]
    assert (changed["name"], changed["description"], len(changed["schedule_layers"])) == ("Rota 2", "Who", 1)
    assert [one["name"] for one in ask("GET", "/schedules?query=rota").json()["schedules"]] == ["Rota 2"]
    assert ask("DELETE", where).status_code == 204
    assert ask("GET", where).json()["error"]["code"] == 3004


def test_layers_go_in_from_the_lowest_and_come_out_from_the_highest(ask: PagerDuty, people: Named) -> None:
    day = [{"type": "daily_restriction", "start_time_of_day": "09:00:00", "duration_seconds": 8 * 3600}]
    low, high = layer(people.alice, name="Low"), layer(people.bob, name="High", restrictions=day)
    schedule = ask("POST", "/schedules", body(low, high)).json()["schedule"]
    assert [one["name"] for one in schedule["schedule_layers"]] == ["High", "Low"]
    assert [one.name for one in oncall_queries.export_schedules()[0].layers] == ["Low", "High"]
    path = f"/schedules/{schedule['id']}?since=2026-11-02T09:00:00Z&until=2026-11-03T09:00:00Z"
    shown = ask("GET", path).json()["schedule"]
    assert plain(shown) == [("Bob", "11-02T09:00", "11-02T17:00"), ("Alice", "11-02T17:00", "11-03T09:00")]
    assert plain({"it": shown["schedule_layers"][1]}, "it") == [("Alice", "11-02T09:00", "11-03T09:00")]
    assert shown["schedule_layers"][0]["rendered_coverage_percentage"] == 33.33
    again = {"schedule": schedule | {"schedule_layers": schedule["schedule_layers"][::-1]}}
    before = oncall_queries.current_layers(ids.read("schedule", schedule["id"]) or 0)
    assert ask("PUT", f"/schedules/{schedule['id']}", again).json()["schedule"] == schedule
    assert oncall_queries.current_layers(ids.read("schedule", schedule["id"]) or 0) == before


def test_moments_may_come_as_go_prints_them(ask: PagerDuty, people: Named) -> None:
    go = layer(
        people.alice, rotation_virtual_start="2017-09-01 10:00:00 +0000 UTC", start="2026-11-02 09:00:00 +0100 CET"
    )
    one = ask("POST", "/schedules", body(go)).json()["schedule"]["schedule_layers"][0]
    assert (one["rotation_virtual_start"], one["start"]) == ("2017-09-01T10:00:00Z", "2026-11-02T08:00:00Z")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"rotation_turn_length_seconds": 5400}, "schedule_layers.0.rotation_turn_length_seconds"),
        ({"rotation_turn_length_seconds": "x"}, "rotation_turn_length_seconds"),
        ({"users": []}, "schedule_layers.0.users"),
        ({"users": [{"user": {"id": "QQ", "type": "user"}}]}, "schedule_layers.0.users"),
        ({"start": "soon"}, "schedule_layers.0.start"),
        ({"start": None}, "schedule_layers.0.start"),
        ({"end": "2026-11-01T00:00:00Z"}, "schedule_layers.0.end"),
        ({"restrictions": [{"type": "monthly"}]}, "schedule_layers.0.restrictions.0.type"),
        (
            {"restrictions": [{"type": "daily_restriction", "start_time_of_day": "9", "duration_seconds": 60}]},
            "schedule_layers.0.restrictions.0.start_time_of_day",
        ),
        (
            {"restrictions": [{"type": "daily_restriction", "start_time_of_day": "09:00:00", "duration_seconds": 90}]},
            "schedule_layers.0.restrictions.0.duration_seconds",
        ),
    ],
)
def test_a_layer_that_cannot_be_is_refused_by_name(
    ask: PagerDuty, people: Named, more: dict[str, Any], field: str
) -> None:
    answer = ask("POST", "/schedules", body(layer(people.alice) | more))
    assert answer.status_code == 400
    assert field in told(answer)[0]
    assert not oncall_queries.export_schedules()


@pytest.mark.parametrize(("more", "field"), [({"time_zone": "Mars"}, "time_zone"), ({"name": ""}, "name")])
def test_a_schedule_that_cannot_be_is_refused_by_name(
    ask: PagerDuty, people: Named, more: dict[str, Any], field: str
) -> None:
    answer = ask("POST", "/schedules", body(layer(people.alice), **more))
    assert (answer.status_code, told(answer)[0].split(":")[0]) == (400, field)


def test_a_weekly_restriction_over_days_stays_one(ask: PagerDuty, people: Named) -> None:
    weekend = {
        "type": "weekly_restriction", "start_day_of_week": 5, "start_time_of_day": "17:00:00",
        "duration_seconds": 64 * 3600,
    }  # fmt: skip
    schedule = ask("POST", "/schedules", body(layer(people.alice, restrictions=[weekend]))).json()["schedule"]
    assert schedule["schedule_layers"][0]["restrictions"] == [weekend]
    shown = ask("GET", f"/schedules/{schedule['id']}?{WEEK}").json()["schedule"]
    assert (plain(shown)[0][1], plain(shown)[-1][2]) == ("11-06T17:00", "11-09T00:00")


def test_what_a_layer_cannot_say_is_rendered_right_and_stays(ask: PagerDuty, people: Named) -> None:
    layers = [
        LayerSpec("Months", datetime(2026, 1, 31, 9, tzinfo=UTC), ["alice@example.org", "bob@example.org"], "month"),
        LayerSpec(
            "Pairs", datetime(2026, 11, 2, 9, tzinfo=UTC), [["alice@example.org", "bob@example.org"]], "week",
            handoffs=[HandoffSpec(1), HandoffSpec(5)], shift_minutes=600, beside=True,
            restrictions=[RestrictionSpec([1, 2, 3], "09:00", "17:00")],
        ),
    ]  # fmt: skip
    spec = ScheduleSpec("Rota", layers=layers, uncovered=[RestrictionSpec([6, 7])], swaps_approved=True)
    row = oncall.save_schedule(spec, actor=SYSTEM)
    where = f"/schedules/{at('schedule', row)}"
    shown = ask("GET", f"{where}?since=2026-11-02T12:00:00Z&until=2026-11-02T13:00:00Z").json()["schedule"]
    assert {one[0] for one in plain(shown)} == {"Alice", "Bob"}
    before = oncall_queries.export_schedules()[0]
    shown["schedule_layers"].reverse()
    ask("PUT", where, {"schedule": shown})
    assert oncall_queries.export_schedules()[0] == before
    shown["schedule_layers"][0]["name"] = "Slow"
    ask("PUT", where, {"schedule": shown})
    after = oncall_queries.export_schedules()[0]
    assert [one.name for one in after.layers] == ["Slow", "Pairs"]
    assert after.layers[1] == before.layers[1]
    assert after.swaps_approved


def test_a_preview_is_rendered_and_not_kept(ask: PagerDuty, people: Named) -> None:
    answer = ask("POST", f"/schedules/preview?{WEEK}", body(layer(people.alice, people.bob)))
    schedule = answer.json()["schedule"]
    assert (answer.status_code, schedule["id"], schedule["name"], schedule["time_zone"]) == (200, None, "Rota", "UTC")
    assert [one[0] for one in plain(schedule)][:3] == ["Alice", "Bob", "Alice"]
    assert len(schedule["schedule_layers"][0]["rendered_schedule_entries"]) == len(plain(schedule))
    assert not oncall_queries.export_schedules()


@pytest.fixture
def rota(people: Named) -> Any:
    anchor = clock.now() - timedelta(days=2)
    spec = ScheduleSpec("Rota", layers=[LayerSpec("L", anchor, ["alice@example.org"], "day")])
    return oncall.save_schedule(spec, actor=SYSTEM)


def test_overrides_come_in_both_forms_and_go(ask: PagerDuty, people: Named, rota: Any) -> None:
    where = f"/schedules/{at('schedule', rota)}/overrides"
    now = clock.now().replace(microsecond=0)

    def span(start: int, end: int) -> dict[str, Any]:
        return {
            "start": (now + timedelta(hours=start)).isoformat(),
            "end": (now + timedelta(hours=end)).isoformat(),
            "user": refer("user", people.bob),
        }

    made = ask(
        "POST", where, {"overrides": [span(1, 2), span(3, 3), span(-5, 4) | {"user": {"id": "Q"}}, span(-2, -1)]}
    )
    results = made.json()
    assert (made.status_code, [one["status"] for one in results]) == (201, [201, 400, 400, 400])
    assert results[1]["errors"] == ["Override must end after its start"]
    assert results[0]["override"]["user"]["summary"] == "Bob"
    single = ask("POST", where, {"override": span(-1, 1)})
    assert (single.status_code, single.json()["override"]["user"]["summary"]) == (201, "Bob")
    window = (
        f"since={(now - timedelta(days=1)).strftime('%FT%TZ')}&until={(now + timedelta(days=1)).strftime('%FT%TZ')}"
    )
    assert len(ask("GET", f"{where}?{window}").json()["overrides"]) == 2
    assert ask("GET", where).status_code == 400
    schedule = ask("GET", f"/schedules/{at('schedule', rota)}?{window}").json()["schedule"]
    assert [one[0] for one in plain(schedule, "overrides_subschedule")] == ["Bob", "Bob"]
    assert ask("DELETE", f"{where}/{results[0]['override']['id']}").status_code == 204
    assert ask("DELETE", f"{where}/{single.json()['override']['id']}").status_code == 200
    assert ask("DELETE", f"{where}/{results[0]['override']['id']}").json()["error"]["code"] == 4004


def test_who_is_on_call_in_a_window(ask: PagerDuty, people: Named, rota: Any) -> None:
    now = clock.now()
    oncall.add_override(rota.pk, people.bob.pk, now + timedelta(hours=1), now + timedelta(hours=2), actor=SYSTEM)
    where = f"/schedules/{at('schedule', rota)}/users"
    assert [one["email"] for one in ask("GET", where).json()["users"]] == ["alice@example.org"]
    window = f"since={now.strftime('%FT%TZ')}&until={(now + timedelta(hours=3)).strftime('%FT%TZ')}"
    assert [one["name"] for one in ask("GET", f"{where}?{window}").json()["users"]] == ["Alice", "Bob"]
    path = f"/schedules/{at('schedule', rota)}?include_next_oncall_for_user={at('user', people.bob)}"
    assert ask("GET", path).json()["schedule"]["next_oncall_for_user"]["user"]["summary"] == "Bob"


def test_on_calls_tell_every_level(ask: PagerDuty, people: Named, rota: Any) -> None:
    steps = [StepSpec(["schedule:rota"]), StepSpec(["user:bob@example.org", "team:shop", "owner"])]
    policy = escalation.save_policy(PolicySpec("Pay", steps), actor=SYSTEM)
    found = ask("GET", "/oncalls").json()["oncalls"]
    assert [(one["escalation_level"], one["user"]["summary"]) for one in found] == [
        (1, "Alice"),
        (2, "Bob"),
        (2, "Charlie"),
    ]
    first, second, _ = found
    assert (first["schedule"]["summary"], second["schedule"], second["start"], second["end"]) == (
        "Rota",
        None,
        None,
        None,
    )
    assert first["start"] <= clock.now().strftime("%FT%TZ") < first["end"]
    for query, count in (
        (f"user_ids[]={at('user', people.alice)}", 1),
        (f"schedule_ids[]={at('schedule', rota)}", 1),
        (f"escalation_policy_ids[]={at('escalation_policy', policy)}", 3),
        ("escalation_policy_ids[]=QX", 0),
        ("earliest=true", 3),
    ):
        assert len(ask("GET", f"/oncalls?{query}").json()["oncalls"]) == count, query
    now = clock.now()
    window = f"since={now.strftime('%FT%TZ')}&until={(now + timedelta(days=3)).strftime('%FT%TZ')}"
    assert len(ask("GET", f"/oncalls?{window}&schedule_ids[]={at('schedule', rota)}").json()["oncalls"]) == 4
    early = ask("GET", f"/oncalls?{window}&earliest=true&include[]=users&include[]=schedules").json()["oncalls"]
    assert [(one["escalation_level"], one["user"]["name"]) for one in early] == [
        (1, "Alice"),
        (2, "Bob"),
        (2, "Charlie"),
    ]
    assert early[0]["schedule"]["time_zone"] == "UTC"
    far = ask("GET", f"/oncalls?since={now.strftime('%FT%TZ')}&until=2999-01-01T00:00:00Z")
    assert (far.status_code, far.json()["error"]["code"]) == (400, 2005)


def test_who_may_only_look_changes_nothing(people: Named, ask_as: AskAs, rota: Any) -> None:
    ask = ask_as(people.charlie)
    assert ask("POST", "/schedules", body(layer(people.alice))).status_code == 403
    assert ask("DELETE", f"/schedules/{at('schedule', rota)}").status_code == 403
    assert ask("POST", "/schedules/preview", body(layer(people.alice))).status_code == 403
    given = {"start": "2027-01-01T00:00:00Z", "end": "2027-01-01T12:00:00Z", "user": refer("user", people.bob)}
    assert ask("POST", f"/schedules/{at('schedule', rota)}/overrides", {"overrides": [given]}).status_code == 403
    assert ask("GET", f"/schedules/{at('schedule', rota)}").status_code == 200
