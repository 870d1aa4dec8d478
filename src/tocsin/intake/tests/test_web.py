"""The bridge between granian and an ASGI application."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from tocsin.project import rsgi
from tocsin.project.rsgi import App
from tocsin.project.tests.serving import Web
from tocsin.project.web import _claim

pytestmark = pytest.mark.django_db(transaction=True)


class Sample:
    """An ASGI application that tells what it saw."""

    def __init__(self) -> None:
        self.gone = threading.Event()
        self.opened = threading.Event()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"].endswith("/stream"):
            await self.stream(receive, send)
            return
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message["body"])
            more = message["more_body"]
        told = {name: scope[name] for name in ("method", "scheme", "path", "root_path", "client")}
        told |= {"query": scope["query_string"].decode(), "size": size}
        told["headers"] = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = json.dumps(told).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    async def stream(self, receive: Any, send: Any) -> None:
        await receive()

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            self.gone.set()

        watching = asyncio.ensure_future(watch())
        head = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        self.opened.set()
        try:
            for number in range(10_000):
                await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
                await asyncio.sleep(0.01)
                if watching.done():
                    break
        except OSError:
            self.gone.set()
        finally:
            watching.cancel()


@pytest.fixture
def sample() -> Sample:
    return Sample()


def test_a_request_arrives_whole(start_web: Callable[..., Web], sample: Sample) -> None:
    web = start_web(App(sample))
    told = web.client.post("/a%20b/ü?x=1&y=%2F", content=b"z" * 300_000, headers={"x-own": "1"}).json()
    assert (told["method"], told["path"], told["query"], told["size"]) == ("POST", "/a b/ü", "x=1&y=%2F", 300_000)
    assert told["headers"]["x-own"] == "1"
    assert told["headers"]["host"] == f"127.0.0.1:{web.port}"
    assert told["client"][0] == "127.0.0.1"

    def parts() -> Any:
        for _ in range(30):
            yield b"q" * 1000

    assert web.client.put("/x", content=parts()).json()["size"] == 30_000
    assert web.client.get("/x").json()["size"] == 0
    assert web.client.head("/x").content == b""


def test_forwarded_headers_count_only_from_trusted_proxies(start_web: Callable[..., Web], sample: Sample) -> None:
    forwarded = {
        "x-forwarded-for": "9.9.9.9, 203.0.113.5", "x-forwarded-proto": "https", "x-forwarded-host": "t.example",
        "x-forwarded-prefix": "/pd/",
    }  # fmt: skip
    web = start_web(App(sample))
    told = web.client.get("/x", headers=forwarded).json()
    assert (told["scheme"], told["root_path"], told["path"], told["client"][0]) == ("http", "", "/x", "127.0.0.1")
    assert not [name for name in told["headers"] if name.startswith("x-forwarded")]
    web = start_web(App(sample), trusted_proxies=[ip_network("127.0.0.0/8")])
    told = web.client.get("/x", headers=forwarded).json()
    assert (told["scheme"], told["root_path"], told["path"]) == ("https", "/pd", "/pd/x")
    assert told["client"] == ["203.0.113.5", 0]
    assert told["headers"]["host"] == "t.example"
    assert not [name for name in told["headers"] if name.startswith("x-forwarded")]


def test_a_body_that_is_too_large_is_cut_off(
    start_web: Callable[..., Web], sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rsgi, "MAX_BODY", 10_000)
    web = start_web(App(sample))
    assert web.client.post("/x", content=b"z" * 10_001).status_code == 413

    def parts() -> Any:
        for _ in range(11):
            yield b"q" * 1000

    assert web.client.post("/x", content=parts()).status_code == 413


def test_a_stream_ends_when_the_client_leaves_and_holds_no_thread(
    start_web: Callable[..., Web], sample: Sample
) -> None:
    web = start_web(App(sample))
    connections = []
    for _ in range(rsgi.THREADS + 3):
        connection = socket.create_connection(("127.0.0.1", web.port))
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"text/event-stream" in connection.recv(4096)
        connections.append(connection)
    assert web.client.get("/x").status_code == 200
    sample.gone.clear()
    for connection in connections:
        connection.close()
    assert sample.gone.wait(10)


def test_draining_does_not_wait_for_streams(start_web: Callable[..., Web], sample: Sample) -> None:
    web = start_web(App(sample))
    with socket.create_connection(("127.0.0.1", web.port)) as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sample.opened.wait(10)
        began = time.monotonic()
        web.stop()
        assert time.monotonic() - began < 8


def test_a_taken_port_is_an_error() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match="in use"):
            _claim("127.0.0.1", other.getsockname()[1])
