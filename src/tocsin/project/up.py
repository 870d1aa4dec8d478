"""``tocsin up``: the whole of Tocsin on one machine, as children of one supervisor.

The command line checks the settings and then becomes this program: it stays small because it imports neither Django nor
the settings' machinery.
"""

import fcntl
import json
import os
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, NoReturn

from tocsin.project.embedded import Embedded, EmbeddedError
from tocsin.project.supervisor import EXIT_CONFIG, Child, Supervisor

BANNER_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Options:
    """What the supervisor needs of the settings and the command line. Nothing secret: it can be seen in ``ps``."""

    data_dir: str
    host: str
    port: int
    embedded: bool
    log_format: str = "auto"
    log_level: str = "INFO"
    workers: int = 1
    mail: bool = False
    syslog: bool = False


def become(options: Options) -> NoReturn:
    """Replace this process by the supervisor; its environment is the present one."""
    os.execv(sys.executable, [sys.executable, "-m", "tocsin.project.up", json.dumps(asdict(options))])  # noqa: S606


def up(options: Options) -> int:
    """Run until told to stop; returns the exit code."""
    began = time.monotonic()
    data_dir = Path(options.data_dir).resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = _lock(data_dir)
    if lock is None:
        _write(f"Another `tocsin up` already runs on {data_dir}. Stop it, or give another --data folder.")
        return 1
    with lock:
        if problem := _port_taken(options.host, options.port):
            _write(problem)
            return 1
        supervisor = Supervisor(_write, json_lines=options.log_format == "json", colour=sys.stderr.isatty())
        environment = os.environ | {
            "TOCSIN_DATA_DIR": str(data_dir),
            "TOCSIN_LOG_FORMAT": "json" if options.log_format == "json" else "console",
            "PYTHONUNBUFFERED": "1",
        }
        assembly = _Assembly(supervisor, options, data_dir, environment, began)
        try:
            assembly.begin()
        except EmbeddedError as error:
            _write(str(error))
            return EXIT_CONFIG
        return supervisor.run()


class _Assembly:
    """Adds the children in the order in which they can start."""

    def __init__(
        self, supervisor: Supervisor, options: Options, data_dir: Path, environment: dict[str, str], began: float
    ) -> None:
        self.supervisor = supervisor
        self.options = options
        self.data_dir = data_dir
        self.environment = environment
        self.began = began
        self.facts: dict[str, str] = {}

    def begin(self) -> None:
        if not self.options.embedded:
            self._others()
            return
        database = Embedded(self.data_dir)
        if not (database.folder / "PG_VERSION").exists():
            self.supervisor.say(f"Making a database in {database.folder} ...")
        database.prepare()
        self.environment["DATABASE_URL"] = database.url
        self.supervisor.add(
            Child(
                "database",
                database.command,
                {name: value for name, value in self.environment.items() if not name.startswith(("TOCSIN", "PG"))},
                popen={"cwd": "/", **(database.account.popen if database.account else {})},
                before=database.evict,
                ready=database.ready,
                on_ready=partial(self._database_ready, database),
                serves=database.serves,
                stop=signal.SIGINT,  # fast: running transactions end, everything is written
                force=signal.SIGQUIT,  # at once; what was committed is safe, the next start recovers
                rank=2,
                quiet=() if self.options.log_level.upper() == "DEBUG" else ("LOG:", "HINT:  In a moment"),
            )
        )

    def _database_ready(self, database: Embedded) -> None:
        if any(child.name == "web" for child in self.supervisor.children):
            return  # it was restarted; the others have found it again by themselves
        try:
            database.create_database()
        except EmbeddedError as error:
            self.supervisor.fail(str(error))
            return
        self._others()

    def _others(self) -> None:
        tocsin = [sys.executable, "-m", "tocsin"]
        self.supervisor.add(Child("prepare", [*tocsin, "prepare"], self.environment, once=True, done=self._prepared))
        web = [*tocsin, "web", "--workers", str(self.options.workers)]
        self.supervisor.add(Child("web", web, self.environment))
        self.supervisor.add(Child("engine", [*tocsin, "engine"], self.environment))
        if self.options.mail:
            self.supervisor.add(Child("mail", [*tocsin, "mail"], self.environment))
        if self.options.syslog:
            self.supervisor.add(Child("syslog", [*tocsin, "syslog"], self.environment))

    def _prepared(self, code: int, output: str) -> None:
        if code:
            self.supervisor.fail("Tocsin could not be prepared; see the lines above.", code if code > 0 else 1)
            return
        self.facts = json.loads(output.strip().splitlines()[-1])
        self._banner()

    def _banner(self) -> None:
        """Say where it is, as soon as it answers there."""
        if not _answers(self.options.host, self.options.port):
            if time.monotonic() - self.began < BANNER_PATIENCE_S:
                self.supervisor.later(0.05, self._banner)
            else:
                self.supervisor.say("The web server does not answer yet; see its lines above.")
            return
        seconds = time.monotonic() - self.began
        for line in (
            f"Tocsin is up after {seconds:.1f} s: {self.facts['url']}",
            f"Sign in as {self.facts['email']} (works once, for an hour): {self.facts['link']}",
            f"Command line: try `tocsin incident list` (profile in {self.facts['profile']})",
        ):
            self.supervisor.say(line)


def _write(line: str) -> None:
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (BrokenPipeError, OSError):
        return  # whoever read our lines is gone; the work goes on


def _lock(data_dir: Path) -> IO[str] | None:
    handle = (data_dir / "up.lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle


def _port_taken(host: str, port: int) -> str:
    """Why nothing can listen there, or an empty text."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return f"Nothing can listen on {host} port {port}: {error.strerror}. Choose another with --host or --port."
    return ""


def _answers(host: str, port: int) -> bool:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    try:
        with socket.create_connection((target, port), timeout=0.2):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(up(Options(**json.loads(sys.argv[1]))))
