"""What providers tell: receipts, replies, keys; forged, twice, late, and of incidents that concern nobody who asks."""

import base64
import json
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import OperationalError
from django.test import Client

from tocsin.delivery.actions.providers import save_provider
from tocsin.delivery.models import Attempt, Delivery, Handover, Notice, Provider, ProviderHealth, Received
from tocsin.delivery.rules import PagesFailed, replies
from tocsin.delivery.rules.providers import ProviderSpec
from tocsin.delivery.tests.conftest import World
from tocsin.delivery.tests.phones import NUMBER, handed, phone, tell, twilio
from tocsin.incidents import actions as incidents
from tocsin.incidents.models import Incident, TimelineEntry
from tocsin.people.models import ContactMethod, User
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM

pytestmark = pytest.mark.django_db


@pytest.fixture
def main(world: World) -> Provider:
    return twilio()


@pytest.fixture
def ada(world: World) -> User:
    user = world.person("Ada")
    phone(world, user)
    return user


def state(incident: Incident) -> str:
    return Incident.objects.values_list("state", flat=True).get(pk=incident.pk)


def reply(main: Provider, text: str, ref: str = "SM9", sender: str = NUMBER) -> str:
    answer = tell(main, "message", {"MessageSid": ref, "From": sender, "Body": text})
    assert answer.status_code == 200
    said = ElementTree.fromstring(answer.content.decode()).find("Message")
    return said.text or "" if said is not None else ""


def last(incident: Incident, kind: str) -> TimelineEntry:
    return TimelineEntry.objects.filter(incident=incident, kind=kind).latest("id")


# --- who may tell us something ------------------------------------------------------------------------------------


def test_a_forged_request_is_refused_and_counted(world: World, main: Provider, ada: User) -> None:
    delivery, handover, _ = handed(world, ada, world.incident(), main)
    form = {"MessageSid": "SM1", "MessageStatus": "failed"}
    for _ in range(2):
        assert tell(main, "status", form, handover=handover, token="other").status_code == 403
    assert ProviderHealth.objects.get(provider=main).refused == 2
    delivery.refresh_from_db()
    assert delivery.state == "accepted"
    assert tell(main, "status", form, handover=handover).status_code == 204


def test_what_is_too_large_or_nowhere_or_nonsense(world: World, main: Provider) -> None:
    client = Client(enforce_csrf_checks=True)
    kind = "application/x-www-form-urlencoded"
    assert client.post("/callbacks/nobody/status", "a=1", content_type=kind).status_code == 404
    assert client.post("/callbacks/main/elsewhere", "a=1", content_type=kind).status_code == 404
    assert client.get("/callbacks/main/status").status_code == 405
    assert client.post("/callbacks/main/status", "a=" + "1" * 70_000, content_type=kind).status_code == 413
    assert client.post("/callbacks/main/status", b"\xff\xfe", content_type=kind).status_code == 403
    assert tell(main, "message", {"A": "1"}).status_code == 400
    assert tell(main, "status", {"MessageSid": "never-sent", "MessageStatus": "delivered"}).status_code == 404
    assert tell(main, "voice", {"CallSid": "CA-never-made"}).content.decode().count("not known any more") == 1


def test_the_address_of_a_handover_cannot_be_made_up(world: World, main: Provider, ada: User) -> None:
    delivery, handover, _ = handed(world, ada, world.incident(), main, ref="")
    answer = tell(main, "status", {"MessageSid": "SM5", "MessageStatus": "delivered"}, handover=handover, more="x")
    assert answer.status_code == 404
    delivery.refresh_from_db()
    assert delivery.state == "accepted"


NONSENSE = ["\x00", "\x00\x00ACK", "+41\x0079", "\ud7ff", "9" * 400, "-1", "'; --", "\N{FIRE}" * 200, " "]


@pytest.mark.parametrize("what", ["status", "message", "voice"])
def test_signed_nonsense_is_no_fault_of_ours(world: World, main: Provider, ada: User, what: str) -> None:
    _, handover, _ = handed(world, ada, world.incident(), main, channel="voice" if what == "voice" else "sms", ref="")
    for text in NONSENSE:
        for names in (("MessageSid", "MessageStatus"), ("CallSid", "CallStatus"), ("MessageSid", "From", "Body")):
            form = dict.fromkeys(("CallSid", "MessageSid", "From", "Body", "Digits", "AnsweredBy"), "x")
            answer = tell(
                main, what, form | dict.fromkeys(names, text), handover=handover, more=f"&n={text[:3].strip()}"
            )
            assert answer.status_code < 500
    tell(main, what, {"MessageSid": "\x00", "MessageStatus": "delivered", "ErrorCode": "\x00"}, handover=handover)


def test_who_holds_what_is_needed_is_waited_for(
    world: World, main: Provider, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, handover, _ = handed(world, ada, world.incident(), main)
    form = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    faults = [1, 2]

    def locked(*args: object) -> bool:
        if faults:
            faults.pop()
            raise OperationalError("deadlock detected")
        return True

    monkeypatch.setattr("tocsin.delivery.actions.incoming.take_status", locked)
    assert tell(main, "status", form, handover=handover).status_code == 204
    faults += [1, 2, 3]
    assert tell(main, "status", form, handover=handover).status_code == 503


# --- receipts -----------------------------------------------------------------------------------------------------


def test_a_receipt_that_it_arrived(world: World, main: Provider, ada: User) -> None:
    delivery, handover, _ = handed(world, ada, world.incident(), main)
    for _ in range(2):
        tell(main, "status", {"MessageSid": "SM1", "MessageStatus": "delivered"}, handover=handover)
    tell(main, "status", {"MessageSid": "SM1", "MessageStatus": "failed"}, handover=handover)  # late, and wrong
    tell(main, "status", {"MessageSid": "SM1", "MessageStatus": "sent"}, handover=handover)
    delivery.refresh_from_db()
    handover.refresh_from_db()
    assert (delivery.state, delivery.reason, handover.state) == ("delivered", "", "delivered")
    receipt = Attempt.objects.get(delivery=delivery)
    assert (receipt.outcome, receipt.detail, receipt.number) == ("delivered", "Main: it has arrived", 1)


def test_a_receipt_that_it_did_not_brings_the_next_contact_method_forward(
    world: World, main: Provider, ada: User
) -> None:
    pocket = world.method(ada)
    delivery, handover, _ = handed(world, ada, world.incident(), main, then=pocket)
    following = Delivery.objects.get(contact_method=pocket)
    assert following.next_at is not None
    assert following.next_at > clock.now() + timedelta(minutes=50)
    form = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30003"}
    tell(main, "status", form, handover=handover)
    delivery.refresh_from_db()
    following.refresh_from_db()
    assert delivery.state == "failed"
    assert delivery.reason == "Main: undelivered, error 30003"
    assert following.next_at is not None
    assert following.next_at <= clock.now()
    assert world.published == []
    tell(main, "status", {"MessageSid": "SM1", "MessageStatus": "delivered"}, handover=handover)
    delivery.refresh_from_db()
    assert delivery.state == "failed", "the next one has been used: what ended stays ended"


def test_when_there_is_no_next_one_escalation_hears_of_it(world: World, main: Provider, ada: User) -> None:
    _, handover, page = handed(world, ada, world.incident(), main)
    tell(main, "status", {"MessageSid": "SM1", "MessageStatus": "failed"}, handover=handover)
    assert world.published == [PagesFailed((page.pk,))]


def test_a_receipt_that_is_faster_than_our_own_books(world: World, main: Provider, ada: User) -> None:
    """The provider's answer is not written down yet: neither its name for the message, nor the outcome."""
    delivery, handover, _ = handed(world, ada, world.incident(), main, ref="", state="sending")
    Handover.objects.update(state="begun")
    tell(main, "status", {"MessageSid": "SM1", "MessageStatus": "delivered"}, handover=handover)
    delivery.refresh_from_db()
    handover.refresh_from_db()
    assert (delivery.state, delivery.claim, handover.ref) == ("delivered", None, "SM1")
    assert Attempt.objects.get(delivery=delivery).outcome == "delivered"


def test_news_of_an_older_try_does_not_end_the_new_one(world: World, main: Provider, ada: User) -> None:
    delivery, handover, _ = handed(world, ada, world.incident(), main, state="sending")
    Handover.objects.create(
        provider=main, channel="sms", number=NUMBER, country="+41", deliveries=[delivery.pk], at=clock.now()
    )
    tell(main, "status", {"MessageSid": "SM1", "MessageStatus": "failed"}, handover=handover)
    delivery.refresh_from_db()
    assert delivery.state == "sending"


# --- replies ------------------------------------------------------------------------------------------------------


def test_a_reply_acts_as_the_person(world: World, main: Provider, ada: User) -> None:
    incident = world.incident()
    handed(world, ada, incident, main)
    assert reply(main, f"ack {incident.pk}") == f"INC-{incident.pk} acknowledged. Thank you, Ada."
    assert state(incident) == "acknowledged"
    entry = last(incident, "acknowledged")
    assert (entry.data["via"], entry.actor_id) == ("sms", ada.pk)
    assert reply(main, f"RES {incident.pk}", "SM10") == f"INC-{incident.pk} resolved. Thank you, Ada."
    assert last(incident, "resolved").data["via"] == "sms"


def test_the_same_reply_twice_is_one(world: World, main: Provider, ada: User) -> None:
    incident = world.incident()
    handed(world, ada, incident, main)
    first = reply(main, f"ESC {incident.pk}")
    entries = TimelineEntry.objects.filter(incident=incident).count()
    assert reply(main, f"ESC {incident.pk}") == first
    assert TimelineEntry.objects.filter(incident=incident).count() == entries
    assert last(incident, "escalated").data["via"] == "sms"


def test_without_a_number_it_is_the_newest_open_page(world: World, main: Provider, ada: User) -> None:
    older, newer, over = world.incident("Older"), world.incident("Newer"), world.incident("Over", state="resolved")
    for number, incident in enumerate((older, newer, over)):
        handed(world, ada, incident, main, ref=f"S{number}")
    assert f"INC-{newer.pk} acknowledged" in reply(main, "ACK", "R1")
    assert f"INC-{older.pk} acknowledged" in reply(main, "ack", "R2"), "the newest that nobody has"
    assert f"INC-{newer.pk} is acknowledged already by Ada" in reply(main, "4", "R3")
    assert state(over) == "resolved"


def test_only_incidents_that_the_person_was_paged_for(world: World, main: Provider, ada: User) -> None:
    other = world.incident("Not hers")
    grace = world.person("Grace")
    phone(world, grace, number="+41797654321")
    handed(world, grace, other, main)
    words = "You were not paged for INC-{}."
    assert reply(main, f"ACK {other.pk}", "R1") == words.format(other.pk)
    assert reply(main, f"ACK {other.pk + 999}", "R2") == words.format(other.pk + 999)
    assert reply(main, "ACK", "R3") == "There is no open incident that you were paged for."
    assert state(other) == "triggered"


def test_a_stranger_learns_nothing(world: World, main: Provider, ada: User) -> None:
    for number, text in enumerate(("ACK", "HELP", "hello", "STOP", "START")):
        assert reply(main, text, f"R{number}", "+41797654321") == ""


def test_a_number_of_several_people(world: World, main: Provider, ada: User) -> None:
    incident = world.incident()
    handed(world, ada, incident, main)
    grace = world.person("Grace")
    hers = phone(world, grace, "voice")
    assert "Several people have this number" in reply(main, "ACK", "R1")
    assert state(incident) == "triggered"
    ContactMethod.objects.filter(user=ada).update(verified_at=clock.now())
    assert "Thank you, Ada" in reply(main, "ACK", "R2"), "she has proved it, the other has not"
    ContactMethod.objects.filter(pk=hers.pk).update(verified_at=clock.now())
    assert "Several people" in reply(main, "ACK", "R3")


def test_who_has_left_or_only_observes_may_not(world: World, main: Provider, ada: User) -> None:
    incident = world.incident()
    handed(world, ada, incident, main)
    User.objects.filter(pk=ada.pk).update(role="observer")
    assert reply(main, "ACK", "R1") == "You may not do this."
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert reply(main, "ACK", "R2") == ""
    assert state(incident) == "triggered"


def test_stop_and_start(world: World, main: Provider, ada: User) -> None:
    method, pocket = ContactMethod.objects.get(user=ada, channel="sms"), world.method(ada)
    assert reply(main, "Stop.", "R1") == ""
    method.refresh_from_db()
    assert method.disabled_at is not None
    assert method.disabled_reason == replies.STOPPED
    assert Delivery.objects.get(kind="notice").contact_method == pocket, "told by another way"
    assert "by SMS again" in reply(main, "START", "R2")
    assert ContactMethod.objects.filter(pk=method.pk, disabled_at=None, disabled_reason="", verified_at=None).exists()
    assert reply(main, "START", "R3") == ""
    ContactMethod.objects.update(disabled_at=clock.now(), disabled_reason="the number is dead")
    assert reply(main, "START", "R4") == "", "only what STOP ended comes back"
    assert reply(main, "HELP", "R5") == replies.HOW


def test_what_is_not_understood_says_how(world: World, main: Provider, ada: User) -> None:
    incident = world.incident()
    handed(world, ada, incident, main)
    for number, text in enumerate(("I am on it", "", "ACK twelve", "\x00", "a" * 1600)):
        assert reply(main, text, f"R{number}") == replies.UNREAD
    assert state(incident) == "triggered"


def test_a_note_and_who_else_is_paged(world: World, main: Provider, ada: User) -> None:
    incident = world.incident()
    handed(world, ada, incident, main)
    assert reply(main, f"note {incident.pk}: Restarting the\nDatabase", "R1") == (
        f"Kept as a note on INC-{incident.pk}. Nobody has acknowledged it: ACK {incident.pk} does."
    )
    entry = last(incident, "note")
    assert (entry.data["text"], entry.actor_name) == ("Restarting the\nDatabase", "Ada")
    assert state(incident) == "triggered"
    assert reply(main, "WHO", "R2") == f"INC-{incident.pk}: nobody else is paged. Nobody has acknowledged it."
    incidents.make_confidential([incident.pk], actor=SYSTEM)
    assert "sign in" in reply(main, f"who {incident.pk}", "R3")


def test_machines_that_answer_each_other_stop(world: World, main: Provider, ada: User) -> None:
    said = [reply(main, "Thank you for your message", f"R{number}") for number in range(25)]
    assert said[0] == replies.UNREAD
    assert said[-1] == ""


def test_nothing_of_a_confidential_incident(world: World, main: Provider, ada: User) -> None:
    grace = world.person("Grace")
    incident = world.incident("Payroll was copied", confidential=True)
    incidents.let_in([incident.pk], [ada.pk, grace.pk], "was paged for it")
    handed(world, ada, incident, main)
    phone(world, grace, number="+41797654321")
    handed(world, grace, incident, main, ref="S2")
    said = [reply(main, "ACK", "R1"), reply(main, "ACK", "R2"), reply(main, f"RES {incident.pk}", "R3")]
    assert said[0] == f"INC-{incident.pk} acknowledged. Thank you, Ada."
    for words in said:
        assert not [word for word in ("Payroll", "Grace", "Checkout") if word in words]


# --- calls --------------------------------------------------------------------------------------------------------


def call(main: Provider, handover: Handover, keys: str = "", round_: int = 1, **more: str) -> ElementTree.Element:
    form = {"CallSid": "CA1", "CallStatus": "in-progress", **({"Digits": keys} if keys else {}), **more}
    answer = tell(main, "voice", form, handover=handover, more=f"&n={round_}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/xml")
    return ElementTree.fromstring(answer.content.decode())


def said(root: ElementTree.Element) -> str:
    return " ".join(item.text or "" for item in root.iter("Say"))


@pytest.mark.parametrize(
    ("key", "verb", "after"), [("4", "acknowledged", "acknowledged"), ("6", "resolved", "resolved")]
)
def test_a_key_acts(world: World, main: Provider, ada: User, key: str, verb: str, after: str) -> None:
    incident = world.incident()
    _, handover, _ = handed(world, ada, incident, main, channel="voice", ref="CA1")
    asked = call(main, handover)
    assert said(asked) == (
        f"Incident {incident.pk}. Press 4 to acknowledge, press 6 to resolve, press 5 to pass it on, "
        "star to hear it again."
    )
    assert asked.find("Gather") is not None
    done = call(main, handover, key, 2)
    assert said(done) == f"incident {incident.pk} {verb}. Thank you, Ada. Goodbye."
    assert done.find("Hangup") is not None
    assert said(call(main, handover, key, 2)) == said(done), "told twice, done once"
    assert state(incident) == after
    assert last(incident, verb).data["via"] == "voice"


def test_five_passes_it_on(world: World, main: Provider, ada: User) -> None:
    incident = world.incident()
    _, handover, _ = handed(world, ada, incident, main, channel="voice", ref="CA1")
    assert "escalated" in said(call(main, handover, "5", 2))
    assert last(incident, "escalated").data["via"] == "voice"
    count = TimelineEntry.objects.filter(incident=incident, kind="escalated").count()
    call(main, handover, "5", 2)
    assert TimelineEntry.objects.filter(incident=incident, kind="escalated").count() == count


def test_an_answering_machine_acknowledges_nothing(world: World, main: Provider, ada: User) -> None:
    pocket = world.method(ada)
    incident = world.incident()
    delivery, handover, _ = handed(world, ada, incident, main, channel="voice", ref="CA1", then=pocket)
    left = call(main, handover, AnsweredBy="machine_end_beep")
    assert said(left) == "Nobody has acknowledged it."
    assert left.find("Gather") is None
    assert said(call(main, handover, "4", 2)) == "Nobody has acknowledged it.", "its greeting has tones"
    assert state(incident) == "triggered"
    tell(main, "status", {"CallSid": "CA1", "CallStatus": "completed"}, handover=handover)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == ("failed", "Main: an answering machine took the call")
    following = Delivery.objects.get(contact_method=pocket)
    assert following.next_at is not None
    assert following.next_at <= clock.now()


@pytest.mark.parametrize(
    ("status", "expected"), [("completed", "delivered"), ("busy", "failed"), ("no-answer", "failed")]
)
def test_how_a_call_ended(world: World, main: Provider, ada: User, status: str, expected: str) -> None:
    delivery, handover, _ = handed(world, ada, world.incident(), main, channel="voice", ref="CA1")
    tell(main, "status", {"CallSid": "CA1", "CallStatus": "ringing"}, handover=handover)
    tell(main, "status", {"CallSid": "CA1", "CallStatus": status}, handover=handover)
    delivery.refresh_from_db()
    assert delivery.state == expected


def test_silence_and_wrong_keys(world: World, main: Provider, ada: User) -> None:
    incident = world.incident()
    _, handover, _ = handed(world, ada, incident, main, channel="voice", ref="CA1", verbs=("acknowledge",))
    assert "This key does nothing." in said(call(main, handover, "6", 2)), "not offered for several at once"
    assert call(main, handover, round_=2).find("Gather") is not None
    assert said(call(main, handover, round_=3)) == "No key was pressed. Nobody has acknowledged it. Goodbye."
    assert call(main, handover, "*", 3).find("Gather") is not None
    assert state(incident) == "triggered"


def test_picked_up_too_late(world: World, main: Provider, ada: User) -> None:
    incident = world.incident(state="resolved")
    _, handover, _ = handed(world, ada, incident, main, channel="voice", ref="CA1")
    told = call(main, handover)
    assert said(told) == f"incident {incident.pk} is resolved already; nothing needs to be done. Goodbye."
    assert told.find("Gather") is None


def test_what_became_confidential_since_the_call_was_made(world: World, main: Provider, ada: User) -> None:
    incident = world.incident(confidential=True)
    incidents.let_in([incident.pk], [ada.pk], "was paged for it")
    _, handover, _ = handed(world, ada, incident, main, channel="voice", ref="CA1")
    Handover.objects.update(script={"text": "Payroll was copied", "machine": "Payroll", "verbs": ["acknowledge"]})
    assert "Payroll" not in said(call(main, handover))
    assert "Payroll" not in said(call(main, handover, AnsweredBy="machine_start"))


# --- Telnyx, which answers with a message of its own --------------------------------------------------------------


def test_telnyx_replies_are_answered_by_a_message(world: World, ada: User) -> None:
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    config = {"public_key": public, "sender": "+41798071234"}
    provider = save_provider(ProviderSpec("Other", "telnyx", config=config, secret="KEY1"), actor=SYSTEM)
    incident = world.incident()
    handed(world, ada, incident, provider, ref="S1")

    def told(payload: dict[str, object], kind: str) -> int:
        body = json.dumps({"data": {"event_type": kind, "payload": payload}}).encode()
        stamp = str(int(clock.now().timestamp()))
        made = base64.b64encode(key.sign(stamp.encode() + b"|" + body)).decode()
        headers = {"telnyx-timestamp": stamp, "telnyx-signature-ed25519": made}
        return (
            Client(enforce_csrf_checks=True)
            .post("/callbacks/other/message", body, content_type="application/json", headers=headers)
            .status_code
        )

    for _ in range(2):
        assert told({"id": "R1", "from": {"phone_number": NUMBER}, "text": "ack"}, "message.received") == 204
    assert state(incident) == "acknowledged"
    assert Notice.objects.get().title == f"INC-{incident.pk} acknowledged. Thank you, Ada."
    assert Delivery.objects.filter(kind="notice", channel="sms", address=NUMBER).count() == 1
    assert told({"id": "S1", "to": [{"status": "delivered"}]}, "message.finalized") == 204
    assert Delivery.objects.get(provider_ref="S1").state == "delivered"
    forged = Client().post("/callbacks/other/message", b"{}", content_type="application/json")
    assert forged.status_code == 403


def test_what_comes_in_is_on_record(world: World, main: Provider, ada: User) -> None:
    reply(main, "HELP", "R1")
    row = Received.objects.get()
    assert (row.number, row.text, row.answer, row.channel) == (NUMBER, "HELP", replies.HOW, "sms")
