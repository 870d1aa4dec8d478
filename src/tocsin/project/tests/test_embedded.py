"""Whether the embedded database serves, asked in PostgreSQL's own words."""

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tocsin.project.embedded import SOCKET_NAME, Embedded

LET_IN = b"R\x00\x00\x00\x08\x00\x00\x00\x00"
RECOVERING = b"E\x00\x00\x00\x30SFATAL\x00C57P03\x00Mthe database system is in recovery mode\x00\x00"
TOO_MANY = b"E\x00\x00\x00\x30SFATAL\x00C53300\x00Msorry, too many clients already\x00\x00"


@pytest.fixture
def embedded() -> Iterator[Embedded]:
    # not pytest's folder, whose name may be too long for a socket
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    made = Embedded(folder)
    made.socket_folder.mkdir(parents=True)
    yield made
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("answer", "serves"),
    [(LET_IN, True), (RECOVERING, False), (TOO_MANY, True), (b"", False), (None, False)],
    ids=["let in", "recovering", "too many", "hangs up", "silent"],
)
def test_what_the_answer_means(embedded: Embedded, answer: bytes | None, serves: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(embedded.socket_folder / SOCKET_NAME))
        listener.listen(1)
        asked = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                assert b"user\0postgres\0" in connection.recv(1024)
                if answer is None:
                    asked.wait(5)
                else:
                    connection.sendall(answer)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        assert embedded.serves(patience_s=0.2) is serves
        asked.set()
        server.join(5)


def test_nobody_listens(embedded: Embedded) -> None:
    assert not embedded.serves()
