"""``python -m bench.delivery``: pages handed out by one engine and by two, timers, a storm over fifty people.

Everything runs on one machine, the receiver of the pages too; Alertmanager takes its turn in the same run.
"""

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import uvloop

from bench.figures import median, memory, others, processor
from bench.load import load
from bench.peers import Peer
from bench.peers.alertmanager import Alertmanager
from bench.peers.crowd import Crowd
from bench.receiver import ROOT, Receiver

PAGE = """\
# Performance: pages that go out

`python -m bench.delivery` measures what happens between a decision and a person: pages that fall due all at once,
handed to a receiver on the same machine by one engine and by two; how late steps run while very many incidents are
open; and a storm over fifty people. Alertmanager sends as many alerts, each a notification of its own, in the same
run. Everything shares two cores.

{table}

A webhook takes up to a hundred pages in one message, so that pages a second are more than requests a second. In the
storm people are reached by ntfy, where [few messages](../how-to/on-call-that-holds.md#in-a-storm) carry many pages:
what is not of priority 1 waits for its person's next message.
"""
DELAY_S = 3600
STORM_S = 10
TIMER_S = 5
TIMER_REPEATS = 5
IDLE_S = 20

# from the signal at the door to the first message that a provider took, by priority
_FIRST = """
SELECT i.priority = 'P1', count(*), percentile_disc(0.5) WITHIN GROUP (ORDER BY f.s),
       percentile_disc(0.99) WITHIN GROUP (ORDER BY f.s), max(f.s)
FROM (SELECT s.incident_id, extract(epoch FROM min(a.ended_at) - min(s.received_at)) AS s
      FROM triage_signal s JOIN escalation_page p ON p.incident_id = s.incident_id
      JOIN delivery_delivery d ON d.page_id = p.id JOIN delivery_attempt a ON a.delivery_id = d.id
      WHERE a.outcome IN ('accepted', 'delivered') GROUP BY s.incident_id) f
JOIN incidents_incident i ON i.id = f.incident_id GROUP BY 1 ORDER BY 1 DESC
"""
# how long after it was due a step ran
_LATE = f"""
SELECT count(*), percentile_disc(0.5) WITHIN GROUP (ORDER BY l.s), percentile_disc(0.99) WITHIN GROUP (ORDER BY l.s),
       max(l.s)
FROM (SELECT extract(epoch FROM p.at - lag(p.at) OVER (PARTITION BY p.incident_id ORDER BY p.id)) - {TIMER_S} AS s
      FROM escalation_page p JOIN incidents_incident i ON i.id = p.incident_id
      JOIN catalogue_service c ON c.id = i.service_id WHERE c.slug = 'timers') l
WHERE l.s IS NOT NULL
"""
_WAITING = "SELECT count(*) FROM delivery_delivery WHERE state IN ('pending', 'sending')"
_RUNS = "SELECT count(*) FROM escalation_run WHERE state = 'waiting'"


def settled(peer: Crowd, what: str, look: Callable[[], bool], seconds: float = 300) -> None:
    """Wait for something, asking seldom."""
    end = time.monotonic() + seconds
    while not look():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s\n{peer.log()}")
        time.sleep(0.5)


# --- pages handed out a second ------------------------------------------------------------------------------------


def handed_out(sink: Receiver, count: int, repeats: int) -> list[str]:
    """Pages that are due at one moment, by one engine and by two, and Alertmanager's notifications."""
    tocsin, alertmanager = Crowd(sink.port, 50, "webhook", DELAY_S), Alertmanager(sink.port)
    rates: dict[str, list[float]] = {"one": [], "two": [], "alertmanager": []}
    requests: dict[str, list[float]] = {"one": [], "two": [], "alertmanager": []}
    try:
        tocsin.start()
        alertmanager.start()
        for _ in range(repeats):
            for engines in ("one", "two"):
                if engines == "two":
                    tocsin.start_second_engine()
                _keep(rates, requests, engines, _due_at_once(tocsin, sink, count))
                tocsin.stop_second_engine()
            _keep(rates, requests, "alertmanager", _all_at_once(alertmanager, sink, count))
    finally:
        tocsin.stop()
        alertmanager.stop()
    one, two, theirs = (median(rates[name]) for name in rates)
    asked = {name: median(values) for name, values in requests.items()}
    return [
        f"| Pages handed out, one engine | {one:,.0f}/s in {asked['one']:,.0f} requests/s | {theirs:,.0f}/s | "
        f"{one / theirs:.2f} |",
        f"| Pages handed out, two engines | {two:,.0f}/s in {asked['two']:,.0f} requests/s | {theirs:,.0f}/s | "
        f"{two / theirs:.2f} |",
        f"| Two engines against one | {two / one:.2f} | | |",
    ]


def _keep(
    rates: dict[str, list[float]], requests: dict[str, list[float]], name: str, found: tuple[float, float]
) -> None:
    rates[name].append(found[0])
    requests[name].append(found[1])


def _due_at_once(peer: Crowd, sink: Receiver, count: int) -> tuple[float, float]:
    """Pages and requests a second, from the moment at which all are due."""
    uvloop.run(load(peer.port, peer.single(True), connections=16, total=count))
    peer.settle()
    sink.forget()
    began = time.monotonic_ns()
    peer.pass_time(timedelta(seconds=DELAY_S))
    return _rate(sink, count, began)


def _all_at_once(peer: Peer, sink: Receiver, count: int) -> tuple[float, float]:
    peer.settle()
    sink.forget()
    began = time.monotonic_ns()
    uvloop.run(load(peer.port, peer.batch(True), connections=4, batch=500, total=count))
    return _rate(sink, count, began)


def _rate(sink: Receiver, count: int, began: int) -> tuple[float, float]:
    told = sink.seen(count, 120)
    if len(told["seen"]) < count:
        raise TimeoutError(f"{count - len(told['seen'])} pages did not come within 120 s")
    lasted = (max(told["seen"].values()) - began) / 1e9
    return count / lasted, told["requests"] / lasted


# --- timers -------------------------------------------------------------------------------------------------------


def timers(sink: Receiver, runs: int) -> list[str]:
    """How late steps are while so many runs are open, and what the engine uses when nothing happens."""
    peer = Crowd(sink.port, 50, "webhook", DELAY_S)
    try:
        peer.start()
        uvloop.run(load(peer.port, peer.single(True), connections=64, total=runs))
        settled(peer, "runs", lambda: peer.rows(_RUNS)[0][0] >= runs)
        peer.settle()
        before = processor(peer.pid)
        time.sleep(IDLE_S)
        idle = (processor(peer.pid) - before) / IDLE_S
        build = peer.timers(TIMER_S, TIMER_REPEATS)
        uvloop.run(load(peer.port, build, connections=1, total=100, pace=20))
        time.sleep(TIMER_S * (TIMER_REPEATS + 1) + 2)
        count, middle, tail, most = peer.rows(_LATE)[0]
        (open_runs,) = peer.rows(_RUNS)[0]
    finally:
        peer.stop()
    return [
        f"| Timers with {open_runs:,} open runs: late by, p50 / p99 / worst of {count:,} | "
        f"{1000 * float(middle):.0f} / {1000 * float(tail):.0f} / {1000 * float(most):.0f} ms | | |",
        f"| Processor, idle with {open_runs:,} open runs | {idle:.3f} cores | | |",
    ]


# --- a storm ------------------------------------------------------------------------------------------------------


def storm(sink: Receiver, count: int) -> list[str]:
    """So many incidents in ten seconds, fifty people with push: who hears when, and how often."""
    from tocsin.delivery.contract import Pace
    from tocsin.delivery.rules import pacing

    peer = Crowd(sink.port, 50, "ntfy")
    try:
        peer.start()
        peer.settle()
        sink.forget()
        before, peak, over = memory(peer.pid), [0], threading.Event()

        def watch() -> None:
            while not over.wait(1.0):
                peak[0] = max(peak[0], memory(peer.pid))

        watching = threading.Thread(target=watch)
        watching.start()
        began = time.monotonic()
        uvloop.run(load(peer.port, peer.single(True), connections=16, total=count, pace=count / STORM_S))
        settled(peer, "the storm", lambda: peer.rows(_WAITING)[0][0] == 0)
        lasted = time.monotonic() - began
        over.set()
        watching.join()
        told = sink.seen(0, 0)
        (_, p1, p1_middle, p1_tail, p1_most), (_, rest, middle, tail, most) = peer.rows(_FIRST)
        after = memory(peer.pid)
    finally:
        peer.stop()
    messages = max(told["people"].values())
    bound = pacing.most(Pace(), lasted, urgent=True)
    return [
        f"| Storm of {count:,} incidents in {STORM_S} s over 50 people, {p1:,} of priority 1: first message of those, "
        f"p50 / p99 / worst | {p1_middle:.2f} / {p1_tail:.2f} / {p1_most:.2f} s | | |",
        f"| The other {rest:,}: p50 / p99 / worst | {middle:.2f} / {tail:.2f} / {most:.2f} s | | |",
        f"| Messages to one person, at most | {messages}, {bound} allowed in {lasted:.0f} s | | |",
        f"| Memory before, at its peak, after | {before / 2**20:.0f} / {peak[0] / 2**20:.0f} / {after / 2**20:.0f} MiB "
        "| | |",
    ]


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m bench.delivery", description=__doc__)
    options.add_argument("--only", default="", help="pages, timers or storm")
    options.add_argument("--pages", type=int, default=10_000)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--runs", type=int, default=100_000)
    options.add_argument("--storm", type=int, default=10_000)
    options.add_argument("--write", action="store_true", help="also write docs/reference/performance-delivery.md")
    told = options.parse_args()
    sink = Receiver()
    sink.wait()
    busy = others([sink.process.pid])
    steps: list[tuple[str, Callable[[], list[str]]]] = [
        ("storm", lambda: storm(sink, told.storm)),
        ("pages", lambda: handed_out(sink, told.pages, told.repeats)),
        ("timers", lambda: timers(sink, told.runs)),
    ]
    lines = ["| what | Tocsin | Alertmanager | ratio |", "| --- | ---: | ---: | ---: |"]
    try:
        for name, step in steps:
            if told.only in name:
                print(f"... {name}", file=sys.stderr, flush=True)
                lines += step()
    finally:
        sink.stop()
    lines += [
        "",
        f"Other programs kept {busy:.2f} cores of {os.cpu_count()} busy. {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
    ]
    print("\n".join(lines))
    if told.write:
        (ROOT / "docs" / "reference" / "performance-delivery.md").write_text(PAGE.format(table="\n".join(lines)))


if __name__ == "__main__":
    main()
