"""Fair rotas over HTTP."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Body, Router, Schema
from pydantic import Field

from tocsin.api.auth import asker
from tocsin.api.schema import Strict, strict
from tocsin.oncall import queries
from tocsin.oncall.actions import rotas
from tocsin.oncall.actions.rotas import RotaRequest
from tocsin.platform.apart import apart

router = Router(tags=["on call"])
strict(RotaRequest)


class RotaShiftOut(Schema):
    email: str
    from_: datetime = Field(alias="from", serialization_alias="from")
    to: datetime
    why: str


class RotaShareOut(Schema):
    """`load`: (history + points) / weight."""

    email: str
    shifts: int
    points: float
    load: float
    hours: float
    nights: int
    weekend_hours: float
    holiday_hours: float
    unwanted_days: int


class RotaFairnessOut(Schema):
    """Of all loads: the spread (most minus least), standard deviation and Gini coefficient."""

    spread: float
    deviation: float
    gini: float
    handoffs: int
    people: list[RotaShareOut]


class RotationOut(RotaFairnessOut):
    broken: dict[str, int]


class RotaOut(Schema):
    """`rotation`: plain rotation of the same people, and how often it would break each rule."""

    verdict: str
    proven: bool
    repeatable: bool
    shifts: list[RotaShiftOut]
    fairness: RotaFairnessOut
    rotation: RotationOut


class KeptShift(Strict):
    email: str
    from_: datetime = Field(alias="from")
    to: datetime
    why: str = ""


class KeepIn(Strict):
    """Shifts as `POST /rota` gave them."""

    shifts: list[KeptShift]


class KeptOut(Schema):
    kept: int


@router.post("/rota", response=RotaOut, by_alias=True)
def generate(request: HttpRequest, body: Body[RotaRequest]) -> dict[str, Any]:
    """Make a fair rota and say why each shift is whose; nothing is kept. 409 with the reasons when there can be none.

    Takes up to `seconds` and a few more, in a process of its own, one at a time.
    """
    value = json.loads(json.dumps(asdict(body), default=str))
    answer: dict[str, Any] = apart("tocsin.oncall.actions.rotas:task", value, actor=asker(request), timeout_s=180)
    return answer


@router.post("/schedules/{ref}/rota", response=KeptOut)
def keep(request: HttpRequest, ref: str, body: KeepIn) -> dict[str, int]:
    """Put a generated rota onto a schedule; generated shifts ahead within the same stretch are replaced."""
    actor = asker(request)
    row = queries.schedule(actor, ref)
    shifts = [
        {"email": one.email, "from": one.from_.isoformat(), "to": one.to.isoformat(), "why": one.why}
        for one in body.shifts
    ]
    return {"kept": rotas.keep_rota(row.pk, shifts, actor=actor)}
