"""Opsgenie's API: everything that can be imported, in the shape that its configuration backup has."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from tocsin.project.importing.reading.fetching import MOST_PAGES, Absent, Fetcher, Unread

PAGE = 100


def _id(thing: dict[str, Any]) -> str:
    return quote(str(thing.get("id")), safe="")


async def _all(fetcher: Fetcher, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in range(MOST_PAGES):
        try:
            answer = await fetcher.get(path, [("limit", PAGE), ("offset", page * PAGE)])
        except Absent as error:
            raise Unread(f"the key may not read {path}: it needs the right to read the configuration") from error
        rows = [one for one in answer.get("data") or [] if isinstance(one, dict)]
        found += rows
        fetcher.progress(path.rpartition("/")[2], len(found), int(answer.get("totalCount") or 0))
        if len(rows) < PAGE:
            break
    return found


async def _one(fetcher: Fetcher, path: str, default: dict[str, Any]) -> dict[str, Any]:
    try:
        found = (await fetcher.get(path)).get("data")
    except Absent:
        return default
    return found if isinstance(found, dict) else default


async def read(fetcher: Fetcher, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """Users with contacts and notification rules, teams with routing rules, schedules, escalations and the rest."""

    async def user(one: dict[str, Any]) -> dict[str, Any]:
        path = f"/v2/users/{_id(one)}"
        rules = await fetcher.some(f"{path}/notification-rules", "data")
        full = [
            await _one(fetcher, f"{path}/notification-rules/{_id(rule)}", rule)
            if rule.get("enabled") is not False and rule.get("actionType") == "create-alert" and "steps" not in rule
            else rule
            for rule in rules
        ]
        return {"user": one, "contacts": await fetcher.some(f"{path}/contacts", "data"), "notificationRuleList": full}

    async def team(one: dict[str, Any]) -> dict[str, Any]:
        path = f"/v2/teams/{_id(one)}"
        routing = await fetcher.some(f"{path}/routing-rules", "data")
        return {"team": await _one(fetcher, path, one), "teamRoutingRules": routing}

    async def schedule(one: dict[str, Any]) -> dict[str, Any]:
        path = f"/v2/schedules/{_id(one)}"
        try:
            weeks: list[tuple[str, str | int]] = [("interval", 4), ("intervalUnit", "weeks"), ("date", now.isoformat())]
            timeline = (await fetcher.get(f"{path}/timeline", weeks)).get("data") or {}
        except Absent:
            timeline = {}
        return {
            "schedule": one,
            "scheduleOverrideList": await fetcher.some(f"{path}/overrides", "data"),
            "timeline": timeline,
        }

    async def integration(one: dict[str, Any]) -> dict[str, Any]:
        return {"integration": one | await _one(fetcher, f"/v2/integrations/{_id(one)}", {})}

    async def maintenance(one: dict[str, Any]) -> dict[str, Any]:
        return one | await _one(fetcher, f"/v1/maintenance/{_id(one)}", {})

    data: dict[str, list[dict[str, Any]]] = {}
    data["users"] = await fetcher.each("users", await _all(fetcher, "/v2/users"), user)
    data["teams"] = await fetcher.each("teams", await fetcher.some("/v2/teams", "data"), team)
    found = await fetcher.some("/v2/schedules", "data", [("expand", "rotation")])
    data["schedules"] = await fetcher.each("schedules", found, schedule)
    data["escalations"] = await fetcher.some("/v2/escalations", "data")
    found = await fetcher.some("/v2/integrations", "data")
    data["integrations"] = await fetcher.each("integrations", found, integration)
    data["heartbeats"] = await fetcher.some("/v2/heartbeats", "data")
    data["services"] = await fetcher.some("/v1/services", "data", [("limit", PAGE)])
    found = await fetcher.some("/v1/maintenance", "data", [("type", "non-expired")])
    data["maintenance"] = await fetcher.each("maintenance", found, maintenance)
    data["forwardings"] = await fetcher.some("/v2/forwarding-rules", "data")
    data["policies"] = await fetcher.some("/v2/policies/alert", "data")
    return data
