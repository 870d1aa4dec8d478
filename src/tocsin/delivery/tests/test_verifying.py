"""Contact methods are verified by a code or a link, asked again after a month, and lapse without an answer."""

from datetime import timedelta

import pytest
from django.test import Client

from tocsin.delivery import actions, queries
from tocsin.delivery.actions.links import act_on_link
from tocsin.delivery.actions.verifying import ask_due, send_code
from tocsin.delivery.contract import Delivered, Message
from tocsin.delivery.models import Delivery, Notice
from tocsin.delivery.rules import Settled
from tocsin.delivery.tests.conftest import World
from tocsin.people.actions import update_contact_method, verifying
from tocsin.people.models import ContactCode, ContactMethod, User
from tocsin.people.queries import actor_of
from tocsin.people.rules import ContactMethodSpec
from tocsin.platform import clock
from tocsin.platform.errors import Conflict, Forbidden, Invalid

pytestmark = pytest.mark.django_db
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def received() -> list[Message]:
    """Hand out what is due; the messages."""
    claimed = actions.claim()
    found = queries.compose(claimed)
    actions.settle([Settled(one, Delivered(), 0.0, 0.0) for one in claimed])
    return [message for message, _ in found]


def sent(method: ContactMethod, user: User) -> tuple[Message, str]:
    """Have a code sent; the message and the code that it holds."""
    send_code(method.pk, actor=actor_of(user))
    (message,) = received()
    return message, message.title.split()[0]


def test_the_code_of_the_message_verifies(world: World) -> None:
    user = world.person()
    method = world.method(user, "email", "ada@example.org")
    message, code = sent(method, user)
    assert (message.kind, len(code)) == ("test", 6)
    assert code in message.body
    assert code not in repr(list(Delivery.objects.values()) + list(ContactCode.objects.values()))
    verifying.confirm(method.pk, f" {code[:3]} {code[3:]} ", actor=actor_of(user))
    method.refresh_from_db()
    assert method.verified_at == method.reached_at is not None
    assert not ContactCode.objects.exists()
    with pytest.raises(Invalid):  # good for once
        verifying.confirm(method.pk, code, actor=actor_of(user))


def test_a_wrong_code_counts_and_the_right_one_is_void_after_five(world: World) -> None:
    user = world.person()
    method = world.method(user)
    _, code = sent(method, user)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(Invalid) as refused:
            verifying.confirm(method.pk, wrong, actor=actor_of(user))
        assert f"{left} {'try' if left == 1 else 'tries'} left" in refused.value.problems["code"]
    with pytest.raises(Invalid) as over:
        verifying.confirm(method.pk, code, actor=actor_of(user))
    assert "have a new one sent" in over.value.problems["code"]


def test_a_code_is_good_for_a_quarter_of_an_hour_and_a_new_one_voids_it(world: World) -> None:
    user = world.person()
    method = world.method(user)
    _, first = sent(method, user)
    with pytest.raises(Conflict):
        send_code(method.pk, actor=actor_of(user))
    clock.shift(timedelta(minutes=2))
    _, second = sent(method, user)
    with pytest.raises(Invalid):
        verifying.confirm(method.pk, first, actor=actor_of(user))
    clock.shift(timedelta(minutes=16))
    with pytest.raises(Invalid):
        verifying.confirm(method.pk, second, actor=actor_of(user))
    for _ in range(8):
        clock.shift(timedelta(minutes=2))
        send_code(method.pk, actor=actor_of(user))
    clock.shift(timedelta(minutes=2))
    with pytest.raises(Conflict, match="within a day"):
        send_code(method.pk, actor=actor_of(user))
    clock.shift(timedelta(days=1))
    assert send_code(method.pk, actor=actor_of(user))


def test_others_may_not(world: World) -> None:
    ada, ben = world.person("Ada"), world.person("Ben")
    method = world.method(ada)
    with pytest.raises(Forbidden):
        send_code(method.pk, actor=actor_of(ben))
    _, code = sent(method, ada)
    with pytest.raises(Forbidden):
        verifying.confirm(method.pk, code, actor=actor_of(ben))


def test_the_link_confirms_by_its_button_only_and_not_for_another_address(world: World, client: Client) -> None:
    user = world.person()
    method = world.method(user, "email", "ada@example.org")
    message, _ = sent(method, user)
    path = message.link("confirm").removeprefix("http://testserver")
    path = path[path.index("/v/") :]
    assert b"Yes, it reaches me" in client.get(path).content
    assert not ContactMethod.objects.filter(verified_at__isnull=False).exists()
    clock.shift(timedelta(seconds=5))
    spec = ContactMethodSpec("email", "other@example.org")
    update_contact_method(method.pk, spec, actor=actor_of(user))
    assert client.post(path).status_code == 409
    clock.shift(timedelta(minutes=2))
    message, _ = sent(method, user)
    path = message.link("confirm")
    assert b"Thank you" in client.post(path[path.index("/v/") :]).content
    method.refresh_from_db()
    assert method.verified_at is not None
    assert client.get("/v/nonsense").status_code == 422


def test_answering_a_page_proves_the_contact_method(world: World) -> None:
    user = world.person()
    incident = world.incident()
    method = world.method(user, "email", "ada@example.org")
    [delivery] = world.enqueue(world.page(incident, user), [method])
    url = queries.action_url(incident.pk, user.pk, "acknowledge", delivery, clock.now() + timedelta(hours=1))
    act_on_link(url.rpartition("/")[2])
    method.refresh_from_db()
    assert method.verified_at == method.reached_at is not None


def test_after_a_month_it_is_asked_and_lapses_a_week_later(world: World) -> None:
    user = world.person()
    quiet, used, bare = (world.method(user, "email", f"{name}@example.org") for name in ("quiet", "used", "bare"))
    ContactMethod.objects.filter(pk__in=[quiet.pk, used.pk]).update(verified_at=clock.now())
    assert ask_due() == 0
    clock.shift(timedelta(days=31))
    assert ask_due() == 2
    assert ask_due() == 0  # once
    messages = received()
    assert {message.title for message in messages} == {"Does Tocsin still reach you here?"}
    verifying.note_reached(used.pk)
    clock.shift(timedelta(days=8))
    assert ask_due() == 1
    notice = Notice.objects.get()
    assert notice.title == "Does email still reach you?"
    for method, verified in ((quiet, False), (used, True), (bare, False)):
        method.refresh_from_db()
        assert (method.verified_at is not None) is verified
    clock.shift(timedelta(days=31))
    assert ask_due() == 1  # the used one again; what is not verified is not asked


def test_pages_and_api(world: World, client: Client) -> None:
    user = world.person()
    method = world.method(user, "email", "ada@example.org")
    client.force_login(user, backend=BACKEND)
    assert "Not verified" in client.get("/settings/you/").content.decode()
    path = f"/contact-methods/{method.pk}/verify/"
    assert "A code is on its way" in client.post(path, {"do": "send"}, follow=True).content.decode()
    (message,) = received()
    wrong = client.post(path, {"code": "12"})
    assert wrong.status_code == 422
    assert "4 tries left" in wrong.content.decode()
    assert client.post(path, {"do": "send"}).status_code == 409
    told = client.post(path, {"code": message.title.split()[0]}, follow=True).content.decode()
    assert "It is verified" in told
    assert "Verified" in told
    other = world.method(user, "email", "ben@example.org")
    made = client.post(f"/api/v1/contact-methods/{other.pk}/verify")
    assert (made.status_code, made.json()["kind"]) == (202, "code")
    (message,) = received()
    refused = client.post(f"/api/v1/contact-methods/{other.pk}/confirm", {"code": "x"}, content_type="application/json")
    assert "code" in refused.json()["error"]["problems"]
    code = {"code": message.title.split()[0]}
    done = client.post(f"/api/v1/contact-methods/{other.pk}/confirm", code, content_type="application/json")
    assert done.json()["verified_at"]
