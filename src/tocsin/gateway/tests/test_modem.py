"""A modem behind the gateway: sent, refused, unplugged, reported, answered."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tocsin.gateway.book import Book
from tocsin.gateway.modem import modem as modems
from tocsin.gateway.modem import talk as talks
from tocsin.gateway.modem.modem import Modem, Setup
from tocsin.gateway.server import Limits
from tocsin.gateway.teller import Teller
from tocsin.gateway.tests.house import NUMBER, SECRET, House, house, until
from tocsin.gateway.tests.modem_emulator import Modem as Emulator
from tocsin.gateway.tests.modem_emulator import deliver, report

Story = Callable[[House], Awaitable[None]]


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    made = Emulator(tmp_path)
    yield made
    made.unplug()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modems, "REOPEN_S", (0.05,))
    monkeypatch.setattr(modems, "AGAIN_S", 0.05)
    monkeypatch.setattr(modems, "CHECK_S", 0.3)
    monkeypatch.setattr(talks, "QUIET_S", 0.05)


def play(emulator: Emulator, story: Story, *, pin: str = "", ready: bool = True, limits: Limits | None = None) -> None:
    """Run a story with a gateway before this modem."""

    def device(book: Book, teller: Teller, port: int) -> Modem:
        return Modem(Setup(emulator.device, pin=pin), book, teller)

    async def work() -> None:
        async with house(emulator.device.parent, device, limits=limits) as made:
            if ready:
                await until(lambda: not made.problem())
            await story(made)

    asyncio.run(work())


def test_an_sms_goes_out_and_arrives(emulator: Emulator) -> None:
    async def story(made: House) -> None:
        status, told = await made.ask("sms", text="P1 Checkout is down")
        assert status == 200
        [sent] = emulator.sent
        assert (sent.number, sent.text) == (NUMBER, "P1 Checkout is down")
        emulator.tell(report(sent.mark, NUMBER, 0))
        await until(lambda: made.tocsin.heard)
        assert made.tocsin.heard == [("status?h=1", {"ref": told["ref"], "state": "delivered", "reason": ""})]
        assert await made.health() == (
            200,
            {
                "ready": True, "problem": "", "device": f"modem {emulator.device}", "carries": "sms", "queue": 0,
                "untold": 0, "tocsin": "ok", "registered": "home", "signal_dbm": -73, "operator": "Kestrel Mobile",
            },
        )  # fmt: skip

    play(emulator, story)
    assert [command for command in emulator.commands if "=" in command][:1] == ["AT+CMEE=1"]


def test_a_long_text_arrives_when_all_of_it_has(emulator: Emulator) -> None:
    async def story(made: House) -> None:
        await made.ask("sms", text="ж" * 100)
        first, second = emulator.sent
        assert first.text + second.text == "ж" * 100
        assert [one.concatenated and one.concatenated["part_number"] for one in emulator.sent] == [1, 2]
        emulator.tell(report(second.mark, NUMBER, 0))
        emulator.tell(report(first.mark, NUMBER, 0x20))  # the network goes on trying
        emulator.tell(report(99, NUMBER, 0x45))  # of nothing that we sent
        emulator.tell(report(first.mark, "+15550001111", 0x45))  # of somebody else's
        emulator.tell(report(first.mark, "0791234567", 0))  # as written at home
        await until(lambda: made.tocsin.heard)
        assert [one["state"] for one in made.tocsin.of("status")] == ["delivered"]

    play(emulator, story)


@pytest.mark.parametrize("stored", [False, True])
def test_a_report_of_failure(emulator: Emulator, stored: bool) -> None:
    emulator.reports, emulator.stored_reports = 0x45, stored

    async def story(made: House) -> None:
        await made.ask("sms")
        await until(lambda: made.tocsin.heard)
        [news] = made.tocsin.of("status")
        assert (news["state"], news["reason"]) == ("failed", "undelivered: the number does not exist (status 69)")
        await until(lambda: not emulator.sim)

    play(emulator, story)


@pytest.mark.parametrize(
    ("refusal", "status", "problem", "detail"),
    [
        ("+CMS ERROR: 1", 422, "number", "the number is not assigned (CMS 1)"),
        ("+CMS ERROR: 330", 409, "account", "the SIM has no number of a service centre (CMS 330)"),
        ("+CMS ERROR: 38", 503, "later", "the network is out of order (CMS 38)"),
        ("+CMS ERROR: 500", 503, "later", "the modem could not send it (CMS 500)"),
        ("+CME ERROR: 12", 409, "account", "the SIM asks for its PUK (CME 12)"),
        ("ERROR", 503, "later", "the modem refused it"),
    ],
)
def test_a_refusal_is_the_answer(emulator: Emulator, refusal: str, status: int, problem: str, detail: str) -> None:
    emulator.refusals = [refusal]

    async def story(made: House) -> None:
        assert await made.ask("sms") == (status, {"problem": problem, "detail": detail})
        assert emulator.sent == []
        assert (await made.ask("sms"))[0] == 200, "the same again is tried again"
        assert len(emulator.sent) == 1
        assert made.tocsin.heard == [], "who has had the answer is not told again"

    play(emulator, story)


def test_the_same_request_does_not_send_twice(emulator: Emulator) -> None:
    async def story(made: House) -> None:
        first = await made.ask("sms")
        assert await made.ask("sms", status_url="https://t.example/status?h=2") == first
        assert len(emulator.sent) == 1
        emulator.tell(report(emulator.sent[0].mark, NUMBER, 0))
        await until(lambda: made.tocsin.heard)
        assert [target for target, _ in made.tocsin.heard] == ["status?h=2"], "news go where it was asked last"
        assert await made.ask("sms", status_url="https://t.example/status?h=3") == first
        await until(lambda: len(made.tocsin.heard) == 2)
        assert made.tocsin.heard[1][0] == "status?h=3", "what is known already is told again"
        assert (await made.ask("sms", id="2"))[0] == 200
        assert len(emulator.sent) == 2

    play(emulator, story)
    # also not after a restart

    async def after(made: House) -> None:
        assert (await made.ask("sms"))[0] == 200
        assert len(emulator.sent) == 2

    play(emulator, after)


def test_a_part_that_the_network_has_is_not_sent_again(emulator: Emulator) -> None:
    emulator.refusals = ["", "+CMS ERROR: 42"]

    async def story(made: House) -> None:
        assert (await made.ask("sms", text="a" * 200))[0] == 503
        assert (await made.ask("sms", text="a" * 200))[0] == 200
        assert [one.concatenated and one.concatenated["part_number"] for one in emulator.sent] == [1, 2]

    play(emulator, story)


def test_a_slow_modem_is_answered_for_later(emulator: Emulator) -> None:
    emulator.slow_s = 0.05
    emulator.refusals = ["+CMS ERROR: 41", "+CMS ERROR: 1"]

    async def story(made: House) -> None:
        status, told = await made.ask("sms", wait_s=0.01)
        assert status == 200
        await until(lambda: made.tocsin.heard)
        [news] = made.tocsin.of("status")
        assert news == {"ref": told["ref"], "state": "failed", "reason": "the number is not assigned (CMS 1)"}

    play(emulator, story)


def test_an_unplugged_modem(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modems, "GIVE_UP_S", 60.0)

    async def story(made: House) -> None:
        emulator.unplug()
        await until(lambda: bool(made.problem()))
        status, told = await made.ask("sms")
        assert (status, told["problem"]) == (503, "later")
        assert "gone" in told["detail"] or "cannot be opened" in told["detail"]
        assert (await made.health())[0] == 503
        emulator.plug()
        await until(lambda: not made.problem())
        assert (await made.ask("sms"))[0] == 200
        assert len(emulator.sent) == 1

    play(emulator, story)


def test_a_modem_that_waits_for_the_rest_of_a_message(emulator: Emulator) -> None:
    line = os.open(emulator.device, os.O_RDWR | os.O_NOCTTY)
    os.write(line, b"AT+CMGS=20\r0011")  # and then somebody pulled the plug of the gateway
    emulator.until(lambda it: it.commands)
    os.close(line)

    async def story(made: House) -> None:
        assert (await made.ask("sms"))[0] == 200
        assert [one.text for one in emulator.sent] == ["Hello"]

    play(emulator, story)


def test_what_waits_is_sent_when_the_modem_is_back(emulator: Emulator) -> None:
    emulator.silent = {"AT+CMGS"}

    async def story(made: House) -> None:
        assert (await made.ask("sms", wait_s=0))[0] == 200
        emulator.until(lambda it: any(command.startswith("AT+CMGS") for command in it.commands))
        emulator.unplug()
        emulator.silent = set()
        emulator.plug()
        await until(lambda: emulator.sent)

    play(emulator, story)


def test_what_cannot_leave_in_time_is_given_up(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modems, "GIVE_UP_S", 0.3)
    emulator.refusals = ["+CMS ERROR: 38"] * 1000

    async def story(made: House) -> None:
        assert (await made.ask("sms", wait_s=0))[0] == 200
        await until(lambda: made.tocsin.heard)
        assert made.tocsin.of("status")[0]["state"] == "failed"
        assert made.tocsin.of("status")[0]["reason"].startswith("given up after")

    play(emulator, story)


def test_one_that_the_network_does_not_take_holds_up_nobody(emulator: Emulator) -> None:
    emulator.refusals = ["+CMS ERROR: 27"]

    async def story(made: House) -> None:
        modems.AGAIN_S = 3600.0  # set back by the fixture
        assert (await made.ask("sms", wait_s=0))[0] == 200
        await until(lambda: not emulator.refusals)
        assert (await made.ask("sms", id="2", text="Second"))[0] == 200
        assert [one.text for one in emulator.sent] == ["Second"]

    play(emulator, story)


@pytest.mark.parametrize(
    ("state", "status", "problem"), [(2, 503, "later"), (0, 503, "later"), (3, 409, "account")]
)  # fmt: skip
def test_without_a_network(emulator: Emulator, state: int, status: int, problem: str) -> None:
    emulator.registration = state

    async def story(made: House) -> None:
        await until(lambda: "no network" in made.problem())
        found, told = await made.ask("sms")
        assert (found, told["problem"]) == (status, problem)
        emulator.registration = 5
        await until(lambda: not made.problem())
        assert (await made.health())[1]["registered"] == "roaming"

    play(emulator, story, ready=False)


def test_the_pin(emulator: Emulator) -> None:
    emulator.pin = "1234"

    async def story(made: House) -> None:
        assert (await made.ask("sms"))[0] == 200

    play(emulator, story, pin="1234")
    assert emulator.pins_tried == ["1234"]


@pytest.mark.parametrize(("pin", "said"), [("", "none is set"), ("9999", "not tried again until another one is set")])
def test_a_wrong_pin_is_never_tried_twice(emulator: Emulator, pin: str, said: str) -> None:
    emulator.pin = "1234"

    async def story(made: House) -> None:
        await until(lambda: said in made.problem())
        assert (await made.ask("sms"))[1]["problem"] == "account"
        asked = emulator.commands.count("AT+CPIN?")
        await until(lambda: emulator.commands.count("AT+CPIN?") > asked + 2)

    play(emulator, story, pin=pin, ready=False)
    play(emulator, story, pin=pin, ready=False)  # nor after a restart
    assert emulator.pins_tried == ([pin] if pin else [])

    async def mended(made: House) -> None:
        assert (await made.ask("sms"))[0] == 200
        emulator.unplug()
        emulator.pin, tried = "1234", len(emulator.pins_tried)
        emulator.plug()
        await until(lambda: len(emulator.pins_tried) > tried)
        await until(lambda: not made.problem())

    play(emulator, mended, pin="1234")


@pytest.mark.parametrize("unknown", [{"AT+CNMI"}, {"AT+CSMS", "AT+CPMS", "AT+COPS", "AT+CSQ", "AT+CEREG"}])
def test_a_modem_that_does_not_know_everything(emulator: Emulator, unknown: set[str]) -> None:
    emulator.unknown = unknown

    async def story(made: House) -> None:
        assert (await made.ask("sms"))[0] == 200
        emulator.receive(deliver(NUMBER, "ACK 12"))
        await until(lambda: made.tocsin.of("message"))

    play(emulator, story)


def test_a_stick_that_chatters(emulator: Emulator) -> None:
    emulator.chatter = "\r\nRING\r\n\r\n^RSSI:22\r\n\r\n+CREG: 1\r\n\xff\xfe\0\r\n"

    async def story(made: House) -> None:
        assert (await made.ask("sms"))[0] == 200
        emulator.receive(deliver(NUMBER, "ACK 12"))
        await until(lambda: made.tocsin.of("message") and not emulator.sim)
        found = (await made.health())[1]
        assert (found["registered"], found["signal_dbm"], found["operator"]) == ("home", -73, "Kestrel Mobile")

    play(emulator, story)


# --- what comes ---------------------------------------------------------------------------------------------------


def test_a_reply_leaves_the_sim_when_tocsin_has_it(emulator: Emulator) -> None:
    async def story(made: House) -> None:
        made.tocsin.status = 503
        emulator.receive(deliver(NUMBER, "ACK 12"))
        await until(lambda: len(made.tocsin.heard) > 1)
        assert emulator.sim, "it is nowhere else yet"
        refs = {told["ref"] for told in made.tocsin.of("message")}
        assert len(refs) == 1, "and has the same name each time"
        made.tocsin.says = lambda what, told: {"text": "INC-12 is yours."}
        made.tocsin.status = 200
        await until(lambda: not emulator.sim)
        assert made.tocsin.of("message")[-1] == {"ref": refs.pop(), "sender": NUMBER, "text": "ACK 12"}
        await until(lambda: emulator.sent)
        assert [(one.number, one.text) for one in emulator.sent] == [(NUMBER, "INC-12 is yours.")]

    play(emulator, story)
    assert len(emulator.sent) == 1


def test_what_came_while_nobody_listened_and_in_parts(emulator: Emulator) -> None:
    emulator.sim = {
        1: deliver(NUMBER, "two", part=(5, 2, 2)), 2: deliver("12345", "x"),
        3: deliver(NUMBER, "one ", part=(5, 2, 1)), 4: "00FF00", 5: report(1, NUMBER, 0),
    }  # fmt: skip

    async def story(made: House) -> None:
        await until(lambda: not emulator.sim)
        assert sorted((one["sender"], one["text"]) for one in made.tocsin.of("message")) == [
            (NUMBER, "one two"), ("12345", "x"),
        ]  # fmt: skip

    play(emulator, story)


def test_a_message_straight_down_the_line_is_kept_until_tocsin_has_it(emulator: Emulator) -> None:
    async def story(made: House) -> None:
        made.tocsin.status = 500
        emulator.receive(deliver(NUMBER, "RES 3"), direct=True)
        await until(lambda: made.tocsin.heard)
        made.tocsin.says = lambda what, told: {"text": "Resolved."}
        made.tocsin.status = 200
        await until(lambda: emulator.sent)
        assert emulator.sent[0].text == "Resolved."
        assert made.gateway.book.untold() == []

    play(emulator, story)


def test_what_tocsin_does_not_want_is_not_told_again(emulator: Emulator) -> None:
    async def story(made: House) -> None:
        made.tocsin.status = 404
        emulator.receive(deliver(NUMBER, "ACK 12"))
        await until(lambda: not emulator.sim)
        assert len(made.tocsin.heard) == 1

    play(emulator, story)


# --- the door -----------------------------------------------------------------------------------------------------


def test_who_is_not_tocsin(emulator: Emulator) -> None:
    async def story(made: House) -> None:
        status, told = await made.ask("sms", secret="another-secret-altogether")
        assert (status, told["detail"]) == (401, "the signature is not right: the secrets differ")
        status, told = await made.ask("sms", at=0.0)
        assert status == 401
        assert told["detail"].startswith("the clocks of Tocsin and of the gateway differ by")
        async with made.http.post(f"http://127.0.0.1:{made.port}/sms", data=b"{}") as answer:
            assert answer.status == 401
        assert (await made.ask("calls"))[0] == 404
        for raw in (b"", b"[]", b"{", b"\xff", b"null"):
            assert (await made.ask("sms", raw=raw))[0] == 422
        assert (await made.ask("sms", raw=b"x" * 20_000))[0] == 413
        bad: list[dict[str, Any]] = [
            {"number": "0791234567"}, {"number": 5}, {"text": ""}, {"text": "a" * 2001}, {"id": ""}, {"wait_s": -1},
            {"wait_s": "5"}, {"status_url": "https://t.example/other"}, {"status_url": ""},
        ]  # fmt: skip
        for one in bad:
            status, told = await made.ask("sms", **one)
            assert (status, told["problem"]) == (422, "number"), one
        assert (await made.ask("sms", number="+15550001111"))[0] == 409
        assert emulator.sent == []
        assert (await made.ask("sms"))[0] == 200

    play(emulator, story, limits=Limits(("+41", "+49")))


def test_tocsin_believes_only_the_secret(emulator: Emulator) -> None:
    async def story(made: House) -> None:
        made.gateway.teller.secret = "another-secret-altogether"
        emulator.receive(deliver(NUMBER, "ACK 12"))
        await until(lambda: made.tocsin.forged)
        assert "Are the secrets the same" in (await made.health())[1]["tocsin"]
        made.gateway.teller.secret = SECRET
        await until(lambda: made.tocsin.of("message"))

    play(emulator, story)
