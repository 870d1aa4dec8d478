"""Signing in, and what people do with people in the browser, without script."""

from typing import Any

import pytest
from django.test import Client
from tests.browser import world

from tocsin.delivery.actions import push_key
from tocsin.delivery.models import Provider
from tocsin.people.actions.sign_in import create_sign_in_link
from tocsin.people.models import ApiToken, ContactMethod, Membership, Team, User
from tocsin.people.queries import authenticate_token
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> dict[str, Any]:
    return world.company(clock.now())


@pytest.fixture
def dana(client: Client, made: dict[str, Any]) -> Client:
    client.force_login(made["users"][0], backend=BACKEND)
    return client


@pytest.fixture
def ines(made: dict[str, Any]) -> Client:
    """A responder."""
    client = Client()
    client.force_login(made["users"][1], backend=BACKEND)
    return client


def test_sign_in_leads_back_to_what_was_asked_for(client: Client, made: dict[str, Any]) -> None:
    asked = client.get("/people/?q=dana")
    assert asked.status_code == 302
    assert asked.headers["Location"].startswith("/sign-in/?next=")
    form = {"login": made["users"][0].email, "password": "wrong"}
    assert "not correct" in client.post("/sign-in/", form).content.decode()
    answer = client.post("/sign-in/", form | {"password": world.PASSWORD, "next": "/people/"})
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/people/"
    assert client.get("/people/").status_code == 200
    client.post("/sign-out/")
    assert client.get("/people/").status_code == 302


def test_sign_in_never_leads_elsewhere(client: Client, made: dict[str, Any]) -> None:
    form = {"login": made["users"][0].email, "password": world.PASSWORD, "next": "https://evil.example/"}
    assert "evil" not in client.post("/sign-in/?next=https://evil.example/", form).headers["Location"]


def test_one_time_link_is_used_by_the_button_only(client: Client, made: dict[str, Any]) -> None:
    path = "/" + create_sign_in_link(made["users"][1].pk, actor=SYSTEM).split("/", 3)[3]
    for _ in range(3):  # a scanner, a preview, the person
        assert b"signs you in once" in client.get(path).content
    assert client.post(path).status_code == 303
    assert client.get("/settings/you/").context["person"] == made["users"][1]
    again = Client().post(path)
    assert again.status_code == 404
    assert b"used already" in again.content


def test_nobody_can_make_an_account_for_themselves(client: Client) -> None:
    client.post("/account/signup/", {"email": "x@example.org", "password1": "x" * 20, "password2": "x" * 20})
    assert not User.objects.filter(email="x@example.org").exists()


@pytest.mark.parametrize("path", ["/account/password/reset/", "/account/login/"])
def test_accounts_pages_wear_our_shell(client: Client, path: str) -> None:
    page = client.get(path).content.decode()
    assert 'class="lone"' in page
    assert "Menu:" not in page


def test_a_person_is_made_changed_and_switched_off(dana: Client) -> None:
    form = {"name": "Sam Lee", "email": "sam@example.org", "zone": "Nowhere", "role": "responder", "active": "on"}
    assert "There is no such zone" in dana.post("/people/new/", form).content.decode()
    assert dana.post("/people/new/", form | {"zone": "Asia/Tokyo"}).status_code == 303
    sam = User.objects.get(email="sam@example.org")
    assert sam.contact_methods.get().channel == "email"
    dana.post(f"/people/{sam.pk}/switch/", {"active": "off"})
    assert sam not in [line[0] for line in dana.get("/people/").context["lines"]]
    assert [line[0] for line in dana.get("/people/?show=out").context["lines"]] == [sam]
    assert dana.post(f"/people/{sam.pk}/delete/").status_code == 303


def test_people_change_themselves_but_not_their_role(ines: Client, made: dict[str, Any]) -> None:
    me = made["users"][1]
    page = ines.get(f"/people/{me.pk}/edit/").content.decode()
    assert 'name="role"' not in page
    ines.post(f"/people/{me.pk}/edit/", {"name": "Ines O.", "zone": "Asia/Tokyo", "role": "admin"})
    me.refresh_from_db()
    assert (me.name, me.zone, me.role) == ("Ines O.", "Asia/Tokyo", "responder")
    assert ines.get(f"/people/{made['users'][2].pk}/edit/").status_code == 403
    assert ines.get("/people/new/").status_code == 403


def test_addresses_of_others_are_masked(ines: Client, made: dict[str, Any]) -> None:
    other = made["users"][2]
    ContactMethod.objects.filter(user=other, channel="email").update(address="private@elsewhere.example")
    assert "private@elsewhere.example" not in ines.get(f"/people/{other.pk}/").content.decode()


def test_contact_method_is_added_from_the_channels_descriptor(ines: Client, made: dict[str, Any]) -> None:
    me = made["users"][1]
    assert "channel=webhook" in ines.get(f"/people/{me.pk}/methods/add/").content.decode()
    path = f"/people/{me.pk}/methods/add/?channel=webhook"
    wrong = ines.post(path, {"address": "ftp://x"})
    assert wrong.status_code == 422
    assert "http://" in wrong.content.decode()
    good = {"address": "https://example.org/hook", "secret": "s3cret", "config-resolved": "on"}
    assert ines.post(path, good).status_code == 303
    method = me.contact_methods.get(channel="webhook")
    assert method.config["resolved"] is True
    page = ines.get(f"/people/methods/{method.pk}/edit/").content.decode()
    assert "s3cret" not in page
    ines.post(f"/people/methods/{method.pk}/edit/", {"address": "https://example.org/other", "secret": ""})
    kept = me.contact_methods.get(channel="webhook")
    assert (kept.address, kept.secret) == ("https://example.org/other", method.secret)
    assert ines.post(f"/people/methods/{method.pk}/delete/").status_code == 303


def test_notification_rules_are_written_in_order(ines: Client, made: dict[str, Any]) -> None:
    me = made["users"][1]
    mail, pocket = me.contact_methods.get(channel="email"), me.contact_methods.get(channel="pocket")
    path = f"/people/{me.pk}/rules/"
    form: dict[str, Any] = {
        "high-method": [str(mail.pk), str(pocket.pk), ""],
        "high-delay": ["0", "1.5", "0"],
        "low-method": [str(mail.pk)],
        "low-delay": ["60"],
    }
    assert "One more line" in ines.post(path, form | {"do": "low"}).content.decode()
    assert ines.post(path, form).status_code == 303
    rules = me.notification_rules.order_by("urgency", "position").values_list("urgency", "delay_s", "contact_method")
    assert list(rules) == [("high", 0, mail.pk), ("high", 90, pocket.pk), ("low", 3600, mail.pk)]
    assert ines.post(path, form | {"high-delay": ["x", "-1", "0"]}).status_code == 422
    assert ines.get(f"/people/{made['users'][2].pk}/rules/").status_code == 403


def test_teams(dana: Client, made: dict[str, Any]) -> None:
    form = {"name": "Data", "description": "", f"role-{made['users'][1].pk}": "manager"}
    assert dana.post("/people/teams/new/", form).status_code == 303
    team = Team.objects.get(name="Data")
    assert Membership.objects.get(team=team).role == "manager"
    assert "Ines Okafor" in dana.get(f"/people/teams/{team.pk}/").content.decode()
    assert dana.post(f"/people/teams/{made['team'].pk}/delete/").status_code == 409
    assert dana.post(f"/people/teams/{team.pk}/delete/").status_code == 303


def test_a_token_is_shown_once_and_revoked(ines: Client, made: dict[str, Any]) -> None:
    form = {"name": "ci", "user": made["users"][1].pk, "scopes": ["read"], "days": "30"}
    page = ines.post("/settings/tokens/", form)
    secret = page.context["secret"]
    assert secret in page.content.decode()
    assert authenticate_token(secret) is not None
    assert secret not in ines.get("/settings/tokens/").content.decode()
    assert ines.post("/settings/tokens/", form | {"user": made["users"][0].pk}).status_code == 422
    ines.post("/settings/tokens/revoke/", {"id": ApiToken.objects.get().pk})
    assert authenticate_token(secret) is None


def test_pages_of_a_person_can_be_exported(dana: Client, made: dict[str, Any]) -> None:
    assert dana.get(f"/people/{made['users'][0].pk}/pages/?format=csv").headers["Content-Type"].startswith("text/csv")
    assert len(dana.get("/people/?format=json").json()["items"]) == 6


def test_quiet_hours_are_typed_kept_and_survive_an_edit(ines: Client, made: dict[str, Any]) -> None:
    who = made["users"][1]
    path = f"/people/{who.pk}/rules/"
    wrong = ines.post(path, {"quiet-from": "22:00", "quiet-to": "22:00", "do": "save"})
    assert wrong.status_code == 422
    assert "from and to, such as 22:00-07:00, or empty" in wrong.content.decode()
    assert ines.post(path, {"quiet-from": "22:00", "quiet-to": "07:00", "do": "save"}).status_code == 303
    who.refresh_from_db()
    assert (who.quiet_from, who.quiet_to) == (1320, 420)
    assert "Quiet hours 22:00-07:00" in ines.get("/settings/you/").content.decode()
    assert 'value="22:00"' in ines.get(path).content.decode()
    assert ines.post(f"/people/{who.pk}/edit/", {"name": "Ines Again", "zone": "UTC"}).status_code == 303
    assert ines.get(f"/api/v1/users/{who.email}").json()["quiet"] == "22:00-07:00"
    assert ines.post(path, {"quiet-from": "", "quiet-to": "", "do": "save"}).status_code == 303
    who.refresh_from_db()
    assert who.quiet_from is None
    assert ines.post(f"/people/{made['users'][0].pk}/rules/", {"do": "save"}).status_code == 403


def browser_of(person: User) -> ContactMethod:
    """A browser that has switched push on."""
    return ContactMethod.objects.create(
        user=person,
        channel="webpush",
        label="Chrome on Android",
        address="https://push.example/wp/a-long-secret",
        config={"key": "K" * 87},
        secret="kept",
    )


def test_push_is_switched_on_where_one_is_reached(ines: Client, dana: Client, made: dict[str, Any]) -> None:
    me = made["users"][1]
    method = browser_of(me)
    page = ines.get("/settings/you/").content.decode()
    assert "Push to this browser" in page
    assert f'data-push-key-value="{push_key()}"' in page
    assert ">push.example<" in page, "the rest of the address says nothing to people"
    assert "Pages of high urgency do not go to Push (Chrome on Android)" in page
    assert "Pages of low urgency" not in page, "without rules they go everywhere"
    rule = me.notification_rules.filter(urgency="high").first()
    assert rule is not None
    rule.contact_method = method
    rule.save()
    page = ines.get("/settings/you/").content.decode()
    assert "do not go to" not in page
    assert "Push (Chrome on Android)" in page
    elsewhere = dana.get(f"/people/{me.pk}/").content.decode()
    assert "Push to this browser" not in elsewhere, "this browser is not theirs"
    assert "a-long-secret" not in elsewhere


def test_a_browser_adds_itself_and_is_only_named_by_hand(ines: Client, dana: Client, made: dict[str, Any]) -> None:
    me = made["users"][1]
    assert 'href="/settings/you/#push"' in ines.get(f"/people/{me.pk}/methods/add/").content.decode()
    assert "#push" not in dana.get(f"/people/{me.pk}/methods/add/").content.decode(), "nobody adds another's browser"
    answer = ines.get(f"/people/{me.pk}/methods/add/?channel=webpush")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/settings/you/#push")
    method = browser_of(me)
    form = ines.get(f"/people/methods/{method.pk}/edit/").content.decode()
    assert "a-long-secret" not in form
    changed = ines.post(f"/people/methods/{method.pk}/edit/", {"label": "My phone", "address": "https://evil.example/"})
    assert changed.status_code == 303
    method.refresh_from_db()
    assert (method.label, method.address) == ("My phone", "https://push.example/wp/a-long-secret")
    assert (method.config["key"], method.config.get("resolved")) == ("K" * 87, False)
    assert method.secret == "kept"


def test_a_phone_is_added_with_a_word_when_nothing_carries_it(ines: Client, made: dict[str, Any]) -> None:
    path = f"/people/{made['users'][1].pk}/methods/add/?channel="
    warning = "Nothing arrives here until an administrator sets a provider up"
    for channel, told in (("sms", True), ("voice", True), ("email", False)):
        assert (warning in ines.get(f"{path}{channel}").content.decode()) is told
    Provider.objects.create(name="T", slug="t", kind="twilio", config={"account": "AC1", "sender": "+15005550006"})
    assert warning not in ines.get(f"{path}sms").content.decode()
