"""PagerDuty's REST API v2: everything that can be imported."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from tocsin.project.importing.reading.fetching import MOST_PAGES, Absent, Fetcher, Unread

PAGE = 100
RENDERED = timedelta(days=28)
OVERRIDES = timedelta(days=365)


async def _all(fetcher: Fetcher, path: str, name: str, query: list[tuple[str, str | int]] | None = None) -> list[Any]:
    found: list[Any] = []
    offset = 0
    for _ in range(MOST_PAGES):
        try:
            answer = await fetcher.get(path, [*(query or []), ("limit", PAGE), ("offset", offset)])
        except Absent as error:
            raise Unread(f"the key may not read {path}") from error
        found += [one for one in answer.get(name) or [] if isinstance(one, dict)]
        fetcher.progress(name.replace("_", " "), len(found), 0)
        if not answer.get("more"):
            break
        offset += int(answer.get("limit") or PAGE)
    return found


async def read(fetcher: Fetcher, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """Users with how they are reached, teams, schedules with overrides and what they come to, policies, services."""
    data: dict[str, list[dict[str, Any]]] = {}
    including = [("include[]", "contact_methods"), ("include[]", "notification_rules")]
    data["users"] = await _all(fetcher, "/users", "users", [*including])
    data["teams"] = await _all(fetcher, "/teams", "teams")

    async def members(team: dict[str, Any]) -> None:
        team["members"] = await _all(fetcher, f"/teams/{_id(team)}/members", "members")

    await fetcher.each("members of teams", data["teams"], members)
    data["schedules"] = await fetcher.each(
        "schedules", await _all(fetcher, "/schedules", "schedules"), lambda one: _schedule(fetcher, one, now)
    )
    data["escalation_policies"] = await _all(fetcher, "/escalation_policies", "escalation_policies")
    data["services"] = await _all(fetcher, "/services", "services", [("include[]", "integrations")])

    async def keys(service: dict[str, Any]) -> None:
        service["integrations"] = [
            await _integration(fetcher, service, one)
            for one in service.get("integrations") or []
            if isinstance(one, dict)
        ]

    await fetcher.each("integration keys", data["services"], keys)
    data["maintenance_windows"] = await _all(
        fetcher, "/maintenance_windows", "maintenance_windows", [("filter", "open")]
    )
    for path, name in (
        ("/rulesets", "rulesets"),
        ("/event_orchestrations", "orchestrations"),
        ("/webhook_subscriptions", "webhook_subscriptions"),
        ("/extensions", "extensions"),
        ("/business_services", "business_services"),
    ):
        data[path.strip("/")] = await fetcher.some(path, name, [("limit", PAGE)])
    return data


def _id(thing: dict[str, Any]) -> str:
    return quote(str(thing.get("id")), safe="")


async def _schedule(fetcher: Fetcher, one: dict[str, Any], now: datetime) -> dict[str, Any]:
    since, until = now.isoformat(), (now + RENDERED).isoformat()
    window: list[tuple[str, str | int]] = [("since", since), ("until", until)]
    try:
        found = (await fetcher.get(f"/schedules/{_id(one)}", [*window, ("overflow", "true")])).get("schedule") or one
        year: list[tuple[str, str | int]] = [
            ("since", since),
            ("until", (now + OVERRIDES).isoformat()),
            ("overflow", "true"),
        ]
        overrides = (await fetcher.get(f"/schedules/{_id(one)}/overrides", year)).get("overrides") or []
    except Absent:
        return one
    for layer in found.get("schedule_layers") or []:
        layer.pop("rendered_schedule_entries", None)
    found.pop("overrides_subschedule", None)
    return found | {"overrides": overrides, "rendered_since": since, "rendered_until": until}


async def _integration(fetcher: Fetcher, service: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    if one.get("integration_key"):
        return one
    try:
        answer = await fetcher.get(f"/services/{_id(service)}/integrations/{_id(one)}")
    except Absent:
        return one
    found: dict[str, Any] = answer.get("integration") or one
    return found
