"""Calendars, absences, load and pay in the browser without script, over HTTP, and at the secret address."""

import csv
import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from tests.browser import world

from tocsin.escalation.models import Page
from tocsin.oncall import actions, models, queries
from tocsin.oncall.pages.calendars import limiter
from tocsin.people.actions import create_token
from tocsin.people.models import User
from tocsin.people.queries import actor_of
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> dict[str, Any]:
    """A company at noon: whatever happens to it now wakes nobody."""
    now = clock.now()
    clock.shift(now.replace(hour=12, minute=0) + DAY - now)
    return world.company(clock.now())


@pytest.fixture
def dana(client: Client, made: dict[str, Any]) -> Client:
    """An administrator."""
    client.force_login(made["users"][0], backend=BACKEND)
    return client


@pytest.fixture
def ines(made: dict[str, Any]) -> Client:
    """A responder."""
    client = Client()
    client.force_login(made["users"][1], backend=BACKEND)
    return client


def api(user: User, method: str, path: str, body: Any = None, *scopes: str) -> Any:
    _, token = create_token(user.pk, actor=SYSTEM, scopes=scopes or ("admin",))
    answer = Client().generic(
        method,
        f"/api/v1{path}",
        data="" if body is None else json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    return answer.status_code, answer.json()


def test_a_calendar_subscribes_with_its_address_alone(made: dict[str, Any], ines: Client) -> None:
    team = made["team"].pk
    for query in ("", f"?schedule={made['schedule'].pk}", f"?team={team}"):
        page = ines.post(f"/on-call/calendars/{query}").content.decode()
        url = page.split('<code class="break">')[1].split("</code>")[0]
        path = "/calendar/" + url.rpartition("/calendar/")[2]
        shown = ines.get(f"/on-call/calendars/{query}").content.decode()
        assert path not in shown, "shown once"
        stranger = Client()
        answer = stranger.get(path)
        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/calendar; charset=utf-8"
        assert answer["Cache-Control"].startswith("private")
        text = answer.content.decode()
        assert "BEGIN:VEVENT" in text
        assert ("Dana" in text) is bool(query)
        clock.shift(timedelta(minutes=1))
        again = stranger.get(path, headers={"If-None-Match": answer["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert stranger.head(path).status_code == 200
        assert stranger.post(path).status_code == 405
    feed = models.CalendarFeed.objects.filter(schedule=None, team=None).get()
    assert ines.post("/on-call/calendars/revoke/", {"id": feed.pk}).status_code == 303
    for path in ("/calendar/nothing.ics", "/calendar/%00.ics", "/calendar/é.ics"):
        assert Client().get(path).status_code == 404


def test_a_calendar_that_asks_all_the_time_waits(made: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _, url = actions.create_calendar_feed(actor=actor_of(made["users"][1]))
    path = "/calendar/" + url.rpartition("/")[2]
    monkeypatch.setattr(limiter, "per_minute", 2)
    assert [Client().get(path).status_code for _ in range(3)] == [200, 200, 429]


def test_absences_by_hand_from_a_file_and_from_a_calendar(dana: Client, ines: Client, made: dict[str, Any]) -> None:
    users = made["users"]
    form = {"do": "add", "user": users[1].pk, "start": "2027-01-04T00:00", "end": "2027-01-01T00:00", "kind": "sick"}
    wrong = ines.post("/on-call/absences/", form)
    assert wrong.status_code == 422
    assert "after the start" in wrong.content.decode()
    assert ines.post("/on-call/absences/", form | {"end": "2027-01-09T00:00"}).status_code == 303
    row = models.Absence.objects.get()
    assert "sick" in ines.get("/on-call/absences/").content.decode()
    other = Client()
    other.force_login(users[2], backend=BACKEND)
    seen = other.get("/on-call/absences/?team=shop&show=all").content.decode()
    assert "Ines Okafor" in seen
    assert '<td class="shrink">sick' not in seen, "why is nobody's business"
    assert ines.post("/on-call/absences/", form | {"user": users[0].pk}).status_code == 422
    assert ines.post("/on-call/absences/delete/", {"id": row.pk}).status_code == 303

    bad = f"person,start\n{users[1].email},2027-01-04\nnobody,2027-01-04\n"

    def upload(**more: str) -> Any:
        file = SimpleUploadedFile("absences.csv", bad.encode(), "text/csv")
        return dana.post("/on-call/absences/", {"do": "file", "file": file, **more})

    answer = upload()
    assert answer.status_code == 422
    assert "Row 3, person" in answer.content.decode()
    assert not models.Absence.objects.exists()
    assert "The good rows are kept" in upload(save_good="on").content.decode()
    assert models.Absence.objects.count() == 1

    assert ines.post("/on-call/absences/", {"do": "feed", "url": "nonsense"}).status_code == 422
    feed = {"do": "feed", "url": "https://calendar.example.org/private-1/basic.ics"}
    assert ines.post("/on-call/absences/", feed).status_code == 303
    page = ines.get("/on-call/absences/").content.decode()
    assert "Not read yet" in page
    assert "private-1" not in page, "its address is a secret"
    assert ines.post("/on-call/absences/feed/delete/").status_code == 303


def test_who_is_on_call_while_away_stands_on_the_board(ines: Client, made: dict[str, Any]) -> None:
    now, ines_ = clock.now(), made["users"][1]
    actions.save_absence(ines_.pk, now, now + 28 * DAY, actor=actor_of(ines_))
    for path in ("/on-call/", "/on-call/mine/"):
        assert "On call while away" in ines.get(path).content.decode(), path
    status, found = api(ines_, "GET", "/absences/uncovered")
    assert status == 200
    assert {one["user"] for one in found["items"]} == {ines_.email}


def test_a_calendar_puts_people_on_call(dana: Client, ines: Client, made: dict[str, Any]) -> None:
    key, now = made["schedule"].pk, clock.now()
    text = (
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\n"
        f"DTSTART:{now + DAY:%Y%m%dT%H%M%SZ}\r\nDTEND:{now + 2 * DAY:%Y%m%dT%H%M%SZ}\r\nSUMMARY:Priya Raman\r\n"
        f"END:VEVENT\r\nBEGIN:VEVENT\r\nUID:2\r\nDTSTART:{now + DAY:%Y%m%dT%H%M%SZ}\r\nSUMMARY:Zoe Nobody\r\n"
        "DURATION:PT1H\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    file = SimpleUploadedFile("oncall.ics", text.encode(), "text/calendar")
    assert ines.post(f"/on-call/{key}/calendars/", {"name": "PagerDuty", "file": file}).status_code == 403
    assert dana.post(f"/on-call/{key}/calendars/", {"name": "PagerDuty"}).status_code == 422
    file.seek(0)
    assert dana.post(f"/on-call/{key}/calendars/", {"name": "PagerDuty", "file": file}).status_code == 303
    for path in (f"/on-call/{key}/", f"/on-call/{key}/calendars/"):
        page = dana.get(path).content.decode()
        assert "Zoe Nobody" in page, path
    assert {one.user_id for one in queries.who(key, now + 1.5 * DAY)} == {made["users"][5].pk}
    source = models.CalendarSource.objects.get()
    assert dana.post(f"/on-call/calendars/{source.pk}/read/").status_code == 303
    assert dana.post(f"/on-call/calendars/{source.pk}/delete/").status_code == 303
    assert {one.user_id for one in queries.who(key, now + 1.5 * DAY)} != {made["users"][5].pk}


def paged(user: User, hours: int, incident: int) -> None:
    """A page in the night three days ago, answered 90 minutes later."""
    night = (clock.now() - 3 * DAY).replace(hour=hours, minute=0, second=0, microsecond=0)
    Page.objects.create(
        incident_id=incident, generation=1, user=user, step=0, loop=0, urgency="high", at=night, reason={},
        answered_at=night + timedelta(minutes=90), answer="acknowledge",
    )  # fmt: skip


def test_load_tells_who_carried_what(dana: Client, ines: Client, made: dict[str, Any]) -> None:
    users = made["users"]
    incidents = world.trouble(made, 2)
    paged(users[0], 1, incidents[0].pk)
    page = ines.get("/on-call/load/").content.decode()
    assert "where" in page
    assert "1 interruption" in page
    assert "style=" not in page.split("<main")[1]
    rows = ines.get("/on-call/load/?format=json&since=12w").json()["items"]
    assert {row["person"]: row["interruptions"] for row in rows}["Dana Reyes"] == 1
    assert list(csv.DictReader(io.StringIO(ines.get("/on-call/load/?format=csv").content.decode())))
    for query in (
        "since=nonsense",
        "month=2026-13",
        "month=2999-01",
        "since=4w&team=shop",
        "since=0w",
        "month=0001-01",
    ):
        assert ines.get(f"/on-call/load/?{query}").status_code == 200, query
    assert ines.get("/on-call/load/budget/").status_code == 403
    assert dana.post("/on-call/load/budget/", {"weekly": "x"}).status_code == 422
    assert dana.post("/on-call/load/budget/", {"weekly": "1"}).status_code == 303
    status, found = api(users[1], "GET", "/oncall/load?since=4w&team=shop")
    assert (status, found["weekly_budget"]) == (200, 1)
    assert api(users[1], "GET", "/oncall/load?since=x")[0] == 422
    hours = {"workdays": ["1", "2"], "work_from": "8", "work_to": "16:00", "night_from": "22:00", "night_to": "06:00"}
    assert ines.post("/on-call/habits/", hours | {"part": "0.5"}).status_code == 422
    assert ines.post("/on-call/habits/", hours | {"part": "0.5", "work_from": "08:00"}).status_code == 303
    assert ines.get(f"/on-call/habits/?user={users[0].pk}").status_code == 403
    status, own = api(users[1], "GET", f"/people/{users[1].pk}/working-hours")
    assert (own["workdays"], own["part"]) == ([1, 2], 0.5)
    assert api(users[1], "PUT", f"/people/{users[1].pk}/working-hours", own | {"part": 2})[0] == 422


def test_relief_is_offered_after_a_bad_night(ines: Client, made: dict[str, Any]) -> None:
    incidents = world.trouble(made, 1)
    now = clock.now()
    ahead = (now + DAY).replace(hour=6, minute=0, second=0, microsecond=0)
    clock.shift(ahead - now)
    night = ahead - timedelta(hours=5)
    for number in range(2):
        Page.objects.create(
            incident_id=incidents[0].pk, generation=1, user=made["users"][0], step=0, loop=0, urgency="high",
            at=night + number * timedelta(hours=2), reason={}, answer="",
        )  # fmt: skip
    page = ines.get("/on-call/load/").content.decode()
    assert "Offer relief" in page
    assert f"/on-call/{made['schedule'].pk}/override/?start=" in page


def test_pay_is_for_managers(dana: Client, ines: Client, made: dict[str, Any]) -> None:
    assert ines.get("/on-call/pay/").status_code == 403
    assert "Nobody has said yet" in dana.get("/on-call/pay/").content.decode()
    assert ines.post("/on-call/pay/rates/", {}).status_code == 403
    form = {"currency": "EUR", "places": "2", "standby.night": "10", "shift": "5"}
    wrong = dana.post("/on-call/pay/rates/", form | {"standby.night": "ten"})
    assert wrong.status_code == 422
    assert "An hour on call, night" in wrong.content.decode()
    assert dana.post("/on-call/pay/rates/", form).status_code == 303
    assert 'value="10"' in dana.get("/on-call/pay/rates/").content.decode()
    page = dana.get("/on-call/pay/?since=4w").content.decode()
    assert "Together" in page
    assert dana.get("/on-call/pay/?since=4w&format=csv").content.startswith(b"\xef\xbb\xbfperson,")
    book = dana.get("/on-call/pay/?since=4w&format=xlsx").content
    assert zipfile.ZipFile(io.BytesIO(book)).testzip() is None
    status, found = api(made["users"][0], "GET", "/oncall/pay?since=4w")
    assert (status, found["currency"]) == (200, "EUR")
    assert float(found["total"]) > 0
    assert api(made["users"][1], "GET", "/oncall/pay?since=4w")[0] == 403
    status, rates = api(made["users"][0], "GET", "/oncall/pay-rates")
    assert rates["standby"] == {"night": "10"}
    assert api(made["users"][0], "PUT", "/oncall/pay-rates", rates | {"shift": "-2"})[0] == 422


def test_over_http(made: dict[str, Any]) -> None:
    dana, ines = made["users"][:2]
    status, new = api(ines, "POST", "/calendar-feeds", {"schedule": "shop-primary"})
    assert status == 201
    assert new["url"].endswith(".ics")
    assert api(ines, "GET", "/calendar-feeds")[1]["items"][0]["what"] == "Schedule Shop primary"
    assert api(ines, "POST", "/calendar-feeds", {"schedule": "nothing"})[0] == 404
    assert api(ines, "POST", "/calendar-feeds", {}, "read")[0] == 403
    assert api(ines, "DELETE", f"/calendar-feeds/{new['id']}")[1] == {"count": 1}
    body = {"from": "2027-02-01T00:00", "to": "2027-02-03T00:00", "kind": "vacation"}
    status, row = api(ines, "POST", "/absences", body)
    assert (status, row["user"], row["from"]) == (201, ines.email, "2027-01-31T23:00:00Z")
    assert api(ines, "PUT", f"/absences/{row['id']}", body | {"note": "Rome"})[1]["note"] == "Rome"
    assert api(made["users"][2], "GET", "/absences")[1]["items"][0]["note"] == ""
    assert api(ines, "POST", "/absences", body | {"user": dana.email})[0] == 403
    assert api(ines, "POST", "/absences", body | {"to": "2027-01-01T00:00"})[1]["error"]["problems"] == {
        "end": "after the start"
    }
    assert api(ines, "DELETE", f"/absences/{row['id']}")[0] == 200
    assert api(ines, "DELETE", f"/absences/{row['id']}")[0] == 404
    status, done = api(dana, "POST", "/absences/import", {"csv": "person,start\nnobody,2027-01-01\n"})
    assert (status, done["saved"], done["problems"][0]["row"]) == (200, 0, 2)
    path = f"/people/{ines.pk}/absence-calendar"
    assert api(ines, "GET", path)[0] == 404
    assert api(ines, "PUT", path, {"url": "https://x.example.org/a.ics"})[1]["failure"] == ""
    assert api(made["users"][2], "GET", path)[0] == 403
    assert api(ines, "DELETE", path)[1] == {"count": 1}
    sources = "/schedules/shop-primary/calendars"
    assert api(ines, "POST", sources, {"name": "x", "url": "https://x.example.org/a.ics"})[0] == 403
    status, source = api(dana, "POST", sources, {"name": "x", "url": "https://x.example.org/a.ics"})
    assert (status, source["kind"]) == (201, "url")
    assert api(ines, "GET", sources)[1]["items"][0]["id"] == source["id"]
    assert api(ines, "POST", f"/calendar-sources/{source['id']}/read")[0] == 200
    assert api(dana, "DELETE", f"/calendar-sources/{source['id']}")[0] == 200
    assert api(ines, "PUT", "/oncall/night-budget", {"weekly": 3})[0] == 403
    assert api(dana, "PUT", "/oncall/night-budget", {"weekly": 3})[1] == {"weekly": 3}
