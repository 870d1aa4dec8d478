"""A storm: one service at the bottom fails and takes what stands on it along, told by thousands of alerts.

Sent as a real Alertmanager would send it (webhook, version 4, grouped), through the real door.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from tocsin.project.demo import company
from tocsin.project.demo.conditions import CONDITIONS
from tocsin.project.demo.history import described, fingerprint
from tocsin.project.demo.loading import PROMETHEUS, source_key

ROOT = "kubernetes"
GROUP = 20  # most alerts in one request
SENDERS = 16


@dataclass
class Result:
    """How many alerts were accepted, and how many requests were refused, by status."""

    accepted: int = 0
    refused: dict[int, int] = field(default_factory=dict)


def waves(root: str) -> list[list[company.Service]]:
    """The services that a failing one takes along: itself, what needs it, what needs those, and so on."""
    by_slug = {service.slug: service for service in company.SERVICES}
    hit, found = {root}, [[by_slug[root]]]
    while wave := [s for s in company.SERVICES if s.slug not in hit and hit.intersection(s.needs)]:
        hit.update(service.slug for service in wave)
        found.append(wave)
    return found


def groups(alerts: int, root: str, at: datetime, dice: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """Service and webhook body of each request, wave by wave; all alerts are different."""
    hit = waves(root)
    left = alerts
    for number, wave in enumerate(hit):
        share = left if number == len(hit) - 1 else round(alerts * 0.5**number / 2) or 1
        share = min(share, left)
        left -= share
        while share > 0:
            service = dice.choice(wave)
            size = min(share, dice.randint(1, GROUP))
            share -= size
            yield service.slug, _group(service, size, at, dice)


def _group(service: company.Service, size: int, at: datetime, dice: random.Random) -> dict[str, Any]:
    condition = dice.choice(CONDITIONS[service.nature])
    alerts = []
    for _ in range(size):
        labels, title = described(service, condition, dice)
        labels["instance"] = f"10.{dice.randint(0, 255)}.{dice.randint(0, 255)}.{dice.randint(1, 254)}:{9100}"
        labels["uid"] = f"{dice.getrandbits(48):012x}"
        alerts.append(
            {
                "status": "firing",
                "labels": labels,
                "annotations": {
                    "summary": title,
                    "runbook_url": f"https://runbooks.{company.DOMAIN}/{service.slug}",
                },
                "startsAt": at.isoformat(),
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": f"https://prometheus.{company.DOMAIN}/graph?g0.expr={condition.alertname}",
                "fingerprint": fingerprint(labels),
            }
        )
    common = {"alertname": condition.alertname, "service": service.slug}
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{condition.alertname}", service="{service.slug}"}}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "tocsin",
        "groupLabels": common,
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": f"https://alertmanager.{company.DOMAIN}",
        "alerts": alerts,
    }


async def send(
    url: str, alerts: int, at: datetime, advance: Callable[[int], None], root: str = ROOT, seed: int | None = None
) -> Result:
    """Send a storm to the Tocsin at this address; ``advance`` is told how many more alerts were accepted.

    A refusal that asks for patience (429, 503) is tried again. Raises httpx.HTTPError when nobody answers.
    """
    work = groups(alerts, root, at, random.Random(seed))  # noqa: S311 - nothing secret
    result = Result()

    async def sender(client: httpx.AsyncClient) -> None:
        for service, body in work:
            path = f"/in/alertmanager/{source_key(service, PROMETHEUS)}"
            while True:
                answer = await client.post(path, json=body)
                if answer.is_success:
                    result.accepted += len(body["alerts"])
                    advance(len(body["alerts"]))
                    break
                result.refused[answer.status_code] = result.refused.get(answer.status_code, 0) + 1
                if answer.status_code not in (429, 503):
                    break
                await asyncio.sleep(min(float(answer.headers.get("retry-after", 1)), 5))

    client = httpx.AsyncClient(
        base_url=url,
        limits=httpx.Limits(max_connections=SENDERS),
        timeout=30,
        trust_env=False,
        verify=False,  # noqa: S501 - our own server, maybe with a certificate of its own making
    )
    async with client, asyncio.TaskGroup() as tasks:
        for _ in range(SENDERS):
            tasks.create_task(sender(client))
    return result
