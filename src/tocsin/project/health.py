"""Is this process alive, and can it take signals? For load balancers, container platforms and watchdogs."""

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import Min
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_safe

from tocsin import __version__
from tocsin.delivery import canaries
from tocsin.delivery.models import Delivery
from tocsin.escalation.models import Run
from tocsin.intake.models import Inbox
from tocsin.platform import clock, nodes
from tocsin.project import migrate
from tocsin.project.metrics import metrics, spool_bytes

# what is due is late when nobody has taken it up for this long
LATE = timedelta(seconds=30)
REPORT_EVERY_S = 2.0


@cache
def _schema_is_current() -> bool:
    """Whether nothing is pending; asked until it is true, then remembered: a schema does not go back under us."""
    if migrate.pending():
        raise LookupError
    return True


def database_problem() -> str:
    """Why the database cannot be used, or an empty text."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"does not answer: {first_line(error)}"
    return ""


def schema_problem() -> str:
    """Why the schema cannot be used, or an empty text."""
    try:
        _schema_is_current()
    except LookupError:
        return "migrations are pending: run `tocsin migrate`"
    except DatabaseError as error:
        return first_line(error)
    return ""


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def overdue() -> dict[str, float]:
    """How late the latest things are, seconds: escalation steps, deliveries, signals that wait for triage, the canary.

    Nothing late: 0.
    """
    now = clock.now()
    oldest = {
        "escalation": Run.objects.filter(state="waiting").aggregate(at=Min("due_at"))["at"],
        "delivery": Delivery.objects.filter(state="pending").aggregate(at=Min("next_at"))["at"],
        "triage": Inbox.objects.aggregate(at=Min("received_at"))["at"],
    }
    late = {name: max(0.0, (now - at).total_seconds()) if at else 0.0 for name, at in oldest.items()}
    return late | {"canary": canaries.late_s(canaries.config(), now)}


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Liveness: this process answers. Nothing else is looked at, so that no restart is caused by the database."""
    return JsonResponse({"status": "ok", "version": __version__})


@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Readiness: 200 while signals are accepted durably, in the database or, while it is away, in the spool.

    ``parts`` says of each part whether it is well. A missing engine is told but does not take the door away: what is
    accepted waits for it.
    """
    parts: dict[str, str] = {"database": database_problem()}
    if not parts["database"]:
        parts["schema"] = schema_problem()
    if not any(parts.values()):
        parts["engine"] = "" if nodes.alive("engine") else "none has reported for a few seconds: run `tocsin engine`"
        parts |= {name: f"{late:.0f} s late" for name, late in overdue().items() if late > LATE.total_seconds()}
    waiting = spool_bytes()
    full = waiting >= settings.TOCSIN.spool_max_bytes
    parts["spool"] = f"full: {waiting} bytes" if full else ""
    ready = not (parts["database"] and full) and not parts.get("schema")
    well = not any(parts.values())
    return JsonResponse(
        {
            "status": "ok" if well else ("degraded" if ready else "unavailable"),
            "parts": {name: problem or "ok" for name, problem in parts.items()},
            "spool_bytes": waiting,
        },
        status=200 if ready else 503,
    )


def start_reporting(kind: str, facts: Callable[[], Mapping[str, object]] | None = None) -> threading.Event:
    """Report every two seconds, in a thread of its own, that this process lives, until the event given back is set.

    ``facts``: what to report with it.
    """
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(REPORT_EVERY_S):
            try:
                nodes.report(kind, facts() if facts else None)
            except DatabaseError:
                connection.close()
        try:
            nodes.leave(kind)
        except DatabaseError:
            pass  # the others notice by our silence
        finally:
            connection.close()

    threading.Thread(target=run, name="heartbeat", daemon=True).start()
    return stop


urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
]
