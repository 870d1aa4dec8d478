"""What an engine does for an import: looks at its file, plans it, writes it, takes it away again.

Each run is worked on in a process apart, under a lease that its progress renews. One that dies is taken up again from
the beginning: writing the same file twice changes nothing.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Q

from tocsin.catalogue import actions as catalogue
from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import history
from tocsin.incidents.models import HistoryImport, ImportPart
from tocsin.incidents.past import PastIncident
from tocsin.people import actions as people
from tocsin.people.queries import actor_of
from tocsin.people.rules import Deed, require
from tocsin.platform import clock, events
from tocsin.platform import settings as platform_settings
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.apart import apart
from tocsin.platform.errors import Conflict, Invalid, TocsinError
from tocsin.project.history import planning
from tocsin.project.history.findings import Findings
from tocsin.project.history.options import Options, of_json
from tocsin.project.history.runs import BUSY
from tocsin.project.history.world import World

log = structlog.get_logger()

LEASE = timedelta(minutes=3)
TOLD_EVERY_S = 0.5
PORTION = 500
TIMEOUT_S = 6 * 3600.0
UNPACKED = 8  # a packed file may become this many times larger than the largest that may be sent


def work_due() -> int:
    """Work on the oldest run that waits for it; how many were worked on."""
    with transaction.atomic():
        now = clock.now()
        waiting = HistoryImport.objects.filter(state__in=BUSY).filter(Q(lease_until=None) | Q(lease_until__lt=now))
        row = waiting.order_by("updated_at").select_for_update(skip_locked=True).first()
        if row is None:
            return 0
        row.lease_until = now + LEASE
        row.save(update_fields=["lease_until"])
        actor = actor_of(row.created_by) if row.created_by else SYSTEM
    began = time.monotonic()
    try:
        apart("tocsin.project.history.working:task", {"run": row.pk}, actor=actor, timeout_s=TIMEOUT_S)
    except Conflict as error:
        if time.monotonic() - began > TIMEOUT_S:
            _failed(row.pk, str(error))
            return 1
        log.info("import.waits", run=row.pk, why=error.message)
        HistoryImport.objects.filter(pk=row.pk).update(lease_until=None)
        return 0
    except TocsinError as error:
        _failed(row.pk, str(error))
    except RuntimeError:
        log.exception("import.failed", run=row.pk)
        _failed(row.pk, "Something went wrong that should not; Tocsin's own log says what. Nothing of it was lost.")
    return 1


def task(value: dict[str, Any], actor: Actor) -> dict[str, Any]:
    """Bring a run to its next station."""
    require(actor, Deed.ADMINISTER)
    row = HistoryImport.objects.get(pk=value["run"])
    work = {"looking": _look, "planning": _plan, "applying": _apply, "rolling_back": _roll_back}[row.state]
    try:
        with _alone(row.source):
            work(row, actor)
    except Conflict as error:  # a conflict of its own; one of the process apart means that it has not begun
        raise Invalid(error.message, error.problems) from error
    return {"state": row.state}


@contextmanager
def _alone(source: str) -> Iterator[None]:
    """Only one run of a source at a time, on any machine; waits for the other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext('tocsin import'), hashtext(%s))", [source])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtext('tocsin import'), hashtext(%s))", [source])


class _Progress:
    """Tells how far a run is, twice a second at most, and renews its lease."""

    def __init__(self, row: HistoryImport) -> None:
        self.row = row
        self._last = 0.0

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._last < TOLD_EVERY_S:
            return
        self._last = time.monotonic()
        HistoryImport.objects.filter(pk=self.row.pk).update(
            done=done, total=total or self.row.total, lease_until=clock.now() + LEASE
        )
        events.changed("import", {self.row.pk: done})


def _file(row: HistoryImport) -> planning.File:
    numbers = list(ImportPart.objects.filter(run=row).order_by("number").values_list("number", flat=True))

    def chunks() -> Iterator[bytes]:
        for number in numbers:
            yield bytes(ImportPart.objects.values_list("data", flat=True).get(run=row, number=number))

    return planning.File(chunks, platform_settings.get().import_max_size * UNPACKED)


def _done(row: HistoryImport, state: str, **facts: Any) -> None:
    for name, value in facts.items():
        setattr(row, name, value)
    row.state, row.lease_until, row.updated_at = state, None, clock.now()
    row.save(update_fields=["state", "lease_until", "updated_at", *facts])
    events.changed("import", {row.pk: 0})


def _failed(run_id: int, why: str) -> None:
    HistoryImport.objects.filter(pk=run_id).update(
        state="failed", problem=why[:1000], lease_until=None, updated_at=clock.now()
    )
    events.changed("import", {run_id: 0})


def _look(row: HistoryImport, actor: Actor) -> None:
    profile = planning.profile(_file(row), _Progress(row))
    options = Options(mapping=profile["mapping"], order=profile["order"])
    _done(row, "ready", profile=profile, options=options.to_json())


def _told(row: HistoryImport, findings: Findings) -> Iterator[PastIncident]:
    return planning.told(
        _file(row), row.profile or {}, of_json(row.options), row.source, findings,
        matrix=incidents.matrix(), progress=_Progress(row),
    )  # fmt: skip


def _plan(row: HistoryImport, actor: Actor) -> None:
    """Figures, the first ten, findings, and what would be new, changed, as it is."""
    options, findings = of_json(row.options), Findings()
    world = World(options, findings)
    counts = {"new": 0, "changed": 0, "unchanged": 0}
    held: dict[str, str] = {}

    def compare() -> None:
        known = history.fingerprints(row.source, list(held))
        for number, fingerprint in held.items():
            old = known.get(number)
            counts["new" if old is None else "unchanged" if old == fingerprint else "changed"] += 1
        held.clear()

    def see(past: PastIncident) -> None:
        world.see(past)
        held[past.number] = past.fingerprint
        if len(held) >= PORTION:
            compare()

    plan = planning.plan(_told(row, findings), options, findings, see)
    compare()
    _done(row, "planned", plan=plan | {"counts": counts, "services": _services(world)})


def _services(world: World) -> dict[str, Any]:
    def most(found: dict[str, int]) -> list[dict[str, Any]]:
        rows = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        return [{"name": name, "incidents": count} for name, count in rows[:50]]

    return {
        "known": most(world.found), "known_count": len(world.found),
        "unknown": most(world.wanted), "unknown_count": len(world.wanted),
    }  # fmt: skip


def _apply(row: HistoryImport, actor: Actor) -> None:
    began = time.monotonic()
    findings = Findings()
    world = World(of_json(row.options), findings)
    before = dict((row.result or {}).get("made") or {})
    told = _told(row, findings)
    fresh = updated = unchanged = entries = 0
    while portion := list(islice(told, PORTION)):
        with transaction.atomic():
            for past in portion:
                world.settle(past, actor=actor)
            made = {kind: [*before.get(kind, []), *ids] for kind, ids in world.made.items()}
            HistoryImport.objects.filter(pk=row.pk).update(result={"made": made})
            written = history.import_history(row.pk, row.source, portion, actor=actor)
        fresh += written.created
        updated, unchanged = updated + written.updated, unchanged + written.unchanged
        entries += written.entries
    created = row.imported.count()
    result = {
        "created": created,
        "updated": updated,
        "unchanged": unchanged - (created - fresh),  # what an attempt that died had written is as it was by now
        "entries": entries,
        "findings": findings.to_json(),
        "made": {kind: [*before.get(kind, []), *ids] for kind, ids in world.made.items()},
        "seconds": round(time.monotonic() - began, 1),
    }
    with transaction.atomic():
        row.parts.all().delete()
        _done(row, "applied", result=result)
    events.changed("incident", {0: 0})


def _roll_back(row: HistoryImport, actor: Actor) -> None:
    removed = restored = after = 0
    kept: list[str] = []
    total = row.imported.count()
    progress = _Progress(row)
    more = True
    while more:
        one, after = history.remove_history(row.pk, PORTION, actor=actor, after=after)
        removed, restored, more = removed + one.removed, restored + one.restored, one.left
        kept += one.kept
        progress(removed, total)
    made = (row.result or {}).get("made") or {}
    gone = {
        "services": _gone(made.get("services", []), catalogue.delete_services, actor),
        "teams": _gone(made.get("teams", []), people.delete_teams, actor),
    }
    result = {**(row.result or {}), "removed": removed, "restored": restored, "kept": kept[:200], "gone": gone}
    with transaction.atomic():
        row.parts.all().delete()
        _done(row, "rolled_back", result=result)
    events.changed("incident", {0: 0})


def _gone(ids: list[int], delete: Any, actor: Actor) -> int:
    """Remove what the run made and nobody uses since; how many."""
    count = 0
    for key in ids:
        try:
            count += delete([key], actor=actor)
        except Conflict:
            continue
    return count
