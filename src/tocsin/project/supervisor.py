"""Keeps the processes of one installation alive: the embedded database, web and engine.

One thread, one loop: a self-pipe for signals, the children's output, and timers. Nothing of Django is imported here, so
that the supervisor stays small and starts at once.

* A child that dies is started again, at once when it had been running for a while, with growing pauses when not.
* SIGTERM or SIGINT drains: web and engine finish what they hold, then the database stops. A second one forces.
* A child that lives but no longer serves is ended, and so started again.
* Children die with the supervisor (Linux), and what a killed child leaves behind is adopted, ended and reaped.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

# a child that ran this long was well: it is started again at once
WELL_S = 3.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
DRAIN_S = 25.0
# exit code of a child that can never start (wrong setting, no permission): starting it again would not help
EXIT_CONFIG = 78
POLL_S = 0.02
PROBE_S = 5.0
# a child that was asked to end because it did not serve, and does not even do that
STUBBORN_S = 10.0

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass
class Child:
    """One process to keep.

    command, environment, popen   what to start and how (``popen``: extra arguments of subprocess.Popen)
    once       runs to its end and is not started again; its standard output is collected, ``done`` gets it
    ready      asked every few milliseconds after a start until it says yes; then ``on_ready`` runs
    before     runs just before each start; may block for a moment
    serves     asked every few seconds; may block for a second. When it says no for ``patience_s`` the child is ended by
               ``force``. Patience doubles each time, as it may only have been slow, until it serves again
    stop       signal that asks it to finish; ``force`` ends it for certain and safely
    quiet      lines that begin so are not shown
    rank       at shutdown, children of a lower rank are gone before those of a higher one are asked
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    popen: dict[str, object] = field(default_factory=dict)
    once: bool = False
    done: Callable[[int, str], None] | None = None
    ready: Callable[[int], bool] | None = None
    on_ready: Callable[[], None] | None = None
    before: Callable[[], None] | None = None
    serves: Callable[[], bool] | None = None
    patience_s: float = 45.0
    stop: signal.Signals = signal.SIGTERM
    force: signal.Signals = signal.SIGKILL
    rank: int = 0
    quiet: tuple[str, ...] = ()
    pid: int | None = None
    started: float = 0.0
    waiting: bool = False  # for ``ready``
    failures: int = 0
    start_at: float | None = None
    asked_at: float | None = None
    probe_at: float = 0.0
    served_at: float = 0.0
    ended_for_silence: int = 0
    output: list[str] = field(default_factory=list)


class Supervisor:
    """Runs children until told to stop. ``write`` takes finished lines for the operator."""

    def __init__(self, write: Callable[[str], None], *, json_lines: bool = False, colour: bool = False) -> None:
        self.children: list[Child] = []
        self.write = write
        self.json_lines = json_lines
        self.colour = colour
        self.stopping = False
        self.forced = False
        self.exit_code = 0
        self._selector = selectors.DefaultSelector()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._partial: dict[int, bytes] = {}
        self._timers: list[tuple[float, Callable[[], None]]] = []

    # -- for those who set it up

    def add(self, child: Child) -> None:
        """Keep this child from now on."""
        self.children.append(child)
        child.start_at = time.monotonic()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call after this many seconds."""
        self._timers.append((time.monotonic() + seconds, call))

    def say(self, text: str, name: str = "tocsin") -> None:
        """One line for the operator."""
        self._line(name, text)

    def fail(self, text: str, code: int = 1) -> None:
        """Something that makes going on pointless: say so and stop."""
        self.say(text)
        self.exit_code = self.exit_code or code
        self.stop()

    def stop(self) -> None:
        """Begin to drain; forced when it was asked for already."""
        if self.stopping:
            self.forced = True
        self.stopping = True

    # -- the loop

    def run(self) -> int:
        """Keep the children until stopped. Returns the exit code."""
        if _libc is not None:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        read_end, write_end = socket.socketpair()
        read_end.setblocking(False)
        write_end.setblocking(False)
        signal.set_wakeup_fd(write_end.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self.stop())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(read_end, selectors.EVENT_READ)
        try:
            while self._step():
                for key, _ in self._selector.select(self._pause()):
                    if key.fileobj is read_end:
                        with contextlib.suppress(BlockingIOError):
                            read_end.recv(4096)
                    else:
                        self._read(key)
        finally:
            signal.set_wakeup_fd(-1)
            read_end.close()
            write_end.close()
        return self.exit_code

    def _step(self) -> bool:
        """Reap, start, ask, force. Returns whether to go on."""
        self._reap()
        now = time.monotonic()
        for timer in [timer for timer in self._timers if timer[0] <= now]:
            self._timers.remove(timer)
            timer[1]()
        if self.stopping:
            return self._drain(now)
        for child in self.children:
            if child.pid is None and child.start_at is not None and child.start_at <= now:
                self._start(child)
            elif child.pid is not None and child.waiting and child.ready is not None and child.ready(child.pid):
                child.waiting = False
                if child.on_ready:
                    child.on_ready()
            if child.pid is not None and child.serves is not None and child.probe_at <= now:
                self._probe(child, child.serves)
        return True

    def _probe(self, child: Child, serves: Callable[[], bool]) -> None:
        """Ask whether it serves; end it when it has not for too long."""
        served = serves()
        now = time.monotonic()
        child.probe_at = now + PROBE_S
        if served:
            child.served_at, child.ended_for_silence = now, 0
            return
        silent = now - child.served_at
        patience = child.patience_s * 2**child.ended_for_silence
        if silent < patience:
            return
        if child.asked_at is None:
            self.say(f"{child.name} runs but has not served for {silent:.0f} s; it is ended and started again.")
            child.asked_at = now
            self._signal(child, child.force)
        elif now - child.asked_at > STUBBORN_S:
            self._signal(child, signal.SIGKILL)

    def _pause(self) -> float:
        """Seconds until something is due by itself."""
        now = time.monotonic()
        due = [at for at, _ in self._timers]
        due += [child.start_at for child in self.children if child.pid is None and child.start_at is not None]
        due += [child.probe_at for child in self.children if child.pid is not None and child.serves is not None]
        if self.stopping or any(child.waiting and child.pid for child in self.children):
            due.append(now + POLL_S)
        return max(0.0, min(due, default=now + 60) - now)

    def _drain(self, now: float) -> bool:
        alive = [child for child in self.children if child.pid is not None]
        if not alive:
            return False
        lowest = min(child.rank for child in alive)
        for child in alive:
            if self.forced or (child.asked_at is not None and now - child.asked_at > DRAIN_S):
                self._signal(child, child.force)
            elif child.rank == lowest and child.asked_at is None:
                child.asked_at = now
                self._signal(child, signal.SIGTERM if child.once else child.stop)
        return True

    # -- processes

    def _start(self, child: Child) -> None:
        child.start_at = None
        supervisor = os.getpid()

        def inside() -> None:
            # the account is already changed here, which would have cleared this wish
            if _libc is not None:
                _libc.prctl(_PR_SET_PDEATHSIG, child.stop, 0, 0, 0)
                if os.getppid() != supervisor:
                    os._exit(1)

        try:
            if child.before:
                child.before()
            process = subprocess.Popen(  # type: ignore[call-overload]  # noqa: S603 - our own programs
                child.command,
                env=child.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if child.once else subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C in the terminal comes to the supervisor alone
                preexec_fn=inside,
                **child.popen,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the operator must hear of it and the rest go on
            self.say(f"{child.name} could not be started: {error}")
            self._pause_before_restart(child, 0.0)
            return
        child.pid = process.pid
        child.started = time.monotonic()
        child.waiting = child.ready is not None
        child.asked_at = None
        child.served_at = child.started
        child.probe_at = child.started + PROBE_S
        child.output.clear()
        self._processes[process.pid] = process
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                collected = child.once and stream is process.stdout
                self._selector.register(stream, selectors.EVENT_READ, (child, collected))

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            process = self._processes.pop(pid, None)
            if process is None:
                continue  # somebody a dead child left behind
            process.returncode = os.waitstatus_to_exitcode(status)
            child = next(child for child in self.children if child.pid == pid)
            self._ended(child, process)

    def _ended(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        for stream in (process.stdout, process.stderr):
            if stream is not None and not stream.closed:
                key = self._selector.get_map().get(stream.fileno())
                if key is not None:
                    self._read(key)
        # workers of a killed parent hold its port and its work: they must be gone before it is started again
        if child.force == signal.SIGKILL:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        code = process.returncode
        child.pid = None
        child.waiting = False
        lived = time.monotonic() - child.started
        if self.stopping:
            return
        child.ended_for_silence += child.asked_at is not None
        if child.once:
            if child.done:
                child.done(code, "".join(child.output))
            return
        if code == EXIT_CONFIG:
            self.fail(f"{child.name} cannot run as it is set up; see its lines above.", EXIT_CONFIG)
            return
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self._pause_before_restart(child, lived)
        self.say(f"{child.name} {how}; starting it again.")

    def _pause_before_restart(self, child: Child, lived: float) -> None:
        child.failures = 0 if lived >= WELL_S else child.failures + 1
        pause = min(FIRST_PAUSE_S * 2 ** (child.failures - 1), LONGEST_PAUSE_S) if child.failures else 0.0
        child.start_at = time.monotonic() + pause

    def _signal(self, child: Child, number: signal.Signals) -> None:
        if child.pid is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if number == signal.SIGKILL:
                os.killpg(child.pid, number)
            else:
                os.kill(child.pid, number)

    # -- output

    def _read(self, key: selectors.SelectorKey) -> None:
        stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
        child, collected = key.data
        number = stream.fileno()
        while True:
            try:
                data = os.read(number, 65536)
            except BlockingIOError:
                return
            if not data:
                rest = self._partial.pop(number, b"")
                self._line(child.name, rest.decode(errors="replace"))
                self._selector.unregister(stream)
                stream.close()
                return
            if collected:
                child.output.append(data.decode(errors="replace"))
                continue
            *lines, rest = (self._partial.pop(number, b"") + data).split(b"\n")
            if rest:
                self._partial[number] = rest
            for line in lines:
                text = line.decode(errors="replace")
                if not text.startswith(child.quiet):
                    self._line(child.name, text)

    def _line(self, name: str, text: str) -> None:
        text = text.rstrip()
        if not text:
            return
        if self.json_lines:
            facts: Any = {"logger": name, "event": text}
            self.write(text if text.startswith("{") else json.dumps(facts))
        elif self.colour:
            shade = {"database": 34, "web": 32, "engine": 36}.get(name, 35)
            self.write(f"\x1b[{shade}m{name:>8} |\x1b[0m {text}")
        else:
            self.write(f"{name:>8} | {text}")
