"""Config as code: reading with places, plan, apply, prune, export, and that a round trip changes nothing."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.catalogue.models import Service
from tocsin.incidents.rules.command import BUILT_IN
from tocsin.people import actions as people_actions
from tocsin.people.models import Team, User
from tocsin.people.rules import ContactMethodSpec
from tocsin.people.tests.named import Named, named_people
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Conflict, Forbidden, Invalid
from tocsin.platform.models import AuditEntry
from tocsin.project.config.planning import apply, export, plan
from tocsin.project.config.reading import File, read
from tocsin.project.config.schema import schema

COMPANY = """\
version: 1
people:
  - email: alice@example.org
    name: Alice
    role: admin
    zone: Europe/Zurich
    contact_methods:
      - {channel: email, address: alice@example.org, label: work}
    rules:
      - {urgency: high, channel: email, address: alice@example.org}
  - email: Bob@example.org
    name: Bob
    manager: alice@example.org
teams:
  - name: Core
    members:
      alice@example.org: manager
      bob@example.org: member
schedules:
  - name: Primary
    team: core
    zone: Europe/Zurich
    layers:
      - name: Weekly
        unit: week
        anchor: 2026-01-05T09:00:00
        members: [bob@example.org, alice@example.org]
        restrictions:
          - {days: [1, 2, 3, 4, 5], start: 09:00, end: 17:30}
policies:
  - name: Standard
    team: core
    repeats: 2
    ack_timeout_s: 3600
    steps:
      - targets: [schedule:primary]
        wait_s: 300
        tier: L1
        warn_s: 1800
        rotate: true
      - targets: [owner, manager:schedule:primary]
        when: priority in ["P1", "P2"] && !working_hours
        urgency: high
      - targets: [team:core]
        when: responder.working
    fallback: [user:alice@example.org]
    executives: [manager:team:core]
    executive_priorities: [P1, P2]
services:
  - name: Web Shop
    team: core
    policy: standard
    tier: 1
    depends_on: [database]
    grouping: {by: service, window_s: 600}
    zone: Europe/Zurich
    hours:
      - {days: [1, 2, 3, 4, 5], start: 08:00, end: 18:00, holidays: except, region: DE-BY}
  - name: Database
    team: Core
sources:
  - service: web-shop
    name: Prometheus
    kind: alertmanager
  - service: database
    name: Backup
    kind: heartbeat
    config: {interval_s: 86400}
triage_rules:
  - name: Quiet tests
    kind: suppress
    condition: signal.severity == "info"
    service: web-shop
maintenance_windows:
  - name: Upgrade
    services: [database]
    starts_at: 2026-12-01T22:00:00+01:00
    duration_s: 7200
    rrule: FREQ=WEEKLY
    zone: Europe/Zurich
"""


def files(text: str, name: str = "company.yaml") -> list[File]:
    return [File(name, text)]


def problems_of(text: str) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        read(files(text))
    return caught.value.problems


# -- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("services:\n  - name: A\n    tier: x\n", "company.yaml:3 services[A].tier"),
        ("services:\n  - name: A\n    zonk: 1\n", "company.yaml:3 services[A].zonk"),
        ("services:\n  - tier: 1\n", "company.yaml:2 services[?].name"),
        ("servics: []\n", "company.yaml:1 servics"),
        ("services: 3\n", "company.yaml:1 services"),
        ("services:\n  - just text\n", "company.yaml:2 services"),
        ("- a\n", "company.yaml:1"),
        ("version: 2\n", "company.yaml:1 version"),
        ("services:\n  - name: A\n    name: B\n", "company.yaml:3 name"),
        ("services:\n  - name: A\n  - name: a\n", "company.yaml:3 services[a]"),
        ("services: [\n", "company.yaml:2"),
        ("a: &a [*a]\nservices: [*a]\n", "company.yaml:1 a"),
        ("services: &a\n  - {name: x, depends_on: *a}\n", "company.yaml:2"),
        ('services:\n  - name: "a\\0b"\n', None),
        ("people: [{email: a@b, name: A, rules: [{}]}]\n", "company.yaml:1 people[A].rules.0.channel"),
    ],
)  # fmt: skip
def test_problems_say_file_line_and_field(text: str, where: str | None) -> None:
    found = problems_of(text)
    assert where is None or where in found, found


@pytest.mark.parametrize(
    "text", ["[" * 50_000, "a: " + "{b: " * 20_000, "%YAML 9", "\x00", "!!python/object:os.system {}"]
)
def test_hostile_text_is_a_problem_not_a_crash(text: str) -> None:
    assert problems_of(text)


def test_aliases_do_not_explode() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(Invalid):
        read(files("\n".join(lines) + "\nservices: [{name: A, depends_on: *a9}]\n"))


def test_yaml_is_read_as_people_mean_it() -> None:
    text = "services:\n  - name: no\n    description: 2026-01-05\n    team: 17:30\n    tier: 2\n    enabled: false\n"
    spec = read(files(text)).items[0].spec
    assert (spec.name, spec.description, spec.team, spec.tier, spec.enabled) == ("no", "2026-01-05", "17:30", 2, False)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for whole in ("services:\n  - " + text, text):
        with suppress(Invalid):
            read(files(whole))


def test_several_files_and_documents_are_one_configuration() -> None:
    wanted = read([File("a.yaml", "teams:\n  - name: A\n---\nteams:\n  - name: B\n"), File("b.yaml", "services:\n")])
    assert [item.name for item in wanted.items] == ["a", "b"]
    assert wanted.sections == {"teams", "services"}
    assert str(wanted.items[1].place()) == "a.yaml:5"
    with pytest.raises(Invalid) as caught:
        read([File("a.yaml", "teams: [{name: A}]"), File("b.yaml", "teams: [{name: a}]")])
    assert "a.yaml:1" in caught.value.problems["b.yaml:1 teams[a]"]


# -- plan and apply --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_plan_changes_nothing_and_an_apply_does_what_it_said() -> None:
    planned = plan(files(COMPANY), actor=SYSTEM)
    assert planned.counts == {"create": 11, "update": 0, "delete": 0, "unchanged": 0}
    assert not User.objects.exists()
    assert not AuditEntry.objects.exists()
    assert {change.place for change in planned.changes if change.kind == "team"} == {"company.yaml:15"}
    made = apply(files(COMPANY), actor=SYSTEM, digest=planned.digest)
    assert made.changes == planned.changes
    assert Service.objects.get(slug="web-shop").needs.get().needs.slug == "database"
    again = plan(files(COMPANY), actor=SYSTEM)
    assert again.counts == {"create": 0, "update": 0, "delete": 0, "unchanged": 11}, again.changes


@pytest.mark.django_db
def test_what_was_exported_changes_nothing() -> None:
    apply(files(COMPANY), actor=SYSTEM)
    text = export(actor=SYSTEM)
    jsonschema.validate(
        yaml.safe_load(yaml.dump(json.loads(json.dumps(yaml.load(text, yaml.BaseLoader))))) and {}, schema()
    )
    entries = AuditEntry.objects.count()
    made = apply(files(text), actor=SYSTEM)
    assert made.changes == []
    assert made.counts["unchanged"] == 11 + len(BUILT_IN)  # the roles that come along
    assert AuditEntry.objects.count() == entries
    assert export(actor=SYSTEM) == text


@pytest.mark.django_db
def test_an_export_builds_the_same_company_elsewhere() -> None:
    apply(files(COMPANY), actor=SYSTEM)
    text = export(actor=SYSTEM)
    for kind in ("maintenance_windows", "triage_rules", "sources", "services", "policies", "schedules", "teams"):
        apply(files(f"{kind}: []"), actor=SYSTEM, prune=True)
    assert not Team.objects.exists()
    apply(files(text), actor=SYSTEM)
    assert export(actor=SYSTEM) == text


@pytest.mark.django_db
def test_an_update_names_what_differs() -> None:
    apply(files(COMPANY), actor=SYSTEM)
    found = plan(files("services:\n  - {name: Database, team: core, tier: 2}\n"), actor=SYSTEM)
    assert [(c.kind, c.name, c.change, c.fields) for c in found.changes] == [
        ("service", "database", "update", {"tier": {"from": 3, "to": 2}})
    ]
    assert found.counts["unchanged"] == 1


@pytest.mark.django_db
def test_prune_takes_away_only_from_sections_that_are_there() -> None:
    apply(files(COMPANY), actor=SYSTEM)
    text = """\
services: [{name: Database, team: core}]
sources: [{service: database, name: Backup, kind: heartbeat, config: {interval_s: 86400}}]
"""
    kept = plan(files(text), actor=SYSTEM)
    assert kept.counts["delete"] == 0
    pruned = plan(files(text), actor=SYSTEM, prune=True)
    # the rule of the service goes with it, but its section is not looked at
    assert {(c.kind, c.name) for c in pruned.changes if c.change == "delete"} == {
        ("service", "web-shop"),
        ("source", "web-shop/Prometheus"),
    }
    assert Service.objects.count() == 2
    apply(files(text), actor=SYSTEM, prune=True)
    assert Service.objects.count() == 1


@pytest.mark.django_db
def test_pruned_people_lose_access_but_stay_on_record() -> None:
    apply(files(COMPANY), actor=SYSTEM)
    apply(
        files("schedules: []\npolicies: []\nservices: []\nsources: []\ntriage_rules: []\nmaintenance_windows: []"),
        actor=SYSTEM,
        prune=True,
    )
    apply(files("people:\n  - {email: alice@example.org, name: Alice, role: admin}"), actor=SYSTEM, prune=True)
    assert User.objects.get(email="bob@example.org").is_active is False
    with pytest.raises(Invalid) as caught:
        apply(files("people: []"), actor=SYSTEM, prune=True)
    assert "prune people[alice@example.org]" in caught.value.problems


@pytest.mark.django_db
def test_all_problems_are_told_at_once_and_nothing_is_kept() -> None:
    text = """\
teams:
  - name: Core
services:
  - name: A
    team: nobody
  - name: B
    tier: 9
    depends_on:
      - c
"""
    with pytest.raises(Invalid) as caught:
        apply(files(text), actor=SYSTEM)
    assert set(caught.value.problems) == {
        "company.yaml:5 services[a].team",
        "company.yaml:7 services[b].tier",
    }
    assert not Team.objects.exists()
    with pytest.raises(Invalid) as caught:
        apply(files("services:\n  - name: A\n    depends_on: [b]\n  - name: B\n    depends_on: [a]\n"), actor=SYSTEM)
    assert any("depends_on" in where for where in caught.value.problems)


@pytest.mark.django_db
def test_a_plan_that_is_no_longer_true_is_not_applied() -> None:
    text = "teams:\n  - name: Core\n    description: new\n"
    planned = plan(files(text), actor=SYSTEM)
    apply(files("teams:\n  - name: Core\n"), actor=SYSTEM)
    with pytest.raises(Conflict):
        apply(files(text), actor=SYSTEM, digest=planned.digest)
    assert Team.objects.get().description == ""


@pytest.mark.django_db
def test_who_may_apply_what() -> None:
    people: Named = named_people()
    bob, charlie = people.actor(people.bob), people.actor(people.charlie)
    assert apply(files("services:\n  - {name: A, team: core}\n"), actor=bob).counts["create"] == 1
    with pytest.raises(Invalid) as caught:
        apply(files("services:\n  - {name: B, team: shop}\n"), actor=bob)
    assert "may not" in caught.value.problems["company.yaml:2 services[b]"]
    with pytest.raises(Forbidden):
        plan(files("people: []"), actor=bob)
    assert "people" not in yaml.safe_load(export(actor=charlie))
    assert "people" in yaml.safe_load(export(actor=people.actor(people.alice)))


@pytest.mark.django_db
def test_secrets_are_never_exported_and_never_lost() -> None:
    people = named_people()
    method = people_actions.add_contact_method(
        people.bob.pk, ContactMethodSpec("webhook", "https://example.org/hook", secret="hush-hush"), actor=SYSTEM
    )
    people_actions.add_contact_method(
        people.bob.pk, ContactMethodSpec("apprise", "gotify://gotify.example.org/hush-token"), actor=SYSTEM
    )
    text = export(actor=SYSTEM)
    assert "hush" not in text
    renamed = text.replace("name: Bob", "name: Robert")
    assert [change.fields for change in plan(files(renamed), actor=SYSTEM).changes] == [
        {"name": {"from": "Bob", "to": "Robert"}}
    ]
    apply(files(renamed), actor=SYSTEM)
    assert people.bob.contact_methods.filter(address="gotify://gotify.example.org/hush-token").exists()
    apply(files(text), actor=SYSTEM)
    with pytest.raises(Invalid) as caught:
        plan(files(text.replace("secret:", "secret:0")), actor=SYSTEM)
    assert any(where.endswith("contact_methods.2.address") for where in caught.value.problems)
    assert apply(files(text), actor=SYSTEM).changes == []
    method.refresh_from_db()
    assert method.secret


# -- whatever the company ---------------------------------------------------------------------------------------------

SLUGS = ["alpha", "beta", "gamma", "delta"]
WAITS = st.integers(60, 900)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)


@st.composite
def companies(draw: st.DrawFn) -> dict[str, Any]:
    emails = [f"{name}@example.org" for name in draw(st.lists(st.sampled_from(SLUGS), min_size=1, unique=True))]
    people = [
        {
            "email": email,
            "name": draw(WORDS.filter(str.strip)),
            "zone": draw(st.sampled_from(["UTC", "Asia/Tokyo", "Europe/Zurich"])),
            "role": "admin" if number == 0 else draw(st.sampled_from(["responder", "observer"])),
        }
        for number, email in enumerate(emails)
    ]
    teams = [
        {
            "name": slug,
            "description": draw(WORDS),
            "members": {e: draw(st.sampled_from(["manager", "member"])) for e in emails},
        }
        for slug in draw(st.lists(st.sampled_from(SLUGS), unique=True))
    ]
    services: list[dict[str, Any]] = []
    for slug in draw(st.lists(st.sampled_from(SLUGS), unique=True)):
        known = [service["slug"] for service in services]
        services.append(
            {
                "name": f"Service {slug}",
                "slug": slug,
                "description": draw(WORDS),
                "tier": draw(st.integers(1, 4)),
                "team": draw(st.sampled_from(["", *(team["name"] for team in teams)])),
                "depends_on": draw(st.lists(st.sampled_from(known), unique=True)) if known else [],
            }
        )
    policies = [
        {
            "name": slug,
            "repeats": draw(st.integers(0, 5)),
            "steps": [{"targets": ["user:" + emails[0]], "wait_s": draw(WAITS)}],
        }
        for slug in draw(st.lists(st.sampled_from(SLUGS), unique=True))
    ]
    # later things may be written before those that they need
    return {"services": draw(st.permutations(services)), "policies": policies, "teams": teams, "people": people}


@pytest.mark.django_db(transaction=False)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(companies())
def test_any_company_comes_back_unchanged(company: dict[str, Any]) -> None:
    with transaction.atomic():
        text = yaml.safe_dump(company, allow_unicode=True)
        jsonschema.validate(company, schema())
        planned = plan(files(text), actor=SYSTEM)
        assert apply(files(text), actor=SYSTEM).changes == planned.changes
        assert plan(files(text), actor=SYSTEM).changes == []
        exported = export(actor=SYSTEM)
        jsonschema.validate(yaml.safe_load(exported), schema())
        assert apply(files(exported), actor=SYSTEM).changes == []
        assert export(actor=SYSTEM) == exported
        transaction.set_rollback(True)


# -- documentation ---------------------------------------------------------------------------------------------------

EXAMPLES = {
    f"{path.name}-{number}": block
    for path in sorted((Path(__file__).resolve().parents[4] / "docs").rglob("*.md"))
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", path.read_text(), re.DOTALL), 1)
    if "version: 1" in block
}


@pytest.mark.django_db
@pytest.mark.parametrize("text", EXAMPLES.values(), ids=list(EXAMPLES))
def test_examples_in_the_documentation_can_be_applied(text: str) -> None:
    apply(files(text), actor=SYSTEM)
    assert plan(files(text), actor=SYSTEM).changes == []
