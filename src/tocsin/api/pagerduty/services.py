"""Services: what of PagerDuty's settings has its place here, and what is refused."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import transaction

from tocsin.api.pagerduty import fields, hours, integrations, policies, teams
from tocsin.api.pagerduty.asking import Answer, Asked, told
from tocsin.api.pagerduty.errors import Refused
from tocsin.catalogue import actions
from tocsin.catalogue import queries as catalogue
from tocsin.catalogue.rules import MAX_AUTO_RESOLVE_S, ServiceSpec
from tocsin.escalation import actions as escalation_actions
from tocsin.escalation import queries as escalation
from tocsin.incidents import queries as incidents
from tocsin.intake import queries as intake
from tocsin.platform import clock
from tocsin.triage import queries as triage

NO_SERVICE = 5002
URGENCY = {"type": "constant", "urgency": "severity_based"}
_MAX_ACK_S = 30 * 86_400


def page(service_id: int) -> str:
    """The path of a service's page."""
    return f"/services/{service_id}/"


def reference(asked: Asked, service_id: int, name: str) -> dict[str, Any]:
    """A service, named only."""
    return asked.thing("service", service_id, name, page=page(service_id)) | {"type": "service_reference"}


def of_policies(asked: Asked, policy_ids: Iterable[int]) -> list[Any]:
    """Services that these policies page, by name."""
    return list(catalogue.services(asked.actor).filter(policy_id__in=list(policy_ids)))


def rows_by_id(asked: Asked, service_ids: Iterable[int]) -> list[Any]:
    """Services by name, with their team and policy; one query."""
    return list(catalogue.services(asked.actor).filter(pk__in=set(service_ids)))


def _in_maintenance() -> set[int]:
    """Services that are wholly quiet now; a window with a condition holds back some of their alerts only."""
    now = clock.now()
    going_on = triage.occurrences(now, now + timedelta(seconds=1))
    return {key for _, window in going_on if window.holds is None for key in window.service_ids}


def _status(row: Any, stands: incidents.OnService, kept: set[int]) -> str:
    if not row.enabled:
        return "disabled"
    if row.pk in kept:
        return "maintenance"
    return "critical" if stands.triggered else "warning" if stands.acknowledged else "active"


def shapes(asked: Asked, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Services, with their team and policy loaded already; a constant number of queries."""
    stand = incidents.on_services(asked.actor, [row.pk for row in rows])
    kept = _in_maintenance() if rows else set()
    sources: dict[int, list[Any]] = {row.pk: [] for row in rows}
    for source in intake.sources(asked.actor, service=sources) if rows else ():
        sources[source.service_id].append(source)
    whole: dict[int, dict[str, Any]] = {}
    if asked.includes("escalation_policies"):
        # without what else is included: a policy's services would come with their policies again
        plain = replace(asked, query=type(asked.query)(""))
        whole = policies.by_id(plain, {row.policy_id for row in rows if row.policy_id})
    return [
        asked.thing("service", row.pk, row.name, page=page(row.pk))
        | {
            "name": row.name,
            "description": row.description or None,
            "created_at": told(row.created_at),
            "updated_at": None,
            "status": _status(row, stand[row.pk], kept),
            "last_incident_timestamp": told(stand[row.pk].last_at),
            "auto_resolve_timeout": row.auto_resolve_s,
            "acknowledgement_timeout": row.policy.ack_timeout_s if row.policy_id else None,
            "escalation_policy": whole.get(row.policy_id or 0)
            or policies.reference(asked, row.policy_id, row.policy.name if row.policy_id else ""),
            "teams": teams.owners(asked, row),
            "integrations": [integrations.either(asked, one) for one in sources[row.pk]],
            "incident_urgency_rule": dict(URGENCY),
            "support_hours": hours.shown(row),
            "scheduled_actions": [],
            "addons": [],
            "response_play": None,
            "alert_creation": "create_alerts_and_incidents",
            **_grouping_shown(row.grouping),
            "auto_pause_notifications_parameters": {"enabled": False, "timeout": None},
        }
        for row in rows
    ]


def _grouping_shown(grouping: dict[str, Any]) -> dict[str, Any]:
    """Our grouping in PagerDuty's words; by dependencies it groups as one that knows more than time does."""
    by, window = grouping.get("by", "alert"), grouping.get("window_s", 0)
    kind: str | None = None
    config: dict[str, Any] | None = None
    old: tuple[str | None, int | None] = (None, None)
    if by == "fields":
        kind = "content_based"
        config = {"aggregate": "all", "fields": grouping.get("fields", []), "time_window": window or 86_400}
    elif by != "alert":
        kind, config = "time", {"timeout": window // 60}
        old = ("time", window // 60)
    return {
        "alert_grouping_parameters": {"type": kind, "config": config},
        "alert_grouping": old[0],
        "alert_grouping_timeout": old[1],
    }


def found(asked: Asked, service: str) -> Any:
    """The service of an id in an address. Raises Refused."""
    number = fields.number("service", service, code=NO_SERVICE)
    row = catalogue.services(asked.actor).filter(pk=number).first()
    if row is None:
        raise Refused(404, code=NO_SERVICE)
    return row


def _one(asked: Asked, service_id: int) -> dict[str, Any]:
    return shapes(asked, list(catalogue.services(asked.actor).filter(pk=service_id)))[0]


def listed(asked: Asked) -> Answer:
    """Services by name."""
    by = asked.query.get("sort_by") or "name"
    if by not in ("name", "name:asc", "name:desc"):
        raise Refused(400, ["sort_by: name, name:asc or name:desc"], code=2002)
    rows = catalogue.services(asked.actor, asked.query.get("query", ""))
    if name := asked.query.get("name"):
        rows = rows.filter(name=name)
    if asked.many("team_ids"):
        rows = rows.filter(team_id__in=asked.numbers("team_ids", "team"))
    rows = rows.order_by("-name" if by.endswith("desc") else "name", "pk")
    return asked.listed("services", rows, lambda page: shapes(asked, page))


def one(asked: Asked, service: str) -> Answer:
    """One service."""
    return Answer({"service": shapes(asked, [found(asked, service)])[0]})


def _refuse(given: fields.Given) -> None:
    """What has no counterpart."""
    rule = given.get("incident_urgency_rule")
    if rule is not None:
        if not isinstance(rule, dict) or rule.get("type", "constant") != "constant" or rule.get("urgency") == "low":
            raise fields.wrong(
                "incident_urgency_rule",
                "constant, high or severity_based: urgency comes of severity and impact; rules of triage change it",
            )
        fields.chosen(rule, "urgency", {"high": "", "severity_based": ""}, "")
    fields.usual(given, "scheduled_actions", [], instead="an empty list: no action is taken at an hour")
    fields.usual(given, "response_play", instead="null: there are no response plays")
    fields.usual(given, "alert_creation", "create_alerts_and_incidents", instead="create_alerts_and_incidents")
    pause = given.get("auto_pause_notifications_parameters")
    if isinstance(pause, dict) and pause.get("enabled"):
        raise fields.wrong("auto_pause_notifications_parameters", "disabled: flapping alerts are held by themselves")


def _auto_resolve(given: fields.Given, old: int | None) -> int | None:
    """Seconds; null and 0 are never, as Terraform writes it also in words."""
    if "auto_resolve_timeout" not in given:
        return old
    if given["auto_resolve_timeout"] in (None, 0, "null", "0"):
        return None
    return fields.whole(given, "auto_resolve_timeout", 60, MAX_AUTO_RESOLVE_S)


def _grouping(given: fields.Given, old: dict[str, Any]) -> dict[str, Any]:
    if "alert_grouping_parameters" in given:
        wanted = given["alert_grouping_parameters"] or {"type": None}
        if not isinstance(wanted, dict):
            raise fields.wrong("alert_grouping_parameters", "an object with type and config")
        kind, config = wanted.get("type"), wanted.get("config") or {}
    elif "alert_grouping" in given:
        kind, config = given["alert_grouping"], {"timeout": given.get("alert_grouping_timeout")}
    else:
        return old
    shown = _grouping_shown(old)["alert_grouping_parameters"]
    if kind == shown["type"] and (config or None) == shown["config"]:
        return old
    # what we would keep beside: when an alert that comes back reopens its incident
    kept = {"reopen_s": old["reopen_s"]} if "reopen_s" in old else {}
    if not isinstance(config, dict):
        raise fields.wrong("alert_grouping_parameters.config", "an object")
    if kind is None:
        return kept
    if kind == "time":
        minutes = fields.whole(config, "timeout", 0, 1440, 0)
        return kept | {"by": "service", "window_s": minutes * 60}
    if kind == "content_based":
        fields.usual(config, "aggregate", "all", instead="all: alerts are one incident when all fields are equal")
        window = fields.whole(config, "time_window", 300, 86_400, 86_400)
        return kept | {"by": "fields", "fields": config.get("fields") or [], "window_s": window}
    raise fields.wrong("alert_grouping_parameters.type", "time or content_based, or null")


def _spec(asked: Asked, given: fields.Given, old: ServiceSpec, *, new: bool) -> ServiceSpec:
    _refuse(given)
    spec = replace(
        old,
        name=fields.needed(given, "name", 120, old.name),
        description=fields.text(given, "description", 10_000, old.description),
        auto_resolve_s=_auto_resolve(given, old.auto_resolve_s),
        grouping=_grouping(given, old.grouping),
    )
    if given.get("status") is not None and (new or given["status"] in ("active", "disabled")):
        spec = replace(spec, enabled=fields.chosen(given, "status", {"active": "y", "disabled": ""}, "") == "y")
    if given.get("escalation_policy") is not None:
        spec = replace(spec, policy=policies.slug_of(asked, given["escalation_policy"]))
    elif new:
        raise fields.wrong("escalation_policy", "cannot be empty")
    if given.get("teams"):
        spec = replace(spec, team=teams.slug_of(asked, fields.one_team(given)))
    elif new:
        # PagerDuty's services belong to the team of their policy
        spec = replace(spec, team=escalation.export_policies([escalation.policy(asked.actor, spec.policy).pk])[0].team)
    return hours.taken(given, spec)


_NAMES = {
    "auto_resolve_s": "auto_resolve_timeout",
    "policy": "escalation_policy",
    "team": "teams",
    "grouping": "alert_grouping_parameters",
    "hours": "support_hours",
    "zone": "support_hours",
    "enabled": "status",
}


def _acknowledgement(asked: Asked, given: fields.Given, policy_ref: str, service_id: int | None) -> None:
    """The time-out is the policy's here: it is changed there, unless other services share the policy."""
    if "acknowledgement_timeout" not in given:
        return
    wanted: int | None = None
    if given["acknowledgement_timeout"] not in (None, 0, "null", "0"):
        wanted = fields.whole(given, "acknowledgement_timeout", 60, _MAX_ACK_S)
    policy = escalation.policy(asked.actor, policy_ref)
    if policy.ack_timeout_s == wanted:
        return
    others = [one.name for one in of_policies(asked, [policy.pk]) if one.pk != service_id]
    if others:
        raise fields.wrong(
            "acknowledgement_timeout",
            f"{policy.ack_timeout_s}: it is the escalation policy's, which {others[0]} uses too",
        )
    spec = replace(escalation.export_policies([policy.pk])[0], ack_timeout_s=wanted)
    escalation_actions.save_policy(spec, actor=asked.actor, id=policy.pk)


def _save(asked: Asked, given: fields.Given, old: ServiceSpec, service_id: int | None) -> int:
    spec = _spec(asked, given, old, new=service_id is None)
    with transaction.atomic(), fields.taken("Name has already been taken"), fields.naming(**_NAMES):
        row = actions.save_service(spec, actor=asked.actor, id=service_id)
        if spec.policy:
            _acknowledgement(asked, given, spec.policy, row.pk)
    return row.pk


def create(asked: Asked) -> Answer:
    """A new service."""
    service_id = _save(asked, asked.given("service"), ServiceSpec(""), None)
    return Answer({"service": _one(asked, service_id)}, 201)


def update(asked: Asked, service: str) -> Answer:
    """Change what is named of a service."""
    given, row = asked.given("service"), found(asked, service)
    # what it depends on stays as it is
    old = replace(catalogue.spec_of(row), depends_on=None)
    return Answer({"service": _one(asked, _save(asked, given, old, row.pk))})


def delete(asked: Asked, service: str) -> Answer:
    """Remove a service that never had an incident; others can be disabled."""
    actions.delete_services([found(asked, service).pk], actor=asked.actor)
    return Answer(None, 204)


ROUTES = (
    ("GET", "/services", listed),
    ("POST", "/services", create),
    ("GET", "/services/{id}", one),
    ("PUT", "/services/{id}", update),
    ("DELETE", "/services/{id}", delete),
)
