"""Responder requests: people who are paged by hand, beside the policy."""

from typing import Any

from django.db import transaction

from tocsin.api.pagerduty import ids
from tocsin.api.pagerduty.asking import Answer, Asked, number_of
from tocsin.api.pagerduty.errors import Refused
from tocsin.api.pagerduty.incident_shapes import Incidents
from tocsin.api.pagerduty.incidents import incident
from tocsin.escalation import actions, queries
from tocsin.incidents import queries as incidents
from tocsin.people import queries as people
from tocsin.platform import clock
from tocsin.platform.errors import Conflict, NotFound

MOST = 250


def created(asked: Asked, name: str) -> Answer:
    """``POST /incidents/{id}/responder_requests``: 200. A policy stands for whom its first step finds now."""
    row = incident(asked, name)
    body = asked.body
    message = body.get("message")
    if not isinstance(message, str) or not message.strip() or len(message) > 1000:
        raise Refused(400, ["Message must have 1 to 1000 characters"])
    if body.get("requester_id") is not None:
        requester = number_of("user", body["requester_id"], "Requester")
        if requester not in people.names([requester]):
            raise Refused(400, ["Requester User Not Found"], code=1008, message="Requester User Not Found")
    users: dict[int, None] = {}
    for given in asked.objects("responder_request_targets", MOST):
        target = given.get("responder_request_target", given)
        users |= dict.fromkeys(_people(asked, target))
    if not users:
        raise Refused(400, ["Nobody is on call in the escalation policies that were named"], code=1015)
    try:
        with transaction.atomic():
            actions.page_users(row.pk, user_ids=list(users), actor=asked.actor, message=message.strip())
            entry = incidents.timeline(asked.actor, row.pk, kinds=["paged_by_hand"]).order_by("-seq").first()
    except Conflict as error:
        raise Refused(400, ["Incident Already Resolved"], code=1001) from error
    known = people.users(asked.actor).prefetch_related(None).in_bulk(list(users))
    return Answer({"responder_request": Incidents(asked).responder_request(row, entry, known)})


def cancelled(asked: Asked, name: str) -> Answer:
    """``PUT /incidents/{id}/responder_requests/cancel``: what has not gone out yet does not."""
    row = incident(asked, name)
    targets = [one.get("responder_request_target", one) for one in asked.objects("responder_request_targets", MOST)]
    if any(not isinstance(one, dict) for one in targets):
        raise Refused(400, ["A responder request target must be a user or an escalation policy"])
    users = [_people(asked, one) for one in targets]
    try:
        found = actions.call_off(row.pk, user_ids=[user for some in users for user in some], actor=asked.actor)
    except Conflict as error:
        raise Refused(400, ["Incident Already Resolved"], code=1001) from error
    told = []
    for target, some in zip(targets, users, strict=True):
        there = [user for user in some if user in found]
        joined = row.acknowledged_by_id is not None and row.acknowledged_by_id in there
        result = "joined" if joined else "cancelled" if there else "not_found"
        told.append({"type": str(target.get("type") or "user_reference"), "id": target["id"], "result": result})
    return Answer({"responder_request_targets": told})


def _people(asked: Asked, target: Any) -> list[int]:
    kind = str(target.get("type") or "user").removesuffix("_reference") if isinstance(target, dict) else ""
    if kind == "user":
        number = number_of("user", target, "Responder request target")
        if number not in people.names([number]):
            raise Refused(400, [f"There is no user {target['id']}"], code=2013)
        return [number]
    if kind != "escalation_policy":
        raise Refused(400, ["A responder request target must be a user or an escalation policy"])
    number = number_of("escalation_policy", target, "Responder request target")
    try:
        queries.policy(asked.actor, number)
    except NotFound as error:
        raise Refused(
            400, [f"There is no escalation policy {ids.write('escalation_policy', number)}"], code=1014
        ) from error
    snapshot = queries.snapshot([number])[number]
    now = clock.now()
    resolve = queries.resolver_for([snapshot], now)
    first = snapshot.steps[0].targets if snapshot.steps else ()
    return [one.user_id for one_target in first for one in resolve(one_target, now) if not one.shadow]
