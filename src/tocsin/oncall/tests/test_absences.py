"""Who may say that somebody is away; files; secret addresses; working hours."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.oncall import actions, models, queries
from tocsin.oncall.actions import HabitsSpec
from tocsin.oncall.rules import LayerSpec, ScheduleSpec
from tocsin.people.models import Membership, Team, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Forbidden, Invalid, NotFound
from tocsin.platform.models import AuditEntry

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def person(name: str, role: str = "responder", **more: object) -> User:
    return User.objects.create(
        email=f"{name}@example.org", name=name.title(), role=role, created_at=clock.now(), **more
    )


@pytest.fixture
def ada() -> User:
    return person("ada", zone="Europe/Berlin")


@pytest.fixture
def ben() -> User:
    return person("ben")


def test_own_absences_by_anybody_those_of_others_by_their_managers(ada: User, ben: User) -> None:
    now = clock.now()
    observer = actor_of(person("olga", "observer"))
    assert actions.save_absence(observer.id or 0, now, now + DAY, actor=observer)
    with pytest.raises(Forbidden):
        actions.save_absence(ada.pk, now, now + DAY, actor=actor_of(ben))
    team = Team.objects.create(name="Core", slug="core")
    Membership.objects.create(team=team, user=ada)
    Membership.objects.create(team=team, user=ben, role="manager")
    row = actions.save_absence(ada.pk, now, now + DAY, actor=actor_of(ben), kind="sick")
    assert AuditEntry.objects.latest("id").kind == "absence"
    changed = actions.save_absence(ada.pk, now, now + 2 * DAY, actor=actor_of(ada), kind="sick", id=row.pk)
    assert changed.pk == row.pk
    assert actions.delete_absences([row.pk], actor=SYSTEM) == 1
    read_only = Actor("token", ada.pk, "Ada", "responder", frozenset(), frozenset(), frozenset({"read"}))
    with pytest.raises(Forbidden):
        actions.save_absence(ada.pk, now, now + DAY, actor=read_only)


def test_what_is_wrong_is_named(ada: User) -> None:
    me, now = actor_of(ada), clock.now()
    for start, end, kind, note, field in (
        (now, now, "", "", "end"),
        (now, now + timedelta(days=2000), "", "", "end"),
        (now, now + DAY, "x" * 41, "", "kind"),
        (now, now + DAY, "", "a\x00b", "note"),
        (datetime(1, 1, 1), now, "", "", "start"),  # noqa: DTZ001
    ):
        with pytest.raises(Invalid) as error:
            actions.save_absence(ada.pk, start, end, actor=me, kind=kind, note=note)
        assert list(error.value.problems) == [field]
    with pytest.raises(NotFound):
        actions.save_absence(ada.pk, now, now + DAY, actor=me, id=999)
    row = actions.save_absence(ada.pk, datetime(2026, 7, 1), datetime(2026, 7, 2), actor=me)  # noqa: DTZ001
    assert row.starts_at == datetime(2026, 6, 30, 22, tzinfo=UTC), "local time of the person's zone"


def test_a_file_is_kept_whole_or_by_its_good_rows(ada: User, ben: User) -> None:
    boss = actor_of(person("boss", "admin"))
    good = "person,start,end,kind\nada@example.org,2027-03-01,2027-03-05,Urlaub\n"
    bad = good + "nobody@example.org,2027-03-01,,\nben,2027-13-01,,\n"
    done = actions.import_absences(bad, actor=boss)
    assert (done.saved, [(p.row, p.column) for p in done.problems]) == (0, [(3, "person"), (4, "start")])
    assert not models.Absence.objects.exists()
    done = actions.import_absences(bad, actor=boss, save_good=True, zone="Europe/Berlin")
    assert (done.saved, len(done.problems)) == (1, 2)
    again = actions.import_absences(good, actor=boss, zone="Europe/Berlin")
    assert (again.saved, again.known, again.problems) == (0, 1, ())
    later = actions.import_absences(good.replace("-05", "-06"), actor=boss, zone="Europe/Berlin")
    assert later.saved == 1
    (row,) = models.Absence.objects.all()
    assert (row.kind, row.ends_at) == ("vacation", datetime(2027, 3, 6, 23, tzinfo=UTC))
    mine = actions.import_absences(good, actor=actor_of(ben))
    assert (mine.saved, "Ada" in mine.problems[0].text) == (0, True)
    with pytest.raises(Invalid):
        actions.import_absences("x" * 2_000_001, actor=boss)
    assert actions.import_absences(b"\x00\xff", actor=boss).problems


def test_an_address_works_until_it_is_revoked(ada: User, ben: User) -> None:
    me, now = actor_of(ada), clock.now()
    anchor = now - timedelta(days=1)
    row = actions.save_schedule(
        ScheduleSpec("Rota", layers=[LayerSpec("all", anchor, [ada.email, ben.email])]), actor=SYSTEM
    )
    feed, url = actions.create_calendar_feed(actor=me)
    secret = url.rpartition("/")[2].removesuffix(".ics")
    assert len(secret) >= 43
    assert secret not in str(models.CalendarFeed.objects.values().get()), "only its digest is kept"
    assert queries.feed_of(secret) == feed
    assert queries.feed_of(secret + "x") is None
    feed.refresh_from_db()
    used = feed.last_used_at
    clock.shift(timedelta(minutes=30))
    queries.feed_of(secret)
    feed.refresh_from_db()
    assert feed.last_used_at == used, "noted hourly at most"
    shifts = queries.feed_shifts(feed, clock.now())
    assert {shift.user_id for shift in shifts} == {ada.pk}
    assert {shift.end - shift.start for shift in shifts} == {timedelta(weeks=1)}, "whole shifts"
    theirs, _ = actions.create_calendar_feed(actor=me, schedule=row.slug)
    assert {shift.user_id for shift in queries.feed_shifts(theirs, now)} == {ada.pk, ben.pk}
    with pytest.raises(Forbidden):
        actions.revoke_calendar_feeds([feed.pk], actor=actor_of(ben))
    with pytest.raises(Forbidden):
        actions.create_calendar_feed(
            actor=Actor("token", ada.pk, "Ada", "responder", frozenset(), frozenset(), frozenset({"respond"}))
        )
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert queries.feed_of(secret) is None
    User.objects.filter(pk=ada.pk).update(is_active=True)
    assert actions.revoke_calendar_feeds([feed.pk], actor=me) == 1
    assert queries.feed_of(secret) is None


def test_working_hours_and_settings_say_what_would_be_right(ada: User, ben: User) -> None:
    me, admin = actor_of(ada), actor_of(person("boss", "admin"))
    for spec, field in (
        (HabitsSpec(region="XX"), "region"),
        (HabitsSpec(workdays=[8]), "workdays"),
        (HabitsSpec(work_from="9"), "work_from"),
        (HabitsSpec(part=float("nan")), "part"),
    ):
        with pytest.raises(Invalid) as error:
            actions.save_habits(ada.pk, spec, actor=me)
        assert list(error.value.problems) == [field]
    actions.save_habits(ada.pk, HabitsSpec(region="de-by", workdays=[7, 1, 2, 3, 4], part=0.5), actor=me)
    found = queries.habits({ada.pk: ada, ben.pk: ben})
    assert (found[ada.pk].region, found[ada.pk].weekend) == ("DE-BY", frozenset({5, 6}))
    assert found[ben.pk].weekend == frozenset({6, 7})
    with pytest.raises(Forbidden):
        actions.save_habits(ada.pk, HabitsSpec(), actor=actor_of(ben))
    with pytest.raises(Forbidden):
        actions.save_night_budget(3, actor=me)
    with pytest.raises(Invalid):
        actions.save_night_budget(-1, actor=admin)
    actions.save_night_budget(3, actor=admin)
    assert queries.night_budget() == 3
    for value, field in (
        ({"currency": "euro"}, "currency"),
        ({"currency": "EUR", "standby": {"night": "much"}}, "standby.night"),
        ({"currency": "EUR", "standby": {"noon": "1"}}, "standby.noon"),
        ({"currency": "EUR", "shift": "-1"}, "shift"),
        ({"currency": "EUR", "shift": "NaN"}, "shift"),
        ({"currency": "EUR", "cap_shift": "1e99"}, "cap_shift"),
        ({"currency": "EUR", "places": 9}, "places"),
    ):
        with pytest.raises(Invalid) as error:
            actions.save_pay_rates(value, actor=admin)
        assert list(error.value.problems) == [field], value
    rates = actions.save_pay_rates({"currency": "eur", "standby": {"night": "2,50"}, "shift": ""}, actor=admin)
    assert queries.pay_rates() == rates
