"""What mails of Tocsin say to mail programs and to other servers: threads, where to answer, where they come back."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from tests.contracts.channel_servers import smtp_server
from tests.contracts.test_channels import PAGE, RESOLVED
from tocsin.delivery.contract import Accepted, Context, Message, Method, Rejected, Result, TryLater
from tocsin.delivery.queries import channels
from tocsin.delivery.quoting import MARK
from tocsin.platform import outbound

ADA = Method("ada@example.org", user_id=1, id=5)


def deliver(
    message: Message = PAGE,
    method: Method = ADA,
    answer: Callable[[str], str | None] = lambda command: None,
    mailbox: bool = True,
) -> tuple[Result, EmailMessage, list[str]]:
    """Send one mail: what came of it, the mail, and the senders of the envelope that were tried."""
    lines: list[str] = []

    async def work() -> tuple[Result, bytes]:
        channel = channels()["email"]
        async with smtp_server(answer, lines) as seen:
            context = Context(
                http=outbound.Client(),
                public_url="http://t.example",
                smtp_url=f"smtp://127.0.0.1:{seen.port}",
                email_from="Tocsin <tocsin@t.example>",
                timeout_s=2.0,
                mailbox=(lambda kind, message: f"{kind}+token@in.t.example") if mailbox else None,
            )
            result = await channel.send(message, method, context)
            await channel.close()
            return result, seen.requests[-1][2] if seen.requests else b""

    result, raw = asyncio.run(work())
    parsed = message_from_bytes(raw, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    senders = [line.partition(":")[2].split()[0] for line in lines if line.upper().startswith("MAIL FROM")]
    return result, parsed, senders


def test_a_page_says_where_to_answer_and_where_it_comes_back() -> None:
    result, mail, senders = deliver()
    assert isinstance(result, Accepted)
    assert mail["Reply-To"] == "reply+token@in.t.example"
    assert senders == ["<bounce+token@in.t.example>"]
    plain, rich = mail.get_body(["plain"]), mail.get_body(["html"])
    assert plain is not None
    assert rich is not None
    assert MARK in plain.get_content().split("\n")[0]
    assert rich.get_content().index(MARK) < rich.get_content().index("Checkout")
    _, mail, _ = deliver(replace(PAGE, kind="notice", about="notice", incidents=()))
    plain = mail.get_body(["plain"])
    assert plain is not None
    assert plain.get_content().startswith(f"--- {MARK} ---"), "there is nothing to acknowledge"


def test_without_mail_in_nothing_of_it_shows() -> None:
    _, mail, senders = deliver(mailbox=False)
    assert mail["Reply-To"] is None
    assert senders == ["<tocsin@t.example>"]
    assert MARK not in mail.as_string()
    _, mail, _ = deliver(method=Method("ops@example.org"))
    assert mail["Reply-To"] is None, "nobody could act by answering mail to a bare address"


@pytest.mark.parametrize("message", [PAGE, RESOLVED, replace(PAGE, kind="notice", about="notice", incidents=())])
def test_no_mail_can_be_unsubscribed_by_a_click(message: Message) -> None:
    _, mail, _ = deliver(message)
    assert not [name for name in mail if name.lower().startswith("list-")]


@pytest.mark.parametrize(
    ("stage", "said"),
    [("MAIL", "550 5.7.60 not allowed to send as this sender"), ("RCPT", "553 5.7.1 sender address rejected"),
     ("BODY", "554 5.2.252 SendAsDenied")],
)  # fmt: skip
def test_a_server_that_refuses_our_return_address_gets_the_mail_from_its_own(stage: str, said: str) -> None:
    sender = ""

    def answer(command: str) -> str | None:
        return said if command == stage and "bounce+" in sender else None

    def note(line: str) -> None:
        nonlocal sender
        if line.upper().startswith("MAIL FROM"):
            sender = line

    class Lines(list[str]):
        def append(self, line: str) -> None:
            note(line)
            super().append(line)

    lines = Lines()

    async def work() -> Result:
        channel = channels()["email"]
        async with smtp_server(answer, lines) as seen:
            context = Context(
                http=outbound.Client(), public_url="http://t.example", smtp_url=f"smtp://127.0.0.1:{seen.port}",
                email_from="Tocsin <tocsin@t.example>", timeout_s=2.0,
                mailbox=lambda kind, message: f"{kind}+token@in.t.example",
            )  # fmt: skip
            result = await channel.send(PAGE, ADA, context)
            await channel.close()
            return result

    result = asyncio.run(work())
    assert isinstance(result, Accepted)
    assert "return address" in result.detail
    senders = [line for line in lines if line.upper().startswith("MAIL FROM")]
    assert ["bounce+" in line for line in senders] == [True, False]


def test_a_refusal_of_the_recipient_stays_one_and_an_outage_too() -> None:
    refused, _, senders = deliver(answer=lambda command: "550 5.1.1 no such user" if command == "RCPT" else None)
    assert isinstance(refused, Rejected)
    assert "5.1.1" in refused.reason
    assert len(senders) == 2
    later, _, senders = deliver(answer=lambda command: "451 come again" if command == "MAIL" else None)
    assert isinstance(later, TryLater)
    assert len(senders) == 1


def test_an_answer_stands_in_the_thread_and_nothing_comes_back_of_it() -> None:
    theirs = f"<{'A' * 90}@AM0PR04MB1234.eurprd04.prod.outlook.com>"
    answer = replace(PAGE, kind="notice", about="notice", title="Re: P1 Checkout", answers=theirs, key="notice:1:5")
    _, mail, senders = deliver(answer)
    _, page, _ = deliver()
    assert mail["In-Reply-To"] == theirs, "not cut, not encoded"
    assert mail["References"].split() == [page["References"], theirs]
    assert mail["Auto-Submitted"] == "auto-replied"
    assert senders == ["<>"]
    assert mail["Reply-To"] == "reply+token@in.t.example"


def test_a_bundle_stands_in_the_threads_of_all_its_incidents_and_joins_none() -> None:
    assert PAGE.incident is not None
    other = replace(PAGE.incident, id=13)
    bundle = replace(PAGE, kind="bundle", incidents=(PAGE.incident, other))
    _, mail, _ = deliver(bundle)
    _, page, _ = deliver()
    _, over, _ = deliver(RESOLVED)
    assert mail["In-Reply-To"].split()[0] == page["In-Reply-To"]
    assert mail["In-Reply-To"].split()[1].startswith("<incident-13.")
    assert mail["References"] == page["References"] == over["References"]
