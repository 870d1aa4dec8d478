"""Who is measured: each starts, takes events, pages a sink, says when it is idle, and stops."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

SOURCE = "host-17.dc1.example"


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(what: str, look: Callable[[], bool], seconds: float = 60) -> None:
    """Return when ``look`` is true. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not look():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


def answers(url: str) -> bool:
    """Whether somebody answers 200 there."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def request(path: str, port: int, body: bytes) -> bytes:
    """A whole POST of JSON."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def alerts(keys: list[str], severity: str = "critical") -> bytes:
    """Alerts as Prometheus posts them."""
    return json.dumps(
        [
            {
                "labels": {
                    "alertname": "DiskFull",
                    "instance": SOURCE,
                    "job": "node",
                    "severity": severity,
                    "key": key,
                },
                "annotations": {"summary": f"Disk full, {key}", "description": "Less than 2 % of /var is free"},
                "generatorURL": "http://prometheus.example/graph?g0.expr=free",
            }
            for key in keys
        ],
        separators=(",", ":"),
    ).encode()


class Peer(ABC):
    """A system under measurement. ``pages``: its pages go to the sink; otherwise it only takes in."""

    name = ""

    def __init__(self, sink: int) -> None:
        self.sink = sink
        self.folder = Path(tempfile.mkdtemp(prefix=f"bench-{self.name.lower()}-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The root of its process tree."""
        assert self.process is not None
        return self.process.pid

    def run(self, *words: str, environment: dict[str, str] | None = None) -> None:
        """Start its root process; its output goes to ``log`` in its folder."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, cwd=self.folder, env=environment)

    @abstractmethod
    def start(self) -> None:
        """Start and wait until it takes events."""

    @abstractmethod
    def single(self, pages: bool) -> Callable[[list[str]], bytes]:
        """Makes a request with one event."""

    @abstractmethod
    def batch(self, pages: bool) -> Callable[[list[str]], bytes]:
        """Makes a request with many events."""

    @abstractmethod
    def settle(self) -> None:
        """Wait until everything that was taken in has been worked off."""

    def stop(self) -> None:
        """Stop it and remove what it wrote."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """The end of what it said."""
        path = self.folder / "log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""


def clean_environment() -> dict[str, str]:
    """The environment without settings of a Tocsin that may be set here."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN_", "DATABASE_URL"))}
