"""A start from nothing, ten nodes that migrate together, and a database that is killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.journeys.waiting import free_port
from tocsin.project.embedded import Embedded

pytestmark = pytest.mark.journey

OURS = ("TOCSIN_", "DATABASE_URL", "DJANGO_", "PYTEST_", "PG")
NODES = 10


def _environment(folder: Path, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return clean | {"TOCSIN_CONFIG_DIR": str(folder / "config"), "TOCSIN_DATA_DIR": str(folder / "data")} | more


def _until(what: str, true: Callable[[], bool], within: float = 90.0) -> None:
    end = time.monotonic() + within
    while True:
        try:
            if true():
                return
        except (httpx.HTTPError, psycopg.Error):
            pass
        assert time.monotonic() < end, f"not within {within:.0f} s: {what}"
        time.sleep(0.05)


def test_ten_nodes_migrate_once(tmp_path: Path) -> None:
    server = os.environ["DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE ten_nodes")
        url = server.replace("/postgres?", "/ten_nodes?")
        try:
            environment = _environment(tmp_path, DATABASE_URL=url, TOCSIN_LOG_FORMAT="console")
            nodes = [
                subprocess.Popen(
                    [sys.executable, "-m", "tocsin", "prepare" if number % 2 else "migrate"],
                    env=environment | {"TOCSIN_CONFIG_DIR": str(tmp_path / str(number))},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
                for number in range(NODES)
            ]
            said = [node.communicate(timeout=240)[0] for node in nodes]
            assert [node.returncode for node in nodes] == [0] * NODES, said
            assert sum("Applied" in text for text in said) <= 1, said
            assert sum("/sign-in/link/" in text for text in said) == NODES // 2
            with psycopg.connect(url) as migrated:
                count = "SELECT count(*), count(DISTINCT (app, name)) FROM django_migrations"
                rows, different = migrated.execute(count).fetchone() or (0, 0)
                administrators = migrated.execute("SELECT count(*) FROM people_user").fetchone()
            assert rows == different > 20
            assert administrators == (1,)
        finally:
            connection.execute("DROP DATABASE ten_nodes WITH (FORCE)")


def test_start_kill_the_database_and_stop(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = _environment(tmp_path)
    log = tmp_path / "up.log"
    up = [sys.executable, "-m", "tocsin", "up", "--port", str(port), "--no-demo"]
    with log.open("w") as output:
        process = subprocess.Popen(up, env=environment, cwd=tmp_path, stdout=output, stderr=output)
    try:
        _until("tocsin up", lambda: "Tocsin is up" in log.read_text())
        _until("an engine", lambda: httpx.get(f"{url}/readyz").json()["status"] == "ok")
        assert "/sign-in/link/" in log.read_text()

        second = subprocess.run(
            up, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert second.returncode == 1
        assert "already runs" in second.stderr

        doctor = [sys.executable, "-m", "tocsin", "doctor"]
        looked = subprocess.run(doctor, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert looked.returncode == 0, looked.stdout

        database = Embedded(tmp_path / "data")
        with psycopg.connect(database.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS row")
        postmaster = int((database.folder / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)

        def kept() -> bool:
            with psycopg.connect(database.url) as connection:
                return connection.execute("SELECT row FROM kept").fetchone() == (1,)

        _until("the database again", kept)
        _until("the engine again", lambda: httpx.get(f"{url}/readyz").json()["status"] == "ok")
        assert "database was killed by SIGKILL; starting it again." in log.read_text()
    finally:
        process.terminate()
        code = process.wait(60)
    assert code == 0
    assert database.leftover() is None
    assert not (database.folder / "postmaster.pid").exists(), "it was stopped, not killed"


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "tocsin", "up", "--port", str(port)],
            env=_environment(tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr
