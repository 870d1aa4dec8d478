"""What others read of delivery."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, LiteralString

import pytest

from tocsin.delivery import actions, queries
from tocsin.delivery.contract import Accepted, Rejected
from tocsin.delivery.rules import Settled
from tocsin.delivery.tests.conftest import World
from tocsin.people.queries import actor_of
from tocsin.platform import clock, prepared
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Forbidden

pytestmark = pytest.mark.django_db


def test_composing_takes_three_queries_for_any_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [world.person(name) for name in ("Ada", "Grace", "Linus")]
    methods = [world.method(user, secret="shh") for user in people]
    for _ in range(5):
        incident = world.incident()
        for user, method in zip(people, methods, strict=True):
            world.enqueue(world.page(incident, user, kind="manual", why="asked"), [method])
    claimed = actions.claim()
    asked: list[str] = []
    fetch = prepared.fetch

    def count(statement: LiteralString, parameters: Sequence[object], *, few: bool = True) -> list[tuple[Any, ...]]:
        asked.append(statement)
        return fetch(statement, parameters, few=few)

    monkeypatch.setattr(prepared, "fetch", count)
    composed = queries.compose(claimed)
    assert len(asked) == 3
    assert len(composed) == 15
    message, to = composed[0]
    assert message.to == "Ada"
    assert message.others == ("Grace", "Linus")
    assert message.why == "asked"
    assert to.secret == "shh"
    assert message.loud


def test_health(world: World) -> None:
    user = world.person()
    pocket, hook = world.method(user), world.method(user, "webhook", "http://127.0.0.1:1/")
    page = world.page(world.incident(), user)
    world.enqueue(page, [pocket, hook, world.method(user), world.method(user)], [0, 0, 0, 600])
    first, second, _ = actions.claim()
    actions.settle([Settled(first, Accepted(), 0, 0), Settled(second, Rejected("HTTP 404"), 0, 0)])
    world.enqueue(world.page(world.incident(), user), [pocket])
    clock.shift(timedelta(seconds=30))
    health = queries.delivery_health()
    assert (health.sending, health.sent_last_hour, health.failed_last_hour) == (1, 1, 1)
    assert health.due == 2
    assert 30 <= health.overdue_s < 40
    by_kind = {item.kind: item for item in health.channels}
    assert by_kind["webhook"].last_problem == "HTTP 404"
    assert by_kind["email"].waiting == 0


def test_deliveries_of_pages_and_incidents(world: World) -> None:
    user = world.person()
    incident = world.incident()
    page, empty = world.page(incident, user), world.page(incident, user)
    [delivery] = world.enqueue(page, [world.method(user)])
    actions.settle([Settled(item, Accepted("r"), 0, 0) for item in actions.claim()])
    by_page = queries.of_pages(SYSTEM, [page.pk, empty.pk])
    assert [row.pk for row in by_page[page.pk]] == [delivery]
    assert [row.outcome for row in by_page[page.pk][0].attempt_rows.all()] == ["accepted"]
    assert by_page[empty.pk] == []
    assert [row.pk for row in queries.of_incidents(SYSTEM, [incident.pk])[incident.pk]] == [delivery]
    with pytest.raises(Forbidden):
        queries.of_pages(Actor("user", 1, "Nobody", scopes=frozenset()), [page.pk])


def test_addresses_are_masked_for_others(world: World) -> None:
    user, other = world.person(), world.person()
    page = world.page(world.incident(), user)
    world.enqueue(page, [world.method(user, "webhook", "https://hooks.example.org/secret/path")])
    [row] = queries.of_pages(SYSTEM, [page.pk])[page.pk]
    assert queries.shown_address(actor_of(user), row) == "https://hooks.example.org/secret/path"
    assert queries.shown_address(actor_of(other), row) == "https://hooks.example.org/…"
    assert queries.masked("email", "ada@example.org") == "a…@example.org"
    assert queries.masked("webhook", "https://user:pass@x.org/y") == "https://x.org/…"
    assert queries.masked("pocket", "abc") == "…"


def test_pocket_inbox_and_reading(world: World) -> None:
    user, other = world.person(), world.person()
    world.enqueue(world.page(world.incident(), user), [world.method(user)])
    [(message, method)] = queries.compose(actions.claim())
    actions.keep([(message, method)])
    actions.keep([(message, method)])
    [kept] = queries.pocket(actor_of(user), user.pk)
    assert queries.pocket_unread(user.pk) == 1
    assert actions.mark_read([kept.pk], actor=actor_of(other)) == 0
    assert actions.mark_read([kept.pk], actor=actor_of(user)) == 1
    assert actions.mark_read([kept.pk], actor=SYSTEM) == 0
    assert queries.pocket_unread(user.pk) == 0


def test_check_method() -> None:
    assert "channel" in queries.check_method("pigeon", "x")
    assert queries.check_method("email", "ada@example.org") == {}
    assert queries.check_method("email", "ada") == {"address": "must be an e-mail address"}
    assert queries.check_method("webhook", "https://x.org/", "s", {"authorization": "x", "resolved": False}) == {}
    assert queries.check_method("webhook", "https://x.org/", "s", {"resolved": "maybe"}) == {
        "config.resolved": "must be true or false"
    }
