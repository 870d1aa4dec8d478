"""Acting from a message."""

from datetime import timedelta

import pytest

from tocsin.delivery import actions, queries
from tocsin.delivery.actions.links import act_on_link, preview_link
from tocsin.delivery.tests.conftest import World
from tocsin.incidents.models import Incident
from tocsin.people.queries import actor_of
from tocsin.platform import clock, secrets
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Conflict, Forbidden, Invalid, NotFound

pytestmark = pytest.mark.django_db


def token(url: str) -> str:
    return url.rpartition("/a/")[2]


def links(world: World, incident: Incident) -> dict[str, str]:
    user = world.person("Ada")
    world.enqueue(world.page(incident, user), [world.method(user)])
    [(message, _)] = queries.compose(actions.claim())
    return {link.verb: token(link.url) for link in message.links if link.verb != "view"}


def test_acknowledge_once_and_kindly_twice(world: World) -> None:
    incident = world.incident()
    made = links(world, incident)
    preview = preview_link(made["acknowledge"])
    assert (preview.verb, preview.ready, preview.text) == (
        "acknowledge",
        True,
        f"Acknowledge INC-{incident.pk} as Ada?",
    )
    incident.refresh_from_db()
    assert incident.state == "triggered", "looking changes nothing"
    outcome = act_on_link(made["acknowledge"])
    assert outcome.done
    assert outcome.text == f"INC-{incident.pk} acknowledged. Thank you, Ada."
    incident.refresh_from_db()
    assert incident.state == "acknowledged"
    assert incident.acknowledged_by == outcome.person
    entry = incident.timeline.get(kind="acknowledged")
    assert entry.actor_kind == "link"
    assert entry.data["via"] == "pocket"
    again = act_on_link(made["acknowledge"])
    assert not again.done
    assert "acknowledged already by Ada" in again.text
    assert not preview_link(made["acknowledge"]).ready


def test_resolve_then_everything_is_over(world: World) -> None:
    incident = world.incident()
    made = links(world, incident)
    assert act_on_link(made["resolve"]).done
    incident.refresh_from_db()
    assert incident.state == "resolved"
    for verb in ("acknowledge", "resolve", "escalate"):
        outcome = act_on_link(made[verb])
        assert not outcome.done
        assert "resolved already" in outcome.text


def test_links_expire_by_our_clock(world: World) -> None:
    made = links(world, world.incident())
    clock.shift(timedelta(hours=23, minutes=59))
    assert preview_link(made["acknowledge"]).ready
    clock.shift(timedelta(minutes=2))
    with pytest.raises(Invalid, match="expired"):
        act_on_link(made["acknowledge"])


def test_a_link_does_one_thing(world: World) -> None:
    made = links(world, world.incident())
    assert len(set(made.values())) == 3
    good = made["acknowledge"]
    for bad in ("", "nonsense", good[:-1], good + "x", good[:20] + "A" + good[21:]):
        with pytest.raises(Invalid):
            act_on_link(bad)
    with pytest.raises(Invalid):
        act_on_link(secrets.sign({"i": 1, "u": 1, "v": "acknowledge", "d": 1, "e": 2**40}, "another purpose"))
    with pytest.raises(Invalid):
        act_on_link(secrets.sign({"i": 1, "u": 1, "v": "delete", "d": 1, "e": 2**40}, "action"))


def test_the_account_must_be_in_use(world: World) -> None:
    made = links(world, world.incident())
    person = preview_link(made["acknowledge"]).person
    person.is_active = False
    person.save()
    with pytest.raises(Forbidden):
        act_on_link(made["acknowledge"])


def test_a_bundle_is_acknowledged_with_one_link(world: World) -> None:
    user = world.person("Ada")
    method = world.method(user)
    incidents = [world.incident() for _ in range(3)]
    for incident in incidents:
        world.enqueue(world.page(incident, user, kind="manual", why="asked"), [method])
    message = queries.message_of(queries.prepare(actions.claim()))
    assert message.why == "asked"
    assert all(incident.title in message.body for incident in message.incidents)
    assert message.kind == "bundle"
    outcome = act_on_link(token(message.link("acknowledge")))
    assert outcome.text == "3 incidents acknowledged. Thank you, Ada."
    assert set(Incident.objects.values_list("state", flat=True)) == {"acknowledged"}


def test_send_test(world: World) -> None:
    user, other = world.person("Ada"), world.person("Eve")
    method = world.method(user)
    delivery = actions.send_test(method.pk, actor=actor_of(user))
    [(message, to)] = queries.compose(actions.claim())
    assert message.delivery_ids == (delivery,)
    assert (message.kind, message.to, to.address) == ("test", "Ada", method.address)
    assert actions.send_test(method.pk, actor=SYSTEM)
    with pytest.raises(Forbidden):
        actions.send_test(method.pk, actor=actor_of(other))
    with pytest.raises(NotFound):
        actions.send_test(0, actor=SYSTEM)
    method.disabled_at = clock.now()
    method.save()
    with pytest.raises(Conflict):
        actions.send_test(method.pk, actor=SYSTEM)
