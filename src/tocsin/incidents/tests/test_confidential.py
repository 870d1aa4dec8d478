"""Confidential incidents: at every door an outsider finds nothing, and a reader finds what is there."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from tests.browser import world

from tocsin.catalogue.models import Service
from tocsin.delivery.models import Delivery
from tocsin.escalation import actions as escalation
from tocsin.escalation.models import Page
from tocsin.incidents import actions, queries
from tocsin.incidents.actions import use_book
from tocsin.incidents.models import Incident, Reader, TimelineEntry
from tocsin.people import actions as people_actions
from tocsin.people import queries as people
from tocsin.people.models import Membership, User
from tocsin.platform import clock, events
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Conflict, Forbidden, Invalid, NotFound
from tocsin.triage.models import Alert

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
SECRET = "Payroll of the board was copied"

pytestmark = pytest.mark.django_db


@dataclass
class Scene:
    """A confidential incident with an alert, a signal, a page and a message; and one that everybody may read."""

    company: dict[str, Any]
    incident: Incident
    other: Incident
    alert: Alert
    signal: int
    page: Page
    delivery: Delivery

    @property
    def admin(self) -> User:
        return self.company["users"][0]  # type: ignore[no-any-return]

    @property
    def reader(self) -> User:
        return self.company["users"][1]  # type: ignore[no-any-return]

    @property
    def manager(self) -> User:
        """Manages the service's team, and is nobody whom it concerns."""
        return self.company["users"][3]  # type: ignore[no-any-return]

    @property
    def outsider(self) -> User:
        return self.company["users"][4]  # type: ignore[no-any-return]

    def actor(self, user: User) -> Actor:
        return people.actor_of(user)

    def fill(self, text: str) -> str:
        return text.format(
            id=self.incident.pk, other=self.other.pk, alert=self.alert.pk, signal=self.signal, page=self.page.pk,
            delivery=self.delivery.pk, admin=self.admin.pk, service=self.incident.service_id,
            source=self.alert.source_id,
        )  # fmt: skip


@pytest.fixture
def scene() -> Scene:
    now = clock.now()
    made = world.company(now)
    admin, reader, manager = made["users"][0], made["users"][1], made["users"][3]
    User.objects.filter(pk=manager.pk).update(role="manager")
    manager.refresh_from_db()
    Membership.objects.filter(user=manager).update(role="manager")
    other = actions.declare("Search is slow", made["services"][2].pk, actor=people.actor_of(admin))
    incident = actions.declare(SECRET, made["services"][0].pk, actor=people.actor_of(reader), confidential=True)
    alert = Alert.objects.create(
        source=made["sources"][0], service=incident.service, incident=incident, dedup_key="payroll",
        severity="critical", title=SECRET, data={}, first_at=now, last_at=now, first_signal_id=0, last_signal_id=0,
    )  # fmt: skip
    signal = world.signal(1, alert.source, alert, "opened", SECRET, now)
    Alert.objects.filter(pk=alert.pk).update(first_signal_id=signal, last_signal_id=signal)
    escalation.page_users(incident.pk, user_ids=[admin.pk], actor=people.actor_of(reader), message=SECRET)
    page = Page.objects.filter(incident=incident, user=admin).order_by("-id")[0]
    delivery = Delivery.objects.filter(page=page).order_by("id")[0]
    return Scene(made, incident, other, alert, signal, page, delivery)


# address, what an outsider is answered, whether a reader sees what it is about
PAGES = [
    ("/", 200, True),
    ("/incidents/", 200, True),
    ("/incidents/?q=Payroll", 200, True),
    ("/incidents/?q=INC-{id}", 200, True),
    ("/incidents/?format=json", 200, True),
    ("/incidents/?format=csv", 200, True),
    ("/incidents/{id}/", 404, True),
    ("/incidents/{id}/?show=notes", 404, True),
    ("/incidents/act/resolve/?id={id}", 404, True),
    ("/incidents/act/merge/?id={other}", 200, True),
    ("/incidents/act/note/?id={other}&id={id}", 200, True),
    ("/alerts/", 200, True),
    ("/alerts/?incident={id}", 200, True),
    ("/alerts/?q=Payroll&format=json", 200, True),
    ("/alerts/{alert}/", 404, True),
    ("/signals/", 200, True),
    ("/signals/?format=csv", 200, True),
    ("/why/signal/{signal}/", 404, True),
    ("/why/page/{page}/", 404, True),
    ("/why/incident/{id}/", 404, True),
    ("/search/?q=Payroll", 200, True),
    ("/search/?q=INC-{id}", 200, True),
    ("/search/", 200, True),
    ("/services/", 200, False),
    ("/services/{service}/", 200, True),
    ("/sources/{source}/", 200, True),
    ("/messages/", 200, True),
    ("/messages/?incident={id}", 200, True),
    ("/messages/{delivery}/", 404, False),
    ("/people/{admin}/", 200, True),
    ("/people/{admin}/pages/", 200, True),
    ("/people/{admin}/pages/?format=json", 200, True),
    ("/settings/channels/", 200, False),
    ("/welcome/", 200, False),
]


@pytest.mark.parametrize(("path", "status", "shown"), PAGES)
def test_pages(client: Client, scene: Scene, path: str, status: int, shown: bool) -> None:
    address = scene.fill(path)
    for user in (scene.outsider, scene.manager):
        client.force_login(user, backend=BACKEND)
        answer = client.get(address)
        assert answer.status_code == status, user.name
        text = answer.content.decode().replace(address.split("?")[-1].replace("q=", ""), "")
        assert SECRET not in text, user.name
        if status == 200 and "incident=" not in path and "act/note" not in path:
            assert f"/incidents/{scene.incident.pk}/" not in text
    for user in (scene.reader, scene.admin):
        client.force_login(user, backend=BACKEND)
        answer = client.get(address)
        assert answer.status_code == 200, user.name
        assert (SECRET in answer.content.decode()) or not shown, user.name


def test_a_page_that_is_hidden_is_answered_as_one_that_is_not_there(client: Client, scene: Scene) -> None:
    client.force_login(scene.outsider, backend=BACKEND)
    hidden = client.get(f"/incidents/{scene.incident.pk}/").content.decode()
    absent = client.get("/incidents/987654/").content.decode()
    assert _plain(hidden, scene.incident.pk) == _plain(absent, 987654)


def _plain(text: str, number: int) -> str:
    main = text.split('<main id="main"')[1].split("</main>")[0]
    return main.replace(str(number), "N")


@pytest.fixture
def call() -> Callable[..., Any]:
    """Ask the API as somebody."""

    def ask(user: User, method: str, path: str, body: Any = None, scopes: tuple[str, ...] = ("admin",)) -> Any:
        _, token = people_actions.create_token(user.pk, actor=SYSTEM, scopes=scopes)
        client = Client(headers={"Authorization": f"Bearer {token}"}, raise_request_exception=False)
        data = "" if body is None else json.dumps(body)
        return client.generic(method, f"/api/v1{path}", data=data, content_type="application/json")

    return ask


API = [
    ("/incidents", 200, True),
    ("/incidents?q=Payroll", 200, True),
    ("/incidents/{id}", 404, True),
    ("/incidents/INC-{id}/timeline", 404, True),
    ("/incidents/{id}/readers", 404, False),
    ("/incidents/{id}/pages", 404, True),
    ("/incidents/{id}/runs", 404, False),
    ("/incidents/{id}/deliveries", 404, False),
    ("/alerts", 200, True),
    ("/alerts?incident={id}", 200, True),
    ("/alerts/{alert}", 404, True),
    ("/signals", 200, True),
    ("/signals?alert={alert}", 200, True),
    ("/why/incident/{id}", 404, True),
    ("/why/signal/{signal}", 404, True),
    ("/why/page/{page}", 404, True),
    ("/pages", 200, True),
    ("/pages?user=dana.reyes@example.org", 200, True),
    ("/deliveries/{delivery}", 404, False),
]


@pytest.mark.parametrize(("path", "status", "shown"), API)
def test_api(call: Callable[..., Any], scene: Scene, path: str, status: int, shown: bool) -> None:
    address = scene.fill(path)
    for user in (scene.outsider, scene.manager):
        answer = call(user, "GET", address)
        assert answer.status_code == status
        assert SECRET not in answer.content.decode()
    for user in (scene.reader, scene.admin):
        answer = call(user, "GET", address)
        assert answer.status_code == 200
        assert (SECRET in answer.content.decode()) or not shown
    # a token that is narrowed reads what its person was let into, even an administrator's
    assert call(scene.reader, "GET", address, scopes=("read",)).status_code == 200
    another = world.person("Ada Winter", clock.now(), "admin")
    assert (SECRET in call(another, "GET", address).content.decode()) or not shown
    assert SECRET not in call(another, "GET", address, scopes=("read",)).content.decode()


@pytest.mark.parametrize(
    ("verb", "body"),
    [("acknowledge", {}), ("unacknowledge", {}), ("mitigate", {}), ("resolve", {}), ("close", {}), ("reopen", {}),
     ("reassign", {"users": ["tom.berg@example.org"]}), ("note", {"text": "hm"}), ("retitle", {"title": "hm"}),
     ("priority", {"priority": "P1", "reason": "hm"}), ("merge", {"incidents": [1]}), ("make-confidential", {}),
     ("lift-confidentiality", {"reason": "hm"}), ("let-in", {"users": ["marek.novk@example.org"]}),
     ("escalate", {"reason_code": "impact"}), ("escalate-up", {"reason_code": "impact"}),
     ("page", {"users": ["marek.novk@example.org"]}), ("page-team", {"team": "shop", "reason_code": "impact"})],
)  # fmt: skip
def test_verbs_over_http_find_nothing(call: Callable[..., Any], scene: Scene, verb: str, body: Any) -> None:
    before = TimelineEntry.objects.filter(incident=scene.incident).count()
    answer = call(scene.outsider, "POST", f"/incidents/{scene.incident.pk}/{verb}", body)
    assert answer.status_code == 404
    assert TimelineEntry.objects.filter(incident=scene.incident).count() == before


def do_all() -> Iterator[tuple[str, Callable[[list[int], Actor], Any]]]:
    yield "acknowledge", lambda ids, actor: actions.acknowledge(ids, actor=actor)
    yield "unacknowledge", lambda ids, actor: actions.unacknowledge(ids, actor=actor)
    yield "mitigate", lambda ids, actor: actions.mitigate(ids, actor=actor)
    yield "resolve", lambda ids, actor: actions.resolve(ids, actor=actor)
    yield "close", lambda ids, actor: actions.close(ids, actor=actor)
    yield "reopen", lambda ids, actor: actions.reopen(ids, actor=actor)
    yield "reassign", lambda ids, actor: actions.reassign(ids, user_ids=[actor.user_id or 0], actor=actor)
    yield "priority", lambda ids, actor: actions.set_priority(ids, impact="low", actor=actor)
    yield "note", lambda ids, actor: actions.add_note(ids, text="x", actor=actor)
    yield "retitle", lambda ids, actor: actions.retitle(ids, title="x", actor=actor)
    yield "confidential", lambda ids, actor: actions.make_confidential(ids, actor=actor)
    yield "lift", lambda ids, actor: actions.lift_confidentiality(ids, actor=actor, why="x")
    yield "admit", lambda ids, actor: actions.admit(ids, user_ids=[actor.user_id or 0], actor=actor)


@pytest.mark.parametrize(("verb", "do"), list(do_all()))
def test_verbs_refuse(scene: Scene, verb: str, do: Callable[[list[int], Actor], Any]) -> None:
    secret, outsider = scene.incident.pk, scene.actor(scene.outsider)
    before = Incident.objects.values().get(pk=secret)
    with pytest.raises(NotFound, match=f"There is no incident INC-{secret}"):
        do([secret], outsider)
    done = do([scene.other.pk, secret], outsider)
    assert done.skipped[secret] == "there is no such incident"
    assert Incident.objects.values().get(pk=secret) == before
    assert do([secret], scene.actor(scene.reader)) is not None


def test_merging(scene: Scene) -> None:
    secret, other = scene.incident.pk, scene.other.pk
    with pytest.raises(NotFound):
        actions.merge(secret, [other], actor=scene.actor(scene.outsider))
    assert actions.merge(other, [secret], actor=scene.actor(scene.outsider)).skipped == {
        secret: "there is no such incident"
    }
    # its alerts would be read by everybody who reads the other one
    assert "it is confidential" in actions.merge(other, [secret], actor=scene.actor(scene.reader)).skipped[secret]
    assert actions.merge(secret, [other], actor=scene.actor(scene.reader)).changed == [other]


def test_counts_hold_it_and_lists_do_not(scene: Scene) -> None:
    outsider = scene.actor(scene.outsider)
    assert sum(queries.counts_by_priority(outsider).values()) == 2
    assert [one.pk for one in queries.incidents(outsider)] == [scene.other.pk]
    assert queries.incidents(SYSTEM).count() == 2
    with pytest.raises(NotFound):
        queries.readers(outsider, scene.incident.pk)


def test_live_pages_hear_only_that_something_changed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, set[int]]] = []
    monkeypatch.setattr(events, "changed", lambda kind, versions: heard.append((kind, set(versions))))
    actions.add_note([scene.incident.pk], text="hm", actor=scene.actor(scene.reader))
    actions.add_note([scene.other.pk], text="hm", actor=scene.actor(scene.reader))
    assert [keys for kind, keys in heard if kind == "incident"] == [{0}, {scene.other.pk}]


# --- who becomes a reader -----------------------------------------------------------------------------------------


def readers(incident: Incident) -> dict[str, str]:
    return dict(Reader.objects.filter(incident=incident).values_list("user__name", "why"))


def test_whoever_declares_it_reads_it(scene: Scene) -> None:
    assert readers(scene.incident)[scene.reader.name] == "declared it"
    assert readers(scene.other) == {}
    assert TimelineEntry.objects.get(incident=scene.incident, kind="opened").data["confidential"] is True
    assert queries.verify_timeline(scene.incident.pk) == []


def test_a_service_may_make_all_of_its_incidents_confidential(scene: Scene) -> None:
    service = scene.company["services"][3]
    Service.objects.filter(pk=service.pk).update(confidential=True)
    made = actions.declare(SECRET, service.pk, actor=scene.actor(scene.outsider))
    assert made.confidential
    assert queries.incident(scene.actor(scene.outsider), made.pk) == made
    with pytest.raises(NotFound):
        queries.incident(scene.actor(scene.manager), made.pk)


def test_making_it_confidential_lets_in_whom_it_concerns_already(scene: Scene) -> None:
    marek, tom, priya = scene.company["users"][2], scene.outsider, scene.company["users"][5]
    opened = actions.declare("Odd logins", scene.company["services"][1].pk, actor=scene.actor(priya))
    actions.reassign([opened.pk], user_ids=[tom.pk], actor=scene.actor(scene.reader))
    actions.acknowledge([opened.pk], actor=scene.actor(marek))
    escalation.page_users(opened.pk, user_ids=[scene.reader.pk], actor=scene.actor(marek))
    assert readers(opened) == {}
    done = actions.make_confidential([opened.pk], actor=scene.actor(scene.manager), why="An insider, perhaps")
    assert done.changed == [opened.pk]
    assert readers(opened).items() >= {
        scene.manager.name: "made it confidential", priya.name: "declared it", marek.name: "answers for it",
        tom.name: "was given it", scene.reader.name: "was paged for it",
    }.items()  # fmt: skip
    entry = TimelineEntry.objects.get(incident=opened, kind="made_confidential")
    assert entry.data == {"reason": "An insider, perhaps"}
    again = actions.make_confidential([opened.pk], actor=scene.actor(tom))
    assert again.skipped == {opened.pk: "it is confidential already"}


def test_whoever_is_given_it_reads_it(scene: Scene) -> None:
    actions.reassign([scene.incident.pk], user_ids=[scene.outsider.pk], actor=scene.actor(scene.reader))
    assert readers(scene.incident)[scene.outsider.name] == "was given it"
    assert actions.acknowledge([scene.incident.pk], actor=scene.actor(scene.outsider)).changed


def test_letting_in_by_hand(scene: Scene) -> None:
    key, reader = scene.incident.pk, scene.actor(scene.reader)
    done = actions.admit([key, scene.other.pk], user_ids=[scene.outsider.pk], actor=reader, reason="knows payroll")
    assert done.changed == [key]
    assert "everybody may read it" in done.skipped[scene.other.pk]
    assert TimelineEntry.objects.get(incident=key, kind="let_in").data["reason"] == "knows payroll"
    assert queries.incident(scene.actor(scene.outsider), key).title == SECRET
    again = actions.admit([key], user_ids=[scene.outsider.pk], actor=reader)
    assert again.skipped == {key: "they may read it already"}
    with pytest.raises(Invalid):
        actions.admit([key], user_ids=[999_999], actor=reader)
    observer = world.person("Olga Bystrova", clock.now(), "observer")
    actions.admit([key], user_ids=[observer.pk], actor=reader)
    with pytest.raises(Forbidden):
        actions.admit([key], user_ids=[scene.manager.pk], actor=scene.actor(observer))


def test_let_in_is_cheap_and_idempotent(scene: Scene) -> None:
    key, tom = scene.incident.pk, scene.outsider.pk
    with use_book() as book:
        book.lock([key, scene.other.pk])
        with CaptureQueriesContext(connection) as asked:
            assert actions.let_in([scene.other.pk], [tom], "was paged for it") == set()
            assert actions.let_in([], [tom], "x") == set()
        assert len(asked) == 0, "nothing is asked of the database for what is not confidential"
        with CaptureQueriesContext(connection) as asked:
            wanted = [(key, tom), (scene.other.pk, tom), (key, 999_999), (key, tom)]
            assert actions.let_in_each(wanted, "was paged for it") == {(key, tom)}
        assert len(asked) == 1
        assert actions.let_in_each([(key, tom)], "again") == set()
    assert readers(scene.incident)[scene.outsider.name] == "was paged for it"


def test_lifting_shows_everything_again(scene: Scene) -> None:
    key, reader = scene.incident.pk, scene.actor(scene.reader)
    with pytest.raises(Invalid, match="why"):
        actions.lift_confidentiality([key], actor=reader, why=" ")
    assert actions.lift_confidentiality([key], actor=reader, why="Told the staff today").changed == [key]
    assert queries.incident(scene.actor(scene.outsider), key).title == SECRET
    assert actions.lift_confidentiality([key], actor=reader, why="x").skipped == {key: "it is not confidential"}
    assert queries.readers(reader, key) == []


# --- doors for readers --------------------------------------------------------------------------------------------


def test_the_way_through_the_browser(client: Client, scene: Scene) -> None:
    client.force_login(scene.outsider, backend=BACKEND)
    form = {"title": "Odd mail", "service": scene.company["services"][1].pk, "urgency": "high", "confidential": "on"}
    room = client.post("/incidents/declare/", form).headers["Location"]
    text = client.get(room).content.decode()
    assert "Confidential" in text
    assert "Who may read it" in text
    key = Incident.objects.latest("id").pk
    asked = {"id": key, "sent": "1"}
    assert client.post("/incidents/act/let-in/", asked | {"users": [scene.reader.pk]}).status_code == 303
    assert f"let {scene.reader.name} in" in client.get(room).content.decode()
    assert client.post("/incidents/act/lift/", asked).status_code == 422
    assert client.post("/incidents/act/lift/", asked | {"reason": "over"}).status_code == 303
    text = client.get(room).content.decode()
    assert "Who may read it" not in text
    assert "let everybody see it again: over" in text
    assert client.post("/incidents/act/confidential/", asked | {"reason": "after all"}).status_code == 303
    assert Incident.objects.get(pk=key).confidential


def test_the_way_over_http(call: Callable[..., Any], scene: Scene) -> None:
    body = {"title": "Odd mail", "service": "payments-api", "confidential": True}
    made = call(scene.reader, "POST", "/incidents", body).json()
    assert made["confidential"] is True
    path = f"/incidents/{made['id']}"
    assert call(scene.outsider, "GET", path).status_code == 404
    call(scene.reader, "POST", f"{path}/let-in", {"users": [scene.outsider.email], "reason": "helps"})
    assert call(scene.outsider, "GET", path).status_code == 200
    items = call(scene.outsider, "GET", f"{path}/readers").json()["items"]
    assert {"declared it", f"{scene.reader.name} let them in"} <= {one["why"] for one in items}
    assert call(scene.reader, "POST", f"{path}/lift-confidentiality", {}).status_code == 422
    assert call(scene.reader, "POST", f"{path}/lift-confidentiality", {"reason": "x"}).json()["confidential"] is False
    assert call(scene.manager, "POST", f"{path}/make-confidential", {"reason": "x"}).json()["confidential"] is True
    assert call(scene.manager, "POST", f"{path}/make-confidential").status_code == 409


def test_escalating_by_hand_is_for_readers(scene: Scene) -> None:
    key, outsider = scene.incident.pk, scene.actor(scene.outsider)
    with pytest.raises(NotFound):
        escalation.page_users(key, user_ids=[scene.outsider.pk], actor=outsider)
    with pytest.raises(NotFound):
        escalation.escalate_now(key, actor=outsider, reason_code="impact")
    with pytest.raises(NotFound):
        escalation.escalate_up(key, actor=outsider, reason_code="impact")
    with pytest.raises(NotFound):
        escalation.page_team(key, scene.company["team"].pk, actor=outsider, reason_code="impact")
    with pytest.raises(Conflict):  # nobody is above, which a reader is told
        escalation.escalate_up(key, actor=scene.actor(scene.reader), reason_code="impact")


# --- beside an older version --------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["incidents_incident", "catalogue_service"])
def test_an_older_version_goes_on_writing(scene: Scene, table: str) -> None:
    """It does not know the new columns: the database fills them in."""
    assert scene.other.confidential is False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
            " WHERE table_name = %s AND column_name NOT IN ('id', 'name', 'slug', 'confidential')",
            [table],
        )
        old = cursor.fetchone()[0]
        new = "id, name, slug, " if table == "catalogue_service" else "id, "
        given = "9999, 'Old', 'old', " if table == "catalogue_service" else "9999, "
        cursor.execute(f"INSERT INTO {table} ({new}{old}) SELECT {given}{old} FROM {table} ORDER BY id LIMIT 1")
        cursor.execute(f"SELECT confidential FROM {table} WHERE id = 9999")
        assert cursor.fetchone() == (False,)


def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "incidents", "catalogue", check=True, dry_run=True, verbosity=0)
