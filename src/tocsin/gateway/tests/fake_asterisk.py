"""An Asterisk on the loopback: its REST interface and events, a person who picks up or does not, and their keys."""

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from aiohttp.test_utils import unused_port

from tocsin.gateway.asterisk.asterisk import TRIAL

USER, PASSWORD, APP = "tocsin", "an-ari-password", "tocsin"
# a speech command that writes down what it was given, and a short WAV whose head does not know its length
SPEAK = """
import json, sys
text = sys.stdin.read()
with open(sys.argv[1], "a") as log:
    log.write(json.dumps(text) + "\\n")
if text == "fail":
    sys.exit("no voice")
data = b"\\0\\1" * 2205
head = b"RIFF\\xff\\xff\\xff\\x7fWAVEfmt " + bytes([16, 0, 0, 0, 1, 0, 1, 0])
head += (22050).to_bytes(4, "little") + (44100).to_bytes(4, "little") + bytes([2, 0, 16, 0])
head += b"data\\xff\\xff\\xff\\x7f"
wav = head + data
if len(sys.argv) > 2:
    open(sys.argv[2], "wb").write(wav)
else:
    sys.stdout.buffer.write(wav)
"""


def speaker(folder: Path) -> str:
    """The command, which keeps what it says in ``folder``."""
    script = folder / "speak.py"
    script.write_text(SPEAK)
    return f"{sys.executable} {script} {folder / 'said'}"


def said(folder: Path) -> list[str]:
    """What was spoken, without the trial at the start."""
    found = [json.loads(line) for line in (folder / "said").read_text().splitlines()]
    return [text for text in found if text != TRIAL]


@dataclass
class Asterisk:
    """What it was asked, and how it behaves."""

    port: int = 0
    behaviour: str = "answer"  # or: a cause as a number, silent, refuse-400, refuse-500
    keys: list[str] = field(default_factory=list)  # pressed while the first, second ... text is played; "" none
    play_fails: bool = False
    hangs_up_after: int = 99  # texts
    originated: list[dict[str, str]] = field(default_factory=list)
    played: list[bytes] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Up to and with ``/ari``."""
        return f"http://127.0.0.1:{self.port}/ari"

    async def tell(self, kind: str, channel: str, **more: Any) -> None:
        """An event about a channel."""
        event = {"type": kind, "application": APP, "channel": {"id": channel}, **more}
        for socket in self.sockets:
            await socket.send_str(json.dumps(event))

    def later(self, work: Any) -> None:
        """Do something after the answer."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def allowed(self, request: web.Request) -> None:
        """Raises HTTPUnauthorized."""
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {wanted}":
            raise web.HTTPUnauthorized

    async def events(self, request: web.Request) -> web.WebSocketResponse:
        self.allowed(request)
        assert request.query["app"] == APP
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for _ in socket:
            pass
        self.sockets.remove(socket)
        return socket

    async def originate(self, request: web.Request) -> web.Response:
        self.allowed(request)
        if self.behaviour.startswith("refuse-"):
            return web.json_response({"message": "Allocation failed"}, status=int(self.behaviour[7:]))
        self.originated.append(dict(request.query))
        channel = request.query["channelId"]

        async def ring() -> None:
            if self.behaviour == "answer":
                await self.tell("ChannelStateChange", channel)
                await self.tell("StasisStart", channel, args=[])
            elif self.behaviour != "silent":
                await self.tell("ChannelDestroyed", channel, cause=int(self.behaviour))

        self.later(ring())
        return web.json_response({"id": channel})

    async def play(self, request: web.Request) -> web.Response:
        self.allowed(request)
        channel, playback = request.match_info["channel"], request.query["playbackId"]
        kind, _, url = request.query["media"].partition(":")
        assert kind == "sound"
        async with ClientSession() as http, http.get(url) as answer:
            assert answer.status == 200
            self.played.append(await answer.read())
        key = self.keys.pop(0) if self.keys else ""
        told = {"id": playback, "target_uri": f"channel:{channel}", "state": "failed" if self.play_fails else "done"}

        async def hear() -> None:
            if len(self.played) >= self.hangs_up_after:
                await self.tell("ChannelDestroyed", channel, cause=16)
            elif key:
                await self.tell("ChannelDtmfReceived", channel, digit=key)
            else:
                for socket in self.sockets:
                    await socket.send_str(json.dumps({"type": "PlaybackFinished", "playback": told}))

        self.later(hear())
        return web.json_response(told, status=201)

    async def stop(self, request: web.Request) -> web.Response:
        self.stopped.append(request.match_info["playback"])
        return web.Response(status=204)

    async def hang_up(self, request: web.Request) -> web.Response:
        self.allowed(request)
        self.hung_up.append(request.match_info["channel"])
        return web.Response(status=204)


@asynccontextmanager
async def asterisk() -> AsyncIterator[Asterisk]:
    """One that runs."""
    made = Asterisk(unused_port())
    app = web.Application()
    app.router.add_get("/ari/events", made.events)
    app.router.add_post("/ari/channels", made.originate)
    app.router.add_post("/ari/channels/{channel}/play", made.play)
    app.router.add_delete("/ari/playbacks/{playback}", made.stop)
    app.router.add_delete("/ari/channels/{channel}", made.hang_up)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", made.port).start()
    try:
        yield made
    finally:
        for socket in list(made.sockets):
            await socket.close()
        await runner.cleanup()
