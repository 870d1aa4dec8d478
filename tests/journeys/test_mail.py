"""A page by mail is answered by replying to it; one that comes back brings the next contact method forward. SMTP both
ways, through the processes that ``tocsin up`` starts."""

import os
import signal
import smtplib
from dataclasses import replace
from email.message import EmailMessage

import pytest

from tests.journeys.company import Team, person, team
from tests.journeys.post import Mail, PostOffice
from tests.journeys.product import MAIL_DOMAIN, Product
from tests.journeys.waiting import until
from tocsin.delivery.tests.mails import report

pytestmark = pytest.mark.journey


def fire(product: Product, people: Team) -> int:
    """Something breaks; the incident's number."""
    source = product.tell("sources", {"service": people.service, "kind": "generic", "name": f"script of {people.slug}"})
    product.http.post(source["url"], json={"summary": "Payments fail", "severity": "critical"})
    found = until("an incident", lambda: product.incidents(people.service))
    return int(found[0]["id"])


def answer(product: Product, page: Mail, text: str, number: int, **headers: str) -> None:
    """Answer a mail as mail programs do, from an address that nobody knows."""
    mail = EmailMessage()
    mail["From"] = "Ada at home <ada@home.example>"
    mail["To"] = page.reply_to
    mail["Subject"] = f"Re: {page.subject}"
    mail["Message-ID"] = f"<{number}.{page.to}>"
    mail["In-Reply-To"] = page.message_id
    mail["References"] = f"{page.references} {page.message_id}"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    quoted = "\n".join(f"> {line}" for line in page.text.splitlines())
    mail.set_content(f"{text}\n\nOn Mon, Nov 23, 2026 at 10:00, Tocsin <tocsin@localhost> wrote:\n\n{quoted}\n")
    with smtplib.SMTP("127.0.0.1", product.mail_port, timeout=30) as smtp:
        smtp.send_message(mail, "ada@home.example", [page.reply_to])


def test_a_page_is_acknowledged_and_resolved_by_replying_to_it(product: Product, post: PostOffice) -> None:
    people = team(product, "replying")
    incident = fire(product, people)
    page = post.wait(people.oncall)
    assert page.reply_to.endswith(f"@{MAIL_DOMAIN}")
    assert page.sender.startswith("bounce+")

    answer(product, page, "I am away until Monday.", 1, Auto_Submitted="auto-replied")
    answer(product, page, "ack\n\nThe disk is full.", 2)
    said = post.wait(people.oncall, "Re:")
    assert product.state(incident) == "acknowledged"
    assert product.ask(f"incidents/{incident}")["acknowledged_by"] == people.oncall
    assert f"INC-{incident} acknowledged" in said.text
    assert said.sender == "", "nothing can come back of an answer"
    assert said.references.split()[0] == page.references
    assert f"<2.{page.to}>" in said.references

    # the thread goes on: the answer can be answered, and what is over says so in it
    answer(product, said, "resolved: cleaned up", 3)
    until("it is resolved", lambda: product.state(incident) == "resolved")
    over = post.wait(people.oncall, "Resolved")
    assert over.references == page.references
    until("the second answer", lambda: len(post.to(people.oncall, "Re:")) == 2)
    notes = [entry["data"]["text"] for entry in product.ask(f"incidents/{incident}/timeline")["items"]
             if entry["kind"] == "note"]  # fmt: skip
    assert sorted(notes) == ["The disk is full.", "cleaned up"]


def test_a_mail_that_comes_back_brings_the_next_contact_method_forward(product: Product, post: PostOffice) -> None:
    people = team(product, "bouncing")
    person(product, "dora@example.org", "Dora", ("email", "dora@gone.example", 0), ("email", "dora@example.org", 3600))
    product.tell(
        "policies",
        {"name": "Dora first", "slug": "dora-first", "team": people.slug, "repeats": 0, "fallback": [],
         "steps": [{"targets": ["user:dora@example.org"], "wait_s": 3600}]},
    )  # fmt: skip
    product.tell("services", {"name": "Dora's", "slug": "doras", "team": people.slug, "policy": "dora-first"})
    incident = fire(product, replace(people, service="doras"))
    page = post.wait("dora@gone.example")
    assert not post.to("dora@example.org")
    with smtplib.SMTP("127.0.0.1", product.mail_port, timeout=30) as smtp:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("", [page.sender.replace("bounce+", "bounce+a")], report("failed", "5.1.1", "smtp; 550"))
        smtp.sendmail("", [page.sender], report("failed", "5.1.1", "smtp; 550 5.1.1 User unknown"))
    assert f"INC-{incident}" in post.wait("dora@example.org").subject
    asked = "SELECT state, reason FROM delivery_delivery WHERE incident_id = %s AND address = %s"
    ((state, reason),) = product.sql(asked, incident, "dora@gone.example")
    assert (state, reason) == ("failed", "the mail came back: 550 5.1.1 User unknown")


def test_a_listener_that_dies_is_started_again(product: Product, post: PostOffice) -> None:
    ((pid,),) = product.sql("SELECT pid FROM platform_node WHERE kind = 'mail'")
    os.kill(pid, signal.SIGKILL)

    def answers() -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", product.mail_port, timeout=5) as smtp:
                return smtp.noop()[0] == 250
        except OSError:
            return False

    until("the listener answers again", lambda: not _alive(pid) and answers())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
