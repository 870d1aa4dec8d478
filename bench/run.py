"""``make bench``: Tocsin and Alertmanager in one run, taking turns; a table of medians and ratios.

Each figure is the median of the repeats. Both systems run all the time on the same machine as the generator and the
sink; the one whose turn it is not is idle. Errors are counted, never left out.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench.figures import median, memory, others, quantile
from bench.load import Outcome, load
from bench.peers import Peer
from bench.peers.alertmanager import Alertmanager
from bench.peers.tocsin import Tocsin
from bench.receiver import ROOT, Receiver

KNOWN_KEYS = 500


@dataclass(frozen=True)
class Scale:
    """How long and how often."""

    repeats: int
    seconds: float
    lone_pages: int
    storm: int


PAGE = """\
# Performance

`make bench` measures Tocsin and Debian's Alertmanager in turns, in one run. Generator, both systems, PostgreSQL and
the receiver of pages share the {cores} cores of one machine; figures move by tens of per cent from hour to hour, their
ratio less. Tocsin answers when a signal is durable and decides all of them meanwhile: the rows "Decided by triage" say
how fast. Alertmanager keeps alerts in memory.

{table}

## What limits it

* **One connection**: a request waits for one fsync and six switches between processes; no core is busy.
* **Many connections**: the cores are full. Of the work for one new signal the web process does about a third,
  PostgreSQL a third (inbox, signal, alert), the engine and the generator the rest.
* **Batches**: the same, and triage, which decides about ten thousand new alerts a second, takes its share of the cores.
* **A storm in which every alert pages**: about 0.5 ms of work for each (incident, timeline, run, page, delivery,
  attempt), two fifths of it in PostgreSQL. Alerts that are grouped into one incident cost less than half of that.
"""

FULL = Scale(repeats=3, seconds=3.0, lone_pages=40, storm=10_000)
QUICK = Scale(repeats=1, seconds=1.0, lone_pages=10, storm=2_000)


@dataclass
class Row:
    """One line of the table: a figure of each repeat by system, and how it is written."""

    what: str
    unit: str
    higher_is_better: bool
    values: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def add(self, peer: Peer, value: float, note: str = "") -> None:
        """One more repeat."""
        self.values.setdefault(peer.name, []).append(value)
        if note:
            self.notes.setdefault(peer.name, []).append(note)

    def of(self, name: str) -> float:
        """The median."""
        return median(self.values.get(name, []))


class Bench:
    """One run over both systems."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self.rows: dict[str, Row] = {}
        self.errors: dict[str, int] = {}
        self.first_errors: dict[str, str] = {}
        self.generator = 0.0
        self.sink = Receiver()
        self.peers: list[Peer] = [Tocsin(self.sink.port), Alertmanager(self.sink.port)]

    # --- the run --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything."""
        self.sink.wait()
        for peer in self.peers:
            try:
                peer.start()
            except Exception:
                print(peer.log(), file=sys.stderr)
                raise

    def stop(self) -> None:
        """Stop everything."""
        for peer in self.peers:
            peer.stop()
        self.sink.stop()

    def measure(self, only: str = "") -> None:
        """All measurements whose name holds ``only``, in an order in which the early ones disturb the later ones
        least."""
        steps: list[tuple[str, Callable[[], None]]] = [
            ("memory", lambda: self._memory("Memory, idle after the start")),
            ("page", self._lone_pages),
            *((f"single-{n}", lambda n=n: self._rate(n, 1)) for n in (1, 16, 64)),
            *((f"known-{n}", lambda n=n: self._rate(n, 1, KNOWN_KEYS)) for n in (16, 64)),
            ("storm", self._storm),
            ("batch-100", lambda: self._rate(16, 100)),
            ("batch-1000", lambda: self._rate(16, 1000)),
            ("memory", lambda: self._memory("Memory, after all of it")),
        ]
        for name, step in steps:
            if only in name:
                print(f"... {name}", file=sys.stderr, flush=True)
                step()

    def _row(self, what: str, unit: str, higher_is_better: bool) -> Row:
        return self.rows.setdefault(what, Row(what, unit, higher_is_better))

    def _turns(self) -> list[Peer]:
        """Who is measured, in turns, the first one changing."""
        order: list[Peer] = []
        for number in range(self.scale.repeats):
            order += self.peers if number % 2 == 0 else self.peers[::-1]
        return order

    def _count(self, peer: Peer, outcome: Outcome) -> None:
        self.errors[peer.name] = self.errors.get(peer.name, 0) + outcome.errors
        if outcome.first_error:
            self.first_errors.setdefault(peer.name, outcome.first_error)

    # --- what is measured -----------------------------------------------------------------------------------------

    def _rate(self, connections: int, batch: int, keys: int | None = None) -> None:
        """Accepted events a second; nobody is paged."""
        kind = f"batches of {batch:,}" if batch > 1 else "single events, known alerts" if keys else "single events"
        plural = "s" if connections > 1 else ""
        rate = self._row(f"Intake, {kind}, {connections} connection{plural}", "events/s", True)
        late = self._row(f"Intake, {kind}, {connections} connection{plural}: answer, p99", "ms", False)
        for peer in self._turns():
            build = peer.batch(False) if batch > 1 else peer.single(False)
            uvloop.run(load(peer.port, build, connections=connections, batch=batch, seconds=0.3, keys=keys))  # warm up
            peer.settle()
            outcome = uvloop.run(
                load(peer.port, build, connections=connections, batch=batch, seconds=self.scale.seconds, keys=keys)
            )
            self._count(peer, outcome)
            self.generator = max(self.generator, outcome.generator)
            rate.add(peer, outcome.rate, f"generator {outcome.generator:.2f}")
            late.add(peer, quantile(outcome.latencies, 0.99) / 1e6)
            if isinstance(peer, Tocsin):
                span = (peer.decided() - outcome.began) / 1e9
                decided = self._row(f"Decided by triage, {kind}, {connections} connection{plural}", "events/s", True)
                decided.add(peer, outcome.accepted / span)
            peer.settle()

    def _lone_pages(self) -> None:
        """From one event sent to the page at the sink, nothing else going on."""
        middle = self._row("One page alone, p50", "ms", False)
        tail = self._row("One page alone, p99", "ms", False)
        for peer in self._turns():
            peer.settle()
            waits = []
            for _ in range(self.scale.lone_pages + 2):
                self.sink.forget()
                outcome = uvloop.run(load(peer.port, peer.single(True), connections=1, total=1, stamp=True))
                self._count(peer, outcome)
                seen = self.sink.seen(1, 20)["seen"]
                (key,) = outcome.sent
                waits.append((seen[key] - outcome.sent[key]) / 1e6 if key in seen else float("inf"))
                time.sleep(0.05)
            del waits[:2]  # connections are made, caches filled
            middle.add(peer, quantile(waits, 0.5))
            tail.add(peer, quantile(waits, 0.99))

    def _storm(self) -> None:
        """Distinct alerts at once, each of which pages: from event sent to its page at the sink."""
        count = self.scale.storm
        middle = self._row(f"Storm of {count:,} alerts, each pages: p50", "ms", False)
        tail = self._row(f"Storm of {count:,} alerts, each pages: p99", "ms", False)
        span = self._row(f"Storm of {count:,} alerts: first sent to last paged", "ms", False)
        for peer in self._turns():
            peer.settle()
            self.sink.forget()
            outcome = uvloop.run(load(peer.port, peer.single(True), connections=16, total=count, stamp=True))
            self._count(peer, outcome)
            told = self.sink.seen(count, 120)
            waits = [(told["seen"][key] - at) / 1e6 for key, at in outcome.sent.items() if key in told["seen"]]
            missing = len(outcome.sent) - len(waits)
            self.errors[peer.name] += missing
            if missing:
                self.first_errors.setdefault(peer.name, f"{missing} alerts of the storm did not page within 120 s")
            note = f"{told['requests']:,} requests, {told['repeats']:,} repeats, sent at {outcome.rate:,.0f}/s"
            middle.add(peer, quantile(waits, 0.5), note)
            tail.add(peer, quantile(waits, 0.99))
            last = max(told["seen"].values(), default=0)
            span.add(peer, (last - outcome.began) / 1e6)
            peer.settle()

    def _memory(self, what: str) -> None:
        row = self._row(what, "MiB", False)
        for peer in self.peers:
            peer.settle()
            row.add(peer, memory(peer.pid) / 2**20)

    # --- what is written ------------------------------------------------------------------------------------------

    def table(self, busy: float) -> str:
        """The table, as Markdown."""
        ours, theirs = (peer.name for peer in self.peers)
        lines = [
            f"| what | {ours} | {theirs} | ratio |",
            "| --- | ---: | ---: | ---: |",
        ]
        for row in self.rows.values():
            here, there = row.of(ours), row.of(theirs)
            ratio = f"{here / there:.2f}" if there == there and there else ""
            lines.append(f"| {row.what} | {_written(here, row.unit)} | {_written(there, row.unit)} | {ratio} |")
        failed = ", ".join(f"{name} {count}" for name, count in self.errors.items())
        lines += [
            "",
            f"Medians of {self.scale.repeats} repeats in turns. {ours}: durable, fsync on, embedded PostgreSQL, "
            f"single events as PagerDuty Events v2. {theirs}: in memory only.",
            f"Events refused, unanswered or not paged: {failed or 'none sent'}. The generator used up to "
            f"{self.generator:.2f} of a core; other programs kept {busy:.2f} cores of {os.cpu_count()} busy.",
            f"Python {platform.python_version()}, Linux {platform.release()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
        ]
        lines += [f"First error of {name}: {text}" for name, text in self.first_errors.items()]
        return "\n".join(lines)

    def keep(self, table: str) -> Path:
        """Keep every single figure in bench/results/."""
        folder = ROOT / "bench" / "results"
        folder.mkdir(exist_ok=True)
        path = folder / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
        rows = [asdict(row) for row in self.rows.values()]
        path.write_text(json.dumps({"scale": asdict(self.scale), "rows": rows, "table": table}, indent=1) + "\n")
        return path


def _written(value: float, unit: str) -> str:
    if value != value:
        return ""
    text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return f"{text} {unit}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="once and short, to see that it works")
    parser.add_argument(
        "--only", default="", help="only measurements with this in their name: single, batch, storm ..."
    )
    parser.add_argument("--repeats", type=int, help="how often each figure is taken")
    parser.add_argument("--write", action="store_true", help="also write docs/reference/performance.md")
    asked = parser.parse_args()
    scale = QUICK if asked.quick else FULL
    if asked.repeats:
        scale = Scale(asked.repeats, scale.seconds, scale.lone_pages, scale.storm)
    bench = Bench(scale)
    try:
        bench.start()
        busy = others([peer.pid for peer in bench.peers])
        bench.measure(asked.only)
        table = bench.table(busy)
    finally:
        bench.stop()
    print(table)
    print(f"Every figure: {bench.keep(table)}", file=sys.stderr)
    if asked.write:
        page = ROOT / "docs" / "reference" / "performance.md"
        page.write_text(PAGE.format(cores=os.cpu_count(), table=table))
    if any(bench.errors.values()):
        sys.exit(1)
