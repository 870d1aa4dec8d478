"""The gateway's own door: ``/sms`` and ``/calls`` for Tocsin alone, ``/health`` for whoever watches, and the recordings
that an Asterisk fetches under addresses nobody can guess."""

import asyncio
import json
import re
import secrets
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

from tocsin.gateway import moment
from tocsin.gateway.book import Book, Job
from tocsin.gateway.device import Device, Problem
from tocsin.gateway.teller import Teller
from tocsin.platform import signed

log = structlog.get_logger("tocsin.gateway")

MOST_BODY = 16 * 1024
MOST_WAITING = 50  # what is more than that would not leave in time
LONGEST_WAIT_S = 20.0
NUMBER = re.compile(r"\+[1-9][0-9]{4,14}")  # E.164
WAYS = {"sms": "sms", "calls": "voice"}
STATUSES = {"number": 422, "account": 409, "later": 503}


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gateway agrees to. ``prefixes``: beginnings of the numbers that it serves; none: all."""

    prefixes: tuple[str, ...] = ()


class Gateway:
    """The door, the book, and the device behind them."""

    def __init__(self, book: Book, teller: Teller, device: Device, secret: str, limits: Limits) -> None:
        self.book = book
        self.teller = teller
        self.device = device
        self.secret = secret
        self.limits = limits

    def app(self) -> web.Application:
        """The addresses."""
        app = web.Application(client_max_size=MOST_BODY)
        app.router.add_post("/{way:sms|calls}", self.carry)
        app.router.add_get("/health", self.health)
        app.router.add_get("/speech/{token:[A-Za-z0-9_-]{20,60}}.wav", self.recording)
        return app

    async def carry(self, request: web.Request) -> web.Response:
        """Take an SMS or a call over. 401 before anything is read that is not signed."""
        way = request.match_info["way"]
        body = await request.read()
        target = signed.target_of(str(request.rel_url))
        if wrong := signed.problem(self.secret, request.headers.get(signed.HEADER, ""), target, body, moment.now()):
            log.warning("gateway.forged", way=way, problem=wrong)
            return refusal(401, Problem("account", wrong))
        if WAYS[way] != self.device.kind:
            return refusal(404, Problem("account", f"this gateway has {self.device.name}, which does not do that"))
        try:
            job, wait_s = job_of(way, json.loads(body))
        except ValueError as error:
            return refusal(422, Problem("number", f"the request was not understood: {error}"))
        if self.limits.prefixes and not job.number.startswith(self.limits.prefixes):
            return refusal(409, Problem("account", "this gateway does not serve the number's country"))
        problem = await self._take(job, wait_s)
        if isinstance(problem, Problem):
            return refusal(STATUSES[problem.kind], problem)
        return web.json_response({"ref": problem})

    async def _take(self, job: Job, wait_s: float) -> Problem | str:
        """Into the book and to the device; the ref, or why not."""
        kept, anew = self.book.accept(job)
        if not anew:
            self.teller.ring()
            return kept.ref
        problem = self.device.problem()
        if problem is None and len(self.book.waiting(job.kind)) > MOST_WAITING:
            problem = Problem("later", "too many wait already", 10.0)
        if problem is None:
            problem = await self.device.begin(kept, wait_s)
        if problem is not None:
            self.book.end(kept.ref, "refused", problem.detail, tell=False)
            return problem
        return kept.ref

    async def health(self, request: web.Request) -> web.Response:
        """200 while something can be carried, 503 otherwise; why is in it."""
        problem = self.device.problem()
        told = {
            "ready": problem is None,
            "problem": problem.detail if problem else "",
            "device": self.device.name,
            "carries": self.device.kind,
            "queue": len(self.book.waiting(self.device.kind)),
            "untold": len(self.book.untold()),
            "tocsin": self.teller.problem or "ok",
            **self.device.health(),
        }
        return web.json_response(told, status=200 if problem is None else 503)

    async def recording(self, request: web.Request) -> web.Response:
        """What a call says, while it lasts."""
        data = self.device.recording(request.match_info["token"])
        if data is None:
            raise web.HTTPNotFound(text="There is nothing here.")
        return web.Response(body=data, content_type="audio/wav", headers={"Cache-Control": "no-store"})


def refusal(status: int, problem: Problem) -> web.Response:
    """A problem as Tocsin reads it."""
    headers = {"Retry-After": f"{problem.after_s:.0f}"} if problem.after_s else {}
    return web.json_response({"problem": problem.kind, "detail": problem.detail}, status=status, headers=headers)


def job_of(way: str, told: Any) -> tuple[Job, float]:
    """A request's job, and how long an answer may take. Raises ValueError that says what is wrong with it."""
    if not isinstance(told, dict):
        raise ValueError("it is no object")

    def text(name: str, most: int, *, needed: bool = True) -> str:
        value = told.get(name, "")
        if not isinstance(value, str) or len(value) > most or (needed and not value):
            raise ValueError(f"{name} is text of {1 if needed else 0} to {most} characters")
        return value

    def target(name: str, what: str) -> str:
        found = signed.target_of(text(name, 2000))
        if found.partition("?")[0] != what:
            raise ValueError(f"{name} is no address that ends in {what}")
        return found

    number = text("number", 20)
    if not NUMBER.fullmatch(number):
        raise ValueError("number begins with + and its country code")
    wait = told.get("wait_s", 0)
    if not isinstance(wait, int | float) or not 0 <= wait <= LONGEST_WAIT_S:
        raise ValueError(f"wait_s is a number from 0 to {LONGEST_WAIT_S:.0f}")
    job = Job(
        id=f"{way}:{text('id', 200)}",
        ref=secrets.token_hex(16),
        kind=WAYS[way],
        number=number,
        text=text("text", 2000) if way == "sms" else "",
        status=target("status_url", "status"),
        voice=target("voice_url", "voice") if way == "calls" else "",
    )
    return job, float(wait)


async def serve(
    gateway: Gateway, host: str, port: int, tls: ssl.SSLContext | None = None, ready: asyncio.Event | None = None
) -> None:
    """Run the door, the device and the teller until cancelled. Raises OSError when the address cannot be had."""
    runner = web.AppRunner(gateway.app(), access_log=None, handle_signals=False)
    await runner.setup()
    tasks: Sequence[asyncio.Task[None]] = ()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        await site.start()
        tasks = [asyncio.create_task(gateway.device.run()), asyncio.create_task(gateway.teller.run())]
        log.info("gateway.started", device=gateway.device.name, host=host, port=port)
        if ready is not None:
            ready.set()
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:  # neither ends by itself but for a fault of ours, which ends the process
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()
        await gateway.teller.close()
        gateway.book.close()
