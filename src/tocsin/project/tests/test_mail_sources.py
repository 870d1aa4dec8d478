"""Mail for sources, sent by a real SMTP client, in front of the test database."""

import random
import smtplib
import time
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from django.db import connection
from tests.contracts.sources import samples

from tocsin.delivery.tests.mails import DOMAIN
from tocsin.intake import actions, queries
from tocsin.intake.contract import Signal
from tocsin.intake.models import Inbox, Refusal, RefusalCount
from tocsin.intake.tests.factories import source
from tocsin.platform.actor import SYSTEM
from tocsin.project.mail import Listener, Pace
from tocsin.project.tests.test_mail import client, database_away, listening
from tocsin.testing.sources import cut

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as made:
        made.desk.pace = made.desk.asked = Pace(100_000)
        yield made


def mail(subject: str = "Disk full", sender: str = "nagios@mon.example", **headers: str) -> bytes:
    made = EmailMessage()
    made["From"], made["Subject"] = sender, subject
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content("The disk of db-3 is full.\n")
    return made.as_bytes()


def send(listener: Listener, to: str | list[str], raw: bytes, sender: str = "nagios@mon.example") -> dict[str, int]:
    """Send a mail; the codes of those that were refused, by recipient (``data``: for the mail as a whole)."""
    with client(listener) as smtp:
        try:
            refused = smtp.sendmail(sender, to, raw)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except smtplib.SMTPDataError as error:
            return {"data": error.smtp_code}
    return {address: code for address, (code, _) in refused.items()}


def test_a_mail_is_in_the_inbox_before_it_is_taken(listener: Listener) -> None:
    made, key = source("email")
    assert key == key.lower()
    assert send(listener, f"{key}@{DOMAIN}", mail()) == {}
    row = Inbox.objects.get()
    assert (row.source_id, row.action, row.dedup_key, row.title) == (made.pk, "trigger", "disk full", "Disk full")
    assert row.data["origin"] == "nagios@mon.example"
    assert listener.desk.counts == {"taken": 1}


@pytest.mark.parametrize("form", ["{key}", "backups+{key}", "a+b+{key}", "{upper}"])
def test_addresses(listener: Listener, form: str) -> None:
    _, key = source("email")
    assert send(listener, f"{form.format(key=key, upper=key.upper())}@{DOMAIN}", mail()) == {}
    assert Inbox.objects.count() == 1


def test_who_has_no_address_is_refused_before_the_mail_is_sent(listener: Listener) -> None:
    off, key = source("email", name="off")
    actions.set_enabled([off.pk], False, actor=SYSTEM)
    _, other = source("generic")
    rotated, old = source("email", name="rotated")
    actions.rotate_key(rotated.pk, actor=SYSTEM)
    addresses = [f"{local}@{DOMAIN}" for local in ("a" * 32, key, other, old, "x+" + "b" * 31, key + "c")]
    assert send(listener, addresses, mail()) == dict.fromkeys(addresses, 550)
    assert not Inbox.objects.exists()
    told = Refusal.objects.get()
    assert (told.reason, told.errors) == ("unrouted", ["this key belongs to a source of kind generic"])
    assert queries.key_of(rotated) == old
    rotated.refresh_from_db()
    assert send(listener, f"{queries.key_of(rotated)}@{DOMAIN}", mail()) == {}


def test_one_mail_for_several_sources_is_kept_for_each_that_wants_it(listener: Listener) -> None:
    _, one = source("email", name="one")
    picky, two = source("email", name="two", config={"senders": "@ups.example"})
    both = [f"{one}@{DOMAIN}", f"{two}@{DOMAIN}"]
    assert send(listener, both, mail()) == {}
    assert Inbox.objects.count() == 1
    told = Refusal.objects.get()
    assert (told.source_id, told.reason, told.status) == (picky.pk, "unauthorised", 550)
    assert told.remote == "127.0.0.1"
    assert two not in told.path + told.excerpt
    # when nobody wants it the sender hears so
    assert send(listener, both[1:], mail()) == {"data": 550}
    assert RefusalCount.objects.get(reason="unauthorised").count == 2


def test_answers_of_machines_are_taken_and_written_down(listener: Listener) -> None:
    made, key = source("email")
    assert send(listener, f"{key}@{DOMAIN}", mail(Auto_Submitted="auto-replied"), "") == {}
    assert not Inbox.objects.exists()
    told = Refusal.objects.get()
    assert (told.source_id, told.reason, told.status) == (made.pk, "ignored", 250)
    assert "auto-replied" in told.errors[0]


def test_above_the_limit_the_sender_comes_again(listener: Listener) -> None:
    _, key = source("email", limit_per_minute=2)
    answers = [send(listener, f"{key}@{DOMAIN}", mail()) for _ in range(3)]
    assert answers == [{}, {}, {f"{key}@{DOMAIN}": 451}]
    assert Refusal.objects.get().reason == "limited"


def test_who_tries_keys_is_slowed_down(listener: Listener) -> None:
    listener.desk.asked = Pace(3)
    addresses = [f"{letter * 32}@{DOMAIN}" for letter in "abcde"]
    assert list(send(listener, addresses, mail()).values()) == [550, 550, 550, 450, 450]


def test_while_the_database_is_away_the_sender_keeps_the_mail(listener: Listener) -> None:
    _, key = source("email")
    with database_away():
        assert send(listener, f"{key}@{DOMAIN}", mail()) == {f"{key}@{DOMAIN}": 451}
    assert send(listener, f"{key}@{DOMAIN}", mail()) == {}
    assert Inbox.objects.count() == 1
    assert listener.desk.counts["put_off"] == 1


def test_when_the_database_goes_while_the_mail_is_sent_nothing_is_half_kept(listener: Listener) -> None:
    _, key = source("email")
    with client(listener) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.example")
        assert smtp.rcpt(f"{key}@{DOMAIN}")[0] == 250
        with database_away():
            assert smtp.data(mail())[0] == 451
    assert not Inbox.objects.exists()


def test_what_the_database_objects_to_goes_in_without_its_details(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = source("email")
    accept, tries = actions.accept, []

    def refuse(items: list[tuple[int, Signal]]) -> int:
        tries.append(items)
        count = accept(items)
        if len(tries) == 1:  # what PostgreSQL says of text that it cannot hold
            with connection.cursor() as cursor:
                cursor.execute("SELECT repeat(chr(0), 1)")
        return count

    monkeypatch.setattr(actions, "accept", refuse)
    assert send(listener, f"{key}@{DOMAIN}", mail("Größe")) == {}
    row = Inbox.objects.get()
    assert (row.title, row.data["details"]) == ("Gr??e", None)


def test_a_thousand_torn_mails_never_break_the_listener(listener: Listener) -> None:
    _, key = source("email", config={"rules": "ignore subject spam\nkey any (\\d{4})"}, limit_per_minute=1_000_000)
    chance = random.Random("listener")
    whole = [sample.body for sample in samples() if sample.kind.kind == "email"]
    codes = set()
    with client(listener) as smtp:
        smtp.ehlo()
        for _ in range(1000):
            raw = chance.choice(whole)
            for _ in range(chance.randrange(1, 4)):
                raw = cut(raw, chance)
            smtp.mail("a@b.example")
            smtp.rcpt(f"{key}@{DOMAIN}")
            codes.add(smtp.data(raw)[0])
    assert codes <= {250, 550, 500}, "never a fault of ours; 500: a line of more than 256 KiB"
    assert Inbox.objects.count() > 500
    began = time.monotonic()
    assert send(listener, f"{key}@{DOMAIN}", mail()) == {}
    assert time.monotonic() - began < 5
