from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.catalogue import actions, queries, rules
from tocsin.catalogue.models import Change, Service
from tocsin.catalogue.rules import ChangeSpec, ServiceSpec
from tocsin.oncall.rules import RestrictionSpec
from tocsin.people.tests.named import Named, named_people
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Conflict, Forbidden, Invalid, NotFound
from tocsin.platform.models import AuditEntry

GRAPHS = st.dictionaries(st.integers(0, 8), st.lists(st.integers(0, 8), max_size=4), max_size=9)


def _closure(edges: dict[int, list[int]], start: int) -> set[int]:
    found: set[int] = set()
    waiting = list(edges.get(start, []))
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting.extend(edges.get(here, []))
    return found


@given(GRAPHS)
def test_a_cycle_is_found_exactly_when_something_reaches_itself(edges: dict[int, list[int]]) -> None:
    found = rules.cycle(edges)
    assert bool(found) == any(node in _closure(edges, node) for node in edges)
    if found:
        assert found[0] == found[-1]
        assert all(there in edges[here] for here, there in pairwise(found))


@given(GRAPHS, st.integers(0, 8))
def test_reach_is_the_closure_with_shortest_steps(edges: dict[int, list[int]], start: int) -> None:
    found = rules.reach(start, edges)
    assert set(found) == _closure(edges, start) - {start}
    for node, steps in found.items():
        before = [here for here, theres in edges.items() if node in theres]
        assert steps == 1 + min(
            0 if here == start else found[here] for here in before if here == start or here in found
        )


def test_a_deep_chain_does_not_exhaust_the_stack() -> None:
    chain = {n: [n + 1] for n in range(20_000)}
    assert rules.cycle(chain) == []
    assert len(rules.reach(0, chain)) == 20_000


def test_problems_name_the_field() -> None:
    wrong = ServiceSpec("", "7", tier=5, impact="huge", auto_resolve_s=1, runbook_url="javascript:alert(1)")
    assert set(rules.check_service(wrong)) == {"name", "slug", "tier", "impact", "auto_resolve_s", "runbook_url"}


@given(st.text(), st.integers())
def test_any_text_is_judged_without_an_exception(text: str, number: int) -> None:
    rules.check_service(ServiceSpec(text, text, text, tier=number, auto_resolve_s=number, runbook_url=text))


@pytest.fixture
def people(db: None) -> Named:
    return named_people()


def add(name: str, *depends_on: str, team: str = "") -> Service:
    return actions.save_service(ServiceSpec(name, team=team, depends_on=list(depends_on)), actor=SYSTEM)


def test_a_service_is_found_by_name_slug_and_id_in_any_case(people: Named) -> None:
    shop = add("Web Shop", team="core")
    assert shop.slug == "web-shop"
    for ref in ("web-shop", "WEB-SHOP", "web shop", str(shop.pk)):
        assert queries.service(SYSTEM, ref) == shop
    with pytest.raises(NotFound):
        queries.service(SYSTEM, "nothing")
    with pytest.raises(Conflict):
        add("web shop")


def test_a_circle_is_refused_and_named(people: Named) -> None:
    database = add("Database")
    add("Cart", "database")
    add("Shop", "Cart")
    with pytest.raises(Invalid) as caught:
        actions.save_service(ServiceSpec("Database", depends_on=["shop"]), actor=SYSTEM, id=database.pk)
    assert caught.value.problems["depends_on"] == "no circle: Database needs Shop needs Cart needs Database"
    assert not database.needs.exists()


def test_the_blast_radius_has_everything_that_needs_it(people: Named) -> None:
    database = add("Database")
    add("Cart", "database")
    add("Shop", "cart")
    add("Blog")
    around = queries.neighbourhood(SYSTEM, database.pk)
    assert [(r.service.name, r.steps) for r in around.blast_radius] == [("Cart", 1), ("Shop", 2)]
    assert [s.name for s in around.needed_by] == ["Cart"]
    assert around.needs == []


def test_only_those_who_may_configure(people: Named) -> None:
    core = add("Core thing", team="core")
    other = add("Shop thing", team="shop")
    bob = people.actor(people.bob)  # manages core
    actions.save_service(ServiceSpec("Core thing", team="core", tier=1), actor=bob, id=core.pk)
    with pytest.raises(Forbidden):
        actions.save_service(ServiceSpec("Shop thing", team="core"), actor=bob, id=other.pk)
    with pytest.raises(Forbidden):
        actions.save_service(ServiceSpec("New", team="shop"), actor=bob)
    with pytest.raises(Forbidden):
        actions.delete_services([other.pk], actor=bob)
    with pytest.raises(Forbidden):
        actions.save_service(ServiceSpec("New"), actor=people.actor(people.charlie))
    assert actions.delete_services([core.pk], actor=bob) == 1


def test_unknown_names_are_problems(people: Named) -> None:
    with pytest.raises(Invalid) as caught:
        actions.save_service(
            ServiceSpec("X", team="none", policy="none", grouping={"by": "mood"}), actor=people.actor(people.alice)
        )
    assert set(caught.value.problems) == {"team", "policy", "grouping.by"}
    with pytest.raises(Invalid) as caught:
        add("X", "nowhere")
    assert set(caught.value.problems) == {"depends_on.0"}


def test_saving_what_was_exported_changes_nothing(people: Named) -> None:
    add("Database")
    add("Cart", "database", team="core")
    entries = AuditEntry.objects.count()
    for spec in queries.export_services():
        actions.save_service(spec, actor=SYSTEM, id=queries.service(SYSTEM, spec.slug).pk)
        actions.save_service(replace(spec, depends_on=None), actor=SYSTEM, id=queries.service(SYSTEM, spec.slug).pk)
    assert AuditEntry.objects.count() == entries


def test_changes_are_kept_newest_first(people: Named) -> None:
    service = add("Cart")
    moment = clock.now()
    specs = [
        ChangeSpec(service.pk, moment - timedelta(hours=1), "Deploy 41"),
        ChangeSpec(service.pk, moment, "Deploy 42", links=[{"href": "https://ci.example/42", "text": "build"}]),
        ChangeSpec(None, moment, "x" * 5000),
    ]
    assert actions.record_changes(specs, actor=SYSTEM) == 3
    assert [c.summary for c in queries.changes(SYSTEM, service_id=service.pk)] == ["Deploy 42", "Deploy 41"]
    assert Change.objects.get(service=None).summary == "x" * 1024
    with pytest.raises(Forbidden):
        actions.record_changes(specs, actor=people.actor(people.charlie))
    with pytest.raises(Invalid):
        actions.record_changes([replace(specs[0], summary=" ")], actor=SYSTEM)


@pytest.mark.parametrize(
    ("text", "days", "again"),
    [
        ("Mon-Fri 09:00-17:00", [1, 2, 3, 4, 5], "Mon-Fri 09:00-17:00"),
        ("monday, wed 8:00", None, ""),
        ("Mon,Wed-Thu, Sun 22:00 - 06:00", [1, 3, 4, 7], "Mon,Wed-Thu,Sun 22:00-06:00"),
        ("Fri-Mon 00:00-24:00", [1, 5, 6, 7], "Mon,Fri-Sun 00:00-24:00"),
        ("10:00-12:00", [1, 2, 3, 4, 5, 6, 7], "Mon-Sun 10:00-12:00"),
        ("Sat 10:00-14:00 except holidays de-by", [6], "Sat 10:00-14:00 except holidays DE-BY"),
        ("Mon-Fry 10:00-14:00", None, ""),
    ],
)
def test_working_hours_are_typed_and_told(text: str, days: list[int] | None, again: str) -> None:
    if days is None:
        with pytest.raises(Invalid) as refused:
            rules.hours_of(text)
        assert "line 1" in refused.value.problems["hours"]
        return
    (window,) = rules.hours_of(text)
    assert window.days == days
    assert rules.hours_text([window]) == again
    assert rules.hours_of(again) == [window]


@pytest.mark.django_db
def test_zone_and_hours_are_kept_and_come_back() -> None:
    spec = ServiceSpec("Shop", zone="Europe/Berlin", hours=rules.hours_of("Mon-Sat 08:00-20:00"))
    row = actions.save_service(spec, actor=SYSTEM)
    again = queries.spec_of(row)
    assert (again.zone, again.hours) == (spec.zone, spec.hours)
    actions.save_service(again, actor=SYSTEM, id=row.pk)
    assert AuditEntry.objects.filter(kind="service").count() == 1
    for wrong, field in (
        (replace(spec, zone="Mars/Base"), "zone"),
        (replace(spec, hours=[RestrictionSpec([9], "25:00", "17:00")]), "hours.0.start"),
    ):
        with pytest.raises(Invalid) as refused:
            actions.save_service(wrong, actor=SYSTEM, id=row.pk)
        assert field in refused.value.problems


def test_a_service_may_keep_its_incidents_confidential(people: Named) -> None:
    alice = people.actor(people.alice)
    made = actions.save_service(ServiceSpec("Vault", confidential=True), actor=alice)
    assert queries.spec_of(made).confidential
    actions.save_service(ServiceSpec("Vault"), actor=alice, id=made.pk)
    made.refresh_from_db()
    assert not made.confidential
    changed = AuditEntry.objects.latest("id")
    assert ((changed.before or {})["confidential"], (changed.after or {})["confidential"]) == (True, False)
