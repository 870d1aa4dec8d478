"""Calls through an Asterisk: what is said, which keys count, and what becomes of calls that nobody answers."""

import array
import asyncio
import io
import wave
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.gateway.asterisk import asterisk as calls
from tocsin.gateway.asterisk.ari import Ari
from tocsin.gateway.asterisk.asterisk import NO_KEY, SORRY, Asterisk, Setup
from tocsin.gateway.asterisk.speech import Speech, Unspoken, telephone
from tocsin.gateway.book import Book, Job
from tocsin.gateway.teller import Teller
from tocsin.gateway.tests.fake_asterisk import APP, PASSWORD, USER, asterisk, said, speaker
from tocsin.gateway.tests.fake_asterisk import Asterisk as Fake
from tocsin.gateway.tests.house import NUMBER, House, house, until

Story = Callable[[House, Fake], Awaitable[None]]
VOICE = "https://t.example/callbacks/main/voice"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "KEY_S", 0.1)
    monkeypatch.setattr(calls, "AGAIN_S", (0.05,))
    monkeypatch.setattr(calls, "ASK_S", (0.01,))


def speech(folder: Path, more: str = "") -> Speech:
    return Speech(f"{speaker(folder)} {more}")


def play(folder: Path, story: Story, *, password: str = PASSWORD, ready: bool = True, **more: Any) -> None:
    """Run a story with a gateway before an Asterisk."""

    async def work() -> None:
        async with asterisk() as fake:

            def device(book: Book, teller: Teller, port: int) -> Asterisk:
                setup = Setup(APP, "PJSIP/{number}@trunk", f"http://127.0.0.1:{port}/", **more)
                return Asterisk(setup, Ari(fake.url, USER, password), speech(folder), book, teller)

            async with house(folder, device) as made:
                if ready:
                    await until(lambda: not made.problem())
                await story(made, fake)

    asyncio.run(work())


def turns(*says: dict[str, str]) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """Tocsin says these, one after the other."""
    rest = list(says)

    def answer(target: str, told: dict[str, Any]) -> dict[str, Any]:
        return rest.pop(0) if target.startswith("voice") else {}

    return answer


ASKS = {"text": "Press 4.", "listen_url": f"{VOICE}?h=1&n=2", "again_url": f"{VOICE}?h=1&n=3"}
BYE = {"text": "Goodbye.", "listen_url": "", "again_url": ""}


def test_a_key_is_told_and_ends_the_text(tmp_path: Path) -> None:
    async def story(made: House, fake: Fake) -> None:
        fake.keys = ["4"]
        made.tocsin.says = turns(ASKS, BYE)
        status, told = await made.ask("calls")
        assert status == 200
        await until(lambda: made.tocsin.of("status"))
        assert made.tocsin.heard == [
            ("voice?h=1", {"ref": told["ref"], "keys": ""}),
            ("voice?h=1&n=2", {"ref": told["ref"], "keys": "4"}),
            ("status?h=1", {"ref": told["ref"], "state": "delivered", "reason": ""}),
        ]
        channel = f"tocsin-{told['ref']}"
        assert fake.originated == [
            {
                "endpoint": f"PJSIP/{NUMBER}@trunk",
                "app": APP,
                "channelId": channel,
                "timeout": "40",
                "callerId": "+41 1",
            }
        ]
        assert len(fake.stopped) == 1
        await until(lambda: fake.hung_up == [channel])
        with wave.open(io.BytesIO(fake.played[0])) as recording:
            assert recording.getparams()[:4] == (1, 2, 8000, 800)
        assert made.gateway.device.health() == {"connected": True, "calls": 0}

    play(tmp_path, story, caller_id="+41 1")
    assert said(tmp_path) == ["Press 4.", "Goodbye."]


def test_without_a_key_nobody_has_heard_it(tmp_path: Path) -> None:
    async def story(made: House, fake: Fake) -> None:
        made.tocsin.says = turns(ASKS, ASKS, BYE)
        await made.ask("calls")
        await until(lambda: made.tocsin.of("status"))
        assert [target for target, _ in made.tocsin.heard[:3]] == ["voice?h=1", "voice?h=1&n=3", "voice?h=1&n=3"]
        assert {told["keys"] for told in made.tocsin.of("voice")} == {""}
        [news] = made.tocsin.of("status")
        assert (news["state"], news["reason"]) == ("failed", NO_KEY)

    play(tmp_path, story)


def test_a_text_that_asks_for_nothing_is_delivered(tmp_path: Path) -> None:
    async def story(made: House, fake: Fake) -> None:
        made.tocsin.says = turns(BYE)
        await made.ask("calls")
        await until(lambda: made.tocsin.of("status"))
        assert made.tocsin.of("status")[0]["state"] == "delivered"

    play(tmp_path, story)


def test_hung_up_before_a_key(tmp_path: Path) -> None:
    async def story(made: House, fake: Fake) -> None:
        fake.hangs_up_after = 1
        made.tocsin.says = turns(ASKS)
        await made.ask("calls")
        await until(lambda: made.tocsin.of("status"))
        assert made.tocsin.of("status")[0]["reason"] == NO_KEY

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ("17", "the line was busy"), ("0", "nobody answered the phone"), ("1", "the number is not assigned"),
        ("21", "the call was rejected"), ("99", "the call could not be put through (cause 99)"),
    ],
)  # fmt: skip
def test_nobody_answers(tmp_path: Path, cause: str, reason: str) -> None:
    async def story(made: House, fake: Fake) -> None:
        fake.behaviour = cause
        assert (await made.ask("calls"))[0] == 200
        await until(lambda: made.tocsin.of("status"))
        [news] = made.tocsin.of("status")
        assert (news["state"], news["reason"]) == ("failed", reason)
        assert made.tocsin.of("voice") == []

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("behaviour", "status", "problem"), [("refuse-400", 409, "account"), ("refuse-500", 503, "later")]
)
def test_asterisk_does_not_call(tmp_path: Path, behaviour: str, status: int, problem: str) -> None:
    async def story(made: House, fake: Fake) -> None:
        fake.behaviour = behaviour
        found, told = await made.ask("calls")
        assert (found, told["problem"]) == (status, problem)
        fake.behaviour = "19"
        assert (await made.ask("calls"))[0] == 200, "it may be asked again"

    play(tmp_path, story)


def test_the_same_call_is_made_once_and_only_so_many_at_once(tmp_path: Path) -> None:
    async def story(made: House, fake: Fake) -> None:
        fake.behaviour = "silent"
        first = await made.ask("calls")
        assert await made.ask("calls") == first
        assert len(fake.originated) == 1
        status, told = await made.ask("calls", id="2")
        assert (status, told["problem"]) == (503, "later")
        await fake.tell("ChannelDestroyed", f"tocsin-{first[1]['ref']}", cause=19)
        await until(lambda: not made.problem())
        assert (await made.ask("calls", id="2"))[0] == 200
        assert (await made.ask("sms"))[0] == 404

    play(tmp_path, story, most=1)


def test_asterisk_away_and_back(tmp_path: Path) -> None:
    async def story(made: House, fake: Fake) -> None:
        fake.behaviour = "silent"
        await made.ask("calls")
        await fake.sockets[0].close()
        await until(lambda: made.tocsin.of("status"))
        assert made.tocsin.of("status")[0]["reason"] == "the connection to Asterisk was lost during the call"
        await until(lambda: not made.problem())
        assert (await made.ask("calls", id="2"))[0] == 200

    play(tmp_path, story)


def test_a_wrong_password(tmp_path: Path) -> None:
    async def story(made: House, fake: Fake) -> None:
        await until(lambda: "401" in made.problem())
        assert (await made.ask("calls"))[1]["problem"] == "account"
        assert (await made.health())[0] == 503

    play(tmp_path, story, password="wrong", ready=False)


def test_tocsin_away_while_somebody_holds_the_phone(tmp_path: Path) -> None:
    async def story(made: House, fake: Fake) -> None:
        made.tocsin.status = 503
        await made.ask("calls")
        await until(lambda: made.gateway.book.untold())
        made.tocsin.status = 200
        await until(lambda: [told for told in made.tocsin.of("status") if told["state"] == "failed"])

    play(tmp_path, story)
    assert said(tmp_path) == [SORRY]


def test_asterisk_cannot_fetch_the_recording(tmp_path: Path) -> None:
    async def story(made: House, fake: Fake) -> None:
        fake.play_fails = True
        made.tocsin.says = turns(ASKS)
        await made.ask("calls")
        await until(lambda: made.tocsin.of("status"))
        assert "res_http_media_cache" in made.tocsin.of("status")[0]["reason"]

    play(tmp_path, story)


def test_a_recording_is_there_only_while_it_is_played(tmp_path: Path) -> None:
    async def story(made: House, fake: Fake) -> None:
        made.tocsin.says = turns(BYE)
        await made.ask("calls")
        await until(lambda: made.tocsin.of("status"))
        for name in ("a" * 43, "short", "..%2f..%2fetc%2fpasswd"):
            async with made.http.get(f"http://127.0.0.1:{made.port}/speech/{name}.wav") as answer:
                assert answer.status == 404
        assert made.gateway.device._recordings == {}  # type: ignore[attr-defined]

    play(tmp_path, story)


def test_calls_of_a_process_that_died_are_given_up(tmp_path: Path) -> None:
    book = Book(tmp_path / "gateway.sqlite3")
    kept, _ = book.accept(Job("calls:1", "abc", "voice", NUMBER, "", "status?h=1", "voice?h=1"))
    book.sending(kept.ref)
    book.close()

    async def story(made: House, fake: Fake) -> None:
        await until(lambda: made.tocsin.of("status"))
        assert made.tocsin.of("status")[0]["reason"] == "the gateway was restarted during the call"
        assert fake.hung_up == ["tocsin-abc"]

    play(tmp_path, story)


# --- speech -------------------------------------------------------------------------------------------------------


def test_speech_by_file_and_speech_that_fails(tmp_path: Path) -> None:
    by_file = asyncio.run(speech(tmp_path, "{file}").say("; rm -rf / $(id)"))
    assert by_file == asyncio.run(speech(tmp_path).say("-h"))
    with pytest.raises(Unspoken, match="failed with 1: no voice"):
        asyncio.run(speech(tmp_path).say("fail"))
    with pytest.raises(Unspoken, match="it is no WAV"):
        asyncio.run(Speech("cat").say("this is no recording"))
    for command in ("", "no-such-program-anywhere"):
        with pytest.raises(ValueError, match="there is no program"):
            Speech(command)
    assert said(tmp_path) == ["; rm -rf / $(id)", "-h", "fail"]


def recording(rate: int, channels: int, samples: list[int], width: int = 2) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(array.array("h", [one for one in samples for _ in range(channels)]).tobytes())
    return made.getvalue()


@given(
    st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]),
    st.integers(1, 2),
    st.lists(st.integers(-32768, 32767), max_size=600),
)
def test_recordings_for_the_telephone(rate: int, channels: int, samples: list[int]) -> None:
    made = telephone(recording(rate, channels, samples))
    with wave.open(io.BytesIO(made)) as file:
        assert file.getparams()[:3] == (1, 2, 8000)
        assert file.getnframes() == len(samples) * 8000 // rate
        found = array.array("h", file.readframes(file.getnframes()))
    assert len(made) == 44 + 2 * len(found)
    if rate == 8000:
        assert list(found) == samples
    if found:
        assert min(samples) <= min(found)
        assert max(found) <= max(samples)


@pytest.mark.parametrize(
    "wav", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", recording(8000, 1, [1, 2], width=1), b"ID3" + b"\0" * 100]
)
def test_what_is_no_recording(wav: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        telephone(wav)


@given(st.binary(max_size=80))
def test_any_octets_are_a_recording_or_not(data: bytes) -> None:
    try:
        telephone(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + data)
    except ValueError:
        return
