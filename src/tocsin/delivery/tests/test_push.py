"""Web push: the key pair, browsers that add, renew and prove themselves, dead ones, ringing again, the endpoints."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from tests.contracts import push_service

from tocsin.delivery import actions, queries, rules
from tocsin.delivery.actions import push
from tocsin.delivery.contract import Accepted, Rejected, Result, TryLater
from tocsin.delivery.models import Delivery
from tocsin.delivery.rules import Claimed, Settled, Subscription
from tocsin.delivery.tests.conftest import World
from tocsin.incidents import actions as incidents
from tocsin.people.models import ContactMethod, User
from tocsin.people.queries import actor_of
from tocsin.platform import clock, secrets
from tocsin.platform.errors import Forbidden, Invalid, NotFound
from tocsin.platform.models import AuditEntry, Setting

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"

pytestmark = pytest.mark.django_db


def subscription(name: str = "a") -> Subscription:
    browser = push_service.Browser()
    p256dh, auth = rules.subscription_keys(browser.secret)
    return Subscription(f"https://push.example/wp/{name}", p256dh, auth, push.push_key())


def form(of: Subscription, **more: str) -> dict[str, str]:
    return {"endpoint": of.endpoint, "p256dh": of.p256dh, "auth": of.auth, "key": of.key} | more


def added(world: World, user: User | None = None, name: str = "a") -> ContactMethod:
    user = user or world.person()
    return push.add_browser(user.pk, subscription(name), "Chrome on Android", actor=actor_of(user))


# --- the key pair -------------------------------------------------------------------------------------------------


def test_the_key_pair_is_made_once_and_its_private_half_is_encrypted() -> None:
    public = push.push_key()
    assert push.push_key() == public
    private = push.private_key(public)
    stored = json.dumps(Setting.objects.get(name=push.SETTING).value)
    assert private
    assert private not in stored
    assert push.private_key("of somebody else") == ""
    assert len(push_service.raw(public)) == 65


def test_another_secret_key_makes_another_pair_and_loses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    first = push.push_key()
    secrets._fernet.cache_clear()
    with monkeypatch.context() as other:
        other.setattr(settings, "SECRET_KEY", "quite another secret key")
        second = push.push_key()
        assert second != first
        assert push.private_key(first) == ""
        secrets._fernet.cache_clear()
    assert push.push_key() == first
    assert push.private_key(first)
    secrets._fernet.cache_clear()


# --- browsers -----------------------------------------------------------------------------------------------------


def test_a_browser_adds_itself_and_keeps_its_rules_when_it_subscribes_anew(world: World) -> None:
    user = world.person()
    method = added(world, user)
    assert (method.channel, method.label, method.address) == (
        "webpush",
        "Chrome on Android",
        "https://push.example/wp/a",
    )
    assert method.config == {"key": push.push_key()}
    assert "." in secrets.decrypt(method.secret)
    named = set(user.notification_rules.values_list("contact_method_id", flat=True))
    assert named == {method.pk}
    actions_of = actor_of(user)
    ContactMethod.objects.filter(pk=method.pk).update(disabled_at=clock.now(), disabled_reason="taken back")
    again = push.add_browser(user.pk, subscription("b"), "Chrome on Android", actor=actions_of, replaces=method.pk)
    assert again.pk == method.pk
    again.refresh_from_db()
    assert (again.address, again.disabled_at) == ("https://push.example/wp/b", None)
    assert push.add_browser(user.pk, subscription("b"), "Renamed", actor=actions_of).pk == method.pk, "known by address"
    other = world.person("Bob")
    with pytest.raises(Forbidden):
        push.add_browser(other.pk, subscription("c"), "x", actor=actions_of)
    mine = push.add_browser(other.pk, subscription("c"), "x", actor=actor_of(other), replaces=method.pk)
    assert mine.pk != method.pk, "nobody replaces what is another's"


@pytest.mark.parametrize(
    "wrong", [{"endpoint": "ftp://x"}, {"endpoint": ""}, {"p256dh": "x"}, {"auth": ""}, {"key": "?"}]
)
def test_nonsense_is_not_kept(world: World, wrong: dict[str, str]) -> None:
    user = world.person()
    with pytest.raises(Invalid):
        push.add_browser(user.pk, replace(subscription(), **wrong), "x", actor=actor_of(user))


def test_a_browser_renews_itself_by_what_only_it_knows(world: World) -> None:
    method = added(world)
    old, auth = method.address, rules.subscription_keys(secrets.decrypt(method.secret))[1]
    for wrong in (
        (method.pk + 1, old, auth),
        (method.pk, old + "x", auth),
        (method.pk, old, "x"),
        (method.pk, old, ""),
    ):
        with pytest.raises(NotFound):
            push.renew_browser(*wrong, subscription("new"))
    push.renew_browser(method.pk, old, auth, subscription("new"))
    method.refresh_from_db()
    assert method.address == "https://push.example/wp/new"
    with pytest.raises(NotFound):
        push.renew_browser(method.pk, old, auth, subscription("again"))


def answer_of(method: ContactMethod) -> str:
    """Where a test that is on its way to this contact method has its device post to."""
    actions.send_test(method.pk, actor=actor_of(method.user))
    [(message, _)] = queries.compose(actions.claim())
    return "/v/" + message.link("received").rpartition("/v/")[2]


def test_a_test_that_comes_back_proves_the_browser(world: World) -> None:
    method = added(world)
    client = Client(enforce_csrf_checks=True, headers={"Accept": "application/json"})
    answer = client.post(answer_of(method))
    assert "verified" in answer.json()["message"]
    method.refresh_from_db()
    assert method.verified_at is not None
    assert AuditEntry.objects.get(kind="contact method", verb="verified").actor_name == "Tocsin"


def test_what_proves_nothing(world: World) -> None:
    method = added(world)
    path = answer_of(method)
    client = Client(headers={"Accept": "application/json"})
    assert client.get(path).status_code == 200, "looking changes nothing"
    broken = client.post(f"{path}x")
    assert broken.status_code == 422
    assert "broken" in broken.json()["message"]
    clock.shift(timedelta(seconds=1))
    push.add_browser(
        method.user_id, subscription("b"), "Chrome on Android", actor=actor_of(method.user), replaces=method.pk
    )
    assert client.post(path).status_code == 409, "it was another subscription that the test came to"
    method.refresh_from_db()
    assert method.verified_at is None


def test_only_devices_that_can_are_asked_to_confirm(world: World) -> None:
    user = world.person()
    actions.send_test(world.method(user).pk, actor=actor_of(user))
    [(message, _)] = queries.compose(actions.claim())
    assert [link.verb for link in message.links] == ["view"]


# --- what follows from outcomes -----------------------------------------------------------------------------------


def paged(world: World, *, urgency: str = "high", **more: Any) -> tuple[ContactMethod, Claimed]:
    method = added(world)
    page = world.page(world.incident(**more), method.user, urgency)
    world.enqueue(page, [method])
    [claimed] = actions.claim()
    return method, claimed


def settle(claimed: Claimed, result: Result) -> None:
    assert actions.settle([Settled(claimed, result, 0.0, 0.1)]) == [claimed.id]


def test_a_subscription_that_is_gone_is_switched_off_with_the_reason(world: World) -> None:
    method, claimed = paged(world)
    settle(claimed, Rejected("the browser has taken the subscription back", gone=True))
    method.refresh_from_db()
    assert method.disabled_at is not None
    assert method.disabled_reason == "the browser has taken the subscription back"
    assert Delivery.objects.get(pk=claimed.id).state == "failed"
    assert len(world.published) == 1, "there was no other way to reach the person"


def test_a_subscription_renewed_meanwhile_stays(world: World) -> None:
    method, claimed = paged(world)
    ContactMethod.objects.filter(pk=method.pk).update(address="https://push.example/wp/fresh")
    settle(claimed, Rejected("the browser has taken the subscription back", gone=True))
    method.refresh_from_db()
    assert method.disabled_at is None


def test_a_refusal_that_is_not_the_end_switches_nothing_off(world: World) -> None:
    method, claimed = paged(world)
    settle(claimed, Rejected("too large"))
    method.refresh_from_db()
    assert method.disabled_at is None


def test_a_loud_page_rings_again_until_it_was_often_enough(world: World) -> None:
    _, claimed = paged(world)
    first, waits = claimed.key, []
    for _ in range(10):
        settle(claimed, Accepted("x"))
        found = Delivery.objects.filter(state="pending").first()
        if found is None:
            break
        assert found.next_at is not None
        wait = round((found.next_at - clock.now()).total_seconds())
        waits.append(wait)
        assert actions.claim() == []
        clock.shift(timedelta(seconds=wait + 1))
        [claimed] = actions.claim()
        assert claimed.key == f"{first}:again:{len(waits)}"
        assert queries.compose([claimed])[0][0].link("acknowledge")
    assert waits == [30, 60, 90, 120, 300]


def test_an_answer_silences_it(world: World) -> None:
    method, claimed = paged(world)
    settle(claimed, Accepted("x"))
    incidents.acknowledge([claimed.incident_id or 0], actor=actor_of(method.user))
    clock.shift(timedelta(minutes=5))
    assert actions.claim() == []
    dropped = Delivery.objects.get(key__endswith=":again:1")
    assert dropped.state == "dropped"
    assert "acknowledged" in dropped.reason


def test_an_answer_while_it_is_under_way_silences_it_too(world: World) -> None:
    method, claimed = paged(world)
    incidents.acknowledge([claimed.incident_id or 0], actor=actor_of(method.user))
    settle(claimed, Accepted("x"))
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize("result", [Rejected("no"), TryLater(None, "later")])
def test_what_did_not_go_out_is_not_repeated(world: World, result: Result) -> None:
    _, claimed = paged(world)
    settle(claimed, result)
    assert Delivery.objects.count() == 1


def test_quiet_pages_and_other_channels_ring_once(world: World) -> None:
    _, claimed = paged(world, urgency="low")
    settle(claimed, Accepted("x"))
    user = world.person("Bob")
    world.enqueue(world.page(world.incident(), user), [world.method(user)])
    [other] = actions.claim()
    settle(other, Accepted("x"))
    assert Delivery.objects.count() == 2


def test_a_repetition_is_not_taken_for_the_next_way_to_reach_somebody(world: World) -> None:
    method = added(world)
    mail, phone = (world.method(method.user, address=name) for name in ("mail", "phone"))
    page = world.page(world.incident(), method.user)
    world.enqueue(page, [method, mail, phone], [0, 0, 300])
    for item in actions.claim():
        settle(item, Accepted("x") if item.channel == "webpush" else Rejected("no"))
    now = clock.now()
    waiting = {row.key.partition(":again")[1]: row.next_at for row in Delivery.objects.filter(state="pending")}
    assert waiting[":again"] is not None
    assert waiting[":again"] > now, "its own time has not come"
    assert waiting[""] is not None
    assert waiting[""] <= now, "the phone rings at once"


# --- over HTTP ----------------------------------------------------------------------------------------------------


def test_the_endpoint_takes_ones_own_browser_and_sends_it_a_test(world: World) -> None:
    user = world.person()
    client = Client(enforce_csrf_checks=True)
    assert client.post("/push/browsers/", form(subscription())).status_code == 403, "no page of ours asked"
    client = Client()
    assert client.post("/push/browsers/", form(subscription())).status_code == 302, "sign in first"
    client.force_login(user, backend=BACKEND)
    answer = client.post("/push/browsers/", form(subscription(), label="  Firefox   on Linux " + "x" * 80))
    assert answer.status_code == 201
    method = ContactMethod.objects.get(pk=answer.json()["id"])
    assert (method.user, method.label[:16], len(method.label)) == (user, "Firefox on Linux", 60)
    assert Delivery.objects.get().kind == "test"
    assert "p256dh" in client.post("/push/browsers/", form(subscription("b"), p256dh="x")).json()["message"]
    assert client.get("/push/browsers/").status_code == 405


def test_a_service_worker_renews_without_a_session(world: World) -> None:
    method = added(world)
    auth = rules.subscription_keys(secrets.decrypt(method.secret))[1]
    told = {"id": method.pk, "old": method.address, "auth": auth, "new": form(subscription("new"))}
    client = Client(enforce_csrf_checks=True)

    def post(body: object) -> int:
        return client.post("/push/renew/", json.dumps(body), content_type="application/json").status_code

    assert post(told | {"auth": "wrong"}) == 404
    nonsense: list[object] = [[], {}, "x", told | {"id": 2**70}, told | {"new": 3}]
    assert [post(body) for body in nonsense] == [422] * 5
    assert post(told) == 200
    method.refresh_from_db()
    assert method.address.endswith("/new")


def test_a_service_worker_acknowledges_and_hears_what_came_of_it(world: World) -> None:
    method, claimed = paged(world)
    [(message, _)] = queries.compose([claimed])
    path = "/a/" + message.link("acknowledge").rpartition("/a/")[2]
    client = Client(enforce_csrf_checks=True, headers={"Accept": "application/json"})
    first = client.post(path)
    assert first.json() == {"done": True, "message": f"INC-{claimed.incident_id} acknowledged. Thank you, Ada."}
    again = client.post(path)
    assert (again.status_code, again.json()["done"]) == (200, False)
    assert "already by Ada" in again.json()["message"]
    broken = client.post(path + "x")
    assert broken.status_code == 422
    assert "not complete" in broken.json()["message"]
    incident = ContactMethod.objects.get(pk=method.pk).user.deliveries.get().incident
    assert incident is not None
    assert incident.timeline.get(kind="acknowledged").data["via"] == "webpush"
