"""Subscriptions that a sender wants to have confirmed: Amazon SNS asks a new subscriber to open an address.

The door takes the request as a check-in that carries the address, triage passes it on to ``intake.actions``, and it
waits in a setting. Here an engine opens it through the guarded client, again and again until SNS says yes or the
request is too old to be confirmed (three days, as SNS says).
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from tocsin.intake.actions import CONFIRMATIONS
from tocsin.platform import clock, outbound
from tocsin.platform.models import Setting

log = structlog.get_logger()

EVERY = timedelta(seconds=60)
GIVE_UP = timedelta(days=3)
PATIENCE_S = 15.0


def turn() -> int:
    """Open every address whose time has come. How many were confirmed."""
    now = clock.now()
    with transaction.atomic():
        row = Setting.objects.select_for_update(skip_locked=True).filter(name=CONFIRMATIONS).first()
        due = {url: item for url, item in row.value.items() if item["next_at"] <= now.isoformat()} if row else {}
        if row is None or not due:
            return 0
        row.value |= {url: item | {"next_at": (now + EVERY).isoformat()} for url, item in due.items()}
        row.save(update_fields=["value"])
    problems = asyncio.run(_open_all(list(due)))
    with transaction.atomic():
        row = Setting.objects.select_for_update().get(name=CONFIRMATIONS)
        for url, problem in problems.items():
            topic = due[url]["topic"]
            if not problem:
                log.info("subscription.confirmed", topic=topic)
                row.value.pop(url, None)
            elif datetime.fromisoformat(due[url]["asked_at"]) < now - GIVE_UP:
                log.error("subscription.given_up", topic=topic, problem=problem)
                row.value.pop(url, None)
            else:
                log.warning("subscription.not_confirmed", topic=topic, problem=problem)
        row.save(update_fields=["value"])
    return sum(not problem for problem in problems.values())


async def _open_all(urls: list[str]) -> dict[str, str]:
    """Why each address was not taken; empty when it was."""
    client = outbound.Client()
    try:
        return dict(zip(urls, await asyncio.gather(*(_open(client, url) for url in urls)), strict=True))
    finally:
        await client.aclose()


async def _open(client: Any, url: str) -> str:
    try:
        async with asyncio.timeout(PATIENCE_S):
            answer = await client.get(url, {})
    except TimeoutError:
        return f"no answer within {PATIENCE_S:.0f} s"
    except outbound.OutboundError as error:
        return str(error)[:300]
    return "" if answer.status == 200 else f"the answer is {answer.status}"
