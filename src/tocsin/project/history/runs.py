"""Every write to runs of an import: beginning one, its file, how it is read, and asking for its next station.

Only administrators. What takes longer than an answer may is done by an engine, see ``working``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet, Sum
from django.db.models.functions import Length

from tocsin.incidents.actions import history
from tocsin.incidents.models import HistoryImport, ImportPart
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, clock, events
from tocsin.platform import settings as platform_settings
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound
from tocsin.project.history import options as reading
from tocsin.project.history.options import Options
from tocsin.project.history.planning import questions

PART = 4 * 1024 * 1024  # bytes of one piece of a file; a body of a request must be smaller than 8 MiB
BUSY = ("looking", "planning", "applying", "rolling_back")
KEEP = timedelta(days=7)  # files of runs that nobody went on with
SOURCE = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
# what may follow on what
FROM = {
    "looking": ("uploading",),
    "planning": ("ready", "planned"),
    "applying": ("planned",),
    "rolling_back": ("applied",),
}


def runs(actor: Actor) -> QuerySet[HistoryImport]:
    """All runs, newest first. Raises Forbidden."""
    require(actor, Deed.ADMINISTER)
    return HistoryImport.objects.select_related("created_by").order_by("-id")


def run(actor: Actor, run_id: int) -> HistoryImport:
    """One run. Raises NotFound, Forbidden."""
    found = runs(actor).filter(pk=run_id).first()
    if found is None:
        raise NotFound(f"There is no import {run_id}.")
    return found


def begin(source: str, file: str, *, actor: Actor) -> HistoryImport:
    """A new run, waiting for the pieces of its file. ``source`` names where the numbers come from: servicenow, jira ...

    Raises Invalid, Forbidden.
    """
    require(actor, Deed.ADMINISTER)
    source = source.strip().lower()
    if not SOURCE.fullmatch(source):
        right = "1 to 60 of a-z, 0-9, dot, hyphen and underscore, such as servicenow"
        raise Invalid("An import needs the name of where it comes from.", {"source": right})
    now = clock.now()
    return HistoryImport.objects.create(
        source=source,
        file=file.strip()[:300] or "file.csv",
        created_by_id=actor.user_id,
        created_at=now,
        updated_at=now,
    )


def add_part(run_id: int, number: int, data: bytes, *, actor: Actor) -> int:
    """Add piece ``number`` (from 0) of the file; again the same number replaces it. How many bytes there are now.

    Raises Invalid when the file becomes larger than the setting ``import_max_size``, Conflict when its file is whole.
    """
    require(actor, Deed.ADMINISTER)
    if not data or len(data) > PART:
        raise Invalid("This is no piece of a file.", {"body": f"1 to {PART:,} bytes"})
    if not 0 <= number < 100_000:
        raise Invalid("This is no piece of a file.", {"number": "0 to 99,999"})
    with transaction.atomic():
        row = _locked(run_id, ("uploading",), "its file is whole already")
        ImportPart.objects.update_or_create(run=row, number=number, defaults={"data": data})
        size = row.parts.aggregate(size=Sum(Length("data")))["size"] or 0
        most = platform_settings.get().import_max_size
        if size > most:
            raise Invalid(
                f"The file is larger than {most / 2**20:,.0f} MiB.",
                {"file": "split it, pack it with gzip, or raise TOCSIN_IMPORT_MAX_SIZE"},
            )
        row.size, row.updated_at = size, clock.now()
        row.save(update_fields=["size", "updated_at"])
    return int(size)


def finish(run_id: int, *, actor: Actor) -> HistoryImport:
    """The file is whole: look at it. Raises Invalid when pieces are missing, Conflict, NotFound, Forbidden."""
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        row = _locked(run_id, FROM["looking"], "its file is whole already")
        last = row.parts.aggregate(last=Max("number"))["last"]
        if last is None or row.parts.count() != last + 1:
            raise Invalid("The file is not whole.", {"file": "every piece, numbered from 0"})
        return _move(row, "looking")


def upload(source: str, file: str, pieces: Iterable[bytes], *, actor: Actor) -> HistoryImport:
    """A whole file at once: begin, all pieces, finish. Raises Invalid, Forbidden."""
    with transaction.atomic():
        row = begin(source, file, actor=actor)
        rest, number = b"", 0
        for piece in pieces:
            rest += piece
            while len(rest) >= PART:
                add_part(row.pk, number, rest[:PART], actor=actor)
                rest, number = rest[PART:], number + 1
        if rest or not number:
            add_part(row.pk, number, rest or b"\n", actor=actor)
        return finish(row.pk, actor=actor)


def set_options(run_id: int, options: Options, *, actor: Actor) -> HistoryImport:
    """Say how the file is to be read; what was planned before is forgotten.

    A mapping that is empty is the guessed one, and so is the order. Raises Invalid, Conflict, NotFound, Forbidden.
    """
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        row = _locked(run_id, ("ready", "planned"), "it is not ready to be planned")
        profile: Mapping[str, Any] = row.profile or {}
        if not options.mapping:
            options = replace(options, mapping=dict(profile["mapping"]))
        if not options.order:
            options = replace(options, order=str(profile["order"]))
        row.options = reading.checked(options, [one["name"] for one in profile["columns"]]).to_json()
        row.plan = None
        row.save(update_fields=["options", "plan"])
        return _move(row, "ready")


def asked(row: HistoryImport) -> dict[str, str]:
    """What has to be said before the run can be planned; empty when nothing is missing."""
    return questions(row.profile, reading.of_json(row.options)) if row.profile else {}


def ask_plan(run_id: int, *, actor: Actor) -> HistoryImport:
    """Foretell what the file would become. Raises Invalid when something has to be said first, Conflict, Forbidden."""
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        row = _locked(run_id, FROM["planning"], "it cannot be planned now")
        if problems := asked(row):
            raise Invalid("Something has to be said first.", problems)
        return _move(row, "planning")


def ask_apply(run_id: int, *, actor: Actor) -> HistoryImport:
    """Write what was planned. Raises Conflict unless it is planned, NotFound, Forbidden."""
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        row = _locked(run_id, FROM["applying"], "only what is planned can be applied")
        audit.record(actor, "started", "import", row.pk, f"{row.source}: {row.file}", None, row.options)
        return _move(row, "applying")


def ask_rollback(run_id: int, *, actor: Actor) -> HistoryImport:
    """Take away what a run made. Raises Conflict unless it was applied, NotFound, Forbidden."""
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        row = _locked(run_id, (*FROM["rolling_back"], "failed"), "only what was applied can be rolled back")
        audit.record(actor, "rolled back", "import", row.pk, f"{row.source}: {row.file}")
        return _move(row, "rolling_back")


def discard(run_id: int, *, actor: Actor) -> None:
    """Forget a run of which nothing was written, or nothing is left. Raises Conflict, NotFound, Forbidden."""
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        row = _locked(
            run_id, ("uploading", "ready", "planned", "failed", "rolled_back"), "something of it is on record, or busy"
        )
        if row.imported.exists():
            raise Conflict("Incidents of this import are on record; roll it back first.")
        history.forget_run(row.pk, actor=actor)
        events.changed("import", {row.pk: 0})


def tidy() -> int:
    """Remove files that nobody went on with for a week; how many runs went with them."""
    old = HistoryImport.objects.filter(
        state__in=["uploading", "ready", "planned", "failed"], updated_at__lt=clock.now() - KEEP, imported=None
    )
    count = old.count()
    old.delete()
    return count


def _locked(run_id: int, states: tuple[str, ...], why: str) -> HistoryImport:
    row = HistoryImport.objects.select_for_update().filter(pk=run_id).first()
    if row is None:
        raise NotFound(f"There is no import {run_id}.")
    if row.state not in states:
        raise Conflict(f"Import {run_id} is {row.state.replace('_', ' ')}: {why}.")
    return row


def _move(row: HistoryImport, state: str) -> HistoryImport:
    """Put a run at a station; where an engine has to work, one is woken."""
    row.state, row.updated_at, row.problem = state, clock.now(), ""
    row.done = row.total = 0
    row.lease_until = None
    row.save(update_fields=["state", "updated_at", "problem", "done", "total", "lease_until"])
    events.changed("import", {row.pk: 1})
    if state in BUSY:
        events.wake("history")
    return row
