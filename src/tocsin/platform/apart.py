"""Heavy work apart: one function of one JSON value, called in a process of its own.

A replay or a search for a fair rota keeps a processor busy for many seconds. In the web process it would take time from
the door and from everybody's pages, so it runs beside it, with less claim on the processor, and is ended when it takes
too long. The function is named ``module:function`` and comes from the code, never from a request.
"""

import json
import os
import subprocess
import sys
import threading
from importlib import import_module
from typing import Any

from django.conf import settings
from django.db import connection

from tocsin.platform import errors
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, TocsinError

TIMEOUT_S = 300.0
AT_ONCE = 1
_REFUSED = 3  # exit code: the asker can mend it; stdout says how
_busy = threading.BoundedSemaphore(AT_ONCE)


def apart(function: str, value: dict[str, Any], *, actor: Actor, timeout_s: float = TIMEOUT_S) -> Any:
    """What ``module:function`` returns for ``(value, actor)``, as JSON. Raises what it raises of ``TocsinError``.

    Raises Conflict while other heavy work is under way, and when it takes longer than ``timeout_s`` seconds.
    """
    if not getattr(settings, "HEAVY_WORK_APART", True):
        return _call(function, value, actor)
    if not _busy.acquire(blocking=False):
        raise Conflict("Something else is being worked out right now; try again in a moment.")
    try:
        asked = json.dumps({"function": function, "value": value, "actor": actor_json(actor)})
        done = subprocess.run(
            [sys.executable, "-m", "tocsin.platform.apart"],
            input=asked.encode(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env=os.environ
            | {"DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "tocsin.project.settings")},
        )
    except subprocess.TimeoutExpired as error:
        raise Conflict(f"This takes longer than {timeout_s:.0f} seconds; ask for less at once.") from error
    finally:
        _busy.release()
    if done.returncode == _REFUSED:
        told = json.loads(done.stdout)
        raise getattr(errors, told["error"])(told["message"], told["problems"])
    if done.returncode:
        raise RuntimeError(f"{function} failed: {done.stderr.decode(errors='replace')[-2000:]}")
    return json.loads(done.stdout)


def actor_json(actor: Actor) -> dict[str, Any]:
    """An actor as JSON; ``actor_of_json`` reads it."""
    return {
        "kind": actor.kind,
        "id": actor.id,
        "name": actor.name,
        "role": actor.role,
        "teams": sorted(actor.teams),
        "managed": sorted(actor.managed),
        "scopes": None if actor.scopes is None else sorted(actor.scopes),
    }


def actor_of_json(value: dict[str, Any]) -> Actor:
    """The inverse of ``actor_json``."""
    return Actor(
        value["kind"],
        value["id"],
        value["name"],
        value["role"],
        frozenset(value["teams"]),
        frozenset(value["managed"]),
        None if value["scopes"] is None else frozenset(value["scopes"]),
    )


def _call(function: str, value: dict[str, Any], actor: Actor) -> Any:
    module, _, name = function.partition(":")
    # what goes through JSON in a process of its own goes through it here too, so that tests see the same
    return json.loads(json.dumps(getattr(import_module(module), name)(value, actor)))


def main() -> int:
    """The process apart: reads what to do from stdin, writes what came of it to stdout."""
    import django

    os.nice(5)
    django.setup()
    asked = json.load(sys.stdin)
    try:
        answer = _call(asked["function"], asked["value"], actor_of_json(asked["actor"]))
    except TocsinError as error:
        json.dump({"error": type(error).__name__, "message": error.message, "problems": error.problems}, sys.stdout)
        return _REFUSED
    finally:
        connection.close()
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
