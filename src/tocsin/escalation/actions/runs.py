"""Runs: policies at work. The only writer of ``escalation_run`` and ``escalation_page``.

A run is armed in the transaction that opens its incident, and its first step is planned in that same transaction: from
the moment an incident exists, somebody is being paged. Every later step is a row with a ``due_at``.

Locks are always taken in the order incident, run, delivery.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec
import structlog
from django.db import connection

from tocsin.delivery import actions as delivery
from tocsin.delivery.rules import WEBHOOK, NewDelivery, rank_of, webhook_key
from tocsin.escalation import queries, rules
from tocsin.escalation.actions import tiers
from tocsin.escalation.models import Run
from tocsin.incidents import rules as incident_rules
from tocsin.incidents.actions import Book, let_in_each, use_book
from tocsin.people import queries as people
from tocsin.platform import bulk, events
from tocsin.platform.actor import SYSTEM
from tocsin.platform.canary import SINK, is_canary

log = structlog.get_logger()

LATER = timedelta(minutes=1)
_RUN = [
    "id", "incident_id", "generation", "purpose", "policy_id", "snapshot", "state", "step", "loop", "due_at",
    "started_at", "ended_at", "reason",
]  # fmt: skip
_RUN_UPDATE = {
    "id": "bigint", "state": "text", "step": "int", "loop": "int", "due_at": "timestamptz", "ended_at": "timestamptz",
    "reason": "text",
}  # fmt: skip
_PAGE = [
    "id", "incident_id", "run_id", "generation", "user_id", "step", "loop", "urgency", "at", "reason", "answer",
]  # fmt: skip


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


@dataclass(slots=True)
class _Run:
    """A run as it is being worked on."""

    id: int
    incident_id: int
    generation: int
    purpose: str
    policy_id: int | None
    snapshot: rules.PolicySnapshot
    started_at: datetime
    step: int = 0
    loop: int = 0
    state: str = "waiting"
    due_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    json: str = ""


@dataclass(slots=True)
class _Batch:
    """Pages and deliveries of one transaction, written together at its end."""

    book: Book
    resolve: rules.Resolve
    plans: dict[tuple[object, ...], rules.Plan] = field(default_factory=dict)
    answers: dict[int, rules.Answers] = field(default_factory=dict)
    entered: dict[int, tiers.Entered] = field(default_factory=dict)
    pages: list[tuple[rules.PlannedPage, _Run | None, incident_rules.State, rules.RunState]] = field(
        default_factory=list
    )


# --- arming and stopping ------------------------------------------------------------------------------------------


def arm(
    incident_ids: Sequence[int],
    *,
    start: Callable[[int], rules.RunState] = lambda _: rules.RunState(),
    first: tuple[rules.Target, ...] = (),
) -> None:
    """Start the policies of these incidents and page their first step, in the caller's transaction.

    Only triggered incidents are armed; a run that is under way is stopped first. ``start`` gives the step to begin with
    by incident; ``first`` are people to page before the policy's own steps.
    """
    with use_book() as book:
        states = [s for s in book.lock(incident_ids).values() if s.state == "triggered" and not s.suppressed_by]
        if not states:
            return
        _stop([state.id for state in states], "a new run began", book.now)
        policies = queries.policies_of(states, book.config)
        texts: dict[int, str] = {}
        runs = []
        for state, key in zip(states, bulk.next_ids("escalation_run", len(states)), strict=True):
            snapshot = of = policies[state.id]
            if first:
                step = rules.Step(first, snapshot.steps[0].wait_s if snapshot.steps else 300)
                snapshot = replace(snapshot, steps=(step, *snapshot.steps))
            begin = start(state.id)
            if id(of) not in texts:
                texts[id(of)] = _text(snapshot.to_json())
            runs.append(
                _Run(
                    key, state.id, state.generation, "escalate", snapshot.policy_id, snapshot, book.now,
                    begin.step, begin.loop, due_at=book.now, json=texts[id(of)],
                )
            )  # fmt: skip
        batch = _Batch(book, queries.remembered_resolver([run.snapshot for run in runs], book.now, book.config))
        batch.answers = queries.answers(states)
        for run, state in zip(runs, states, strict=True):
            _advance(run, state, batch)
        bulk.copy_rows("escalation_run", _RUN, [_row(run) for run in runs])
        _write_pages(batch)
        events.wake("escalation")


def _row(run: _Run) -> list[object]:
    return [run.json if name == "snapshot" else getattr(run, name) for name in _RUN]


def stop(incident_ids: Sequence[int], reason: str) -> None:
    """Stop the runs of these incidents and drop what they have not handed out, in the caller's transaction."""
    with use_book() as book:
        _stop(incident_ids, reason, book.now)
        drop(incident_ids, reason)


def drop(incident_ids: Sequence[int], reason: str) -> None:
    """Drop pages of older generations that were not handed out yet."""
    with use_book() as book:
        book.flush()  # the outbox compares with the incidents' rows
        delivery.drop_stale(incident_ids, reason)


def _stop(incident_ids: Sequence[int], reason: str, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE escalation_run SET state = 'stopped', due_at = NULL, ended_at = %s, reason = %s"
            " WHERE incident_id = ANY(%s) AND state = 'waiting'",
            [now, reason[:300], list(incident_ids)],
        )


def go_apart(incident_ids: Sequence[int]) -> None:
    """Incidents became confidential: those that nobody answers for page by the policy for such incidents from its first
    step, where there is one, and what was on its way by the open policy stops."""
    with use_book() as book:
        states = [state for state in book.lock(incident_ids).values() if state.state == "triggered"]
        apart = queries.apart({state.service_id for state in states})
        under_way = set(Run.objects.filter(incident_id__in=incident_ids).values_list("incident_id", "generation"))
        # what opens in this very transaction is armed a moment later, as what it is by then
        moved = [one for one in states if one.service_id in apart and (one.id, one.generation) in under_way]
        for state in moved:
            incident_rules.renew(state)
            book.touch(state)
        if ids := [state.id for state in moved]:
            drop(ids, "the incident was made confidential")
            arm(ids)


def watch(incident_ids: Sequence[int], *, until: datetime | None = None) -> None:
    """Wake acknowledged incidents up again: at ``until`` (a snooze), or when the policy's acknowledgement runs out."""
    with use_book() as book:
        states = [s for s in book.lock(incident_ids).values() if s.state in ("acknowledged", "mitigated")]
        policies = queries.policies_of(states, book.config)
        runs = []
        for state in states:
            snapshot = policies[state.id]
            due = until or (rules.ack_due(snapshot, book.now) if state.state == "acknowledged" else None)
            if due is not None:
                purpose = "snooze" if until else "ack_timeout"
                runs.append(
                    _Run(0, state.id, state.generation, purpose, snapshot.policy_id, snapshot, book.now, due_at=due)
                )
        for run, key in zip(runs, bulk.next_ids("escalation_run", len(runs)), strict=True):
            run.id, run.json = key, _text(run.snapshot.to_json())
        if runs:
            bulk.copy_rows("escalation_run", _RUN, [_row(run) for run in runs])
            events.wake("escalation")


# --- time ---------------------------------------------------------------------------------------------------------


def run_due(limit: int = 500) -> int:
    """Do what is due: page next steps, wake up what was acknowledged or snoozed too long, warn of what stays too long.

    Returns how many there were.
    """
    return _run_due(limit) + tiers.warn_due(limit)


def _run_due(limit: int) -> int:
    with use_book() as book:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, incident_id FROM escalation_run WHERE state = 'waiting' AND due_at <= %s"
                " ORDER BY due_at LIMIT %s",
                [book.now, limit],
            )
            due = cursor.fetchall()
        if not due:
            return 0
        states = book.lock([incident_id for _, incident_id in due])
        # whoever had the incident before us may have dealt with the run: look again, now that nobody else can
        found = Run.objects.select_for_update().filter(
            pk__in=[run_id for run_id, _ in due], state="waiting", due_at__lte=book.now
        )
        runs = [run for row in found.order_by("id") if (run := _loaded(row, book.now)) is not None]
        _work(runs, states, book)
        return len(due)


def _loaded(row: Run, now: datetime) -> _Run | None:
    """A run to work on; None, and it is put off, when this version cannot read what another has written."""
    try:
        snapshot = rules.PolicySnapshot.from_json(row.snapshot)
    except (KeyError, ValueError):
        log.exception("escalation.run_unreadable", run=row.pk, incident=row.incident_id)
        Run.objects.filter(pk=row.pk).update(due_at=now + LATER, reason="could not be read; see the engine's log")
        return None
    return _Run(
        row.pk, row.incident_id, row.generation, row.purpose, row.policy_id, snapshot, row.started_at, row.step,
        row.loop, row.state, row.due_at,
    )  # fmt: skip


def _work(runs: Sequence[_Run], states: dict[int, incident_rules.State], book: Book) -> None:
    escalating = [run for run in runs if run.purpose == "escalate"]
    batch = _Batch(book, queries.remembered_resolver([run.snapshot for run in escalating], book.now, book.config))
    batch.answers = queries.answers(states.values())
    awake = []
    for run in runs:
        state = states.get(run.incident_id)
        wanted = ("triggered",) if run.purpose == "escalate" else ("acknowledged", "mitigated")
        if state is None or state.generation != run.generation or state.state not in wanted:
            _end(run, "stopped", "overtaken", book.now)
        elif run.purpose == "escalate":
            try:
                _advance(run, state, batch)
            except Exception:
                # one run that cannot be planned must not keep the others from paging
                log.exception("escalation.run_failed", run=run.id, incident=run.incident_id)
                run.due_at, run.reason = book.now + LATER, "could not be planned; see the engine's log"
        else:
            _end(run, "done", "", book.now)
            incident_rules.unacknowledge(state)
            kind = "snooze_ended" if run.purpose == "snooze" else "acknowledgement_timed_out"
            book.write(state, kind, SYSTEM)
            awake.append(state.id)
    bulk.update_rows("escalation_run", _RUN_UPDATE, [[getattr(run, name) for name in _RUN_UPDATE] for run in runs])
    _write_pages(batch)
    if awake:
        events.publish([incident_rules.IncidentsReopened(tuple(awake))])


def _end(run: _Run, state: str, reason: str, now: datetime) -> None:
    run.state, run.due_at, run.ended_at, run.reason = state, None, now, reason[:300]


def _advance(run: _Run, state: incident_rules.State, batch: _Batch) -> None:
    """Plan the step that is due; a step that reached nobody is followed by the next one at once."""
    book, at = batch.book, rules.RunState(run.step, run.loop)
    while True:
        # runs of one policy that are due together have the same plan: nobody else is on call within one moment
        planned: tuple[object, ...] = (id(run.snapshot), at)
        facts = None
        if run.snapshot.asks:
            service = queries.remembered_service_facts([state.service_id], book.config)[state.service_id]
            if queries.asks_reasons(run.snapshot):
                book.flush()  # what people have just escalated by hand counts
            facts = queries.facts_of(state, service, run.snapshot)
            planned = (*planned, *_decides(run.snapshot, state))
        answers = batch.answers.get(state.id, rules.NO_ANSWER)
        if answers.by:
            planned = (*planned, answers)
        plan = batch.plans.get(planned) or rules.plan(run.snapshot, at, batch.resolve, book.now, facts, answers)
        batch.plans[planned] = plan
        state.acks_needed = max(state.acks_needed, plan.acks)
        batch.pages.extend((page, run, state, at) for page in plan.pages)
        data = {
            "run": run.id,
            "policy": run.snapshot.name,
            "step": at.step + 1,
            "loop": at.loop + 1,
            "note": plan.note,
            "users": [page.user_id for page in plan.pages if page.user_id is not None],
            "gaps": [page.reason.why for page in plan.pages if page.gap],
        }
        if calls := [page.reason.target.name for page in plan.pages if page.webhook_id and page.reason.target]:
            data["webhooks"] = calls
        kind = "paged" if data["users"] else "webhook_called" if calls and not data["gaps"] else "nobody_paged"
        kind = "step_skipped" if plan.skipped else kind
        book.write(state, kind, SYSTEM, data)
        if run.snapshot.warns and at.step < len(run.snapshot.steps) and not plan.skipped:
            step = run.snapshot.steps[at.step]
            batch.entered[state.id] = tiers.Entered(step.tier, step.warn_s, run.snapshot)
        if plan.next is None:
            _end(run, "done", plan.note, book.now)
            return
        at = plan.next
        run.step, run.loop = at.step, at.loop
        if plan.next_due_s:
            run.due_at = book.now + timedelta(seconds=plan.next_due_s)
            return


def _decides(snapshot: rules.PolicySnapshot, state: incident_rules.State) -> tuple[object, ...]:
    """What of an incident its plan depends on: runs that are alike in it, too, share their plan."""
    if any(step.rotate or any("incident" in one for one in step.conditions) for step in snapshot.steps):
        return (state.id,)
    return state.service_id, state.priority, state.severity


def _write_pages(batch: _Batch) -> None:
    """Write the planned pages and put a delivery for each contact method into the outbox."""
    if batch.entered:
        tiers.enter(batch.entered, batch.book.now)
    if not batch.pages:
        return
    now = batch.book.now
    let_in_each(
        ((state.id, page.user_id) for page, _, state, _ in batch.pages if state.confidential and page.user_id),
        "was paged for it",
    )
    people_paged = {page.user_id for page, *_ in batch.pages if page.user_id is not None}
    notify = queries.remembered_notify_rules(people_paged, batch.book.config)
    rows, outbox, unreached = [], [], []
    ways: dict[tuple[int, rules.Urgency], rules.Notified] = {}
    reasons: dict[tuple[int, rules.Urgency], str] = {}
    for key, (page, run, state, at) in zip(
        bulk.next_ids("escalation_page", len(batch.pages)), batch.pages, strict=True
    ):
        urgency = page.urgency or rules.page_urgency(state.priority)
        way = None
        if page.user_id is not None:
            way = ways.get((page.user_id, urgency)) or rules.notifications(notify.get(page.user_id, ()), urgency, now)
            ways[page.user_id, urgency] = way
            first = at == rules.RunState()
            # pages of a run are fenced by its generation; a page by hand goes out whatever becomes of the incident
            generation = state.generation if run is not None else None
            outbox += [
                NewDelivery(
                    kind="page",
                    key=f"page-{key}-{planned.contact_method_id}-{planned.position}",
                    channel=planned.channel,
                    address=planned.address,
                    page_id=key,
                    incident_id=state.id,
                    generation=generation,
                    user_id=page.user_id,
                    contact_method_id=planned.contact_method_id,
                    rule_position=planned.position,
                    rank=rank_of(state.priority, first=first and planned.delay_s == 0),
                    delay_s=planned.delay_s,
                )
                for planned in way
            ]
            if not way.deliveries:
                unreached.append(key)
        elif page.webhook_id is not None:
            outbox.append(
                NewDelivery(
                    kind="page",
                    key=webhook_key(key, page.webhook_id),
                    channel=WEBHOOK if page.webhook_id else SINK,
                    address=page.reason.target.name if page.reason.target else "",
                    page_id=key,
                    incident_id=state.id,
                    generation=state.generation,
                    rank=rank_of(state.priority, first=at == rules.RunState()),
                )
            )
        if (id(page), urgency) not in reasons:
            notes = {"notes": list(way.notes)} if way is not None else {}
            reasons[id(page), urgency] = _text(page.reason.to_json() | notes)
        run_id = run.id if run is not None else None
        rows.append(
            (key, state.id, run_id, state.generation, page.user_id, at.step, at.loop, urgency, now,
             reasons[id(page), urgency], "")
        )  # fmt: skip
    bulk.copy_rows("escalation_page", _PAGE, rows)
    if real := [item for item in outbox if not is_canary(item.incident_id)]:
        delivery.enqueue(real, now=now)
    if len(real) < len(outbox):
        delivery.enqueue_canaries([item for item in outbox if is_canary(item.incident_id)], now=now)
    if unreached:
        hurry(unreached)


def hurry(page_ids: Sequence[int]) -> None:
    """Nobody can be reached by these pages: when their whole step reached nobody, the next step is due now."""
    with use_book() as book, connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE escalation_run r SET due_at = %(now)s
            FROM (SELECT DISTINCT run_id, step, loop FROM escalation_page WHERE id = ANY(%(pages)s)) AS failed
            WHERE r.id = failed.run_id AND r.state = 'waiting' AND r.purpose = 'escalate' AND r.due_at > %(now)s
              AND NOT EXISTS (  -- a later step was planned already
                SELECT FROM escalation_page p WHERE p.run_id = r.id AND (p.loop, p.step) > (failed.loop, failed.step))
              AND NOT EXISTS (
                SELECT FROM escalation_page p JOIN delivery_delivery d ON d.page_id = p.id
                WHERE p.run_id = r.id AND p.step = failed.step AND p.loop = failed.loop AND p.user_id IS NOT NULL
                  AND d.state IN ('pending', 'sending', 'accepted', 'delivered'))
            """,
            {"now": book.now, "pages": list(page_ids)},
        )
        if cursor.rowcount:
            events.wake("escalation")


def next_due() -> datetime | None:
    """When the next run, or the next warning, is due."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT least((SELECT min(due_at) FROM escalation_run WHERE state = 'waiting'),"
            " (SELECT min(due_at) FROM escalation_tier_watch))"
        )
        moment: datetime | None = cursor.fetchone()[0]
    return moment


# --- people -------------------------------------------------------------------------------------------------------


def answered(incident_ids: Sequence[int], answer: str) -> None:
    """Note the answer on the pages that were sent to whoever answered for these incidents."""
    with use_book() as book:
        states = book.lock(incident_ids).values()
        who = [(state.id, state.acknowledged_by_id) for state in states if state.acknowledged_by_id is not None]
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE escalation_page p SET answered_at = %s, answer = %s"
                " FROM unnest(%s::bigint[], %s::int[]) AS w(incident_id, user_id)"
                " WHERE p.incident_id = w.incident_id AND p.user_id = w.user_id AND p.answered_at IS NULL",
                [book.now, answer, [incident for incident, _ in who], [user for _, user in who]],
            )


def quiet(incident_ids: Sequence[int], user_id: int) -> None:
    """Somebody acknowledged, and others still have to: what this person has not been handed out yet is dropped."""
    with use_book() as book:
        delivery.drop_of(incident_ids, user_id, "acknowledged; others still have to")
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE escalation_page SET answered_at = %s, answer = 'acknowledged'"
                " WHERE incident_id = ANY(%s) AND user_id = %s AND answered_at IS NULL",
                [book.now, list(incident_ids), user_id],
            )


def page_by_hand(state: incident_rules.State, users: Mapping[int, str], why: str) -> None:
    """Page people (id -> name) beside the policy, in the caller's transaction, which holds the incident's lock."""
    with use_book() as book:
        batch = _Batch(book, lambda target, at: ())
        for user, name in users.items():
            reason = rules.PageReason(kind="manual", target=rules.Target("user", user, name), why=why)
            batch.pages.append((rules.PlannedPage(user, reason), None, state, rules.RunState()))
        _write_pages(batch)


def hand_to(incident_ids: Sequence[int], user_ids: Iterable[int]) -> None:
    """Page named people first, then the policy's own steps: the incidents were given to them."""
    names = people.names(user_ids)
    arm(incident_ids, first=tuple(rules.Target("user", key, name) for key, name in names.items()))
