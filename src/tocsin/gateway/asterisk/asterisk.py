"""Calls through an Asterisk: dialled by it, spoken by us, and answered with a key.

ARI (Asterisk 16 and newer): the channel enters our Stasis application when it is answered; what is said is played from
an address of the gateway's; keys come as ``ChannelDtmfReceived``.
"""

import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from typing import Any

import structlog

from tocsin.gateway.asterisk.ari import Ari, Failed
from tocsin.gateway.asterisk.causes import reason_of
from tocsin.gateway.asterisk.speech import RATE, Speech, Unspoken
from tocsin.gateway.book import Book, Job, State
from tocsin.gateway.device import Problem
from tocsin.gateway.teller import Teller, Unheard
from tocsin.platform import signed

log = structlog.get_logger("tocsin.gateway")

RING_S = 40
KEY_S = 6.0  # to find the right key in the dark
LONGEST_CALL_S = 300.0
AGAIN_S = (1.0, 2.0, 5.0, 10.0)
ASK_S = (0.3, 1.0, 2.0)  # between tries, while somebody holds the phone
NO_KEY = "the call was answered, and no key was pressed: it may have been an answering machine"
SORRY = "This is Tocsin. A page is waiting for you, but it cannot be read to you now. Please sign in."
TRIAL = "Tocsin can speak."


@dataclass(frozen=True, slots=True)
class Setup:
    """How calls go out. ``endpoint``: with ``{number}`` (+41...) or ``{digits}`` (41...); ``media_url``: where Asterisk
    reaches this gateway; ``most``: calls at once."""

    app: str
    endpoint: str
    media_url: str
    caller_id: str = ""
    most: int = 4


class HungUp(Exception):
    """The call is over."""

    def __init__(self, cause: object = None) -> None:
        self.cause = cause
        super().__init__(reason_of(cause))


Events = asyncio.Queue[dict[str, Any]]


class Asterisk:
    """See ``device.Device``."""

    kind = "voice"

    def __init__(self, setup: Setup, ari: Ari, speech: Speech, book: Book, teller: Teller) -> None:
        self.setup = setup
        self.ari = ari
        self.speech = speech
        self.book = book
        self.teller = teller
        self.name = f"Asterisk {ari.url}"
        self._problem: Problem | None = Problem("later", "Asterisk is not connected yet", 10.0)
        self._calls: dict[str, Events] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._recordings: dict[str, bytes] = {}

    # --- for the door ---

    def problem(self) -> Problem | None:
        """See Device."""
        if self._problem is None and len(self._calls) >= self.setup.most:
            return Problem("later", f"{len(self._calls)} calls are under way, which is the most", 15.0)
        return self._problem

    def health(self) -> dict[str, Any]:
        """See Device."""
        return {"connected": self._problem is None, "calls": len(self._calls)}

    def recording(self, token: str) -> bytes | None:
        """See Device."""
        return self._recordings.get(token)

    async def begin(self, job: Job, wait_s: float) -> Problem | None:
        """See Device. What comes of the call itself is told later, however long the request may wait."""
        channel = f"tocsin-{job.ref}"
        events = self._calls[channel] = asyncio.Queue()
        params = {
            "endpoint": self.setup.endpoint.replace("{number}", job.number).replace("{digits}", job.number[1:]),
            "app": self.setup.app,
            "channelId": channel,
            "timeout": str(RING_S),
        }
        if self.setup.caller_id:
            params["callerId"] = self.setup.caller_id
        self.book.sending(job.ref)
        try:
            await self.ari.do("POST", "/channels", params)
        except Failed as error:
            del self._calls[channel]
            # 400 and 404: the endpoint or the application is wrong; 5xx: no line, no registration
            return Problem("account" if 400 <= error.status < 500 else "later", str(error))
        task = asyncio.create_task(self._call(job, channel, events))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None

    # --- at work ---

    async def run(self) -> None:
        """See Device."""
        try:
            await self._sweep()
            await self._prove_speech()
            tries = 0
            while True:
                try:
                    async for event in self.ari.events(self.setup.app):
                        if not event:
                            tries = 0
                            self._problem = None
                            log.info("gateway.asterisk_connected", app=self.setup.app)
                        self._dispatch(event)
                    reason, status = "Asterisk has closed the connection", 0
                except Failed as error:
                    reason, status = str(error), error.status
                self._problem = Problem("account" if status in (401, 403, 404) else "later", reason, 10.0)
                log.warning("gateway.asterisk_away", problem=reason)
                for events in self._calls.values():
                    events.put_nowait({"type": "Lost"})
                await asyncio.sleep(AGAIN_S[min(tries, len(AGAIN_S) - 1)])
                tries += 1
        finally:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.ari.close()

    async def _sweep(self) -> None:
        """Calls of a process before this one: nobody knows how they ended, so somebody else is to be reached."""
        for job in self.book.waiting(self.kind):
            with contextlib.suppress(Failed):
                await self.ari.do("DELETE", f"/channels/tocsin-{job.ref}")
            self.book.end(job.ref, "failed", "the gateway was restarted during the call")
        self.teller.ring()

    async def _prove_speech(self) -> None:
        """Without a voice no call is taken over."""
        while True:
            try:
                await self.speech.say(TRIAL)
            except Unspoken as error:
                self._problem = Problem("account", str(error))
                log.error("gateway.speechless", problem=str(error))
                await asyncio.sleep(AGAIN_S[-1])
            else:
                return

    def _dispatch(self, event: dict[str, Any]) -> None:
        """An event to the call that it is about."""
        playback, channel = event.get("playback"), event.get("channel")
        target = ""
        if isinstance(playback, dict):
            target = str(playback.get("target_uri", "")).removeprefix("channel:")
        elif isinstance(channel, dict):
            target = str(channel.get("id", ""))
        if (events := self._calls.get(target)) is not None:
            events.put_nowait(event)

    # --- a call ---

    async def _call(self, job: Job, channel: str, events: Events) -> None:
        """From the ringing to the end, and what came of it into the book."""
        state: State = "failed"
        reason = "the gateway was stopped during the call"
        try:
            async with asyncio.timeout(LONGEST_CALL_S):
                state, reason = await self._conduct(job, channel, events)
        except TimeoutError:
            reason = "the call took too long"
        except Failed as error:
            reason = str(error)
        except Exception as error:
            log.exception("gateway.call")
            reason = f"fault in the gateway: {type(error).__name__}"
        finally:
            self.book.end(job.ref, state, reason)
            self.teller.ring()
            self._calls.pop(channel, None)
            with contextlib.suppress(Failed):
                await self.ari.do("DELETE", f"/channels/{channel}")

    async def _conduct(self, job: Job, channel: str, events: Events) -> tuple[State, str]:
        """The conversation: answered, told, asked for a key. Only a key proves that a person has heard it."""
        try:
            async with asyncio.timeout(RING_S + 15):
                await self._next(events, "StasisStart")
        except HungUp as error:
            return "failed", str(error)
        except TimeoutError:
            return "failed", "nobody answered the phone"
        target, keys = job.voice, ""
        asked = pressed = False
        fault = ""
        try:
            while True:
                turn = await self._ask(target, {"ref": job.ref, "keys": keys})
                if turn is None:
                    await self._say(SORRY, channel, events, listen=False)
                    return "failed", "Tocsin did not say what to say"
                listen, again = _target(turn, "listen_url"), _target(turn, "again_url")
                asked = asked or bool(listen)
                keys = await self._say(str(turn.get("text", "")), channel, events, listen=bool(listen))
                pressed = pressed or bool(keys)
                if not (target := listen if keys else again):
                    break
        except HungUp:
            fault = ""
        except (Unspoken, Failed) as error:
            fault = str(error)
        if pressed:
            return "delivered", ""
        if fault or asked:
            return "failed", fault or NO_KEY
        return "delivered", ""

    async def _ask(self, target: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """What to say next; None when Tocsin does not say."""
        for pause in (*ASK_S, None):
            try:
                return await self.teller.ask(target, body) or None
            except Unheard as error:
                log.warning("gateway.unheard", what="voice", error=str(error))
                if pause is None:
                    break
                await asyncio.sleep(pause)
        return None

    async def _say(self, text: str, channel: str, events: Events, *, listen: bool) -> str:
        """Speak; the key that was pressed meanwhile or shortly after, when somebody listens for one. Raises HungUp,
        Unspoken, Failed."""
        wav = await self.speech.say(text)
        token = secrets.token_urlsafe(32)
        playback = f"tocsin-{secrets.token_hex(8)}"
        self._recordings[token] = wav
        try:
            media = f"sound:{self.setup.media_url.rstrip('/')}/speech/{token}.wav"
            params = {"media": media, "playbackId": playback}
            await self.ari.do("POST", f"/channels/{channel}/play", params)
            wanted = ("PlaybackFinished", "ChannelDtmfReceived") if listen else ("PlaybackFinished",)
            async with asyncio.timeout(len(wav) / 2 / RATE + 30):
                while True:
                    event = await self._next(events, *wanted)
                    if event["type"] == "ChannelDtmfReceived":
                        with contextlib.suppress(Failed):  # who knows what to do need not hear the rest
                            await self.ari.do("DELETE", f"/playbacks/{playback}")
                        return str(event.get("digit", ""))[:1]
                    told = event.get("playback", {})
                    if told.get("id") == playback:
                        if told.get("state") == "failed":
                            raise Unspoken("Asterisk cannot play from the gateway: is res_http_media_cache loaded?")
                        break
        except TimeoutError as error:
            raise Unspoken("Asterisk does not end playing") from error
        finally:
            del self._recordings[token]
        if not listen:
            return ""
        try:
            async with asyncio.timeout(KEY_S):
                return str((await self._next(events, "ChannelDtmfReceived")).get("digit", ""))[:1]
        except TimeoutError:
            return ""

    @staticmethod
    async def _next(events: Events, *wanted: str) -> dict[str, Any]:
        """The next event of these types. Raises HungUp when the call ends instead, Failed when Asterisk is gone."""
        while True:
            event = await events.get()
            kind = event.get("type")
            if kind in wanted:
                return event
            if kind in ("ChannelDestroyed", "StasisEnd"):
                raise HungUp(event.get("cause"))
            if kind == "Lost":
                raise Failed("the connection to Asterisk was lost during the call")


def _target(turn: dict[str, Any], name: str) -> str:
    """Where a turn leads, as we may call it; empty when it leads nowhere, or not to a voice."""
    target = signed.target_of(str(turn.get(name) or ""))
    return target if target.partition("?")[0] == "voice" else ""
