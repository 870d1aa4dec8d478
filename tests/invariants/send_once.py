"""One run of the deliverer in a process of its own, killed at a point of the send; the last word of its arguments.

``python -m tests.invariants.send_once DATABASE POINT``. Exits with 9 at the point, with 0 when it got to the end.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import django

POINTS = ("before claim", "after claim", "before call", "during call", "after call", "before commit", "after commit")
KILLED = 9


def die() -> None:
    """As ``kill -9`` does it: nothing is cleaned up."""
    os._exit(KILLED)


def main(database: str, point: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from django.db import connections

    connections["default"].settings_dict["NAME"] = database
    connections["default"].close()
    from tocsin.delivery import actions, queries
    from tocsin.delivery.contract import Channel, Context, Message, Method, Result
    from tocsin.delivery.jobs import Deliverer

    claim, settle = actions.claim, actions.settle

    def claimed(*args: Any, **more: Any) -> Any:
        if point == "before claim":
            die()
        found = claim(*args, **more)
        if found and point == "after claim":
            die()
        return found

    def settled(results: Any) -> Any:
        if point == "before commit":
            die()
        done = settle(results)
        if point == "after commit":
            die()
        return done

    class Watched:
        """A channel that dies before, during or after its call."""

        def __init__(self, channel: Channel) -> None:
            self.channel = channel
            self.descriptor = channel.descriptor
            self.close = channel.close

        async def send(self, message: Message, method: Method, context: Context) -> Result:
            if point == "before call":
                die()
            call = asyncio.ensure_future(self.channel.send(message, method, context))
            if point == "during call":
                # as soon as the other side has it, whether or not its answer is here already; without another side
                # (the pocket phone) when it is done
                arrived = Path(os.environ["ARRIVED"])
                while not (arrived.exists() or call.done()):  # noqa: ASYNC110, ASYNC240 - another process makes it
                    await asyncio.sleep(0.005)
                die()
            result = await call
            if point == "after call":
                die()
            return result

    actions.claim, actions.settle = claimed, settled  # type: ignore[assignment]
    deliverer = Deliverer()
    for lane in deliverer.lanes.values():
        lane.channel = Watched(lane.channel)  # type: ignore[assignment]
    assert queries.channels()
    asyncio.run(deliverer.run_once())


if __name__ == "__main__":
    main(*sys.argv[1:])
