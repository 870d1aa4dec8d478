"""Partners: two installations tell each other once a minute how they are.

A partner is a source of the kind ``partner``. What the other one says comes in by that source's address, and its
silence is a check-in that was missed: both are intake's. This is the other half: saying how we are, and noticing when
that is not taken, which opens an incident on the same source and ends it when it is taken again.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import structlog
from django.db import transaction

from tocsin import __version__
from tocsin.intake import partners
from tocsin.intake.actions import accept
from tocsin.intake.contract import Signal
from tocsin.platform import clock, outbound
from tocsin.platform.models import Setting
from tocsin.web.health import light

log = structlog.get_logger()

EVERY = timedelta(seconds=60)
PATIENCE_S = 15.0
UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Told:
    """What came of telling one partner; ``problem`` is empty when it was taken."""

    partner: partners.Partner
    problem: str


def turn() -> int:
    """Once a minute, by one engine: tell every partner how we are. How many were told."""
    if not partners.to_tell():
        return 0
    now = clock.now()
    with transaction.atomic():
        row, _ = Setting.objects.get_or_create(name=partners.SETTING, defaults={"value": {}})
        state = Setting.objects.select_for_update(skip_locked=True).filter(pk=row.pk).first()
        if state is None or state.value.get("at", "") > (now - EVERY).isoformat():
            return 0
        well = light(now)
        since = state.value.get("unwell_since") or now.isoformat()
        state.value |= {"at": now.isoformat(), "unwell_since": None if well.tone == "good" else since}
        state.save(update_fields=["value"])
    word = {
        "tocsin": __version__,
        "well": well.tone == "good",
        "unwell_s": 0.0 if well.tone == "good" else (now - datetime.fromisoformat(since)).total_seconds(),
        "reasons": list(well.details),
    }
    told = asyncio.run(_tell(partners.to_tell(), msgspec.json.encode(word)))
    _keep(told)
    return len(told)


async def _tell(to: list[partners.Partner], body: bytes) -> list[Told]:
    client = outbound.Client()
    try:
        return list(await asyncio.gather(*(_tell_one(client, partner, body) for partner in to)))
    finally:
        await client.aclose()


async def _tell_one(client: outbound.Client, partner: partners.Partner, body: bytes) -> Told:
    if partner.trouble:
        return Told(partner, partner.trouble)
    try:
        async with asyncio.timeout(PATIENCE_S):
            answer = await client.post(partner.url, body, {"content-type": "application/json"})
    except TimeoutError:
        return Told(partner, f"no answer within {PATIENCE_S:.0f} s")
    except outbound.OutboundError as error:
        return Told(partner, str(error)[:300])
    return Told(partner, "" if 200 <= answer.status < 300 else f"HTTP {answer.status}")


def _keep(told: list[Told]) -> None:
    """Remember what came of it; raise and end the incidents that follow."""
    now = clock.now()
    signals: list[tuple[int, Signal]] = []
    with transaction.atomic():
        row = Setting.objects.select_for_update().get(name=partners.SETTING)
        before: dict[str, Any] = row.value.get("told", {})
        after: dict[str, Any] = {}
        for one in told:
            key, partner = str(one.partner.source_id), one.partner
            was = before.get(key, {})
            if not one.problem:
                after[key] = {"answered_at": now.isoformat()}
                if was.get("raised"):
                    signals.append((partner.source_id, _signal("resolve", partner, "answers again")))
                continue
            since = was.get("since") or now.isoformat()
            waited = now - datetime.fromisoformat(since)
            raised = was.get("raised", False)
            if waited >= timedelta(minutes=partner.after_minutes) and not raised:
                log.error("partner.unreachable", partner=partner.name, problem=one.problem)
                text = f"does not take what we tell it: {one.problem}"
                signals.append((partner.source_id, _signal("trigger", partner, text)))
                raised = True
            after[key] = {
                "answered_at": was.get("answered_at"), "since": since, "problem": one.problem, "raised": raised,
            }  # fmt: skip
        row.value |= {"told": after}
        row.save(update_fields=["value"])
        accept(signals)


def _signal(action: Literal["trigger", "resolve"], partner: partners.Partner, text: str) -> Signal:
    return Signal(
        action=action,
        dedup_key=UNREACHABLE,
        title=f"The partner {partner.name} {text}"[:300],
        severity="error" if action == "trigger" else "info",
        origin=partner.name,
    )
