"""Mails as they come: replies of people, reports of servers. Written for these tests after what real programs send."""

from email.message import EmailMessage
from textwrap import dedent

from tocsin.delivery import mailboxes
from tocsin.delivery.actions import mail as actions
from tocsin.delivery.models import Delivery, IncomingMail
from tocsin.platform import clock
from tocsin.platform.mail import Arrived

DOMAIN = "in.tocsin.example.org"


def local(delivery: Delivery | list[int], kind: str = "reply") -> str:
    """Our address for a delivery, before the @."""
    ids = delivery if isinstance(delivery, list) else [delivery.pk]
    return mailboxes.local_part(kind, ids, clock.now())


def reply(text: str, message_id: str = "<1@phone.example>", **headers: str) -> bytes:
    """A person's reply."""
    mail = EmailMessage()
    given = {"From": "Ada <ada@example.org>", "Subject": "Re: P1 Checkout", "Message-ID": message_id} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    for name, value in given.items():
        mail[name] = value
    mail.set_content(text)
    return mail.as_bytes()


def arrive(where: str, content: bytes, sender: str = "ada@example.org") -> IncomingMail:
    """A mail is taken and dealt with."""
    actions.Mailroom().keep(Arrived(where, DOMAIN, sender, "192.0.2.1", content))
    actions.work_through()
    return IncomingMail.objects.latest("id")


def report(action: str, status: str, diagnostic: str, text: str = "It could not be delivered.") -> bytes:
    """A report by RFC 3464, as Postfix makes them."""
    return (
        dedent("""\
        From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
        Subject: Undelivered Mail Returned to Sender
        To: tocsin@example.org
        Auto-Submitted: auto-replied
        Message-ID: <report-{status}@mx.example.org>
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=delivery-status; boundary="b/mx"

        --b/mx
        Content-Description: Notification
        Content-Type: text/plain; charset=us-ascii

        {text}

        --b/mx
        Content-Description: Delivery report
        Content-Type: message/delivery-status

        Reporting-MTA: dns; mx.example.org
        X-Postfix-Queue-ID: 4F1C21A0
        Arrival-Date: Mon, 23 Nov 2026 10:01:00 +0000

        Final-Recipient: rfc822; ada@example.org
        Original-Recipient: rfc822;ada@example.org
        Action: {action}
        Status: {status}
        Remote-MTA: dns; mail.example.net
        Diagnostic-Code: {diagnostic}

        --b/mx
        Content-Description: Undelivered Message
        Content-Type: message/rfc822

        From: Tocsin <tocsin@example.org>
        Subject: P1 Checkout: the mailbox is unavailable, user unknown 550 5.1.1

        ack

        --b/mx--
        """)
        .format(action=action, status=status, diagnostic=diagnostic, text=text)
        .replace("\n", "\r\n")
        .encode()
    )


def words(subject: str, text: str, **headers: str) -> bytes:
    """A bounce that is no report."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(["From: MAILER-DAEMON@mx.example.org", f"Subject: {subject}", *lines, "", dedent(text)]).encode()
