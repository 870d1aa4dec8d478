"""A modem with a SIM: opened, made ready, fed from the book, listened to; and opened again when it was unplugged."""

import asyncio
import contextlib
import hashlib
import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from tocsin.gateway import moment
from tocsin.gateway.book import Book, Job
from tocsin.gateway.device import Problem
from tocsin.gateway.modem import inbox, pdu
from tocsin.gateway.modem.line import Lost
from tocsin.gateway.modem.refusals import report_of
from tocsin.gateway.modem.talk import Refused, Talk
from tocsin.gateway.teller import Teller, Unheard

log = structlog.get_logger("tocsin.gateway")

SEND_S = 60.0  # TS 27.005 gives no limit; networks answer within half a minute or not at all
GIVE_UP_S = 120.0  # what has not left by then is given up, so that the person is reached another way
AGAIN_S = 5.0  # before one that the network could not take is tried again; others go before it
PIN_TRIED = "pin-tried"
REMEMBERED = 1000  # messages that Tocsin has, while the modem does not remove them
CHECK_S = 20.0  # how often network, signal and SIM are looked at
REOPEN_S = (1.0, 2.0, 5.0, 10.0)
REGISTERED = {1: "home", 5: "roaming", 6: "home, SMS only", 7: "roaming, SMS only"}  # TS 27.007, 7.2
UNREGISTERED = {0: "not searching", 2: "searching", 3: "refused by the network", 4: "unknown"}
# what is told unasked: messages are kept on the SIM and named (1), reports come whole (1) or are kept (2); the first
# that the modem agrees to (TS 27.005, 3.4.1)
TELL_UNASKED = ("2,1,0,1,0", "1,1,0,1,0", "2,1,0,2,0", "1,1,0,2,0", "2,1,0,0,0", "1,1,0,0,0")
PLACE = re.compile(r'\+\w+: *"(\w+)", *(\d+)')


@dataclass(frozen=True, slots=True)
class Setup:
    """How the modem is reached. ``storage``: where it keeps what comes: SM (SIM) or ME (modem)."""

    device: Path
    baud: int = 115200
    pin: str = ""
    storage: str = "SM"


class Unusable(Exception):
    """The modem answers, and cannot be used as it is."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.detail)


class Modem:
    """See ``device.Device``."""

    kind = "sms"

    def __init__(self, setup: Setup, book: Book, teller: Teller) -> None:
        self.setup = setup
        self.book = book
        self.teller = teller
        teller.answered = self.answered
        self.name = f"modem {setup.device}"
        self._problem: Problem | None = Problem("later", "the modem is not ready yet", 10.0)
        self._facts: dict[str, Any] = {"registered": "", "signal_dbm": None, "operator": ""}
        self._waiting: dict[str, asyncio.Future[Problem | None]] = {}
        self._bell = asyncio.Event()
        self._look = True  # there may be something on the SIM
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, None] = {}
        self._unread: dict[int, str] = {}  # what was no message, by its place on the SIM
        self._not_before: dict[str, float] = {}  # by the loop's clock
        self._arrived: list[str] = []  # status reports
        self._reports: list[tuple[str, int]] = []  # places of stored status reports

    # --- for the door ---

    def problem(self) -> Problem | None:
        """See Device."""
        return self._problem

    def health(self) -> dict[str, Any]:
        """See Device."""
        return dict(self._facts)

    def recording(self, token: str) -> bytes | None:
        """See Device."""
        return None

    async def begin(self, job: Job, wait_s: float) -> Problem | None:
        """See Device."""
        place: asyncio.Future[Problem | None] = asyncio.get_running_loop().create_future()
        self._waiting[job.ref] = place
        self._bell.set()
        try:
            async with asyncio.timeout(wait_s):
                return await place
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(job.ref, None)

    # --- at work ---

    async def run(self) -> None:
        """See Device."""
        try:
            await self._reopen_forever()
        finally:
            tasks = list(self._telling.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _reopen_forever(self) -> None:
        tries = 0
        while True:
            talk: Talk | None = None
            try:
                talk = Talk(self.setup.device, self.setup.baud, self._unasked)
                await self._prepare(talk)
                tries = 0
                await self._work(talk)
            except Lost as error:
                self._not_ready(Problem("later", str(error), 10.0))
            except Unusable as error:
                self._not_ready(error.problem)
            except Refused as error:
                self._not_ready(error.problem)
            except Exception as error:  # one bad message must not stop everybody's
                log.exception("gateway.fault")
                self._not_ready(Problem("later", f"fault in the gateway: {type(error).__name__}", 10.0))
            finally:
                if talk is not None:
                    talk.close()
            self._give_up()
            await asyncio.sleep(REOPEN_S[min(tries, len(REOPEN_S) - 1)])
            tries += 1

    def _not_ready(self, problem: Problem) -> None:
        if self._problem is None or self._problem.detail != problem.detail:
            log.warning("gateway.modem_not_ready", problem=problem.detail)
        self._problem = problem
        self._facts["registered"] = ""

    async def _prepare(self, talk: Talk) -> None:
        """Everything a modem has to be told before it is of use. Raises Lost, Refused, Unusable."""
        await talk.begin()
        await talk.do("AT+CMEE=1")
        await self._unlock(talk)
        with contextlib.suppress(Refused):
            await talk.do("AT+CSMS=0")  # what comes need not be acknowledged by us (TS 27.005, 3.2.1)
        await talk.do("AT+CMGF=0")
        storage = self.setup.storage
        with contextlib.suppress(Refused):
            await talk.do(f'AT+CPMS="{storage}","{storage}","{storage}"')
        for choice in TELL_UNASKED:
            with contextlib.suppress(Refused):
                await talk.do(f"AT+CNMI={choice}")
                break
        self._look = True

    async def _unlock(self, talk: Talk) -> None:
        """The PIN, once: the third wrong one locks the SIM. The book remembers it, also over a restart."""
        state = _value(await talk.do("AT+CPIN?", 10.0))
        if state == "READY":
            return
        if state != "SIM PIN":
            raise Unusable(Problem("account", f"the SIM asks for {state.removeprefix('SIM ') or 'something'}"))
        if not self.setup.pin:
            raise Unusable(Problem("account", "the SIM asks for its PIN, and none is set"))
        tried = hashlib.sha256(self.setup.pin.encode()).hexdigest()
        if self.book.note(PIN_TRIED) == tried:
            raise Unusable(Problem("account", "the PIN was refused; it is not tried again until another one is set"))
        self.book.keep_note(PIN_TRIED, tried)
        try:
            await talk.do(f'AT+CPIN="{self.setup.pin}"', 20.0)
        except Refused as error:
            raise Unusable(Problem("account", f"the PIN was refused: {error.problem.detail}")) from error
        self.book.keep_note(PIN_TRIED, "")  # it is right, and is asked for again after the next unplugging
        for _ in range(20):  # the SIM takes a while
            with contextlib.suppress(Refused):
                if _value(await talk.do("AT+CPIN?", 10.0)) == "READY":
                    return
            await asyncio.sleep(0.5)
        raise Unusable(Problem("later", "the SIM does not become ready", 10.0))

    async def _work(self, talk: Talk) -> None:
        """Send, listen, look. Ends with Lost."""
        loop = asyncio.get_running_loop()
        checked = -CHECK_S
        while True:
            self._bell.clear()
            if loop.time() - checked >= (CHECK_S if self._problem is None else 1.0):
                await self._check(talk)
                checked = loop.time()
                self._look = True
            await self._fetch_reports(talk)
            if self._look:
                self._look = False
                await self._take_in(talk)
            self._give_up()
            if self._problem is not None or not await self._send_one(talk):
                busy = self._problem is not None or self.book.waiting(self.kind)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.0 if busy else CHECK_S):
                        await self._bell.wait()
            if not talk.open:
                raise Lost(talk.reason)

    async def _check(self, talk: Talk) -> None:
        """Network, signal, operator."""
        state = 4
        for command in ("AT+CREG?", "AT+CEREG?"):
            with contextlib.suppress(Refused):
                state = _registration(await talk.do(command))
                if state in REGISTERED:
                    break
        with contextlib.suppress(Refused):
            self._facts["signal_dbm"] = _signal(_value(await talk.do("AT+CSQ")))
        operator = ""
        if state in REGISTERED:
            with contextlib.suppress(Refused):
                operator = _quoted(_value(await talk.do("AT+COPS?", 20.0)))
        self._facts |= {"registered": REGISTERED.get(state, ""), "operator": operator}
        if state in REGISTERED:
            if self._problem is not None:
                log.info("gateway.modem_ready", **self._facts)
            self._problem = None
        else:
            why = f"the modem has no network: {UNREGISTERED.get(state, 'unknown')}"
            self._not_ready(Problem("account" if state == 3 else "later", why, None if state == 3 else 10.0))

    # --- out ---

    def _finish(self, job: Job, problem: Problem | None) -> None:
        """Say what came of a job: to who waits for it, otherwise to Tocsin through the book."""
        place = self._waiting.get(job.ref)
        if place is not None and not place.done():
            place.set_result(problem)
        elif problem is not None:
            self.book.end(job.ref, "failed", problem.detail)
            self.teller.ring()

    def _give_up(self) -> None:
        """What has waited too long, and what somebody waits for while nothing can be sent."""
        for job in self.book.waiting(self.kind):
            place = self._waiting.get(job.ref)
            if self._problem is not None and place is not None:
                self._finish(job, self._problem)
            elif moment.now() - job.at > GIVE_UP_S:
                why = self._problem.detail if self._problem else "the network did not take it"
                self._finish(job, Problem("later", f"given up after {GIVE_UP_S:.0f} s: {why}"))

    async def _send_one(self, talk: Talk) -> bool:
        """Send the oldest message that may be; whether there was one."""
        now = asyncio.get_running_loop().time()
        for job in self.book.waiting(self.kind):
            place = self._waiting.get(job.ref)
            if (place is not None and place.done()) or self._not_before.get(job.ref, now) > now:
                continue  # answered already, the door writes it down; or tried a moment ago
            self.book.sending(job.ref)
            try:
                await self._send(talk, job)
            except Refused as error:
                problem = error.problem
                log.warning("gateway.refused", ref=job.ref, problem=problem.detail)
                if job.ref in self._waiting or problem.kind != "later":
                    self._finish(job, problem)
                    return True
                self._not_before = {ref: at for ref, at in self._not_before.items() if at > now}
                self._not_before[job.ref] = now + AGAIN_S
                await self._check(talk)
                return True
            except ValueError as error:
                self._finish(job, Problem("number", str(error)))
                return True
            self.book.all_sent(job.ref)
            self._finish(job, None)
            self.teller.ring()
            return True
        return False

    async def _send(self, talk: Talk, job: Job) -> None:
        """Every part that the network does not have yet."""
        parts = pdu.submits(job.number, job.text, int(job.ref[:2], 16))
        done = self.book.parts_sent(job.ref)
        for number, part in enumerate(parts, 1):
            if number not in done:
                said = await talk.do(f"AT+CMGS={part.length}", SEND_S, then=part.hex)
                mark = next((_value([line]) for line in said if line.startswith("+CMGS:")), "").split(",")[0]
                self.book.part_sent(job.ref, number, int(mark) if mark.strip().isdecimal() else -1)

    # --- in ---

    def _unasked(self, line: str, told: str) -> None:
        """What the modem says by itself."""
        if line.startswith("+CDS:"):
            self._arrived.append(told)  # it may be of the very part whose number is not in the book yet
        elif line.startswith("+CMT:"):
            self._direct(told)
        elif line.startswith("+CDSI:") and (found := PLACE.match(line)):
            self._reports.append((found[1], int(found[2])))
        else:
            self._look = True
        self._bell.set()

    def _direct(self, told: str) -> None:
        """A message that is not on the SIM: the book keeps it until Tocsin has it."""
        try:
            deliver = pdu.read_deliver(told)
        except ValueError as error:
            log.warning("gateway.unread", error=str(error))
            return
        ref = inbox.ref_of([deliver])
        self.book.tell("message", {"ref": ref, "sender": deliver.sender, "text": deliver.text})
        self.teller.ring()

    def _report(self, told: str) -> None:
        try:
            report = pdu.read_report(told)
        except ValueError as error:
            log.warning("gateway.unread", error=str(error))
            return
        if report.state:
            self.book.report(report.reference, report.recipient, report.state, report_of(report.status))
            self.teller.ring()

    async def _fetch_reports(self, talk: Talk) -> None:
        """Status reports; what the modem keeps of them is read, and removed."""
        while self._arrived:
            self._report(self._arrived.pop(0))
        while self._reports:
            storage, place = self._reports.pop(0)
            try:
                if storage != self.setup.storage:
                    await talk.do(f'AT+CPMS="{storage}"')
                said = await talk.do(f"AT+CMGR={place}")
                self._report(said[-1] if said else "")
                await talk.do(f"AT+CMGD={place}")
            except Refused as error:
                log.warning("gateway.report_not_read", error=str(error))
            finally:
                if storage != self.setup.storage and talk.open:
                    with contextlib.suppress(Refused):
                        await talk.do(f'AT+CPMS="{self.setup.storage}"')

    async def _take_in(self, talk: Talk) -> None:
        """Tell Tocsin what is on the SIM; removed from there when Tocsin has taken it, so that nothing is lost."""
        try:
            said = await talk.do("AT+CMGL=4", 20.0)
        except Refused as error:
            log.warning("gateway.not_listed", error=str(error))
            return
        stored, done = [], []
        unread: dict[int, str] = {}
        for head, told in itertools.pairwise(said):
            where = _value([head]).split(",")[0].strip()
            if not head.startswith("+CMGL:") or not where.isdecimal():
                continue
            place = int(where)
            try:
                stored.append(inbox.Stored(place, pdu.read_deliver(told)))
            except ValueError:
                unread[place] = told
                if self._unread.get(place) == told:  # twice the same: no noise on the line, it only takes room
                    self._report(told)
                    done.append(place)
        self._unread = unread
        for one in inbox.whole(stored, moment.now()):
            if one.ref in self._told:
                done += one.places
            elif one.ref not in self._telling:
                self._telling[one.ref] = asyncio.create_task(self._tell(one))
        for place in done:
            with contextlib.suppress(Refused):
                await talk.do(f"AT+CMGD={place}")

    async def _tell(self, one: inbox.Whole) -> None:
        """Tell Tocsin of a message, beside the other work; when it does not hear, the next look tries again."""
        body = {"ref": one.ref, "sender": one.sender, "text": one.text}
        try:
            self.answered("message", body, await self.teller.ask("message", body))
            self._told[one.ref] = None
            self._look = True
            self._bell.set()
        except Unheard as error:
            log.warning("gateway.unheard", what="message", error=str(error))
        finally:
            del self._telling[one.ref]
            while len(self._told) > REMEMBERED:
                self._told.pop(next(iter(self._told)))

    def answered(self, target: str, told: dict[str, Any], answer: dict[str, Any]) -> None:
        """What Tocsin answers to a message goes back to its sender, once, also when it was told twice."""
        if target == "message" and (text := str(answer.get("text") or "")):
            self.book.accept(Job(f"answer:{told['ref']}", told["ref"], self.kind, told["sender"], text[:1000]))
            self._bell.set()


def _value(lines: list[str]) -> str:
    """What stands behind ``+NAME:`` in the first line."""
    return lines[0].partition(":")[2].strip() if lines else ""


def _quoted(text: str) -> str:
    found = re.search(r'"([^"]*)"', text)
    return found[1] if found else ""


def _registration(lines: list[str]) -> int:
    """``n,state``; 4 (unknown) when it is unreadable. News of it have one field alone."""
    for line in lines:
        fields = _value([line]).split(",")
        if len(fields) > 1 and fields[1].strip().isdecimal():
            return int(fields[1])
    return 4


def _signal(text: str) -> int | None:
    """Decibel milliwatts of what +CSQ says (TS 27.007, 8.5); None when the modem does not know."""
    first = text.split(",")[0].strip()
    return -113 + 2 * int(first) if first.isdecimal() and int(first) <= 31 else None
