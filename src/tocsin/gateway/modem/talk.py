"""AT commands: one at a time, what the modem says unasked told apart. ITU-T V.250, 5; 3GPP TS 27.005, 3."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from tocsin.gateway.device import Problem
from tocsin.gateway.modem.line import Line, Lost
from tocsin.gateway.modem.refusals import problem_of

log = structlog.get_logger("tocsin.gateway")

FAILED = re.compile(r"\+(CMS|CME) ERROR: *(\d+)")
HEX = re.compile(r"[0-9A-Fa-f]+")
UNASKED = ("+CMTI:", "+CDSI:", "+CMT:", "+CDS:")
WITH_PDU = ("+CMT:", "+CDS:")  # the next line is the message itself
MOST_LINE = 4096
QUIET_S = 0.2


class Refused(Exception):
    """The modem has answered a command with an error."""

    def __init__(self, command: str, family: str, code: int) -> None:
        self.family = family
        self.code = code
        super().__init__(f"{command.split('=')[0]}: {f'+{family} ERROR: {code}' if family else 'ERROR'}")

    @property
    def problem(self) -> Problem:
        """What it means for who wants something sent."""
        return problem_of(self.family, self.code)


class Talk:
    """A conversation over one open line. ``unasked(line, pdu)`` hears what the modem says by itself."""

    def __init__(self, device: Path, baud: int, unasked: Callable[[str, str], None]) -> None:
        """Open the device; ``unasked`` hears two empty texts when it is lost. Raises Lost."""
        self.unasked = unasked
        self._rest = b""
        self._turn = asyncio.Lock()
        self._answer: asyncio.Future[list[str]] | None = None
        self._prompt: asyncio.Future[None] | None = None
        self._lines: list[str] = []
        self._command = ""
        self._before_pdu = ""
        self.reason = ""
        self._line = Line(device, baud, self._heard, self._lost)

    async def begin(self) -> None:
        """Come to terms: whoever was here before may have died in the middle of a message, which Escape ends (TS
        27.005, 3.5.1), and may not have heard an answer that comes now. Raises Lost, Refused."""
        await self._write(b"\x1b")
        await asyncio.sleep(QUIET_S)  # what is said while nobody has asked is nobody's answer
        await self.do("AT")
        await asyncio.sleep(QUIET_S)
        await self.do("ATE0")

    async def do(self, command: str, timeout_s: float = 5.0, then: str = "") -> list[str]:
        """Say a command; the lines that the modem answers before OK.

        ``then``: said after the prompt ``>``, and ended with Ctrl-Z. Raises Refused, or Lost when the modem does not
        answer in time: what it says later would be taken for the answer to something else.
        """
        async with self._turn:
            loop = asyncio.get_running_loop()
            self._answer, self._lines, self._command = loop.create_future(), [], command
            self._prompt = loop.create_future() if then else None
            try:
                async with asyncio.timeout(timeout_s):
                    await self._write(command.encode("ascii") + b"\r")
                    if self._prompt is not None:
                        either: list[asyncio.Future[Any]] = [self._prompt, self._answer]
                        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                        if not self._answer.done():
                            await self._write(then.encode("ascii") + b"\x1a")
                    return await self._answer
            except TimeoutError as error:
                self.close(f"the modem does not answer {command.split('=')[0]}")
                raise Lost(self.reason) from error
            finally:
                self._answer = self._prompt = None

    async def _write(self, data: bytes) -> None:
        if not self._line.open:
            raise Lost(self.reason or "the modem is gone")
        await self._line.write(data)

    def _heard(self, data: bytes) -> None:
        self._rest += data
        *lines, self._rest = re.split(rb"[\r\n]+", self._rest)
        for line in lines:
            if text := line.decode("latin-1").strip():
                self._one(text)
        if self._rest.lstrip() in (b">", b"> ") and self._prompt is not None and not self._prompt.done():
            self._rest = b""
            self._prompt.set_result(None)
        if len(self._rest) > MOST_LINE:
            self._rest = b""

    def _one(self, text: str) -> None:
        """One whole line."""
        if self._before_pdu:
            before, self._before_pdu = self._before_pdu, ""
            self.unasked(before, text)
            return
        if text.startswith(UNASKED):
            if text.startswith(WITH_PDU):
                self._before_pdu = text
            else:
                self.unasked(text, "")
            return
        if self._answer is None or self._answer.done() or text == self._command:  # the last: echo
            return
        if text == "OK":
            self._answer.set_result(self._lines)
        elif text == "ERROR":
            self._answer.set_exception(Refused(self._command, "", 0))
        elif found := FAILED.fullmatch(text):
            self._answer.set_exception(Refused(self._command, found[1], int(found[2])))
        elif text.startswith(f"{re.split('[=?]', self._command)[0][2:]}:") or HEX.fullmatch(text):
            self._lines.append(text)  # anything else is chatter: RING, ^RSSI:22 ...

    def _lost(self, reason: str) -> None:
        self.reason = reason
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Lost(reason))
        self.unasked("", "")

    @property
    def open(self) -> bool:
        """Whether the modem is still there."""
        return self._line.open

    def close(self, reason: str = "closed") -> None:
        """Let go of the device."""
        self.reason = self.reason or reason
        self._line.close()
