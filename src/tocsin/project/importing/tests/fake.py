"""The three products' APIs on loopback, as far as reading needs them: paging, a limit, a key."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

Data = dict[str, list[dict[str, Any]]]


class Fake:
    """A product that answers. ``asked`` counts requests; every ``refuse_each``-th is refused with 429 once."""

    def __init__(self, product: str, data: Data, refuse_each: int = 0) -> None:
        self.product, self.data, self.refuse_each = product, data, refuse_each
        self.asked, self.refused, self.url = 0, 0, ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        if "good-key" not in request.headers.get("Authorization", ""):
            return web.json_response({"message": "no"}, status=401)
        if self.refuse_each and self.asked % self.refuse_each == 0:
            self.refused += 1
            name = "ratelimit-reset" if self.product == "pagerduty" else "Retry-After"
            return web.json_response({"error": "slow down"}, status=429, headers={name: "0"})
        parts = request.path.strip("/").split("/")
        answer = getattr(self, self.product.replace("-", "_"))(request, parts)
        return web.json_response(answer, status=404 if answer is None else 200)

    def _row(self, name: str, id: str, within: str = "") -> dict[str, Any] | None:
        rows = self.data.get(name, [])
        return next((row for row in rows if (row[within] if within else row)["id"] == id), None)

    def pagerduty(self, request: web.Request, parts: list[str]) -> Any:
        name = parts[0]
        if len(parts) == 1:
            rows = self.data.get(name, [])
            if name == "schedules":
                rows = [{"id": row["id"], "name": row["name"]} for row in rows]
            elif name == "services":
                rows = [row | {"integrations": [{"id": one["id"]} for one in row["integrations"]]} for row in rows]
            elif name == "teams":
                rows = [{key: value for key, value in row.items() if key != "members"} for row in rows]
            offset, limit = int(request.query.get("offset", 0)), min(int(request.query.get("limit", 25)), 100)
            return {
                name: rows[offset : offset + limit],
                "limit": limit,
                "offset": offset,
                "more": offset + limit < len(rows),
            }
        row = self._row(name, parts[1])
        if row is None:
            return None
        if len(parts) == 2:
            return {name.removesuffix("s"): row}
        if name == "services":
            return {"integration": row["integrations"][0]}
        return {parts[2]: row.get(parts[2], []), "limit": 100, "more": False}

    def opsgenie(self, request: web.Request, parts: list[str]) -> Any:
        name = parts[1]
        within = {"users": "user", "teams": "team", "schedules": "schedule", "integrations": "integration"}.get(
            name, ""
        )
        rows = self.data.get(name, [])
        if len(parts) == 2:
            offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", 1_000_000))
            found = [row[within] if within else row for row in rows[offset : offset + limit]]
            return {"data": {"heartbeats": found} if name == "heartbeats" else found, "totalCount": len(rows)}
        row = self._row(name, parts[2], within)
        if row is None:
            return None
        if len(parts) == 3:
            return {"data": row[within] if within else row}
        lists = {
            "notification-rules": "notificationRuleList",
            "routing-rules": "teamRoutingRules",
            "overrides": "scheduleOverrideList",
            "contacts": "contacts",
        }
        if parts[3] == "timeline":
            return {"data": row.get("timeline", {})}
        found = row.get(lists.get(parts[3], ""), [])
        if len(parts) == 5:
            return {"data": next(one for one in found if one["id"] == parts[4])}
        if parts[3] == "notification-rules":
            found = [{key: value for key, value in one.items() if key != "steps"} for one in found]
        return {"data": found}

    def grafana_oncall(self, request: web.Request, parts: list[str]) -> Any:
        if len(parts) != 3:
            row = self._row(parts[2], parts[3])
            return {"results": row["final_shifts"]} if row and "final_shifts" in row else None
        rows = self.data.get(parts[2], [])
        page, size = int(request.query.get("page", 1)), int(request.query.get("perpage", 50))
        more = page * size < len(rows)
        return {
            "count": len(rows),
            "next": "http://elsewhere.example/steal" if more else None,
            "results": rows[(page - 1) * size : page * size],
        }


@contextmanager
def serving(fake: Fake) -> Iterator[Fake]:
    """The fake on a port of loopback, in a thread of its own."""
    ready = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    over = asyncio.Event()

    async def serve() -> None:
        application = web.Application()
        application.router.add_get("/{path:.*}", fake.answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        loops.append(asyncio.get_running_loop())
        ready.set()
        await over.wait()
        # connections that were just accepted are set up in turns of their own: asyncio loses those that are not, when
        # it stops listening in between
        await asyncio.sleep(0.05)
        await runner.cleanup()
        await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield fake
    finally:
        loops[0].call_soon_threadsafe(over.set)
        thread.join(10)
