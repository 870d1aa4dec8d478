"""Generated rotas with real people: what is known of them counts, and what comes out goes onto a schedule."""

from dataclasses import asdict
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from tocsin.oncall import actions, queries
from tocsin.oncall.actions import rotas
from tocsin.oncall.actions.rotas import RotaPerson, RotaRequest, RotaRules, RotaShift
from tocsin.oncall.models import Absence, Override, Schedule
from tocsin.oncall.rules import ScheduleSpec
from tocsin.people.models import User
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Conflict, Invalid

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def start() -> date:
    """A Monday to come."""
    today = clock.now().date()
    return today + timedelta(days=14 - today.weekday())


@pytest.fixture
def request_(start: date) -> RotaRequest:
    for name in ("ada", "ben", "cleo", "dee"):
        User.objects.create(
            email=f"{name}@example.org", name=name.title(), zone="Europe/Berlin", created_at=clock.now()
        )
    actions.save_schedule(ScheduleSpec("Primary", zone="Europe/Berlin"), actor=SYSTEM)
    return RotaRequest(
        "primary",
        start,
        2,
        [RotaPerson(f"{name}@example.org") for name in ("ada", "ben", "cleo", "dee")],
        [RotaShift("day", "08:00", "20:00"), RotaShift("night", "20:00", "08:00")],
        RotaRules(nights_in_a_row=3),
        seconds=5,
    )


def test_a_rota_is_made_kept_and_made_anew(request_: RotaRequest, start: date) -> None:
    away = datetime.combine(start, datetime.min.time(), BERLIN)
    Absence.objects.create(
        user=User.objects.get(name="Ada"), starts_at=away, ends_at=away + timedelta(days=7), created_at=clock.now()
    )
    found = rotas.generated(request_, actor=SYSTEM)
    assert len(found["shifts"]) == 28
    first_week = [shift for shift in found["shifts"] if shift["from"] < (away + timedelta(days=6)).isoformat()]
    assert not any(shift["email"] == "ada@example.org" for shift in first_week)
    assert all(shift["why"] for shift in found["shifts"])
    assert found["fairness"]["spread"] < found["rotation"]["spread"] or sum(found["rotation"]["broken"].values())
    row = Schedule.objects.get()
    assert rotas.keep_rota(row.pk, found["shifts"], actor=SYSTEM) == 28
    begin = datetime.combine(start, datetime.min.time(), BERLIN).replace(hour=8)
    assert queries.gaps(row.pk, begin, begin + timedelta(days=14)) == []
    hand = actions.add_override(
        row.pk, User.objects.get(name="Ben").pk, begin, begin + timedelta(hours=1), actor=SYSTEM
    )
    assert rotas.keep_rota(row.pk, found["shifts"], actor=SYSTEM) == 28
    assert Override.objects.count() == 29
    assert Override.objects.filter(pk=hand.pk).exists()


def test_what_cannot_be_is_explained(request_: RotaRequest) -> None:
    request_.people = request_.people[:1]
    with pytest.raises(Conflict) as refused:
        rotas.generated(request_, actor=SYSTEM)
    assert "rest" in str(refused.value).lower()


def test_nonsense_is_refused_by_field(request_: RotaRequest) -> None:
    request_.people[0].email = "nobody@example.org"
    with pytest.raises(Invalid) as refused:
        rotas.generated(request_, actor=SYSTEM)
    assert "people.0.email" in refused.value.problems
    request_.people[0].email = "ada@example.org"
    request_.weeks = 0
    with pytest.raises(Invalid) as refused:
        rotas.generated(request_, actor=SYSTEM)
    assert "weeks" in refused.value.problems
    with pytest.raises(Invalid) as refused:
        rotas.keep_rota(Schedule.objects.get().pk, [{"email": "x", "from": "now", "to": "then"}], actor=SYSTEM)
    assert "shifts.0" in refused.value.problems


def test_a_request_goes_through_json(request_: RotaRequest) -> None:
    value = asdict(request_) | {"start": request_.start.isoformat()}
    assert rotas.request_of(value) == request_


def test_the_page_makes_a_rota_and_puts_it_onto_the_schedule(client: Client, request_: RotaRequest) -> None:
    row = Schedule.objects.get()
    User.objects.filter(name="Ada").update(role="admin")
    client.force_login(User.objects.get(name="Ada"), backend="allauth.account.auth_backends.AuthenticationBackend")
    address = f"/on-call/{row.pk}/rota/"
    assert client.get(address).status_code == 200
    form = {
        "start": request_.start.isoformat(),
        "weeks": "2",
        "pattern": "day",
        "hand_off": "09:00",
        "people": [one.email for one in request_.people],
        "rest_hours": "11",
        "nights_in_a_row": "4",
    }
    answer = client.post(address, form)
    assert answer.status_code == 200
    assert "Put it onto Primary" in answer.content.decode()
    kept = client.post(f"{address}keep/", {"shifts": answer.context["kept"]})
    assert kept.status_code == 303
    assert Override.objects.count() == 14
    assert client.post(f"{address}keep/", {"shifts": "nonsense"}).status_code == 422
    impossible = client.post(address, form | {"people": [request_.people[0].email], "pattern": "day-night"})
    assert impossible.status_code == 422
    assert "No rota keeps these rules" in impossible.content.decode() or "reason 1" in impossible.content.decode()
    client.force_login(User.objects.get(name="Ben"), backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get(address).status_code == 403
