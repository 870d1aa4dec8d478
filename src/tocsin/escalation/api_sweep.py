"""Sweeps over HTTP: a policy through a year of imagined incidents."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from tocsin.api.auth import asker
from tocsin.api.schema import Moment, Strict
from tocsin.catalogue import queries as catalogue
from tocsin.escalation import queries
from tocsin.escalation.sweeping import Model, observed, sweep
from tocsin.platform import clock
from tocsin.platform.errors import Invalid

router = Router(tags=["escalation"])


class ModelIn(Strict):
    """How people answer: after a log-normal time around `median_s`, with a chance by day and in their night."""

    median_s: float = Model.median_s
    spread: float = Model.spread
    chance: float = Model.chance
    chance_asleep: float = Model.chance_asleep
    seed: int = Model.seed


class SweepIn(Strict):
    """Without a `model` people answer as they did here in the past."""

    service: str = ""
    policy: str = ""
    priority: str = "P1"
    at: Moment | None = None
    days: int = 365
    every_s: int = 3600
    for_s: int = 4 * 3600
    model: ModelIn | None = None


class SpreadOut(Schema):
    """`count` of `of` incidents; the quantiles in seconds are empty where fewer have one."""

    count: int
    of: int
    p50_s: float | None
    p90_s: float | None
    p99_s: float | None


class SweptStepOut(SpreadOut):
    step: str


class DeadEndsOut(Schema):
    count: int
    first: list[datetime]


class SweptLoadOut(Schema):
    user_id: int
    name: str
    pages: int
    woken: int
    nights: int
    acknowledged: int


class SweepOut(Schema):
    policy: str
    priority: str
    since: datetime
    until: datetime
    incidents: int
    acknowledged: SpreadOut
    first_page: SpreadOut
    steps: list[SweptStepOut]
    dead_ends: DeadEndsOut
    gaps: int
    people: list[SweptLoadOut]
    model: ModelIn


@router.post("/sweep", response=SweepOut)
def run_sweep(request: HttpRequest, body: SweepIn) -> dict[str, Any]:
    """Imagine an incident every hour for a year: how long until somebody answers, who is woken how often."""
    actor = asker(request)
    if bool(body.service) == bool(body.policy):
        raise Invalid("What is to be swept?", {"service": "a service, or a policy: one of the two"})
    service_id = None
    if body.policy:
        row = queries.policy(actor, body.policy)
        snapshot = queries.snapshot([row.pk])[row.pk]
    else:
        service = catalogue.service(actor, body.service)
        service_id = service.pk
        snapshot = queries.snapshots_of_services([service_id])[service_id]
    model = Model(**body.model.dict()) if body.model else observed()
    found = sweep(
        snapshot,
        body.priority,
        body.at or clock.now(),
        actor=actor,
        days=body.days,
        every_s=body.every_s,
        lasts_s=body.for_s,
        service_id=service_id,
        model=model,
    )
    return found.to_json() | {"model": model}
