"""Runs and what an engine does with them: plan, apply, take back. Each is one transaction, in a process of its own.

The work is claimed by locking the run's row, so that it is done once however many engines look for it; a process that
dies leaves nothing behind, and another takes it up.
"""

import time
from datetime import timedelta
from typing import Any

import psycopg
import structlog
from django.db import connection, connections, transaction

from tocsin.people.rules import Deed, require
from tocsin.platform import audit, clock, events
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.apart import actor_json, actor_of_json, apart
from tocsin.platform.errors import Conflict, Invalid, NotFound, TocsinError
from tocsin.project.importing import packing
from tocsin.project.importing.merging import Merge, Outcome
from tocsin.project.importing.models import Link, Progress, Run, Step
from tocsin.project.importing.shapes import PRODUCTS, Export
from tocsin.project.importing.taking_back import take_back
from tocsin.project.importing.translating import translate

log = structlog.get_logger()

TIMEOUT_S = 3600.0
KEPT = 50
SILENCE = timedelta(minutes=10)
WORDS = {"plan": "planned", "apply": "applied", "rollback": "rolled back"}


# -- what people ask for ---------------------------------------------------------------------------------------------


def require_import(actor: Actor) -> None:
    """Whoever imports makes people and reads everything about them: an administrator. Raises Forbidden."""
    require(actor, Deed.ADMINISTER)


def start(export: Export, *, actor: Actor) -> Run:
    """A new run whose plan is to be made. Raises Forbidden."""
    require(actor, Deed.ADMINISTER)
    events.wake("imports")
    return Run.objects.create(
        product=export.product,
        origin=export.origin,
        state="waiting",
        wanted="plan",
        options={"actor": actor_json(actor)},
        export=packing.sealed(packing.pack(export)),
        read_at=export.read_at,
        created_at=clock.now(),
        created_by=actor.name[:200],
    )


def reading(product: str, origin: str, *, actor: Actor) -> Run:
    """A new run that is still being read. Raises Forbidden, Invalid."""
    require(actor, Deed.ADMINISTER)
    if product not in PRODUCTS:
        raise Invalid("There is no such product.", {"product": f"one of {', '.join(PRODUCTS)}"})
    return Run.objects.create(
        product=product, origin=origin[:300], state="reading", created_at=clock.now(), created_by=actor.name[:200]
    )


def has_read(run_id: int, export: Export | None, failure: str = "", *, actor: Actor) -> None:
    """A run that was being read has been, or could not be."""
    require(actor, Deed.ADMINISTER)
    found = Run.objects.filter(pk=run_id, state="reading")
    if export is None:
        found.update(state="failed", failure=failure[:2000])
    else:
        found.update(
            state="waiting",
            wanted="plan",
            options={"actor": actor_json(actor)},
            export=packing.sealed(packing.pack(export)),
            read_at=export.read_at,
        )
        events.wake("imports")
    events.changed("import", {run_id: 0})


def want(run_id: int, what: str, *, actor: Actor, digest: str = "", force: bool = False) -> Run:
    """Ask for a plan to be made anew, applied or taken back. Raises Forbidden, NotFound, Conflict."""
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        run = Run.objects.select_for_update().filter(pk=run_id).first()
        if run is None:
            raise NotFound("There is no such import.")
        right = {"plan": ("planned", "failed"), "apply": ("planned",), "rollback": ("applied",)}[what]
        if run.wanted or run.state not in right:
            busy = f"it is about to be {WORDS[run.wanted]}" if run.wanted else f"it is {run.get_state_display()}"
            raise Conflict(f"This import cannot be {WORDS[what]}: {busy}.")
        if what == "plan" and not run.export:
            raise Conflict("What was read is gone; read it again.")
        if digest and digest != run.digest:
            raise Conflict("This is not the plan of this import; look at it again.", {"digest": run.digest})
        run.wanted, run.failure = what, ""
        run.options = {"actor": actor_json(actor), "digest": digest, "force": force}
        run.save(update_fields=["wanted", "failure", "options"])
        events.wake("imports")
    return run


def _give_up_reading() -> None:
    """Runs whose reading was heard of last long ago: the process that read is gone, and the key with it."""
    since = clock.now() - SILENCE
    alive = Progress.objects.filter(at__gt=since).values("run")
    words = "The process that read it has ended. Begin again; the key was kept nowhere."
    found = Run.objects.filter(state="reading", created_at__lt=since).exclude(pk__in=alive)
    found.update(state="failed", failure=words)


def get(run_id: int, *, actor: Actor) -> Run:
    """One run. Raises Forbidden, NotFound."""
    require(actor, Deed.ADMINISTER)
    _give_up_reading()
    run = Run.objects.filter(pk=run_id).defer("export").first()
    if run is None:
        raise NotFound("There is no such import.")
    return run


def runs(*, actor: Actor) -> list[Run]:
    """The newest runs, without what they found. Raises Forbidden."""
    require(actor, Deed.ADMINISTER)
    _give_up_reading()
    return list(Run.objects.defer("export", "findings", "changes").order_by("-id")[:KEPT])


def progress_of(run: Run) -> dict[str, Any] | None:
    """How far a run is, while something is done."""
    if not run.wanted and run.state != "reading":
        return None
    row = Progress.objects.filter(run=run.pk).first()
    return {"stage": row.stage, "done": row.done, "total": row.total} if row else {"stage": "", "done": 0, "total": 0}


# -- what an engine does -----------------------------------------------------------------------------------------------


def turn() -> int:
    """Do what is wanted of one run; how many were worked on."""
    wanted = Run.objects.exclude(wanted="").order_by("id").values_list("id", "wanted").first()
    if wanted is None:
        return 0
    run_id, what = wanted
    with transaction.atomic():
        if not Run.objects.select_for_update(skip_locked=True).filter(pk=run_id).exists():
            return 0  # somebody is at it
    try:
        apart("tocsin.project.importing.work:task", {"run": run_id}, actor=SYSTEM, timeout_s=TIMEOUT_S)
    except TocsinError as error:
        words = "\n".join([error.message, *(f"{name}: {text}" for name, text in error.problems.items())])
        _failed(run_id, what, words)
    except RuntimeError as error:
        log.error("import.failed", run=run_id, error=str(error)[-500:])
        _failed(run_id, what, "Something went wrong; the log of the engine says what. Nothing was changed.")
    events.changed("import", {run_id: 0})
    return 1


def _failed(run_id: int, what: str, words: str) -> None:
    found = Run.objects.filter(pk=run_id, wanted=what)
    found.update(wanted="", failure=words[:8000], **({"state": "failed"} if what == "plan" else {}))


class Meter:
    """Writes how far a run is on a connection of its own, at most twice a second: the work is one transaction."""

    def __init__(self, run_id: int) -> None:
        self.run_id, self._at = run_id, 0.0
        parameters = connections["default"].get_connection_params()
        left_out = ("cursor_factory", "context", "prepare_threshold", "server_side_binding", "client_encoding")
        self._own = psycopg.connect(
            **{name: value for name, value in parameters.items() if name not in left_out}, autocommit=True
        )

    def __call__(self, stage: str, done: int, total: int) -> None:
        if time.monotonic() - self._at < 0.5:
            return
        self._at = time.monotonic()
        self._own.execute(
            "INSERT INTO importing_progress (run, stage, done, total, at) VALUES (%s, %s, %s, %s, tocsin_now())"
            " ON CONFLICT (run) DO UPDATE SET stage = excluded.stage, done = excluded.done, total = excluded.total,"
            " at = excluded.at",
            [self.run_id, stage[:100], done, total],
        )
        self.changed()

    def changed(self) -> None:
        """Tell open pages to look again."""
        self._own.execute("SELECT pg_notify('tocsin_live', %s)", [f"import:{self.run_id}:{int(self._at * 1000)}"])

    def close(self) -> None:
        self._own.close()


def task(value: dict[str, Any], actor: Actor) -> dict[str, Any]:
    """What is wanted of a run. Raises what the work raises; then nothing of it was kept."""
    run_id = int(value["run"])
    meter = Meter(run_id)
    try:
        with transaction.atomic():
            # two imports at once would each take the other's names for free
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(hashtext('tocsin.importing'))")
            run = Run.objects.select_for_update(skip_locked=True).filter(pk=run_id).exclude(wanted="").first()
            if run is None:
                return {}
            asked = actor_of_json(run.options["actor"])
            require(asked, Deed.ADMINISTER)
            {"plan": _plan, "apply": _apply, "rollback": _rollback}[run.wanted](run, asked, meter)
            run.wanted, run.failure = "", ""
            run.save()
    finally:
        meter.close()
    return {"state": run.state}


def merged(export: Export, *, actor: Actor, keep: bool, progress: Any) -> Outcome:
    """What importing this does; kept only with ``keep``, in the caller's transaction."""
    progress("translating", 0, 0)
    translation = translate(export)
    with transaction.atomic():
        with clock.one_change():
            outcome = Merge(translation, actor, progress).run()
        if not keep:
            transaction.set_rollback(True)
    return outcome


def _noted(run: Run, outcome: Outcome) -> None:
    run.changes, run.counts, run.digest = outcome.changes, outcome.counts, outcome.digest
    run.findings = [one.to_json() for one in outcome.findings]


def _plan(run: Run, actor: Actor, meter: Meter) -> None:
    _noted(run, merged(packing.opened(run.export), actor=actor, keep=False, progress=meter))
    run.state = "planned"


def _apply(run: Run, actor: Actor, meter: Meter) -> None:
    outcome = merged(packing.opened(run.export), actor=actor, keep=True, progress=meter)
    if (digest := run.options.get("digest")) and digest != outcome.digest:
        raise Conflict("This is no longer what the plan said; make a new plan and look at it.")
    meter("keeping what was done", 0, 0)
    _noted(run, outcome)
    Step.objects.bulk_create(
        [
            Step(
                run=run,
                section=one.section,
                external_id=one.external_id,
                object_id=one.object_id,
                name=one.name[:300],
                before=one.before,
                after=one.after,
                link_before=one.link_before,
            )
            for one in outcome.touched
        ],
        batch_size=1000,
    )
    Link.objects.bulk_create(
        [
            Link(
                product=run.product,
                section=one.section,
                external_id=one.external_id,
                object_id=one.object_id,
                theirs=one.theirs,
                ours=one.after,
            )
            for one in outcome.touched
        ],
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["product", "section", "external_id"],
        update_fields=["object_id", "theirs", "ours"],
    )
    run.state, run.applied_at, run.applied_by, run.export = "applied", clock.now(), actor.name[:200], ""
    facts = {"product": run.product, "origin": run.origin, **run.counts}
    audit.record(actor, "applied", "import", run.pk, f"{PRODUCTS[run.product]}: {run.origin}", None, facts)


def _rollback(run: Run, actor: Actor, meter: Meter) -> None:
    later = Run.objects.filter(product=run.product, state="applied", pk__gt=run.pk).order_by("-id").first()
    if later is not None and not run.options.get("force"):
        raise Conflict(f"Import {later.pk} of the same product was applied after it; take that one back first.")
    with clock.one_change():
        left = take_back(run, actor=actor, force=bool(run.options.get("force")), progress=meter)
    run.state, run.rolled_back_at, run.rolled_back_by = "rolled back", clock.now(), actor.name[:200]
    run.options = {"left": left[:200]}
    audit.record(actor, "rolled back", "import", run.pk, f"{PRODUCTS[run.product]}: {run.origin}")
