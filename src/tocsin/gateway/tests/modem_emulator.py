"""A GSM modem on a pseudo terminal: answers AT commands well and badly, may be unplugged, and reads what it is asked to
send with somebody else's decoder."""

import os
import pty
import re
import select
import threading
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

from smspdudecoder.codecs import GSM, UCS2
from smspdudecoder.elements import Date, Number
from smspdudecoder.fields import SMSSubmit

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Sent:
    """A part that the network took. ``mark``: the number that +CMGS gave."""

    number: str
    text: str
    mark: int
    concatenated: dict[str, int] | None
    decoded: dict[str, Any]


def decoded(pdu: str, length: int) -> dict[str, Any]:
    """What another library reads in an SMS-SUBMIT; the length that AT+CMGS was told has to be right."""
    assert len(bytes.fromhex(pdu)) - 1 - int(pdu[:2], 16) == length
    rest = StringIO(pdu)
    found: dict[str, Any] = SMSSubmit.decode(rest)
    return found


def deliver(sender: str, text: str, at: datetime = AT, part: tuple[int, int, int] | None = None) -> str:
    """An SMS-DELIVER, written without our encoder; ``part``: reference, of how many, which."""
    digits = sender.removeprefix("+")
    kind = "91" if sender.startswith("+") else "81"
    header = "" if part is None else f"050003{part[0]:02X}{part[1]:02X}{part[2]:02X}"
    first = "04" if part is None else "44"
    if part is None and text.isascii() and text.isprintable() and not set(text) & set("`[]{}|^~\\"):
        coding, length, data = "00", len(text), GSM.encode(text)
    else:
        coding, data = "08", header + UCS2.encode(text)
        length = len(data) // 2
    stamp = Date.encode(at)
    return f"00{first}{len(digits):02X}{kind}{Number.encode(digits)}00{coding}{stamp}{length:02X}{data}".upper()


def report(mark: int, recipient: str, status: int) -> str:
    """An SMS-STATUS-REPORT."""
    digits = recipient.removeprefix("+")
    stamp = Date.encode(AT)
    return f"0006{mark:02X}{len(digits):02X}91{Number.encode(digits)}{stamp}{stamp}{status:02X}".upper()


class Modem:
    """The modem. ``folder``: where its device appears as ``modem``."""

    def __init__(self, folder: Path) -> None:
        self.device = folder / "modem"
        self.sent: list[Sent] = []
        self.commands: list[str] = []
        self.sim: dict[int, str] = {}
        self.pin = ""  # asked for, when set
        self.pins_tried: list[str] = []
        self.registration = 1
        self.refusals: list[str] = []  # what the next messages are answered with, instead of being sent
        self.silent: set[str] = set()  # commands that get no answer
        self.unknown: set[str] = set()  # commands that it does not know
        self.reports: int | None = None  # the status to report for every message at once
        self.stored_reports = False  # reports are kept on the SIM and only named
        self.slow_s = 0.0
        self.chatter = ""  # said before every answer, as sticks do
        self.hook: Callable[[str], None] = lambda moment: None  # hears every command, and "sent"
        self._mark = 0
        self._echo = True
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._master = self._slave = -1
        self._thread: threading.Thread | None = None
        self.plug()

    # --- what a test does ---

    def plug(self) -> None:
        """Appear."""
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.device.unlink(missing_ok=True)
        self.device.symlink_to(os.ttyname(self._slave))
        self._echo = True
        self._stop.clear()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def unplug(self) -> None:
        """Be gone."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self.device.unlink(missing_ok=True)
            os.close(self._master)
            os.close(self._slave)

    def receive(self, pdu: str, *, direct: bool = False) -> None:
        """An SMS comes: to the SIM, or straight down the line."""
        with self._lock:
            if direct:
                self._write(f"\r\n+CMT: ,{len(pdu) // 2 - 1}\r\n{pdu}\r\n")
                return
            place = self._keep(pdu)
            self._write(f'\r\n+CMTI: "SM",{place}\r\n')

    def tell(self, pdu: str) -> None:
        """A status report comes."""
        with self._lock:
            if self.stored_reports:
                place = self._keep(pdu)
                self._write(f'\r\n+CDSI: "SM",{place}\r\n')
            else:
                self._write(f"\r\n+CDS: {len(pdu) // 2 - 1}\r\n{pdu}\r\n")

    def until(self, condition: Callable[["Modem"], object], timeout_s: float = 10.0) -> None:
        """Wait for something to have happened to the modem."""
        ends = time.monotonic() + timeout_s
        while not condition(self):
            assert time.monotonic() < ends, f"it has not happened; commands: {self.commands[-20:]}"
            time.sleep(0.01)

    # --- the modem ---

    def _keep(self, pdu: str) -> int:
        place = next(place for place in range(1, 99) if place not in self.sim)
        self.sim[place] = pdu
        return place

    def _write(self, text: str) -> None:
        os.write(self._master, text.encode("latin-1"))

    def _serve(self) -> None:
        rest, wanted = b"", 0
        while not self._stop.is_set():
            if not select.select([self._master], [], [], 0.02)[0]:
                continue
            try:
                rest += os.read(self._master, 4096)
            except OSError:
                continue
            while True:
                if b"\x1b" in rest:  # a message that was begun is given up
                    rest, wanted = rest.rpartition(b"\x1b")[2], 0
                    self._write("\r\nOK\r\n")
                end = b"\x1a" if wanted else b"\r"
                if end not in rest:
                    break
                one, _, rest = rest.partition(end)
                text = one.decode("latin-1").strip()
                with self._lock:
                    wanted = self._submit(text, wanted) if wanted else self._command(text)

    def _command(self, text: str) -> int:
        """Answer a command; how long the message is that it announces, 0 when it announces none."""
        self.commands.append(text)
        self.hook(text)
        if self._echo:
            self._write(f"{text}\r")
        name = re.split(r"[=?]", text)[0]
        if name in self.silent:
            return 0
        if self.slow_s:
            time.sleep(self.slow_s)
        self._write(self.chatter)
        if name in self.unknown:
            self._write("\r\nERROR\r\n")
            return 0
        if name == "AT+CMGS":
            self._write("\r\n> ")
            return int(text.partition("=")[2])
        self._write(self._answer(name, text))
        return 0

    def _answer(self, name: str, text: str) -> str:
        value = text.partition("=")[2]
        said = ""
        if name == "ATE0":
            self._echo = False
        elif text == "AT+CPIN?":
            said = f"+CPIN: {'SIM PIN' if self.pin else 'READY'}"
        elif name == "AT+CPIN":
            self.pins_tried.append(value.strip('"'))
            if value.strip('"') != self.pin:
                return "\r\n+CME ERROR: 16\r\n"
            self.pin = ""
        elif name == "AT+CREG":
            said = f"+CREG: 0,{self.registration}"
        elif name == "AT+CEREG":
            return "\r\n+CME ERROR: 4\r\n"
        elif name == "AT+CSQ":
            said = "+CSQ: 20,99"
        elif name == "AT+COPS":
            said = '+COPS: 0,0,"Kestrel Mobile",7'
        elif name == "AT+CMGL":
            rows = (f"+CMGL: {place},1,,{len(pdu) // 2 - 1}\r\n{pdu}" for place, pdu in sorted(self.sim.items()))
            said = "\r\n".join(rows)
        elif name == "AT+CMGR":
            pdu = self.sim.get(int(value), "")
            said = f"+CMGR: 0,,{len(pdu) // 2 - 1}\r\n{pdu}" if pdu else ""
        elif name == "AT+CMGD":
            self.sim.pop(int(value.split(",")[0]), None)
        elif name not in ("AT", "AT+CMEE", "AT+CSMS", "AT+CMGF", "AT+CPMS", "AT+CNMI"):
            return "\r\nERROR\r\n"
        return f"\r\n{said}\r\n\r\nOK\r\n" if said else "\r\nOK\r\n"

    def _submit(self, pdu: str, length: int) -> int:
        """Send, or do not."""
        if self.refusals and (refusal := self.refusals.pop(0)):
            self._write(f"\r\n{refusal}\r\n")
            return 0
        found = decoded(pdu, length)
        self._mark = (self._mark + 1) % 256
        data = found["user_data"]
        elements = data["header"]["elements"] if data["header"] else []
        joined = next((one["data"] for one in elements if one["iei"] == 0), None)
        number = f"+{found['recipient']['number']}"
        self.sent.append(Sent(number, data["data"], self._mark, joined, found))
        self.hook("sent")
        self._write(f"\r\n+CMGS: {self._mark}\r\n\r\nOK\r\n")
        if self.reports is not None:
            self.tell(report(self._mark, number, self.reports))
        return 0
