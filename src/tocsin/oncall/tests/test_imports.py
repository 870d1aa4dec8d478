"""Calendars of other tools: shifts into schedules and absences, over HTTP and again and again."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from tocsin.oncall import actions, jobs, models, queries
from tocsin.oncall.calendars import Event, pieces
from tocsin.oncall.rules import LayerSpec, ScheduleSpec
from tocsin.people.models import Membership, Team, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Conflict, Forbidden, Invalid

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def person(name: str, role: str = "responder") -> User:
    return User.objects.create(email=f"{name}@example.org", name=name.title(), role=role, created_at=clock.now())


@pytest.fixture
def ada() -> User:
    return person("ada")


@pytest.fixture
def ben() -> User:
    return person("ben")


@pytest.fixture
def boss() -> Actor:
    return actor_of(person("boss", "manager"))


@pytest.fixture
def hour() -> datetime:
    """A whole hour ahead."""
    return clock.now().replace(minute=0, second=0, microsecond=0) + HOUR


def ics(*events: tuple[str, datetime, datetime, str]) -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for uid, start, end, summary in events:
        lines += ["BEGIN:VEVENT", f"UID:{uid}", f"DTSTART:{start:%Y%m%dT%H%M%SZ}", f"DTEND:{end:%Y%m%dT%H%M%SZ}",
                  f"SUMMARY:{summary}", "END:VEVENT"]  # fmt: skip
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


def plain(row: models.Schedule, since: datetime, until: datetime) -> list[tuple[str, float, float]]:
    """(who, from, to in hours after ``since``) of the final schedule."""
    names = dict(User.objects.values_list("pk", "name"))
    return [
        (names[s.user_id], (s.start - since) / HOUR, (s.end - since) / HOUR)
        for s in sorted(queries.final(row.pk, since, until), key=lambda s: (s.start, s.user_id))
    ]


class Host(BaseHTTPRequestHandler):
    body: ClassVar[bytes] = b""
    status: ClassVar[int] = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[str]:
    """The address of a calendar on this machine: ``Host.body``."""
    server = HTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Host.status = 200
    yield f"http://127.0.0.1:{server.server_port}/oncall.ics"
    server.shutdown()
    server.server_close()
    thread.join()


def test_overlapping_events_put_everybody_on_call_and_nobody_off(hour: datetime) -> None:
    def event(uid: str, start: int, end: int) -> Event:
        return Event(uid, hour + start * HOUR, hour + end * HOUR, uid)

    found = pieces(
        [(event("b", 3, 11), [2]), (event("a", 0, 8), [1]), (event("c", 9, 10), [3]), (event("d", 0, 4), [1])]
    )
    assert [(p.user_id, (p.start - hour) / HOUR, (p.end - hour) / HOUR, p.kind) for p in found] == [
        (1, 0, 4, "instead"),
        (1, 4, 8, "instead"),
        (2, 3, 8, "beside"),
        (2, 8, 11, "instead"),
        (3, 9, 10, "beside"),
    ]


def test_a_schedule_of_nothing_but_a_calendar(boss: Actor, ada: User, ben: User, hour: datetime) -> None:
    row = actions.save_schedule(ScheduleSpec("Imported"), actor=boss)
    text = ics(
        ("1", hour, hour + 8 * HOUR, "On call: Ada"),
        ("2", hour + 4 * HOUR, hour + 12 * HOUR, "ben@example.org"),
        ("3", hour + 12 * HOUR, hour + 20 * HOUR, "Zoe Unknown"),
    )
    source = actions.create_calendar_source(row.pk, "PagerDuty", actor=boss, body=text)
    assert plain(row, hour, hour + 24 * HOUR) == [("Ada", 0, 8), ("Ben", 4, 8), ("Ben", 8, 12)]
    assert source.found == 2
    assert ["Zoe Unknown" in text for text in source.problems] == [True]
    (shift,) = queries.who(row.pk, hour + HOUR)
    assert (shift.user_id, shift.start, shift.end) == (ada.pk, hour, hour + 8 * HOUR)
    assert queries.my_shifts(ada.pk, hour, hour + 24 * HOUR) == [shift]
    assert ben.pk in {one.user_id for one in queries.who(row.pk, hour + 10 * HOUR)}


def test_what_people_write_goes_before_a_calendar(boss: Actor, ada: User, ben: User, hour: datetime) -> None:
    row = actions.save_schedule(ScheduleSpec("Imported"), actor=boss)
    actions.add_override(row.pk, ben.pk, hour, hour + 2 * HOUR, actor=boss)
    text = ics(("1", hour, hour + 8 * HOUR, "Ada"))
    actions.create_calendar_source(row.pk, "Google", actor=boss, body=text)
    actions.add_override(row.pk, ben.pk, hour + 6 * HOUR, hour + 7 * HOUR, actor=boss)
    assert plain(row, hour, hour + 8 * HOUR) == [("Ben", 0, 2), ("Ada", 2, 6), ("Ben", 6, 7), ("Ada", 7, 8)]
    assert ada.is_active


def test_reading_again_changes_only_what_lies_ahead(boss: Actor, ada: User, ben: User, host: str) -> None:
    base = clock.now().replace(minute=0, second=0, microsecond=0) + HOUR
    layer = LayerSpec("all", base - timedelta(days=9), [ben.email])
    row = actions.save_schedule(ScheduleSpec("Rota", layers=[layer]), actor=boss)
    Host.body = ics(("1", base, base + 4 * HOUR, "Ada"), ("2", base + 30 * HOUR, base + 34 * HOUR, "Ada")).encode()
    source = actions.create_calendar_source(row.pk, "Team", actor=boss, url=host)
    assert host not in source.url, "kept encrypted"
    assert jobs.read_due() == 1
    assert jobs.read_due() == 0, "not again before its time"
    source.refresh_from_db()
    assert (source.failure, source.found) == ("", 2)
    week = base + timedelta(days=5)
    assert [one[:3] for one in plain(row, base, week) if one[0] == "Ada"] == [("Ada", 0, 4), ("Ada", 30, 34)]
    ids = set(models.Override.objects.values_list("pk", flat=True))

    clock.shift(2 * HOUR)
    assert jobs.read_due() == 1
    assert set(models.Override.objects.values_list("pk", flat=True)) == ids, "nothing changed"
    passed = plain(row, base, clock.now())

    # the first goes on longer, the second has moved
    Host.body = ics(("1", base, base + 6 * HOUR, "Ada"), ("2", base + 31 * HOUR, base + 35 * HOUR, "Ada")).encode()
    clock.shift(HOUR)
    before = plain(row, base, clock.now())
    assert jobs.read_due() == 1
    assert [one for one in plain(row, base, week) if one[0] == "Ada"] == [("Ada", 0, 6), ("Ada", 31, 35)]
    assert plain(row, base, clock.now())[-1][:2] == before[-1][:2]
    assert passed[0][:2] == before[0][:2]

    # a calendar that breaks off, one that is none, and a server in trouble: nobody is taken off call
    for body, status in ((ics()[:-30].encode(), 200), (b"<html>sign in</html>", 200), (b"", 503), (b"", 302)):
        Host.body, Host.status = body, status
        clock.shift(HOUR / 2)
        assert jobs.read_due() == 1
        assert ("Ada", 31, 35) in plain(row, base, week), (body, status)
    source.refresh_from_db()
    assert "moved" in source.failure

    # an event that names nobody known any more keeps whom it named
    Host.body, Host.status = ics(("2", base + 31 * HOUR, base + 35 * HOUR, "Adelheid")).encode(), 200
    clock.shift(HOUR / 2)
    jobs.read_due()
    assert ("Ada", 31, 35) in plain(row, base, week)
    source.refresh_from_db()
    assert "Adelheid" in source.problems[0]

    history = plain(row, base, clock.now())
    Host.body = ics().encode()
    clock.shift(HOUR / 2)
    jobs.read_due()
    assert ("Ada", 31, 35) not in plain(row, base, week), "a whole calendar without it"
    assert plain(row, base, base + 5 * HOUR)[0][:2] == history[0][:2]
    assert actions.delete_calendar_sources([source.pk], actor=boss) == 1
    assert [one for one in plain(row, base, week) if one[0] == "Ada"] == [one for one in history if one[0] == "Ada"]


def test_who_may_have_a_calendar_read_and_what_is_refused(boss: Actor, ada: User, hour: datetime) -> None:
    row = actions.save_schedule(ScheduleSpec("Imported"), actor=boss)
    with pytest.raises(Forbidden):
        actions.create_calendar_source(row.pk, "x", actor=actor_of(ada), url="https://example.org/x.ics")
    for url, body, field in (
        ("", "", "url"),
        ("ftp://example.org/x", "", "url"),
        ("https://example.org/x", "also", "url"),
        ("", "no calendar", "file"),
        ("http://[", "", "url"),
    ):
        with pytest.raises(Invalid) as error:
            actions.create_calendar_source(row.pk, "x", actor=boss, url=url, body=body)
        assert list(error.value.problems) == [field]
    assert not models.CalendarSource.objects.exists()
    kept = actions.create_calendar_source(row.pk, "x", actor=boss, url="webcal://example.org/x.ics")
    assert not kept.body
    assert actions.read_again([kept.pk], actor=boss) == 1


def test_an_address_inside_the_network_is_not_asked(boss: Actor, settings: object) -> None:
    row = actions.save_schedule(ScheduleSpec("Imported"), actor=boss)
    source = actions.create_calendar_source(row.pk, "x", actor=boss, url="http://10.0.0.1/x.ics")
    assert jobs.read_due() == 1
    source.refresh_from_db()
    assert "10.0.0.1" in source.failure


def test_a_persons_own_calendar(ada: User, host: str, hour: datetime) -> None:
    me = actor_of(ada)
    by_hand = actions.save_absence(ada.pk, hour, hour + HOUR, actor=me, kind="sick")
    week = timedelta(days=7)
    Host.body = ics(
        ("1", hour + week, hour + 2 * week, "Vacation in Rome"), ("2", hour, hour + HOUR, "Dentist")
    ).encode()
    feed = actions.save_absence_feed(ada.pk, host, actor=me)
    assert jobs.read_due() == 1
    feed.refresh_from_db()
    assert (feed.found, feed.failure) == (1, "")
    (read,) = models.Absence.objects.filter(source="feed")
    assert (read.kind, read.starts_at) == ("vacation", hour + week)
    with pytest.raises(Conflict):
        actions.delete_absences([read.pk], actor=me)

    Host.body = ics(("1", hour + week, hour + 3 * week, "Vacation in Rome")).encode()
    clock.shift(HOUR)
    jobs.read_due()
    assert models.Absence.objects.get(pk=read.pk).ends_at == hour + 3 * week
    Host.body = ics().encode()[:-20]
    clock.shift(HOUR)
    jobs.read_due()
    assert models.Absence.objects.filter(pk=read.pk).exists(), "it was not read to its end"
    Host.body = ics().encode()
    clock.shift(HOUR)
    jobs.read_due()
    assert [row.pk for row in models.Absence.objects.all()] == [by_hand.pk]
    assert actions.delete_absence_feed(ada.pk, actor=me) == 1
    assert actions.delete_absence_feed(ada.pk, actor=me) == 0


def test_shifts_of_somebody_who_is_away_are_asked_about_once(ada: User, ben: User, boss: Actor) -> None:
    from tocsin.delivery.models import Notice
    from tocsin.people.models import ContactMethod

    team = Team.objects.create(name="Core", slug="core")
    Membership.objects.create(team=team, user=ben, role="manager")
    for user in (ada, ben):
        ContactMethod.objects.create(user=user, channel="email", address=user.email)
    now = clock.now()
    layer = LayerSpec("all", now - timedelta(days=1), [ada.email], "week")
    row = actions.save_schedule(ScheduleSpec("Rota", team="core", layers=[layer]), actor=SYSTEM)
    assert queries.uncovered_absences(now, now + timedelta(days=28)) == []
    actions.save_absence(ada.pk, now + timedelta(days=10), now + timedelta(days=11), actor=actor_of(ada))
    (one,) = queries.uncovered_absences(now, now + timedelta(days=28))
    assert (one.user, one.start, one.shift.start) == (ada, now + timedelta(days=10), now + timedelta(days=6))
    assert jobs.ask_due() == 1
    assert jobs.ask_due() == 0
    clock.shift(timedelta(days=8))
    assert jobs.ask_due() == 1, "the team's manager, since it is near"
    clock.shift(HOUR * 2)
    assert jobs.ask_due() == 0
    assert Notice.objects.count() == 2
    actions.add_override(row.pk, ben.pk, one.start, one.end, actor=boss)
    assert queries.uncovered_absences(now, now + timedelta(days=28)) == []
