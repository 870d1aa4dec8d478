"""Replies and bounces at work: as whom, once, never by machines; what comes back brings the next contact method
forward."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.delivery import mailboxes, queries
from tocsin.delivery.actions import claim, mail_replies, settle
from tocsin.delivery.actions import mail as actions
from tocsin.delivery.contract import Accepted
from tocsin.delivery.mailboxes import Named
from tocsin.delivery.models import Attempt, Delivery, IncomingMail, Notice
from tocsin.delivery.quoting import MARKED
from tocsin.delivery.rules import PagesFailed, Settled
from tocsin.delivery.rules.mail import Mail
from tocsin.delivery.tests.conftest import World
from tocsin.delivery.tests.mails import DOMAIN, arrive, local, reply, report
from tocsin.incidents.models import Incident, TimelineEntry
from tocsin.people import actions as people
from tocsin.people.models import ContactMethod, User
from tocsin.platform import clock, secrets
from tocsin.platform.actor import SYSTEM
from tocsin.platform.mail import Arrived

pytestmark = pytest.mark.django_db

HARD = ("failed", "5.1.1", "smtp; 550 5.1.1 User unknown")
FULL = ("failed", "5.2.2", "smtp; 552 5.2.2 Mailbox full")


@pytest.fixture
def ada(world: World) -> User:
    user = world.person("Ada")
    world.method(user, "email", "ada@example.org")
    return user


def paged(world: World, user: User, incident: Incident, *more: ContactMethod) -> Delivery:
    """A page that was accepted by the mail server; ``more`` contact methods wait for their turn."""
    method = ContactMethod.objects.get(user=user, channel="email")
    page = world.page(incident, user)
    ids = world.enqueue(page, [method, *more], [0, *[600.0] * len(more)])
    sent([ids[0]], f"<{ids[0]}@example.org>")
    return Delivery.objects.get(pk=ids[0])


def sent(ids: list[int], ref: str) -> None:
    """These deliveries were handed to the mail server as one mail."""
    taken = [one for one in claim() if one.id in ids]
    assert len(taken) == len(ids)
    settle([Settled(one, Accepted(ref), 0.0, 0.1) for one in taken])


def state(incident: Incident) -> str:
    return Incident.objects.values_list("state", flat=True).get(pk=incident.pk)


def last(incident: Incident, kind: str) -> TimelineEntry:
    return TimelineEntry.objects.filter(incident=incident, kind=kind).latest("id")


# --- replies ------------------------------------------------------------------------------------------------------


def test_a_reply_acts_as_the_person_whom_its_address_names(world: World, ada: User) -> None:
    incident = world.incident()
    row = arrive(
        local(paged(world, ada, incident)),
        reply("ack\n\nDisk is full.\n\nOn Mon, Tocsin wrote:\n> resolve", From="Mallory <mallory@example.net>"),
    )
    assert (row.outcome, row.sender, row.user, row.content) == ("acted", "mallory@example.net", ada, None)
    assert state(incident) == "acknowledged"
    entry = last(incident, "acknowledged")
    assert (entry.actor_name, entry.data["via"]) == ("Ada", "email")
    assert last(incident, "note").data["text"] == "Disk is full."
    method = ContactMethod.objects.get(user=ada)
    assert method.verified_at is not None
    assert method.reached_at is not None


@pytest.mark.parametrize(
    ("text", "outcome", "after", "said"),
    [
        ("ACK", "acted", "acknowledged", "INC-{id} acknowledged. Thank you, Ada."),
        ("resolve", "acted", "resolved", "INC-{id} resolved. Thank you, Ada."),
        ("escalate", "acted", "triggered", "INC-{id} escalated. Thank you, Ada."),
        ("ack {id}", "acted", "acknowledged", "INC-{id} acknowledged. Thank you, Ada."),
        ("ack 999999", "nothing", "triggered", "This mail is about INC-{id}, not about INC-999999: nothing was done."),
        (
            "looking",
            "noted",
            "triggered",
            "Kept as a note on INC-{id}. Nobody has acknowledged INC-{id}: begin with ack",
        ),
        ("Resolve it with a restart", "noted", "triggered", "Kept as a note on INC-{id}."),
        ("who", "answered", "triggered", "INC-{id}: also paged: Ben. Nobody has acknowledged it."),
        ("help", "answered", "triggered", "Begin your reply with ack"),
        ("stop", "nothing", "triggered", "You are paged here because your rules say so."),
        ("> ack", "nothing", "triggered", "Nothing was written above the quoted text"),
        ("", "nothing", "triggered", "Nothing was written above the quoted text"),
    ],
)
def test_what_replies_do(world: World, ada: User, text: str, outcome: str, after: str, said: str) -> None:
    incident = world.incident()
    world.page(incident, world.person("Ben"))
    row = arrive(local(paged(world, ada, incident)), reply(text.format(id=incident.pk)))
    assert row.outcome == outcome
    assert state(incident) == after
    assert row.answer.startswith(said.format(id=incident.pk))
    # what was said goes out in the thread, once, to the contact method
    answered = Delivery.objects.get(kind="notice")
    assert (answered.address, answered.incident_id) == ("ada@example.org", incident.pk)
    ((message, method),) = queries.compose(claim())
    assert (message.answers, message.title, message.body) == ("<1@phone.example>", "Re: P1 Checkout", row.answer)
    assert message.incident is not None
    assert message.incident.id == incident.pk
    assert method.address == "ada@example.org"


def test_a_mail_acts_once_however_often_it_comes(world: World, ada: User) -> None:
    incident = world.incident()
    where = local(paged(world, ada, incident))
    for address in (where, where.upper().replace("REPLY", "Reply"), where):
        arrive(address, reply("note once"))
    assert IncomingMail.objects.count() == 1
    assert TimelineEntry.objects.filter(incident=incident, kind="note").count() == 1
    assert Notice.objects.count() == 1
    arrive(where, reply("note once", "<2@phone.example>"))
    assert TimelineEntry.objects.filter(incident=incident, kind="note").count() == 2


def test_a_mail_without_a_message_id_acts_once_too(world: World, ada: User) -> None:
    incident = world.incident()
    where = local(paged(world, ada, incident))
    for way in (b"", b"Received: from elsewhere\r\n", b"Received: again\r\n"):
        arrive(where, way + b"From: ada@example.org\r\nSubject: Re: x\r\n\r\nnote once\r\n")
    assert TimelineEntry.objects.filter(incident=incident, kind="note").count() == 1
    arrive(where, b"From: ada@example.org\r\nSubject: Re: x\r\n\r\nnote twice\r\n")
    assert TimelineEntry.objects.filter(incident=incident, kind="note").count() == 2


@pytest.mark.parametrize(
    ("headers", "envelope"),
    [
        ({"Auto_Submitted": "auto-replied"}, "ada@example.org"),
        ({"Precedence": "bulk"}, "ada@example.org"),
        ({"List_Id": "<ops.example.org>"}, "ada@example.org"),
        ({"Subject": "Out of office: P1 Checkout"}, "ada@example.org"),
        ({}, ""),
    ],
)
def test_machines_neither_act_nor_are_answered(world: World, ada: User, headers: dict[str, str], envelope: str) -> None:
    incident = world.incident()
    row = arrive(local(paged(world, ada, incident)), reply("ack", **headers), envelope)
    assert row.outcome == "automatic"
    assert state(incident) == "triggered"
    assert not Notice.objects.exists()
    assert ContactMethod.objects.get(user=ada).reached_at is None


def test_addresses_that_are_not_ours_are_refused(world: World, ada: User) -> None:
    room = actions.Mailroom()
    delivery = paged(world, ada, world.incident())
    good = local(delivery)
    assert room.knows(good)
    assert room.knows(good.upper())
    assert len(good) <= 64
    assert len(local(delivery, "bounce")) <= 64
    changed = good[:-1] + ("a" if good[-1] != "a" else "b")
    swapped = good.replace("reply+", "bounce+")
    for wrong in (
        changed,
        swapped,
        "reply+",
        "reply",
        "",
        "+",
        "postmaster",
        "reply+ä",
        "reply+" + "a" * 500,
        good + "a",
    ):
        assert not room.knows(wrong), wrong


def test_a_reply_that_comes_too_late_does_nothing(world: World, ada: User) -> None:
    incident = world.incident()
    where = local(paged(world, ada, incident))
    clock.shift(timedelta(days=7))
    arrive(where, reply("note in time"))
    assert TimelineEntry.objects.filter(incident=incident, kind="note").count() == 1
    clock.shift(timedelta(days=2))
    row = arrive(where, reply("ack", "<2@phone.example>"))
    assert (row.outcome, state(incident)) == ("expired", "triggered")
    assert "too old" in row.answer
    assert row.notice is not None


def test_who_may_not_or_is_gone(world: World, ada: User) -> None:
    incident = world.incident()
    where = local(paged(world, ada, incident))
    User.objects.filter(pk=ada.pk).update(role="observer")
    row = arrive(where, reply("ack"))
    assert (row.outcome, row.answer, state(incident)) == ("refused", "You may not do this.", "triggered")
    User.objects.filter(pk=ada.pk).update(role="responder", is_active=False)
    assert arrive(where, reply("ack", "<2@x>")).outcome == "refused"
    User.objects.filter(pk=ada.pk).update(is_active=True)
    ContactMethod.objects.filter(user=ada).update(address="new@example.org")
    row = arrive(where, reply("ack", "<3@x>"))
    assert (row.outcome, row.notice) == ("refused", None)
    ContactMethod.objects.filter(user=ada).delete()
    assert arrive(where, reply("ack", "<4@x>")).outcome == "refused"
    assert state(incident) == "triggered"


def test_of_a_confidential_incident_an_answer_says_no_more_than_its_number(world: World, ada: User) -> None:
    incident = world.incident("Somebody broke in")
    world.page(incident, world.person("Ben"))
    where = local(paged(world, ada, incident))
    Incident.objects.filter(pk=incident.pk).update(confidential=True)
    row = arrive(where, reply("who"))
    assert row.answer == f"INC-{incident.pk} is confidential: sign in to see who is paged for it."
    assert arrive(where, reply("ack", "<2@x>")).outcome == "refused"
    assert state(incident) == "triggered"


def test_a_bundle_is_acknowledged_as_a_whole_and_resolved_one_by_one(world: World, ada: User) -> None:
    first, second, third = (world.incident(title) for title in ("One", "Two", "Three"))
    method = ContactMethod.objects.get(user=ada)
    ids = [world.enqueue(world.page(one, ada), [method])[0] for one in (first, second)]
    sent(ids, "<bundle@example.org>")
    where = local(ids)
    row = arrive(where, reply("resolve", "<1@x>"))
    assert row.outcome == "nothing"
    assert "Say which one" in row.answer
    arrive(where, reply(f"resolve {second.pk}", "<2@x>"))
    arrive(where, reply(f"resolve {third.pk}", "<3@x>"))
    assert [state(one) for one in (first, second, third)] == ["triggered", "resolved", "triggered"]
    arrive(where, reply("ack", "<4@x>"))
    assert state(first) == "acknowledged"


def test_a_bundle_that_was_sent_again_in_other_company_asks_for_numbers(world: World, ada: User) -> None:
    first, second = world.incident("One"), world.incident("Two")
    method = ContactMethod.objects.get(user=ada)
    ids = [world.enqueue(world.page(one, ada), [method])[0] for one in (first, second)]
    sent([ids[0]], "<one@example.org>")
    row = arrive(local(ids), reply("ack", "<1@x>"))
    assert row.outcome == "nothing"
    assert "cannot be told any more" in row.answer
    arrive(local(ids), reply(f"ack {first.pk}", "<2@x>"))
    assert [state(one) for one in (first, second)] == ["acknowledged", "triggered"]


def test_a_reply_to_a_bundle_that_is_still_being_sent_waits(world: World, ada: User) -> None:
    incident = world.incident()
    method = ContactMethod.objects.get(user=ada)
    ids = [world.enqueue(world.page(one, ada), [method])[0] for one in (incident, world.incident("Two"))]
    taken = claim()
    row = arrive(local(ids), reply("ack"))
    assert (row.outcome, row.tries) == ("", 1)
    settle([Settled(one, Accepted("<both@example.org>"), 0.0, 0.1) for one in taken])
    clock.shift(timedelta(minutes=1))
    assert actions.work_through() == 1
    assert state(incident) == "acknowledged"


def test_what_is_about_no_incident_shows_that_mail_reaches(world: World, ada: User) -> None:
    from tocsin.delivery.actions.notices import send_test

    method = ContactMethod.objects.get(user=ada)
    delivery = send_test(method.pk, actor=SYSTEM)
    sent([delivery], "<test@example.org>")
    row = arrive(local([delivery]), reply("it came"))
    assert row.outcome == "reached"
    method.refresh_from_db()
    assert method.verified_at is not None


def test_two_machines_that_answer_each_other_stop(world: World, ada: User) -> None:
    where = local(paged(world, ada, world.incident()))
    for number in range(25):
        arrive(where, reply(f"note {number}", f"<{number}@x>"))
    assert Notice.objects.count() == 20


def test_our_own_mail_names_where_to_answer(world: World, ada: User) -> None:
    from tocsin.delivery.channels.email.channel import build

    method = ContactMethod.objects.get(user=ada)
    world.enqueue(world.page(world.incident(), ada), [method])
    ((message, where),) = queries.compose(claim())
    address = mailboxes.address("reply", message, DOMAIN)
    name, _, domain = address.partition("@")
    found = mailboxes.named(name)
    assert domain == DOMAIN
    assert found is not None
    assert found.delivery_id == message.delivery_ids[0]
    assert mailboxes.address("reply", message, "") == ""
    mail = build(message, where, "Tocsin <t@example.org>", "https://t.example", address)
    assert mail["Reply-To"] == address
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert str(plain.get_content()).startswith(MARKED)


# --- faults -------------------------------------------------------------------------------------------------------


def test_a_mail_that_cannot_be_dealt_with_stops_nobody(
    world: World, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = world.incident()
    where = local(paged(world, ada, incident))
    real = mail_replies.take_reply

    def broken(row: IncomingMail, named: Named, mail: Mail) -> None:
        if row.message_id == "<poison@x>":
            raise RuntimeError("poison")
        real(row, named, mail)

    monkeypatch.setattr(actions, "take_reply", broken)
    arrive(where, reply("ack", "<poison@x>"))
    arrive(where, reply("ack", "<2@x>"))
    assert state(incident) == "acknowledged"
    for _ in range(actions.MOST_TRIES):
        clock.shift(timedelta(hours=1))
        actions.work_through()
    poison = IncomingMail.objects.get(message_id="<poison@x>")
    assert (poison.outcome, poison.content) == ("fault", None)


def test_the_database_goes_away_in_between(world: World, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    incident = world.incident()
    where = local(paged(world, ada, incident))

    def away(*_: object) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(actions, "take_reply", away)
        with pytest.raises(OperationalError):
            arrive(where, reply("ack"))
    assert actions.work_through() == 1
    assert state(incident) == "acknowledged"


def test_what_was_dealt_with_is_forgotten_after_a_while(world: World, ada: User) -> None:
    where = local(paged(world, ada, world.incident()))
    arrive(where, reply("ack"))
    assert actions.forget_mail() == 0
    clock.shift(timedelta(days=91))
    assert actions.forget_mail() == 1


# --- bounces ------------------------------------------------------------------------------------------------------


def test_a_mail_that_comes_back_brings_the_next_contact_method_forward(world: World, ada: User) -> None:
    other = world.method(ada)
    delivery = paged(world, ada, world.incident(), other)
    following = Delivery.objects.get(contact_method=other)
    assert following.next_at is not None
    assert following.next_at > clock.now() + timedelta(minutes=5)
    row = arrive(local(delivery, "bounce"), report(*FULL), "")
    assert (row.outcome, row.answer) == ("failed", "552 5.2.2 Mailbox full")
    delivery.refresh_from_db()
    following.refresh_from_db()
    assert (delivery.state, delivery.reason) == ("failed", "the mail came back: 552 5.2.2 Mailbox full")
    assert Attempt.objects.filter(delivery=delivery).latest("id").outcome == "rejected"
    assert following.next_at is not None
    assert following.next_at <= clock.now()
    assert not world.published


def test_when_no_contact_method_is_left_escalation_hears_of_it(world: World, ada: User) -> None:
    delivery = paged(world, ada, world.incident())
    arrive(local(delivery, "bounce"), report(*HARD), "")
    assert world.published == [PagesFailed((delivery.page_id or 0,))]
    assert ContactMethod.objects.get(user=ada).disabled_at is None


@pytest.mark.parametrize("news", [("delayed", "4.4.1", "smtp; timed out"), ("relayed", "2.0.0", "smtp; 250 ok")])
def test_what_is_late_or_unclear_is_only_noted(world: World, ada: User, news: tuple[str, str, str]) -> None:
    delivery = paged(world, ada, world.incident())
    arrive(local(delivery, "bounce"), report(*news), "")
    delivery.refresh_from_db()
    assert delivery.state == "accepted"


def test_a_delivery_that_ended_otherwise_stays_as_it_is(world: World, ada: User) -> None:
    delivery = paged(world, ada, world.incident())
    for ended in ("delivered", "dropped", "failed"):
        Delivery.objects.filter(pk=delivery.pk).update(state=ended, reason="before")
        arrive(local(delivery, "bounce"), report("failed", f"5.1.{len(ended)}", "smtp; 550 5.1.1 unknown"), "")
        delivery.refresh_from_db()
        assert (delivery.state, delivery.reason) == (ended, "before")


def test_an_address_that_is_dead_again_and_again_is_given_up(world: World, ada: User) -> None:
    pocket = world.method(ada)
    method = ContactMethod.objects.get(user=ada, channel="email")
    for number in range(3):
        delivery = paged(world, ada, world.incident(f"Number {number}"))
        raw = report(*HARD).replace(b"report-5.1.1", b"report-%d" % number)
        arrive(local(delivery, "bounce"), raw, "")
        method.refresh_from_db()
        assert (method.disabled_at is None) == (number < 2)
        clock.shift(timedelta(hours=1))
    assert method.disabled_reason == "mail came back 3 times: the mail came back: 550 5.1.1 User unknown"
    told = Delivery.objects.get(kind="notice")
    assert told.contact_method_id == pocket.pk


def test_what_came_back_before_somebody_answered_there_does_not_count(world: World, ada: User) -> None:
    method = ContactMethod.objects.get(user=ada)
    for number in range(3):
        delivery = paged(world, ada, world.incident(f"Number {number}"))
        arrive(local(delivery, "bounce"), report(*HARD).replace(b"report-5.1.1", b"report-%d" % number), "")
        clock.shift(timedelta(hours=13))
        arrive(local(delivery), reply("note I am here", f"<{number}@x>"))
    method.refresh_from_db()
    assert method.disabled_at is None


def test_one_mail_that_comes_back_three_times_is_one(world: World, ada: User) -> None:
    delivery = paged(world, ada, world.incident())
    for number in range(4):
        arrive(local(delivery, "bounce"), report(*HARD).replace(b"report-5.1.1", b"report-%d" % number), "")
        clock.shift(timedelta(hours=1))
    assert ContactMethod.objects.get(user=ada).disabled_at is None


def test_a_bundle_that_comes_back_fails_as_a_whole(world: World, ada: User) -> None:
    method = ContactMethod.objects.get(user=ada)
    ids = [world.enqueue(world.page(world.incident(title), ada), [method])[0] for title in ("One", "Two")]
    sent(ids, "<bundle@example.org>")
    arrive(local(ids, "bounce"), report(*HARD), "")
    assert set(Delivery.objects.filter(pk__in=ids).values_list("state", flat=True)) == {"failed"}


def test_a_disabled_contact_method_is_not_answered(world: World, ada: User) -> None:
    delivery = paged(world, ada, world.incident())
    method = ContactMethod.objects.get(user=ada)
    people.disable_contact_methods([method.pk], "by hand", actor=SYSTEM)
    row = arrive(local(delivery), reply("ack"))
    assert (row.outcome, row.notice) == ("acted", None)


# --- whatever comes -----------------------------------------------------------------------------------------------

HEADERS = st.sampled_from(
    [b"From", b"To", b"Subject", b"Message-ID", b"Content-Type", b"Content-Transfer-Encoding", b"Auto-Submitted",
     b"MIME-Version", b"Content-Disposition", b"X"]
)  # fmt: skip
VALUES = st.sampled_from(
    [b"multipart/mixed; boundary=x", b"multipart/report; report-type=delivery-status; boundary=\"x", b"message/rfc822",
     b"message/delivery-status", b"text/html; charset=utf-7", b"text/plain; charset=\"no such\"", b"base64",
     b"quoted-printable", b"=?utf-8?b?////?=", b"=?x?q?=", b"<a@b>", b"\"", b"attachment; filename*=x''%ff",
     b"text/plain; charset*0*=%", b"ada@[", b"undeliverable", b"no"]
) | st.binary(max_size=60)  # fmt: skip
BODIES = st.lists(
    st.sampled_from(
        [b"ack", b"resolve", b"--x", b"--x--", b"", b"Action: failed", b"Status: 5.1.1", b"> x",
         b"Content-Type: text/plain",
         b"550 5.1.1 unknown", b"<p>ack</p>", b"\x00\xff\xfe", b"YWNr"]
    ) | st.binary(max_size=40),
    max_size=12,
).map(b"\r\n".join)  # fmt: skip
RAW = st.binary(max_size=300) | st.builds(
    lambda lines, body: b"".join(name + b": " + value + b"\r\n" for name, value in lines) + b"\r\n" + body,
    st.lists(st.tuples(HEADERS, VALUES), max_size=6),
    BODIES,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=RAW, kind=st.sampled_from(["reply", "bounce"]), sender=st.sampled_from(["", "ada@example.org", "\x00", "ä@ö"])
)
def test_no_mail_is_a_fault_of_ours(world: World, ada: User, raw: bytes, kind: str, sender: str) -> None:
    delivery = Delivery.objects.first() or paged(world, ada, world.incident())
    row = arrive(local(delivery, kind), raw, sender)
    assert row.outcome not in ("", "fault")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    token=st.text(max_size=80) | st.from_regex(r"[a-z2-7]{48}", fullmatch=True),
    text=st.sampled_from(["ack", "resolve"]),
)
def test_nothing_is_done_without_an_address_that_we_signed(world: World, ada: User, token: str, text: str) -> None:
    incident = Incident.objects.first() or world.incident()
    if not Delivery.objects.exists():
        paged(world, ada, incident)
    for kind in ("reply", "bounce"):
        assert not actions.Mailroom().knows(f"{kind}+{token}")
        # even if a listener let it pass
        actions.Mailroom().keep(
            Arrived(f"{kind}+{token}", DOMAIN, "a@b", "", reply(text, f"<{secrets.random_key(8)}@x>"))
        )
    actions.work_through()
    assert state(incident) == "triggered"
    assert Delivery.objects.get(kind="page").state == "accepted"


# --- what people see of it ----------------------------------------------------------------------------------------


def test_a_message_shows_what_came_back(world: World, ada: User, client: Client) -> None:
    backend = "allauth.account.auth_backends.AuthenticationBackend"
    delivery = paged(world, ada, world.incident())
    client.force_login(ada, backend=backend)
    assert "What came back" not in client.get(f"/messages/{delivery.pk}/").content.decode()
    arrive(local(delivery), reply("note <b>", From="Mallory <mallory@example.net>"))
    arrive(local(delivery, "bounce"), report("delayed", "4.4.1", "smtp; <b>timed out</b>"), "")
    shown = client.get(f"/messages/{delivery.pk}/").content.decode()
    assert "mallory@example.net" in shown
    assert "Wrote a note: Kept as a note on" in shown
    assert "A mail is late, still being tried: &lt;b&gt;timed out" in shown
    client.force_login(world.person("Ben"), backend=backend)
    shown = client.get(f"/messages/{delivery.pk}/").content.decode()
    assert "What came back" in shown
    assert "mallory@example.net" not in shown
