"""The engine: the process that decides and pages. Any number of them run side by side, all active.

Each kind of work has a thread of its own and sleeps until its next due row or a wake-up from the database, whichever is
first; nothing is polled faster than that. What a thread does is one action in one transaction, so killing an engine at
any moment loses nothing: another engine, or this one started again, finds the row still due.
"""

import gc
import signal
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, connections

from tocsin.delivery import objective
from tocsin.delivery.actions import mail, verifying
from tocsin.delivery.actions.handovers import forget_handovers
from tocsin.delivery.jobs import Deliverer
from tocsin.escalation.actions import proofs, runs
from tocsin.incidents import jobs as incidents
from tocsin.intake import jobs as intake
from tocsin.oncall import jobs as oncall
from tocsin.platform import clock, nodes
from tocsin.project import canary, ledger, partners, subscriptions
from tocsin.project.history import runs as histories
from tocsin.project.history import working
from tocsin.project.importing import work as importing
from tocsin.project.ledger import reconciling
from tocsin.project.watchdog import DeadMan
from tocsin.triage import actions as triage
from tocsin.triage import jobs as housekeeping

log = structlog.get_logger()

IDLE_S = 2.0  # look again after this even when nothing woke us: a wake-up is lost when the listener reconnects
REPORT_S = 2.0
PROVE_S = 600.0
ASK_S = 60.0
SEAL_S = 10.0
BATCH = 2_000
# Signals that follow one another this closely are decided together: a batch costs about as much as ten signals. The
# first one after a rest never waits.
GATHER_S = 0.02
ENOUGH = 400


class Worker(threading.Thread):
    """One kind of work: runs ``work`` until it finds nothing, then sleeps until woken or due."""

    def __init__(
        self,
        name: str,
        work: Callable[[], int],
        next_due: Callable[[], datetime | None] | None = None,
        then: Callable[[], None] | None = None,
        gather_s: float = 0.0,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.gather_s = gather_s
        self.work = work
        self.next_due = next_due
        self.then = then
        self.bell = threading.Event()
        self.stopping = False
        self.done = 0
        self.failures = 0

    def wake(self) -> None:
        """There may be work; callable from any thread."""
        self.bell.set()

    def stop(self) -> None:
        """Finish the transaction under way, then end."""
        self.stopping = True
        self.bell.set()

    def run(self) -> None:
        pause = 0.05
        while not self.stopping:
            try:
                self.bell.clear()
                began = time.monotonic()
                count = self.work()
                self.done += count
                pause = 0.05
                if count:
                    if self.then:
                        self.then()
                    if count < ENOUGH and (rest := began + self.gather_s - time.monotonic()) > 0:
                        time.sleep(rest)
                    continue
                self.bell.wait(self._wait())
            except DatabaseError as error:
                # the database restarts, or two transactions waited for each other: nothing happened, try again
                connection.close()
                log.warning("engine.database", worker=self.name, error=str(error).splitlines()[0][:200])
                self.bell.wait(pause)
                pause = min(pause * 2, 1.0)
            except Exception:
                self.failures += 1
                connection.close()
                log.exception("engine.failed", worker=self.name)
                self.bell.wait(min(pause * 4, 5.0))
                pause = min(pause * 2, 5.0)
        connection.close()

    def _wait(self) -> float:
        if self.next_due is None or (due := self.next_due()) is None:
            return IDLE_S
        return min(max((due - clock.now()).total_seconds(), 0.0), IDLE_S)


class Listener(threading.Thread):
    """Hears the database's wake-ups and rings the workers' bells."""

    def __init__(self, bells: dict[str, list[Callable[[], None]]]) -> None:
        super().__init__(name="listener", daemon=True)
        self.bells = bells
        self.stopping = False

    def run(self) -> None:
        pause = 0.05
        while not self.stopping:
            try:
                with psycopg.connect(**_parameters(), autocommit=True) as listening:
                    listening.execute("LISTEN tocsin_wake")
                    pause = 0.05
                    self._ring("clock")  # whatever was said while nobody listened
                    while not self.stopping:
                        for note in listening.notifies(timeout=1.0):
                            self._ring(note.payload)
            except psycopg.Error as error:
                if not self.stopping:
                    log.warning("engine.listener", error=str(error).splitlines()[0][:200] if str(error) else "gone")
                    time.sleep(pause)
                    pause = min(pause * 2, 1.0)

    def _ring(self, topic: str) -> None:
        # a shifted clock makes anything due
        topics = self.bells if topic == "clock" else {topic: self.bells.get(topic, [])}
        for bells in topics.values():
            for bell in bells:
                bell()


def _parameters() -> dict[str, Any]:
    """psycopg's parameters of Django's own connection."""
    return {
        key: value
        for key, value in connections["default"].get_connection_params().items()
        if key not in ("cursor_factory", "context", "prepare_threshold", "server_side_binding", "client_encoding")
    }


class Engine:
    """All workers of one process. ``over`` is set when one of them has ended that must not."""

    def __init__(self, *, deliver: bool = True, over: threading.Event | None = None) -> None:
        self.over = over or threading.Event()
        self.failed = False
        self.deliverer = Deliverer()
        self.delivery = threading.Thread(target=self._deliver, name="delivery", daemon=True)
        self.deliver = deliver
        self._buckets: list[int] | None = None
        self._shared_at = 0.0
        self.triage = Worker("triage", self._absorb, then=self._after_triage, gather_s=GATHER_S)
        self.escalation = Worker("escalation", runs.run_due, runs.next_due, then=self.deliverer.wake)
        self.timers = Worker("timers", self._timers, self._timers_due)
        self.keeper = Worker("keeper", self._keep)
        self.dead_man = DeadMan(settings.TOCSIN.dead_man_url)
        self.watchdog = Worker("watchdog", self._watch)
        self.canary = Worker("canary", canary.turn)
        self.partners = Worker("partners", partners.turn)
        self.subscriptions = Worker("subscriptions", subscriptions.turn)
        self.importer = Worker("importer", importing.turn)
        self.prover = Worker("prover", self._prove)
        self._proven, self._proven_at = -1, 0.0
        self.reader = Worker("reader", self._read)
        self.mail = Worker("mail", mail.work_through, then=self.deliverer.wake)
        self.historian = Worker("historian", working.work_due)
        self._asked_at = 0.0
        self.sealer = Worker("ledger", self._seal)
        self._sealed_at = 0.0
        self.workers = [
            self.triage, self.escalation, self.timers, self.keeper, self.watchdog, self.prover, self.reader,
            self.sealer, self.canary, self.partners, self.subscriptions, self.mail,
            self.importer,
            self.historian,
        ]  # fmt: skip
        self.listener = Listener(
            {
                "triage": [self.triage.wake],
                "escalation": [self.escalation.wake],
                "delivery": [self.deliverer.wake],
                "timers": [self.timers.wake],
                "clock": [self.canary.wake, self.partners.wake],
                "mail": [self.mail.wake],
                "history": [self.historian.wake],
                "imports": [self.importer.wake],
            }
        )

    def _absorb(self) -> int:
        if time.monotonic() - self._shared_at > REPORT_S:
            self._buckets = nodes.own_buckets("engine")
            self._shared_at = time.monotonic()
        return triage.absorb(BATCH, self._buckets)

    def _after_triage(self) -> None:
        # the database tells everybody; telling ourselves at once saves a page some milliseconds
        self.deliverer.wake()

    def _timers(self) -> int:
        return triage.expire() + triage.release() + int(intake.run_due()) + incidents.remind_due()

    def _timers_due(self) -> datetime | None:
        return min(filter(None, [triage.next_due(), intake.next_due(), incidents.next_due()]), default=None)

    def _keep(self) -> int:
        """Report that we live, and tidy up now and then."""
        nodes.report(
            "engine", {worker.name: {"done": worker.done, "failures": worker.failures} for worker in self.workers}
        )
        if housekeeping.tidy():
            intake.prune()
            forget_handovers()
            mail.forget_mail()
            histories.tidy()
        return 0

    def _prove(self) -> int:
        """Keep the proof up to date; looks at it again when the configuration changed, and now and then."""
        version = clock.reading()[1]
        if version != self._proven or time.monotonic() - self._proven_at > PROVE_S:
            if proofs.reprove_due():
                self._proven = version
            self._proven_at = time.monotonic()
        return 0

    def _read(self) -> int:
        """Read calendars that are due; a thread of its own, because others' servers may take their time."""
        if time.monotonic() - self._asked_at > ASK_S:
            oncall.ask_due()
            oncall.remind_due()
            verifying.ask_due()
            self._asked_at = time.monotonic()
        return oncall.read_due()

    def _seal(self) -> int:
        """Seal what is new in the ledger, and ask what should have happened and has not."""
        if time.monotonic() - self._sealed_at > SEAL_S:
            self._sealed_at = time.monotonic()
            ledger.seal_due()
            reconciling.reconcile_due()
            objective.keep_due()
        return 0

    def _deliver(self) -> None:
        """Deliver until we stop. Without it we would look well and page nobody: then rather end and be started anew."""
        try:
            self.deliverer.run_forever()
        except Exception:
            log.exception("engine.delivery_died")
        if not self.deliverer.stopping:
            self.failed = True
            self.over.set()

    def _watch(self) -> int:
        self.dead_man.look()
        return 0

    def start(self) -> None:
        """Start all threads."""
        nodes.report("engine")
        connection.close()
        self.listener.start()
        for worker in self.workers:
            worker.start()
        if self.deliver:
            self.delivery.start()

    def stop(self, grace_s: float = 20.0) -> None:
        """Finish what is under way, leave the rest to the others, and return."""
        end = time.monotonic() + grace_s
        self.listener.stopping = True
        self.deliverer.stop()
        for worker in self.workers:
            worker.stop()
        for thread in [*self.workers, *([self.delivery] if self.deliver else [])]:
            thread.join(max(end - time.monotonic(), 0.1))
        try:
            nodes.leave("engine")
        except DatabaseError:
            log.warning("engine.leave", note="the others will notice within seconds")
        connection.close()


def main() -> int:
    """Run an engine until SIGTERM or SIGINT, or until it cannot go on; returns the exit code."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    engine = Engine(over=stop)
    # a batch makes a hundred thousand small objects that all die with it: let the collector look less often, and never
    # again at what the process loaded at its start
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    while not stop.is_set():
        try:
            engine.start()
            break
        except DatabaseError as error:
            log.warning("engine.waiting", error=str(error).splitlines()[0][:200])
            connection.close()
            stop.wait(0.2)
    log.info("engine.started", pid=nodes.own_id("engine"))
    stop.wait()
    log.info("engine.draining")
    engine.stop()
    log.info("engine.stopped")
    return int(engine.failed)
