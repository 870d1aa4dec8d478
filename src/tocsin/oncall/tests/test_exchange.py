"""Covering for one another, hand-off notes and reminders."""

from datetime import datetime, timedelta

import pytest
from django.test import Client

from tocsin.delivery.models import Delivery, Notice
from tocsin.oncall import actions, queries
from tocsin.oncall.actions import handoffs, swaps
from tocsin.oncall.models import HandoffNote, Override, Schedule, Swap
from tocsin.oncall.queries import exchange
from tocsin.oncall.rules import LayerSpec, ScheduleSpec
from tocsin.people.models import ContactMethod, Membership, Team, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Conflict, Forbidden, Invalid

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def people() -> dict[str, User]:
    found = {}
    for name in ("ada", "ben", "cleo", "boss"):
        user = User.objects.create(
            email=f"{name}@example.org", name=name.title(), role="responder", created_at=clock.now()
        )
        ContactMethod.objects.create(user=user, channel="pocket", address=name, verified_at=clock.now())
        found[name] = user
    return found


@pytest.fixture
def schedule(people: dict[str, User]) -> Schedule:
    """Ada, Ben and Cleo by the day, handed over now; Boss manages the team."""
    team = Team.objects.create(name="Payments", slug="payments")
    for name, user in people.items():
        Membership.objects.create(team=team, user=user, role="manager" if name == "boss" else "member")
    members: list[str | list[str]] = [people[name].email for name in ("ada", "ben", "cleo")]
    spec = ScheduleSpec("Primary", team="payments", layers=[LayerSpec("days", clock.now() - 3 * HOUR, members, "day")])
    return actions.save_schedule(spec, actor=SYSTEM)


def of(user: User) -> Actor:
    return actor_of(user)


def on(schedule: Schedule, at: datetime) -> list[str]:
    ids = [shift.user_id for shift in queries.who(schedule.pk, at)]
    return sorted(User.objects.filter(pk__in=ids).values_list("name", flat=True))


def told(user: User) -> list[str]:
    keys = Delivery.objects.filter(kind="notice", user=user).order_by("id").values_list("key", flat=True)
    return [Notice.objects.get(pk=int(key.split(":")[1])).title for key in keys]


def test_cover_me_for_an_hour(schedule: Schedule, people: dict[str, User]) -> None:
    now = clock.now()
    asked = swaps.ask_cover(schedule.pk, now, now + HOUR, actor=of(people["ada"]), note="dentist")
    assert on(schedule, now + HOUR / 2) == ["Ada"]  # until somebody takes it
    assert told(people["ben"]) == told(people["cleo"]) == ["Ada asks for cover in Primary"]
    assert told(people["boss"]) == []
    done = swaps.take(asked.pk, actor=of(people["ben"]))
    assert done.state == "done"
    assert on(schedule, clock.now() + HOUR / 2) == ["Ben"]
    assert on(schedule, now + 2 * HOUR) == ["Ada"]
    assert told(people["ada"])[-1] == "A swap in Primary is agreed"
    with pytest.raises(Conflict):
        swaps.take(asked.pk, actor=of(people["cleo"]))
    override = Override.objects.get()
    assert (override.replaces, override.kind) == (people["ada"], "instead")


def test_only_ones_own_shifts_and_not_the_past(schedule: Schedule, people: dict[str, User]) -> None:
    now = clock.now()
    for start, end in ((now, now + HOUR), (now - 2 * HOUR, now - HOUR), (now + HOUR, now + HOUR)):
        with pytest.raises(Invalid):
            swaps.ask_cover(schedule.pk, start, end, actor=of(people["ben"]))
    with pytest.raises(Invalid) as refused:
        swaps.ask_cover(schedule.pk, now, now + HOUR, actor=of(people["ada"]), asked_id=people["ada"].pk)
    assert "asked" in refused.value.problems


def test_who_is_asked_takes_it_and_nobody_else(schedule: Schedule, people: dict[str, User]) -> None:
    now = clock.now()
    asked = swaps.ask_cover(schedule.pk, now, now + HOUR, actor=of(people["ada"]), asked_id=people["cleo"].pk)
    assert told(people["ben"]) == []
    with pytest.raises(Conflict, match="Cleo is asked"):
        swaps.take(asked.pk, actor=of(people["ben"]))
    with pytest.raises(Conflict, match="your own"):
        swaps.take(asked.pk, actor=of(people["ada"]))
    assert swaps.take(asked.pk, actor=of(people["cleo"])).state == "done"


def test_a_counter_offer_swaps_both_ways(schedule: Schedule, people: dict[str, User]) -> None:
    now = clock.now()
    ada, ben = of(people["ada"]), of(people["ben"])
    asked = swaps.ask_cover(schedule.pk, now + HOUR, now + 5 * HOUR, actor=ada)
    begin = now + timedelta(days=1)
    with pytest.raises(Invalid):  # Ben is not on call then
        swaps.offer(asked.pk, now + 2 * HOUR, now + 3 * HOUR, actor=ben)
    made = swaps.offer(asked.pk, begin, begin + 4 * HOUR, actor=ben, note="and you owe me nothing")
    assert told(people["ada"])[-1] == "Ben offers to swap in Primary"
    with pytest.raises(Forbidden):
        swaps.accept_offer(made.pk, actor=of(people["cleo"]))
    done = swaps.accept_offer(made.pk, actor=ada)
    assert (done.state, done.taker) == ("done", people["ben"])
    assert on(schedule, now + 2 * HOUR) == ["Ben"]
    assert on(schedule, begin + HOUR) == ["Ada"]
    assert on(schedule, begin + 5 * HOUR) == ["Ben"]


def test_nobody_takes_over_what_somebody_else_has_by_now(schedule: Schedule, people: dict[str, User]) -> None:
    now = clock.now()
    ada, ben, cleo = (people[name] for name in ("ada", "ben", "cleo"))
    asked = swaps.ask_cover(schedule.pk, now + HOUR, now + 5 * HOUR, actor=of(ada))
    begin = now + timedelta(days=1)
    made = swaps.offer(asked.pk, begin, begin + 4 * HOUR, actor=of(ben))
    actions.add_override(schedule.pk, cleo.pk, begin, begin + 6 * HOUR, "ill", actor=of(people["boss"]))
    with pytest.raises(Conflict, match="Ben is not on call any more"):
        swaps.accept_offer(made.pk, actor=of(ada))
    assert on(schedule, now + 2 * HOUR) == ["Ada"]  # neither way
    assert Swap.objects.get().state == "open"
    actions.add_override(schedule.pk, cleo.pk, now, now + 6 * HOUR, "ill", actor=of(people["boss"]))
    with pytest.raises(Conflict, match="Ada is not on call any more"):
        swaps.take(asked.pk, actor=of(ben))
    assert on(schedule, now + 2 * HOUR) == ["Cleo"]


def test_where_a_manager_approves_nothing_changes_before(schedule: Schedule, people: dict[str, User]) -> None:
    Schedule.objects.update(swaps_approved=True)
    now = clock.now()
    asked = swaps.ask_cover(schedule.pk, now, now + HOUR, actor=of(people["ada"]))
    assert swaps.take(asked.pk, actor=of(people["ben"])).state == "agreed"
    assert on(schedule, clock.now()) == ["Ada"]
    assert told(people["boss"]) == ["Approve a swap in Primary?"]
    with pytest.raises(Forbidden):
        swaps.decide(asked.pk, True, actor=of(people["ben"]))
    assert swaps.decide(asked.pk, True, actor=of(people["boss"])).state == "done"
    assert on(schedule, clock.now()) == ["Ben"]
    other = swaps.ask_cover(schedule.pk, now + 2 * HOUR, now + 3 * HOUR, actor=of(people["ada"]))
    swaps.take(other.pk, actor=of(people["ben"]))
    assert swaps.decide(other.pk, False, actor=of(people["boss"])).state == "declined"
    assert on(schedule, now + 2.5 * HOUR) == ["Ada"]
    with pytest.raises(Conflict):
        swaps.decide(other.pk, True, actor=of(people["boss"]))


def test_a_request_is_withdrawn_or_expires(schedule: Schedule, people: dict[str, User]) -> None:
    now = clock.now()
    first = swaps.ask_cover(schedule.pk, now, now + HOUR, actor=of(people["ada"]))
    with pytest.raises(Forbidden):
        swaps.withdraw(first.pk, actor=of(people["ben"]))
    assert swaps.withdraw(first.pk, actor=of(people["ada"])).state == "withdrawn"
    second = swaps.ask_cover(schedule.pk, now, now + HOUR, actor=of(people["ada"]))
    assert [row.pk for row in exchange.swaps(SYSTEM, clock.now())] == [second.pk]
    clock.shift(2 * HOUR)
    with pytest.raises(Conflict):
        swaps.take(second.pk, actor=of(people["ben"]))
    assert swaps.expire_swaps() == 1
    assert Swap.objects.get(pk=second.pk).state == "expired"
    assert swaps.expire_swaps() == 0


def test_a_reminder_comes_once_and_a_note_waits_for_whoever_is_next(
    schedule: Schedule, people: dict[str, User]
) -> None:
    User.objects.filter(pk=people["ben"].pk).update(zone="Asia/Tokyo")
    clock.shift(10 * HOUR)  # Ben begins in eleven hours
    assert handoffs.remind() == 1
    assert handoffs.remind() == 0
    (title,) = told(people["ben"])
    assert title.startswith("Your shift in Primary begins ")
    assert Notice.objects.get().body.endswith(" (Asia/Tokyo).")  # where Ben is, wherever the schedule is
    assert told(people["ada"]) == []
    note = handoffs.write_note(schedule.pk, "The queue is slow; do not restart it.", actor=of(people["ada"]))
    clock.shift(11 * HOUR + timedelta(minutes=5))
    handoffs.remind()
    assert told(people["ben"])[-1] == "Read the hand-off note of Primary"
    assert handoffs.open_note(note.pk, actor=of(people["ada"])).opened_at is None  # her own
    opened = handoffs.open_note(note.pk, actor=of(people["ben"]))
    assert (opened.opened_by, exchange.unread_notes()) == (people["ben"], {})
    assert handoffs.open_note(note.pk, actor=of(people["cleo"])).opened_by == people["ben"]
    with pytest.raises(Invalid):
        handoffs.write_note(schedule.pk, " ", actor=of(people["ada"]))


def test_the_pages_lead_through_a_swap(client: Client, schedule: Schedule, people: dict[str, User]) -> None:
    client.force_login(people["ada"], backend=BACKEND)
    assert "Nobody asks for cover" in client.get("/on-call/swaps/").content.decode()
    assert client.get(f"/on-call/{schedule.pk}/cover/").status_code == 200
    now = clock.now()
    form = {"start": f"{now:%Y-%m-%dT%H:%M}", "end": f"{now + HOUR:%Y-%m-%dT%H:%M}", "asked": "", "note": "dentist"}
    assert client.post(f"/on-call/{schedule.pk}/cover/", form).status_code == 303
    swap = Swap.objects.get()
    mine = client.get("/on-call/swaps/").content.decode()
    assert "Withdraw" in mine
    assert "I take it" not in mine
    assert client.post(f"/on-call/{schedule.pk}/cover/", form | {"end": form["start"]}).status_code == 422
    client.force_login(people["ben"], backend=BACKEND)
    theirs = client.get("/on-call/swaps/").content.decode()
    assert "I take it" in theirs
    assert client.get(f"/on-call/swaps/{swap.pk}/offer/").status_code == 200
    begin = now + timedelta(days=1)
    back = {"start": f"{begin:%Y-%m-%dT%H:%M}", "end": f"{begin + HOUR:%Y-%m-%dT%H:%M}", "note": ""}
    assert client.post(f"/on-call/swaps/{swap.pk}/offer/", back).status_code == 303
    client.force_login(people["ada"], backend=BACKEND)
    assert "Accept" in client.get("/on-call/swaps/").content.decode()
    offer = swap.offers.get()
    assert client.post(f"/on-call/swaps/offers/{offer.pk}/accept/").status_code == 303
    assert "Swapped" in client.get("/on-call/swaps/").content.decode()
    assert client.post(f"/on-call/swaps/{swap.pk}/dance/").status_code == 422
    assert client.post(f"/on-call/{schedule.pk}/note/", {"text": "All quiet."}).status_code == 303
    note = HandoffNote.objects.get()
    assert client.post(f"/on-call/notes/{note.pk}/open/").status_code == 303
