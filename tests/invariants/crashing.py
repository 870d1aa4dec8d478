"""What the tests that kill things share: the product's processes, how to kill them, and a folder that they can use."""

import os
import random
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.journeys.product import Product

CHILDREN = {"database": "/postgres ", "web": " web", "engine": " engine"}
VICTIMS = ("web", "engine", "database", "backend")


@contextmanager
def booted(**settings: str) -> Iterator[Product]:
    """The product in a folder of its own. Not pytest's: that one is closed to the account that PostgreSQL runs as."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-crash-"))
    product = Product(folder, "smtp://127.0.0.1:9")
    product.environment |= settings
    try:
        product.start()
        yield product
    except BaseException:
        print(f"what Tocsin said:\n{product.lines(100)}")
        raise
    finally:
        product.stop()
        shutil.rmtree(folder, ignore_errors=True)


def children(product: Product) -> dict[str, int]:
    """Process ids of the supervisor's children: ``database``, ``web``, ``engine``."""
    found: dict[str, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            command = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if int(fields[1]) != product.pid or fields[0] == "Z":
            continue
        for name, mark in CHILDREN.items():
            if mark in command:
                found[name] = int(stat.parent.name)
    return found


def kill_one(product: Product, victims: tuple[str, ...], rng: random.Random, killed: Counter[str]) -> None:
    """Kill one of ``victims`` with SIGKILL, a ``backend`` being a process of PostgreSQL's, and count it.

    Nothing happens when it is not there at the moment.
    """
    alive = children(product)
    name = rng.choice(victims)
    pid = alive.get("database" if name == "backend" else name)
    if pid is None:
        return
    if name == "backend":
        try:
            backends = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return
        if not backends:
            return
        pid = int(rng.choice(backends))
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    killed[name] += 1
