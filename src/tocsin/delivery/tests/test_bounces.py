"""Mail that came back, in the words of many servers."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.delivery.rules.bounces import Bounce, bounce, given_up
from tocsin.delivery.rules.mail import read
from tocsin.delivery.tests.mails import report, words

UNKNOWN = "smtp; 550 5.1.1 <ada@example.org>: Recipient address rejected: User unknown in table"
# action, status and diagnostic of a report; what it means: state, whether the address is dead
REPORTS = {
    "postfix, no such user": (("failed", "5.1.1", UNKNOWN), ("failed", True)),
    "exchange, no such user": (
        ("failed", "5.1.10", "smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found"),
        ("failed", True),
    ),
    "no such domain": (("failed", "5.1.2", "X-Postfix; Host or domain name not found"), ("failed", True)),
    "takes no mail": (("failed", "5.1.10", "smtp; 556 5.1.10 nullMX"), ("failed", True)),
    "mailbox disabled": (("failed", "5.2.1", "smtp; 550 5.2.1 account is disabled"), ("failed", True)),
    "full": (("failed", "5.2.2", "smtp; 552 5.2.2 Mailbox full"), ("failed", False)),
    "refused by policy": (("failed", "5.7.1", "smtp; 550 5.7.1 Message rejected as spam"), ("failed", False)),
    "dmarc": (("failed", "5.7.26", "smtp; 550 5.7.26 unauthenticated mail is prohibited"), ("failed", False)),
    "given up after days": (("failed", "4.4.7", "smtp; 421 4.4.7 delivery time expired"), ("failed", False)),
    "status only in the diagnostic": (("failed", "5.0.0 (see below)", UNKNOWN), ("failed", False)),
    "no status at all": (("failed", "", "smtp; 550 No such user here"), ("failed", True)),
    "delayed": (("delayed", "4.4.1", "X-Postfix; connect to mail.example.net: timed out"), ("delayed", False)),
    "arrived": (("delivered", "2.0.0", "smtp; 250 2.0.0 Ok"), ("delivered", False)),
    "passed on": (("relayed", "2.0.0", "smtp; 250 ok"), ("unclear", False)),
    "upper case": (("FAILED", "5.1.1", UNKNOWN), ("failed", True)),
}


@pytest.mark.parametrize("name", REPORTS)
def test_reports(name: str) -> None:
    given, (state, dead) = REPORTS[name]
    told = bounce(read(report(*given)))
    assert (told.state, told.dead) == (state, dead), told
    if state != "unclear":
        assert told.reason == given[2].partition(";")[2].strip()


LOOSE = {
    "qmail": (
        words(
            "failure notice",
            """\
            Hi. This is the qmail-send program at mx.example.org.
            I'm afraid I wasn't able to deliver your message to the following addresses.
            This is a permanent error; I've given up. Sorry it didn't work out.

            <ada@example.org>:
            192.0.2.9 does not like recipient.
            Remote host said: 550 5.1.1 <ada@example.org>... User unknown
            Giving up on 192.0.2.9.

            --- Below this line is a copy of the message.

            Return-Path: <tocsin@example.org>
            Subject: delayed""",
        ),
        ("failed", "5.1.1", True),
    ),
    "qmail, no code": (
        words(
            "failure notice",
            """\
            Hi. This is the qmail-send program at mx.example.org.
            This is a permanent error; I've given up.

            <ada@example.org>:
            Sorry, no mailbox here by that name: no such user. (#5.1.1)
            """,
        ),
        ("failed", "5.1.1", True),
    ),
    "exim": (
        words(
            "Mail delivery failed: returning message to sender",
            """\
            This message was created automatically by mail delivery software.

            A message that you sent could not be delivered to one or more of its
            recipients. This is a permanent error. The following address(es) failed:

              ada@example.org
                all relevant MX records point to non-existent hosts
            """,
            X_Failed_Recipients="ada@example.org",
        ),
        ("failed", "", False),
    ),
    "exim, late": (
        words(
            "Warning: message 1kX-0001 delayed 24 hours",
            """\
            This message was created automatically by mail delivery software.
            A message that you sent has not yet been delivered to one or more of its
            recipients after more than 24 hours on the queue on mx.example.org.

            No action is required on your part. Delivery attempts will continue for
            some time, and this warning may be repeated.""",
        ),
        ("delayed", "", False),
    ),
    "old exchange": (
        words(
            "Undeliverable: P1 Checkout",
            """\
            Your message did not reach some or all of the intended recipients.

            ada@example.org on 23.11.2026 10:01
                  The e-mail account does not exist at the organization this message was sent to.
                  <mx.example.org #5.1.1 smtp;550 5.1.1 unknown>
            """,
        ),
        ("failed", "5.1.1", True),
    ),
    "numbers of another kind": (
        words("Undelivered", "Delivery failed: 554 Message refused, see https://mx.example.org/why"),
        ("failed", "", False),
    ),
    "a person": (words("Re: P1 Checkout", "What is this address?"), ("unclear", "", False)),
    "nothing": (b"", ("unclear", "", False)),
}


@pytest.mark.parametrize("name", LOOSE)
def test_what_is_no_report(name: str) -> None:
    raw, (state, status, dead) = LOOSE[name]
    told = bounce(read(raw))
    assert (told.state, told.status, told.dead) == (state, status, dead), told


def test_what_the_returned_mail_says_does_not_count() -> None:
    raw = words("Hello", "Nothing special.\n\nReturn-Path: <a@b>\n550 5.1.1 user unknown, delivery failed")
    assert bounce(read(raw)) == Bounce("unclear")


def test_an_address_is_given_up_when_it_was_at_fault_often_and_long_enough() -> None:
    now = datetime(2026, 11, 23, 10, tzinfo=UTC)
    minutes = [now - timedelta(minutes=count) for count in (0, 5, 10, 15)]
    assert not given_up(minutes, now)
    assert given_up([*minutes[:2], now - timedelta(hours=2)], now)
    assert not given_up([now, now - timedelta(hours=2)], now)
    assert not given_up([now, now, now - timedelta(days=31)], now)
