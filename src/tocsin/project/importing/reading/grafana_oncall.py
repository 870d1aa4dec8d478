"""Grafana OnCall's API v1: everything that can be imported."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from tocsin.project.importing.reading.fetching import MOST_PAGES, Absent, Fetcher, Unread

PAGE = 100
RENDERED = timedelta(days=28)
RESOURCES = (
    "users",
    "teams",
    "schedules",
    "on_call_shifts",
    "escalation_chains",
    "escalation_policies",
    "integrations",
    "routes",
    "personal_notification_rules",
    "webhooks",
)
NEEDED = {"users", "schedules"}


async def _all(fetcher: Fetcher, name: str, query: list[tuple[str, str | int]] | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in range(1, MOST_PAGES):
        try:
            answer = await fetcher.get(f"/api/v1/{name}/", [*(query or []), ("page", page), ("perpage", PAGE)])
        except Absent as error:
            if name in NEEDED and page == 1:
                raise Unread(f"the key may not read {name}, or this is not the address of OnCall") from error
            break
        found += [one for one in answer.get("results") or [] if isinstance(one, dict)]
        fetcher.progress(name.rpartition("/")[2].replace("_", " "), len(found), int(answer.get("count") or 0))
        if not answer.get("next"):
            break
    return found


async def read(fetcher: Fetcher, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """All resources, and what each schedule comes to in the next four weeks."""
    data = {name: await _all(fetcher, name) for name in RESOURCES}

    async def schedule(one: dict[str, Any]) -> dict[str, Any]:
        first, last = now.date(), (now + RENDERED).date()
        days: list[tuple[str, str | int]] = [("start_date", first.isoformat()), ("end_date", last.isoformat())]
        try:
            path = f"/api/v1/schedules/{quote(str(one.get('id')), safe='')}/final_shifts"
            shifts = (await fetcher.get(path, days)).get("results")
        except Absent:
            shifts = None
        if shifts is None:
            return one
        until = datetime.combine(last, datetime.min.time(), now.tzinfo)
        return one | {"final_shifts": shifts, "rendered_since": now.isoformat(), "rendered_until": until.isoformat()}

    data["schedules"] = await fetcher.each("schedules", data["schedules"], schedule)
    return data
