"""Escalation policies: our steps as PagerDuty's rules.

A step may say more here than a rule can (conditions, tiers, several acknowledgements, targets of other kinds). That is
kept when a rule comes back by its id; only what differs from what was shown is changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tocsin.api.pagerduty import fields, services, teams, users
from tocsin.api.pagerduty.asking import Answer, Asked, number_of
from tocsin.api.pagerduty.errors import Refused
from tocsin.escalation import actions
from tocsin.escalation import queries as escalation
from tocsin.escalation.rules import PolicySpec, StepSpec, Target
from tocsin.oncall import queries as oncall
from tocsin.people import queries as people

NO_POLICY = 5001
MOST_RULES, MOST_TARGETS, MOST_LOOPS = 50, 10, 20
STRATEGIES = ("assign_to_everyone", "round_robin")
_MINUTE = 60
_PLACES = 6  # bits of a rule's number that tell its place


def page(policy_id: int) -> str:
    """The path of a policy's page."""
    return f"/policies/{policy_id}/"


def reference(asked: Asked, policy_id: int | None, name: str) -> dict[str, Any] | None:
    """A policy, named only."""
    return asked.reference("escalation_policy", policy_id, name, page=page(policy_id or 0))


def minutes(seconds: int) -> int:
    """How long a step waits, as PagerDuty counts: whole minutes, never less than it is."""
    return -(-seconds // _MINUTE)


def rule_number(policy_id: int, position: int) -> int:
    """The number of a rule: its policy's and its place, because steps are written anew with every change."""
    return policy_id << _PLACES | position


class Shapes:
    """What the policies of a page need besides their rows, loaded at once."""

    def __init__(self, asked: Asked, rows: Sequence[Any]) -> None:
        self.asked = asked
        self.rows = rows
        of = [Target.from_json(one) for row in rows for step in row.steps.all() for one in step.targets]
        self.names = escalation.names(of)
        self.users: dict[int, dict[str, Any]] = {}
        if asked.includes("targets"):
            self.users = users.by_id(asked, {one.id for one in of if one.kind == "user"})
        self.services: dict[int, list[dict[str, Any]]] = {row.pk: [] for row in rows}
        used = services.of_policies(asked, self.services)
        whole = services.shapes(asked, used) if asked.includes("services") else []
        for index, one in enumerate(used):
            self.services[one.policy_id].append(whole[index] if whole else services.reference(asked, one.pk, one.name))

    def target(self, target: Target) -> dict[str, Any] | None:
        """A target as a reference; None when PagerDuty has no word for it."""
        name = self.names.get(target.subject, "")
        if target.kind == "user":
            if whole := self.users.get(target.id):
                return whole
            return self.asked.reference("user", target.id, name, page=users.page(target.id))
        if target.kind == "schedule":
            return self.asked.reference("schedule", target.id, name, page=f"/on-call/{target.id}/")
        return teams.reference(self.asked, target.id, name) if target.kind == "team" else None

    def rule(self, row: Any, step: Any) -> dict[str, Any]:
        """A step as a rule."""
        number = rule_number(row.pk, step.position)
        found = (self.target(Target.from_json(one)) for one in step.targets)
        return {
            "id": self.asked.thing("escalation_rule", number, "")["id"],
            "escalation_delay_in_minutes": minutes(step.wait_s),
            "targets": [one for one in found if one],
            "escalation_rule_assignment_strategy": {"type": STRATEGIES[step.rotate]},
        }

    def policy(self, row: Any) -> dict[str, Any]:
        """A policy."""
        return self.asked.thing("escalation_policy", row.pk, row.name, page=page(row.pk)) | {
            "name": row.name,
            "description": row.description or None,
            "num_loops": row.repeats,
            "on_call_handoff_notifications": "if_has_services",
            "escalation_rules": [self.rule(row, step) for step in row.steps.all()],
            "services": self.services[row.pk],
            "teams": teams.owners(self.asked, row),
        }


def shapes(asked: Asked, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Policies, with their steps and teams loaded already."""
    made = Shapes(asked, rows)
    return [made.policy(row) for row in rows]


def by_id(asked: Asked, policy_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Whole policies by id, a constant number of queries."""
    rows = list(escalation.policies(asked.actor).filter(pk__in=set(policy_ids)))
    return dict(zip([row.pk for row in rows], shapes(asked, rows), strict=True))


def found(asked: Asked, policy: str) -> Any:
    """The policy of an id in an address. Raises Refused."""
    number = fields.number("escalation_policy", policy, code=NO_POLICY)
    row = escalation.policies(asked.actor).filter(pk=number).first()
    if row is None:
        raise Refused(404, code=NO_POLICY)
    return row


def paging(schedule_ids: Iterable[int]) -> dict[int, list[tuple[int, str]]]:
    """(id, name) of the policies that page schedules, by schedule."""
    return escalation.paging_schedules(schedule_ids)


def slug_of(asked: Asked, value: object, name: str = "escalation_policy") -> str:
    """The slug of the policy that a body names. Raises Refused."""
    number = number_of("escalation_policy", value, name)
    row = escalation.policies(asked.actor).filter(pk=number).first()
    if row is None:
        raise fields.wrong(name, "Escalation Policy Not Found", code=1014)
    return str(row.slug)


def listed(asked: Asked) -> Answer:
    """Policies by name."""
    by = asked.query.get("sort_by") or "name"
    if by not in ("name", "name:asc", "name:desc"):
        raise Refused(400, ["sort_by: name, name:asc or name:desc"], code=2002)
    rows = escalation.policies(asked.actor, asked.query.get("query", ""))
    if asked.many("team_ids"):
        rows = rows.filter(team_id__in=asked.numbers("team_ids", "team"))
    if asked.many("user_ids"):
        rows = escalation.naming_people(rows, asked.numbers("user_ids", "user"))
    return asked.listed(
        "escalation_policies",
        rows.order_by("-name" if by.endswith("desc") else "name", "pk"),
        lambda page: shapes(asked, page),
    )


def told(asked: Asked, policy: str) -> Answer:
    """One policy."""
    return Answer({"escalation_policy": shapes(asked, [found(asked, policy)])[0]})


def _key(asked: Asked, given: list[dict[str, Any]], name: str) -> list[str]:
    """Targets that a body names, by natural keys. Raises Refused."""
    numbers: dict[str, list[int]] = {"user": [], "schedule": [], "team": []}
    order: list[tuple[str, int]] = []
    for one in given:
        kind = fields.kind_of(one) or "user"
        if kind not in numbers:
            raise fields.wrong(name, "users and schedules")
        number = number_of(kind, one, name)
        numbers[kind].append(number)
        order.append((kind, number))
    keys: dict[tuple[str, int], str] = {}
    if numbers["user"]:
        keys |= {("user", pk): row.email for pk, row in users.known(asked, numbers["user"], name).items()}
    keys |= {("schedule", pk): slug for pk, slug in oncall.slugs(numbers["schedule"]).items()}
    owned = people.teams(asked.actor).filter(pk__in=numbers["team"]).prefetch_related(None)
    keys |= {("team", row.pk): row.slug for row in owned}
    if unknown := next((one for one in order if one not in keys), None):
        raise fields.wrong(name, f"there is no such {unknown[0]}")
    return [f"{kind}:{keys[kind, number]}" for kind, number in order]


def _turns(value: object) -> bool:
    kind = value.get("type") if isinstance(value, dict) else value
    if kind not in STRATEGIES:
        raise fields.wrong("escalation_rule_assignment_strategy", f"one of {', '.join(STRATEGIES)}")
    return kind == "round_robin"


def _step(asked: Asked, given: dict[str, Any], name: str, old: StepSpec | None, shown: dict[str, Any]) -> StepSpec:
    """A rule as a step; what is as it was shown stays as it is."""
    step = old or StepSpec([])
    targets = fields.objects(given, "targets", MOST_TARGETS)
    if "targets" in given or old is None:
        if not targets:
            raise fields.wrong(f"{name}.targets", "at least one user or schedule")
        have = [one["id"] for one in shown.get("targets", ())]
        if [one.get("id") for one in targets] != have:
            beyond = [one for one in step.targets if not one.startswith(("user:", "schedule:", "team:"))]
            step = replace(step, targets=[*_key(asked, targets, f"{name}.targets"), *beyond])
    if "escalation_delay_in_minutes" in given or old is None:
        wait = fields.whole(given, "escalation_delay_in_minutes", 0 if old else 1, 10_080)
        if wait != shown.get("escalation_delay_in_minutes"):
            step = replace(step, wait_s=wait * _MINUTE)
    if given.get("escalation_rule_assignment_strategy") is not None:
        rotate = _turns(given["escalation_rule_assignment_strategy"])
        if rotate and step.acks != 1:
            raise fields.wrong(f"{name}.escalation_rule_assignment_strategy", "several people have to acknowledge here")
        step = replace(step, rotate=rotate)
    return step


def _steps(asked: Asked, given: fields.Given, old: PolicySpec, row: Any) -> list[StepSpec]:
    rules = fields.objects(given, "escalation_rules", MOST_RULES)
    if not rules:
        raise fields.wrong("escalation_rules", "at least one rule")
    shown = shapes(asked, [row])[0]["escalation_rules"] if row is not None else []
    places = {one["id"]: place for place, one in enumerate(shown)}
    made = []
    for index, one in enumerate(rules):
        place = places.get(str(one.get("id") or ""))
        stored = None if place is None else old.steps[place]
        made.append(_step(asked, one, f"escalation_rules.{index}", stored, {} if place is None else shown[place]))
    return made


def _spec(asked: Asked, given: fields.Given, old: PolicySpec, row: Any = None) -> PolicySpec:
    fields.usual(given, "on_call_handoff_notifications", "if_has_services", "always",
                 instead="if_has_services; whoever goes on call is reminded either way")  # fmt: skip
    spec = replace(
        old,
        name=fields.needed(given, "name", 120, old.name),
        description=fields.text(given, "description", 10_000, old.description),
        repeats=fields.whole(given, "num_loops", 0, MOST_LOOPS, old.repeats),
    )
    if "escalation_rules" in given or row is None:
        spec = replace(spec, steps=_steps(asked, given, old, row))
    if given.get("teams") is not None:
        spec = replace(spec, team=teams.slug_of(asked, fields.one_team(given)))
    return spec


_NAMES = {"steps": "escalation_rules", "repeats": "num_loops"}


def create(asked: Asked) -> Answer:
    """A new policy."""
    given = asked.given("escalation_policy")
    with fields.taken("Name has already been taken"), fields.naming(**_NAMES):
        row = actions.save_policy(_spec(asked, given, PolicySpec("", [])), actor=asked.actor)
    return Answer({"escalation_policy": by_id(asked, [row.pk])[row.pk]}, 201)


def update(asked: Asked, policy: str) -> Answer:
    """Change what is named of a policy."""
    given, row = asked.given("escalation_policy"), found(asked, policy)
    old = escalation.export_policies([row.pk])[0]
    with fields.taken("Name has already been taken"), fields.naming(**_NAMES):
        actions.save_policy(_spec(asked, given, old, row), actor=asked.actor, id=row.pk)
    return Answer({"escalation_policy": by_id(asked, [row.pk])[row.pk]})


def delete(asked: Asked, policy: str) -> Answer:
    """Remove a policy that no service uses."""
    actions.delete_policies([found(asked, policy).pk], actor=asked.actor)
    return Answer(None, 204)


ROUTES = (
    ("GET", "/escalation_policies", listed),
    ("POST", "/escalation_policies", create),
    ("GET", "/escalation_policies/{id}", told),
    ("PUT", "/escalation_policies/{id}", update),
    ("DELETE", "/escalation_policies/{id}", delete),
)
