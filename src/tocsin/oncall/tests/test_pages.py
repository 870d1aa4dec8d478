"""What people do with schedules in the browser, without script."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client
from tests.browser import world

from tocsin.oncall import actions, queries
from tocsin.oncall.models import LayerMember, Override, Schedule
from tocsin.oncall.pages.timeline import View, bars, ticks
from tocsin.oncall.rules import HandoffSpec, Layer, LayerSpec, RestrictionSpec, ScheduleSpec, final_schedule, gaps_of
from tocsin.oncall.rules import Schedule as Loaded
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> dict[str, Any]:
    return world.company(clock.now())


@pytest.fixture
def dana(client: Client, made: dict[str, Any]) -> Client:
    client.force_login(made["users"][0], backend=BACKEND)
    return client


@pytest.fixture
def ines(made: dict[str, Any]) -> Client:
    """A responder."""
    client = Client()
    client.force_login(made["users"][1], backend=BACKEND)
    return client


def test_board_shows_who_is_on_call_and_the_gaps(dana: Client) -> None:
    page = dana.get("/on-call/").content.decode()
    assert "Dana Reyes" in page
    assert "Data nights" in page
    assert "url(#hatch" in page, "the hours without anybody are hatched"
    assert dana.get("/on-call/?format=json").json()["items"]


@pytest.mark.parametrize(
    "query", ["from=nonsense&days=99999&zone=Nowhere/Land", "from=9999-12-31", "days=1", "days=84&zone=Asia/Tokyo"]
)
def test_any_stretch_of_an_address_is_answered(dana: Client, made: dict[str, Any], query: str) -> None:
    for path in ("/on-call/", f"/on-call/{made['schedule'].pk}/", "/on-call/mine/"):
        assert dana.get(f"{path}?{query}").status_code == 200


def test_days_over_a_clock_change_lie_side_by_side() -> None:
    """25 October 2026 has 25 hours in Berlin: its mark lies further from the next."""
    from datetime import date

    view = View(date(2026, 10, 24), 3, "Europe/Berlin")
    days = [tick.x for tick in ticks(view) if tick.text and not tick.text.isdigit()]
    assert days[0] == 0
    assert days[2] - days[1] > days[1] - days[0]
    loaded = Loaded(1, "s", "Europe/Berlin", (Layer(1, "l", 1, "day", 1, view.start, ((7,), (8,))),))
    final = final_schedule(loaded, view.start, view.end)
    assert gaps_of(loaded, final, view.start, view.end) == []
    drawn = bars(view, final, {7: "Ada Lovelace", 8: "Bo"})
    assert sum(bar.width for bar in drawn) == pytest.approx(100, abs=0.01)
    assert [bar.kind for bar in drawn] == ["shift"] * 3


def test_a_gap_that_is_meant_is_drawn_as_none(dana: Client, made: dict[str, Any]) -> None:
    """A rota of office hours: it says when nobody is needed, and when nobody is there."""
    today = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    other_hours = RestrictionSpec(start=f"{clock.now() + timedelta(hours=1):%H}:00", end=f"{clock.now():%H}:00")
    key = None
    for uncovered, wanted in (([other_hours], False), ([RestrictionSpec()], True)):
        spec = ScheduleSpec("Desk", team="shop", zone="UTC", layers=[], uncovered=uncovered)
        key = actions.save_schedule(spec, id=key, actor=SYSTEM).pk
        loaded = queries.load([key], today, today + timedelta(days=2))[key]
        found = gaps_of(loaded, [], today, today + timedelta(days=2))
        assert (found[0].start, found[-1].end) == (today, today + timedelta(days=2))
        assert all(one.end == two.start for one, two in pairwise(found))
        assert {gap.meant for gap in found} == ({True} if wanted else {True, False})
        page = dana.get(f"/on-call/{key}/").content.decode()
        assert ("Nobody needs to be on call now" in page) is wanted
        assert ("Nobody is on call now" in page) is not wanted
        assert 'class="tl-bar meant"' in page
        assert ("Nobody needed</span>" in dana.get("/on-call/").content.decode()) is wanted


def test_override_is_added_and_taken_back(ines: Client, made: dict[str, Any]) -> None:
    key, marek = made["schedule"].pk, made["users"][2]
    begin = clock.now() + timedelta(days=5)
    form = {"user": marek.pk, "start": f"{begin:%Y-%m-%dT%H:%M}", "end": f"{begin:%Y-%m-%dT%H:%M}", "reason": "x"}
    answer = ines.post(f"/on-call/{key}/override/", form)
    assert answer.status_code == 422
    assert "after the start" in answer.content.decode()
    form["end"] = f"{begin + timedelta(hours=8):%Y-%m-%dT%H:%M}"
    assert ines.post(f"/on-call/{key}/override/", form).status_code == 303
    row = Override.objects.get(user=marek)
    assert "Marek Novák" in ines.get(f"/on-call/{key}/").content.decode()
    assert ines.post(f"/on-call/overrides/{row.pk}/end/").status_code == 303
    assert not Override.objects.filter(pk=row.pk).exists()


def test_schedule_is_made_and_changed_without_script(dana: Client, made: dict[str, Any]) -> None:
    emails = [user.email for user in made["users"][:2]]
    form: dict[str, Any] = {
        "name": "Search primary",
        "team": "shop",
        "zone": "Europe/Berlin",
        "description": "",
        "layer": ["Week"],
        "unit": ["week"],
        "length": ["1"],
        "anchor": ["2026-11-02T09:00"],
        "was": [""],
        "members-0": [*emails, ""],
    }
    more = dana.post("/on-call/new/", form | {"do": "add"})
    assert more.status_code == 200
    assert "Layer 2" in more.content.decode()
    assert "Search primary" in more.content.decode()
    hours = dana.post("/on-call/new/", form | {"do": "hours-0"}).content.decode()
    assert 'name="days-0-0"' in hours
    answer = dana.post("/on-call/new/", form | {"days-0-0": ["1", "2"], "start-0": ["22:00"], "end-0": ["06:00"]})
    assert answer.status_code == 303
    row = Schedule.objects.get(name="Search primary")
    assert [m.user.email for m in LayerMember.objects.filter(layer__schedule=row)] == emails
    (spec,) = queries.export_schedules([row.pk])
    assert spec.layers[0].restrictions[0].days == [1, 2]
    wrong = dana.post(f"/on-call/{row.pk}/edit/", form | {"length": ["x"], "was": ["0"]})
    assert wrong.status_code == 422
    assert "must be numbers" in wrong.content.decode()
    assert dana.post(f"/on-call/{row.pk}/delete/").status_code == 303


def test_the_editor_keeps_everything_a_schedule_can_say(dana: Client, made: dict[str, Any]) -> None:
    """What is kept, opened and sent back unchanged is the same; a preview keeps nothing."""
    ada, ben, cleo = (user.email for user in made["users"][:3])
    written = ScheduleSpec(
        "Everything",
        zone="Europe/Berlin",
        layers=[
            LayerSpec(
                "pairs",
                datetime(2026, 1, 5, 9, tzinfo=UTC),
                [[ada, ben], cleo],
                "week",
                2,
                handoffs=[HandoffSpec(1, "09:00"), HandoffSpec(4, "17:30")],
                shift_minutes=90,
            ),
            LayerSpec(
                "sun",
                datetime(2026, 1, 5, tzinfo=UTC),
                [cleo],
                "day",
                weekdays=[1, 2],
                beside=True,
                zone="Asia/Tokyo",
                restrictions=[RestrictionSpec([1, 2, 3], "08:00", "20:00", [1, -1], [12], "except", "DE-BY")],
            ),
        ],
        uncovered=[RestrictionSpec([6, 7])],
    )
    row = actions.save_schedule(written, actor=SYSTEM)
    (stored,) = queries.export_schedules([row.pk])
    page = dana.get(f"/on-call/{row.pk}/edit/").content.decode()
    sent = fields(page)
    assert dana.post(f"/on-call/{row.pk}/edit/", sent | {"do": ["save"]}).status_code == 303
    assert queries.export_schedules([row.pk]) == [stored]
    sent["members-0"] = [ben, "", ""]
    shown = dana.post(f"/on-call/{row.pk}/edit/", sent | {"do": ["preview"]})
    assert shown.status_code == 200
    assert "nothing is kept yet" in shown.content.decode()
    assert queries.export_schedules([row.pk]) == [stored]
    bad = dana.post(f"/on-call/{row.pk}/edit/", sent | {"do": ["save"], "region-1": ["XX"]})
    assert bad.status_code == 422
    assert "ISO 3166" in bad.content.decode()


def test_nobodys_turn_moves_when_somebody_joins(dana: Client, made: dict[str, Any]) -> None:
    emails = [user.email for user in made["users"][:4]]
    begin = (clock.now() - timedelta(days=100)).replace(second=0, microsecond=0)
    row = actions.save_schedule(ScheduleSpec("Turns", layers=[LayerSpec("all", begin, list(emails[:3]))]), actor=SYSTEM)
    before = [s.user_id for s in queries.final(row.pk, clock.now(), clock.now() + timedelta(weeks=2))]
    sent = fields(dana.get(f"/on-call/{row.pk}/edit/").content.decode())
    sent["members-0"] = [*emails[:3], emails[3]]
    assert dana.post(f"/on-call/{row.pk}/edit/", sent | {"do": ["save"]}).status_code == 303
    after = [s.user_id for s in queries.final(row.pk, clock.now(), clock.now() + timedelta(weeks=2))]
    assert after[:1] == before[:1]
    order = queries.export_schedules([row.pk])[0].layers[0].members
    assert sorted(map(str, order)) == sorted(emails)
    ring = [*emails, *emails]
    assert any(ring[n : n + 4] == order for n in range(4))


def fields(page: str) -> dict[str, list[str]]:
    """What a browser would send of the form on a page, without its buttons."""
    found: dict[str, list[str]] = {}

    class Form(HTMLParser):
        select = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            of = {name: value if value is not None else "" for name, value in attrs}
            if tag == "select":
                self.select = of.get("name", "")
                found.setdefault(self.select, []).append("")
            elif tag == "option" and self.select and "selected" in of:
                found[self.select][-1] = of.get("value", "")
            elif tag == "input" and of.get("name") and (of.get("type") != "checkbox" or "checked" in of):
                found.setdefault(of["name"], []).append(of.get("value", ""))

        def handle_endtag(self, tag: str) -> None:
            if tag == "select":
                self.select = ""

    Form().feed(page)
    return {name: values for name, values in found.items() if name not in ("csrfmiddlewaretoken", "q")}


def test_a_responder_may_override_but_not_edit(ines: Client, made: dict[str, Any]) -> None:
    key = made["schedule"].pk
    page = ines.get(f"/on-call/{key}/").content.decode()
    assert f"/on-call/{key}/override/" in page
    assert f"/on-call/{key}/edit/" not in page
    assert ines.get(f"/on-call/{key}/edit/").status_code == 403
    assert ines.post(f"/on-call/{key}/delete/").status_code == 403


def test_what_does_not_exist_is_told(dana: Client) -> None:
    assert dana.get("/on-call/99999/").status_code == 404
    assert dana.post("/on-call/overrides/99999/end/").status_code == 404
