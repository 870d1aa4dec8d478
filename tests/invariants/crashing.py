"""What the tests that kill things share: the product's processes, how to kill them, who receives what it sends."""

import os
import random
import shutil
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from tests.journeys.product import Product

CHILDREN = {"database": "/postgres ", "web": " web", "engine": " engine"}
VICTIMS = ("web", "engine", "database", "backend")


class Receiver:
    """A webhook's far end."""

    def __init__(self) -> None:
        receiver, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.wait()
                with lock:
                    status = receiver.take(self.headers.get("X-Webhook-Id", ""), body)
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """Quiet: senders that are killed in the middle of a request are what this is about."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def take(self, key: str, body: bytes) -> int | None:
        """A message with its id: the status to answer, or None to hang up instead. One at a time."""
        raise NotImplementedError

    def wait(self) -> None:
        """Before a message is taken; any number at a time."""

    @contextmanager
    def running(self) -> Iterator[Self]:
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stop()
            self.server.shutdown()
            self.server.server_close()
            thread.join(10)

    def stop(self) -> None:
        """Nobody is to wait any more."""


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
