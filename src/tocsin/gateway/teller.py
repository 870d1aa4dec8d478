"""Tells Tocsin: what became of what it gave us, what people sent, and asks it what a call says."""

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import Callable
from typing import Any

import structlog

from tocsin.gateway import moment
from tocsin.gateway.book import Book
from tocsin.platform import signed
from tocsin.platform.outbound import Answer, Client, OutboundError

log = structlog.get_logger("tocsin.gateway")

ANSWER_S = 10.0
PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # between tries, the last one again and again
NOT_WANTED = (400, 404, 410, 413)  # Tocsin has understood that it is nothing to it: telling it again changes nothing
EVERYWHERE = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]


class Unheard(Exception):
    """Tocsin could not be told; the message says why. ``reached``: it has answered, though not as wanted."""

    def __init__(self, reason: str, *, reached: bool) -> None:
        self.reached = reached
        super().__init__(reason)


class Teller:
    """One Tocsin. ``replies``: the address that the provider's page shows; its last part is replaced by others.

    Only this address is ever called, whatever a request asks for. ``answered`` hears what Tocsin says to news.
    """

    def __init__(self, book: Book, replies: str, secret: str, pauses: tuple[float, ...] = PAUSES) -> None:
        self.book = book
        self.base = replies.rpartition("/")[0]
        self.secret = secret
        self.pauses = pauses
        self.problem = ""
        self.answered: Callable[[str, dict[str, Any], dict[str, Any]], None] = lambda target, told, answer: None
        self.http = Client(EVERYWHERE)
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """There is news in the book."""
        self._bell.set()

    async def post(self, target: str, body: bytes) -> Answer:
        """Tell once; the answer when Tocsin has taken it, or does not want it. Raises Unheard."""
        headers = {
            "Content-Type": "application/json",
            signed.HEADER: signed.signature(self.secret, target, body, moment.now()),
        }
        reached = False
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self.http.post(f"{self.base}/{target}", body, headers)
        except TimeoutError:
            self.problem = f"no answer within {ANSWER_S:g} s"
        except OutboundError as error:
            self.problem = str(error)[:200]
        else:
            if 200 <= answer.status < 300 or answer.status in NOT_WANTED:
                self.problem = ""
                return answer
            reached = True
            why = " Are the secrets the same, and the clocks right?" if answer.status == 403 else ""
            self.problem = f"HTTP {answer.status}: {' '.join(answer.text[:100].split())}{why}"
        raise Unheard(self.problem, reached=reached)

    async def ask(self, target: str, body: dict[str, Any]) -> dict[str, Any]:
        """Tell once; what Tocsin answers, empty when it does not want it. Raises Unheard."""
        answer = await self.post(target, json.dumps(body, ensure_ascii=False).encode())
        if answer.status in NOT_WANTED:
            log.info("gateway.not_wanted", what=target.partition("?")[0], status=answer.status)
            return {}
        return read(answer)

    async def run(self) -> None:
        """Tell what is in the book, in its order, until cancelled. What Tocsin refuses holds up nothing else."""
        tries = 0
        while True:
            self._bell.clear()
            self.book.forget()
            failed = False
            for news in self.book.untold():
                body = json.loads(news.body)
                try:
                    self.answered(news.target, body, await self.ask(news.target, body))
                except Unheard as error:
                    log.warning("gateway.unheard", what=news.target.partition("?")[0], error=str(error))
                    failed = True
                    if not error.reached:
                        break
                else:
                    self.book.told(news.id)
            pause = self.pauses[min(tries, len(self.pauses) - 1)] if failed else 60.0
            tries = tries + 1 if failed else 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await (asyncio.sleep(pause) if failed else self._bell.wait())

    async def close(self) -> None:
        """Hang up."""
        await self.http.aclose()


def read(answer: Answer) -> dict[str, Any]:
    """An answer's JSON; empty when there is none."""
    try:
        told = json.loads(answer.body) if answer.body else {}
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
