from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.oncall import actions, models, queries
from tocsin.oncall.rules import LayerSpec, OverrideSpec, RestrictionSpec, ScheduleSpec
from tocsin.people.actions import set_active
from tocsin.people.models import Membership, Team, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Conflict, Forbidden, Invalid, NotFound
from tocsin.platform.models import AuditEntry

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def person(name: str, role: str = "responder", **more: object) -> User:
    return User.objects.create(
        email=f"{name}@example.org", name=name.title(), role=role, created_at=clock.now(), **more
    )


@pytest.fixture
def ada() -> User:
    return person("ada")


@pytest.fixture
def ben() -> User:
    return person("ben")


@pytest.fixture
def boss() -> Actor:
    return actor_of(person("boss", "manager"))


def spec(**more: Any) -> ScheduleSpec:
    written = ScheduleSpec(
        name="Payments primary",
        zone="Europe/Berlin",
        description="who answers first",
        layers=[
            LayerSpec("weekly", datetime(2026, 1, 5, 9), ["ada@example.org", "Ben@example.org"]),  # noqa: DTZ001
            LayerSpec(
                name="office hours",
                anchor=datetime(2026, 1, 5, 8, tzinfo=UTC),
                members=["ben@example.org"],
                unit="day",
                length=2,
                restrictions=[RestrictionSpec([1, 2, 3, 4, 5], "09:00", "17:00")],
                ends_at=datetime(2027, 1, 1, tzinfo=UTC),
            ),
        ],
    )
    return replace(written, **more)


@pytest.mark.usefixtures("ada", "ben")
def test_a_schedule_is_kept_as_written_and_comes_back_the_same(boss: Actor) -> None:
    row = actions.save_schedule(spec(), actor=boss)
    assert row.slug == "payments-primary"
    (written,) = queries.export_schedules()
    assert written.layers[0].anchor == datetime(2026, 1, 5, 8, tzinfo=UTC)  # 09:00 in Berlin
    assert written.layers[0].members == ["ada@example.org", "ben@example.org"]
    assert written.layers[1].restrictions == [RestrictionSpec([1, 2, 3, 4, 5], "09:00", "17:00")]
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.kind, entry.actor_name) == ("created", "schedule", "Boss")

    actions.save_schedule(written, actor=boss, id=row.pk)
    assert AuditEntry.objects.count() == 1
    assert queries.export_schedules() == [written]


@pytest.mark.usefixtures("ada", "ben")
def test_a_change_keeps_the_layers_that_stay_and_ends_those_that_do_not(boss: Actor) -> None:
    row = actions.save_schedule(spec(), actor=boss)
    first, second = row.layers.all()
    fewer = spec(layers=[replace(spec().layers[0], name="other")])
    actions.save_schedule(fewer, actor=boss, id=row.pk)
    more = spec(layers=[*fewer.layers, spec().layers[1]])
    actions.save_schedule(more, actor=boss, id=row.pk)
    rows = list(row.layers.order_by("id"))
    assert [(one.pk in (first.pk, second.pk), one.name, one.effective_until is None) for one in rows] == [
        (True, first.name, False),
        (True, second.name, False),
        (False, "other", True),
        (False, second.name, True),
    ]
    assert rows[2].effective_from == rows[0].effective_until == rows[1].effective_until
    assert rows[3].effective_from is not None
    assert rows[2].effective_from is not None
    assert rows[3].effective_from > rows[2].effective_from
    assert AuditEntry.objects.latest("id").after is not None


@pytest.mark.usefixtures("ada", "ben")
def test_a_layer_that_was_never_in_effect_goes_without_a_trace(boss: Actor) -> None:
    coming = clock.now() + timedelta(days=3)
    row = actions.save_schedule(
        spec(
            layers=[replace(spec().layers[0], anchor=coming), replace(spec().layers[1], anchor=coming, starts_at=None)]
        ),
        actor=boss,
    )
    actions.save_schedule(spec(layers=[replace(spec().layers[0], anchor=coming, length=3)]), actor=boss, id=row.pk)
    (one,) = row.layers.all()
    assert (one.length, one.effective_from, one.effective_until) == (3, None, None)


def test_a_change_takes_effect_at_its_date_and_never_in_the_past(boss: Actor, ada: User, ben: User) -> None:
    now = clock.now()
    layer = LayerSpec("all", now - timedelta(days=30), [ada.email], "week")
    row = actions.save_schedule(ScheduleSpec("Rota", layers=[layer]), actor=boss)
    later = now + timedelta(days=10)
    changed = ScheduleSpec("Rota", layers=[replace(layer, members=[ben.email])])
    with pytest.raises(Invalid) as refused:
        actions.save_schedule(changed, actor=boss, id=row.pk, effective=now - timedelta(days=1))
    assert "effective" in refused.value.problems
    actions.save_schedule(changed, actor=boss, id=row.pk, effective=later)

    def on(at: datetime) -> list[int]:
        return [shift.user_id for shift in queries.who(row.pk, at)]

    assert [on(at) for at in (now, later - HOUR, later, later + HOUR)] == [[ada.pk], [ada.pk], [ben.pk], [ben.pk]]
    assert queries.export_schedules()[0].layers[0].members == [ben.email]
    # what is written again is what there will be: nothing to do
    actions.save_schedule(queries.export_schedules()[0], actor=boss, id=row.pk)
    assert [on(at) for at in (later - HOUR, later)] == [[ada.pk], [ben.pk]]
    # another change, now, goes before the one that was to come
    both: list[str | list[str]] = [[ada.email, ben.email]]
    actions.save_schedule(replace(changed, layers=[replace(layer, members=both)]), actor=boss, id=row.pk)
    assert on(now - HOUR) == [ada.pk]
    assert sorted(on(clock.now())) == sorted(on(later)) == sorted([ada.pk, ben.pk])


def test_another_zone_does_not_move_what_is_past(boss: Actor, ada: User, ben: User) -> None:
    now = clock.now()
    layer = LayerSpec("days", (now - timedelta(days=400)).replace(hour=7), [ada.email, ben.email], "day")
    row = actions.save_schedule(ScheduleSpec("Rota", zone="Europe/Berlin", layers=[layer]), actor=boss)
    since = now - timedelta(days=390)
    before = queries.final(row.pk, since, now)
    actions.save_schedule(replace(queries.export_schedules()[0], zone="America/New_York"), actor=boss, id=row.pk)
    assert [s[:3] for s in queries.final(row.pk, since, now)] == [s[:3] for s in before]


def test_somebody_who_leaves_was_on_call_before(boss: Actor, ada: User) -> None:
    now = clock.now()
    layer = LayerSpec("all", now - timedelta(days=30), [ada.email], "week")
    row = actions.save_schedule(ScheduleSpec("Rota", layers=[layer]), actor=boss)
    set_active([ada.pk], False, actor=SYSTEM)
    assert queries.who(row.pk, clock.now()) == []
    assert [shift.user_id for shift in queries.who(row.pk, now - HOUR)] == [ada.pk]
    set_active([ada.pk], True, actor=SYSTEM)
    assert [shift.user_id for shift in queries.who(row.pk, clock.now())] == [ada.pk]


@pytest.mark.usefixtures("ada", "ben")
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (spec(name=" "), "name"),
        (spec(slug="No Slug"), "slug"),
        (spec(zone="Mars/Olympus"), "zone"),
        (spec(team="nobody"), "team"),
        (spec(layers=[replace(spec().layers[0], unit="year")]), "layers.0.unit"),
        (spec(layers=[replace(spec().layers[0], length=0)]), "layers.0.length"),
        (spec(layers=[replace(spec().layers[0], members=[])]), "layers.0.members"),
        (spec(layers=[replace(spec().layers[0], members=["x@example.org"])]), "layers.0.members.0"),
        (spec(layers=[replace(spec().layers[1], ends_at=datetime(2025, 1, 1, tzinfo=UTC))]), "layers.0.ends_at"),
        (spec(layers=[replace(spec().layers[1], restrictions=[RestrictionSpec([8])])]), "layers.0.restrictions.0.days"),
        (
            spec(layers=[replace(spec().layers[1], restrictions=[RestrictionSpec([1], "9:00")])]),
            "layers.0.restrictions.0.start",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(boss: Actor, wrong: ScheduleSpec, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        actions.save_schedule(wrong, actor=boss)
    assert field in refused.value.problems
    assert not models.Schedule.objects.exists()


@pytest.mark.usefixtures("ben")
def test_names_are_taken_once(boss: Actor, ada: User) -> None:
    actions.save_schedule(spec(), actor=boss)
    with pytest.raises(Conflict) as refused:
        actions.save_schedule(spec(), actor=boss)
    assert set(refused.value.problems) == {"name", "slug"}
    with pytest.raises(NotFound):
        actions.save_schedule(spec(), actor=boss, id=999)


@pytest.mark.usefixtures("ben")
def test_only_managers_configure_and_only_what_is_theirs(ada: User) -> None:
    team = Team.objects.create(name="Payments", slug="payments")
    other = Team.objects.create(name="Search", slug="search")
    Membership.objects.create(team=team, user=ada, role="manager")
    actor = actor_of(ada)
    row = actions.save_schedule(spec(team="payments"), actor=actor)
    with pytest.raises(Forbidden):
        actions.save_schedule(spec(team="search"), actor=actor, id=row.pk)
    with pytest.raises(Forbidden):
        actions.save_schedule(spec(team=""), actor=actor, id=row.pk)
    row.team = other
    row.save()
    with pytest.raises(Forbidden):
        actions.delete_schedules([row.pk], actor=actor)
    assert actions.delete_schedules([row.pk], actor=SYSTEM) == 1


@pytest.fixture
def schedule(boss: Actor, ada: User, ben: User) -> models.Schedule:
    return actions.save_schedule(spec(layers=spec().layers[:1]), actor=boss)


def test_an_override_goes_before_the_layers_and_can_be_taken_back(
    schedule: models.Schedule, ada: User, ben: User
) -> None:
    actor = actor_of(ada)
    now = clock.now()
    row = actions.add_override(schedule.pk, ada.pk, now - HOUR, now + 2 * HOUR, "swapped by phone", actor=actor)
    assert row.starts_at >= now  # what is past stays as it was
    (shift,) = queries.who(schedule.pk, now + HOUR)
    assert shift.user_id == ada.pk
    assert shift.override is not None
    assert queries.via(queries.load([schedule.pk])[schedule.pk], shift)["override"] == "swapped by phone"

    later = actions.save_override(
        OverrideSpec(schedule="payments-primary", user="ben@example.org", start=now + HOUR, end=now + 2 * HOUR),
        actor=actor,
    )
    assert queries.who(schedule.pk, now + 1.5 * HOUR)[0].user_id == ben.pk
    assert actions.delete_overrides([later.pk], actor=actor) == 1
    assert queries.who(schedule.pk, now + 1.5 * HOUR)[0].user_id == ada.pk

    clock.shift(HOUR)
    assert actions.delete_overrides([row.pk], actor=actor) == 1
    row.refresh_from_db()
    assert now + HOUR <= row.ends_at < now + 2 * HOUR
    assert actions.delete_overrides([row.pk], actor=actor) == 0
    verbs = list(AuditEntry.objects.filter(kind="override").order_by("id").values_list("verb", flat=True))
    assert verbs == ["created", "created", "deleted", "ended"]


def test_overrides_that_make_no_sense(schedule: models.Schedule, ada: User) -> None:
    actor = actor_of(ada)
    now = clock.now()
    for start, end, field in [
        (now + HOUR, now + HOUR, "end"),
        (now - 2 * HOUR, now - HOUR, "end"),
        (now, now + timedelta(days=400), "end"),
    ]:
        with pytest.raises(Invalid) as refused:
            actions.add_override(schedule.pk, ada.pk, start, end, actor=actor)
        assert field in refused.value.problems
    for user_id in (person("gone", is_active=False).pk, 999_999):
        with pytest.raises(Invalid) as refused:
            actions.add_override(schedule.pk, user_id, now, now + HOUR, actor=actor)
        assert "user" in refused.value.problems
    with pytest.raises(NotFound):
        actions.add_override(999_999, ada.pk, now, now + HOUR, actor=actor)
    watcher = actor_of(person("watcher", "observer"))
    with pytest.raises(Forbidden):
        actions.add_override(schedule.pk, ada.pk, now, now + HOUR, actor=watcher)


def test_the_system_may_write_history(schedule: models.Schedule, ada: User) -> None:
    now = clock.now()
    row = actions.add_override(schedule.pk, ada.pk, now - 3 * HOUR, now - HOUR, actor=SYSTEM)
    assert row.ends_at < now


def test_a_deactivated_person_is_nobody(schedule: models.Schedule, ada: User, ben: User) -> None:
    now = clock.now()
    User.objects.filter(pk__in=[ada.pk, ben.pk]).update(is_active=False)
    assert queries.who(schedule.pk, now) == []
    (line,) = queries.everyone(now)
    assert line.shifts == ()
    assert line.until is None


def test_who_is_on_call_everywhere_and_when_am_i(
    schedule: models.Schedule, ada: User, ben: User, boss: Actor, django_assert_max_num_queries: object
) -> None:
    actions.save_schedule(ScheduleSpec(name="Empty"), actor=boss)
    at = datetime(2026, 1, 6, 12, tzinfo=UTC)
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        lines = queries.everyone(at)
    assert [(line.schedule.name, line.names or None) for line in lines] == [
        ("Empty", None),
        ("Payments primary", "Ada"),
    ]
    assert lines[1].until == datetime(2026, 1, 12, 8, tzinfo=UTC)
    mine = queries.my_shifts(ben.pk, at, at + timedelta(days=28))
    assert [shift.start.day for shift in mine] == [12, 26]
    assert queries.my_shifts(person("new").pk, at, at + timedelta(days=28)) == []


def test_gaps_and_coverage(schedule: models.Schedule) -> None:
    since = datetime(2026, 1, 4, 8, tzinfo=UTC)
    until = datetime(2026, 1, 8, 8, tzinfo=UTC)
    assert queries.gaps(schedule.pk, since, until) == [(since, since + timedelta(days=1))]
    assert queries.coverage(schedule.pk, since, until) == pytest.approx(0.75)
    with pytest.raises(Invalid):
        queries.final(schedule.pk, until, since)
    with pytest.raises(NotFound):
        queries.final(999_999, since, until)


def test_a_schedule_is_found_by_id_slug_or_name(schedule: models.Schedule, ada: User) -> None:
    actor = actor_of(ada)
    for key in (schedule.pk, str(schedule.pk), "payments-primary", "Payments Primary"):
        assert queries.schedule(actor, key) == schedule
    with pytest.raises(NotFound):
        queries.schedule(actor, "nowhere")
    assert list(queries.schedules(actor, q="pay")) == [schedule]
    assert list(queries.schedules(actor, q="zzz")) == []
