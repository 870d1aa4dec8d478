"""Debian's real Prometheus and Alertmanager, watching a metric that a test can change."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import yaml

from tests.journeys.waiting import free_port, until

# Prometheus says "fires until now + 4 x resend-delay"; tests move our clock by hours, which must not outrun it
RESEND_DELAY = "24h"


def program(name: str) -> str:
    """Where a Debian program is; fails with what to install when it is missing."""
    path = shutil.which(name)
    assert path, f"{name} is missing: apt-get install --no-install-recommends prometheus prometheus-alertmanager"
    return path


class Metric:
    """An exporter with one gauge, ``checkout_broken``; ``value`` is what Prometheus will read next."""

    def __init__(self) -> None:
        self.value = 0
        metric = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = f"# TYPE checkout_broken gauge\ncheckout_broken {metric.value}\n".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class Watch:
    """A Prometheus, and an Alertmanager when there are ``receivers``; both run from ``start`` to ``stop``.

    ``alertmanager_url``: where Prometheus sends when there is no ``receiver``, with ``credentials`` as bearer token.
    """

    def __init__(
        self,
        folder: Path,
        *,
        receiver: dict[str, Any] | None = None,
        alertmanager_url: str = "",
        credentials: str = "",
        labels: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.metric = Metric()
        self.receiver = receiver
        self.alertmanager_url = alertmanager_url
        self.credentials = credentials
        self.labels = {"severity": "critical"} | (labels or {})
        self.prometheus_port = free_port()
        self.alertmanager_port = free_port()
        self._processes: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self) -> None:
        """Start the programs; they are ready when ``ready`` says so."""
        self.folder.mkdir(parents=True)
        if self.receiver is not None:
            self._write(
                "alertmanager.yml",
                {
                    "route": {"receiver": "tocsin", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s",
                              "repeat_interval": "1h"},
                    "receivers": [{"name": "tocsin", **self.receiver}],
                },
            )  # fmt: skip
            self._run(
                "prometheus-alertmanager",
                f"--config.file={self.folder}/alertmanager.yml",
                f"--storage.path={self.folder}/alertmanager",
                f"--web.listen-address=127.0.0.1:{self.alertmanager_port}",
                "--cluster.listen-address=",
            )
        rule = {
            "alert": "CheckoutBroken",
            "expr": "checkout_broken > 0",
            "labels": self.labels,
            "annotations": {"summary": "Checkout answers with errors", "description": "{{ $value }} of 1"},
        }
        self._write("rules.yml", {"groups": [{"name": "shop", "interval": "1s", "rules": [rule]}]})
        self._write(
            "prometheus.yml",
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [f"{self.folder}/rules.yml"],
                "alerting": {"alertmanagers": [self._alertmanager()]},
                "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": [self.metric.address]}]}],
            },
        )
        self._run(
            "prometheus",
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
            f"--rules.alert.resend-delay={RESEND_DELAY}",
        )

    def _alertmanager(self) -> dict[str, Any]:
        """Where Prometheus sends its alerts."""
        if self.receiver is not None:
            return {"static_configs": [{"targets": [f"127.0.0.1:{self.alertmanager_port}"]}]}
        parts = urlsplit(self.alertmanager_url)
        told: dict[str, Any] = {"path_prefix": parts.path, "static_configs": [{"targets": [parts.netloc]}]}
        return told | ({"authorization": {"credentials": self.credentials}} if self.credentials else {})

    def _write(self, name: str, value: Any) -> None:
        (self.folder / name).write_text(yaml.safe_dump(value, sort_keys=False))

    def _run(self, name: str, *words: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen([program(name), *words], stdout=log, stderr=log, cwd=self.folder)
        self._processes.append((name, process))

    def ready(self) -> None:
        """Wait until the programs answer and Prometheus has read the metric."""
        if self.receiver is not None:
            self._until_answers("prometheus-alertmanager", self.alertmanager_port, "/-/ready")
        self._until_answers("prometheus", self.prometheus_port, "/-/ready")
        until("a first scrape by Prometheus", lambda: self._series("checkout_broken"), within=60, every=0.25)

    def _until_answers(self, name: str, port: int, path: str) -> None:
        def look() -> bool:
            for known, process in self._processes:
                if known == name:
                    assert process.poll() is None, f"{name} ended:\n{(self.folder / f'{name}.log').read_text()[-2000:]}"
            try:
                with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                    return bool(answer.status == 200)
            except (URLError, OSError):
                return False

        until(f"{name} answers", look, within=60, every=0.25)

    def _series(self, query: str) -> Sequence[Any]:
        with urlopen(f"http://127.0.0.1:{self.prometheus_port}/api/v1/query?query={query}", timeout=5) as answer:
            found: list[Any] = json.load(answer)["data"]["result"]
            return found

    def stop(self) -> None:
        """Stop the programs."""
        for _, process in self._processes:
            process.terminate()
        for _, process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        self.metric.stop()

    def lines(self) -> str:
        """The ends of the programs' logs."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in sorted(self.folder.glob("*.log"))
        )


class Amtool:
    """Debian's amtool. ``credentials``: password of Basic authentication; ``authority``: whom to trust, a PEM file."""

    def __init__(self, folder: Path, url: str, credentials: str, authority: Path | None = None) -> None:
        folder.mkdir(parents=True)
        self.words = [program("amtool"), f"--alertmanager.url={url}"]
        self.folder = folder
        told: dict[str, Any] = {"basic_auth": {"username": "amtool", "password": credentials}}
        if authority is not None:
            told["tls_config"] = {"ca_file": str(authority)}
        (folder / "http.yml").write_text(yaml.safe_dump(told))
        self.words.append(f"--http.config.file={folder / 'http.yml'}")

    def __call__(self, *words: str, fails: bool = False) -> str:
        done = subprocess.run(
            [*self.words, *words], capture_output=True, text=True, timeout=30, cwd=self.folder,
            env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        said = f"amtool {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        assert (done.returncode != 0) is fails, said
        return done.stderr if fails else done.stdout

    def json(self, *words: str) -> list[dict[str, Any]]:
        """What it prints as JSON."""
        found: list[dict[str, Any]] = json.loads(self(*words, "-o", "json"))
        return found

    def names(self, *words: str) -> set[str]:
        """Names of the alerts that it finds."""
        return {alert["labels"]["alertname"] for alert in self.json("alert", "query", *words)}
