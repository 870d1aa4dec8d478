"""The canary over HTTP."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from tocsin.api.auth import asker
from tocsin.api.schema import Strict
from tocsin.delivery import canaries, webhooks
from tocsin.delivery.actions.canaries import save_canary
from tocsin.people.rules import Deed, require

router = Router(tags=["delivery"])


class CanaryOut(Schema):
    """How the canary is set and goes. `state`: off, waiting (none has arrived yet), well or late. Times in seconds."""

    enabled: bool
    every_minutes: int
    late_after_s: int
    webhook: str
    door: bool
    state: str
    late_s: float
    sent_at: datetime | None
    arrived_at: datetime | None
    took_s: float | None
    sent: int
    arrived: int
    lost: int
    p50_s: float | None
    p99_s: float | None


class CanaryIn(Strict):
    """What is left out stays as it is. `webhook`: a slug; empty: the sink inside."""

    enabled: bool | None = None
    every_minutes: int | None = None
    late_after_s: int | None = None
    webhook: str | None = None
    door: bool | None = None


def canary_json() -> dict[str, Any]:
    """How the canary is set and goes."""
    hook, going = canaries.webhook(), canaries.status()
    facts = {name: getattr(going, name) for name in going.__dataclass_fields__}
    return canaries.config().to_json() | facts | {"webhook": hook.slug if hook else ""}


@router.get("/canary", response=CanaryOut)
def show_canary(request: HttpRequest) -> dict[str, Any]:
    """The page that Tocsin sends itself: how it is set, and whether it arrives."""
    require(asker(request), Deed.READ)
    return canary_json()


@router.put("/canary", response=CanaryOut)
def set_canary(request: HttpRequest, body: CanaryIn) -> dict[str, Any]:
    """Set the canary. Needs an administrator."""
    actor = asker(request)
    changes: dict[str, Any] = body.model_dump(exclude_none=True)
    if body.webhook is not None:
        changes["webhook"] = webhooks.webhook(actor, body.webhook).pk if body.webhook else None
    save_canary(replace(canaries.config(), **changes), actor=actor)
    return canary_json()
