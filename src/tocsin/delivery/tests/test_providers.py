"""Providers as administrators meet them: actions, pages, API, configuration as code."""

import json

import pytest
from django.test import Client

from tocsin.delivery import provider_queries
from tocsin.delivery.actions.handovers import begin, count_refused, end, forget_handovers
from tocsin.delivery.actions.providers import delete_providers, save_provider, send_test_through
from tocsin.delivery.contract import Accepted, Errand, Rejected, TryLater
from tocsin.delivery.models import Delivery, Handover, Provider, ProviderHealth
from tocsin.delivery.provider_contract import Unfit
from tocsin.delivery.rules import trial_message
from tocsin.delivery.rules.providers import Circuit, ProviderSpec, Record
from tocsin.delivery.tests.conftest import World
from tocsin.delivery.tests.phones import CONFIG, NUMBER, TOKEN, phone, twilio
from tocsin.people.actions import add_contact_method, save_user, set_notification_rules
from tocsin.people.models import ContactMethod
from tocsin.people.rules import ContactMethodSpec, NotificationRuleSpec, UserSpec
from tocsin.people.tests.named import Named, named_people
from tocsin.platform import clock, secrets
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Conflict, Forbidden, Invalid
from tocsin.platform.models import AuditEntry
from tocsin.project.config.planning import apply, export, plan
from tocsin.project.config.reading import File

pytestmark = pytest.mark.django_db
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def people() -> Named:
    return named_people()


@pytest.fixture
def alice(client: Client, people: Named) -> Client:
    client.force_login(people.alice, backend=BACKEND)
    return client


def spec(**changes: object) -> ProviderSpec:
    made = ProviderSpec("Main line", "twilio", config=dict(CONFIG), secret=TOKEN)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


# --- actions ------------------------------------------------------------------------------------------------------


def test_a_provider_is_kept_its_secret_encrypted_and_not_in_the_audit(people: Named) -> None:
    row = save_provider(spec(countries=["+41", " +49 ", "+41"]), actor=people.actor(people.alice))
    assert (row.slug, row.countries) == ("main-line", ["+41", "+49"])
    assert TOKEN not in row.secret
    assert secrets.decrypt(row.secret) == TOKEN
    entry = AuditEntry.objects.get(kind="provider")
    assert TOKEN not in json.dumps([entry.before, entry.after])
    save_provider(spec(secret=None, position=3), actor=people.actor(people.alice), id=row.pk)
    row.refresh_from_db()
    assert secrets.decrypt(row.secret) == TOKEN, "left as it was"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"slug": "No Slug"}, "slug"),
        ({"kind": "pigeon"}, "kind"),
        ({"secret": ""}, "secret"),
        ({"countries": ["41"]}, "countries"),
        ({"countries": ["+"]}, "countries"),
        ({"position": -1}, "position"),
        ({"config": {}}, "config.account_sid"),
        ({"config": CONFIG | {"caller": "079 123 45 67"}}, "config.caller"),
        ({"config": CONFIG | {"base_url": "ftp://x"}}, "config.base_url"),
        ({"config": CONFIG | {"zonk": "1"}}, "config.zonk"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        save_provider(spec(**changes), actor=SYSTEM)
    assert field in caught.value.problems


def test_only_administrators(people: Named, world: World) -> None:
    row = twilio()
    bob = people.actor(people.bob)
    for do in (
        lambda: save_provider(spec(), actor=bob),
        lambda: delete_providers([row.pk], actor=bob),
        lambda: send_test_through(row.pk, actor=bob),
        lambda: provider_queries.providers(bob),
    ):
        with pytest.raises(Forbidden):
            do()
    with pytest.raises(Conflict):
        save_provider(spec(name="Main"), actor=SYSTEM)
    with pytest.raises(Invalid):
        save_provider(spec(name="Main", kind="telnyx"), actor=SYSTEM, id=row.pk)


def test_a_test_is_an_sms_to_oneself(people: Named, world: World) -> None:
    row, actor = twilio(), people.actor(people.alice)
    with pytest.raises(Conflict, match="add SMS with your number"):
        send_test_through(row.pk, actor=actor)
    phone(world, people.alice)
    delivery = Delivery.objects.get(pk=send_test_through(row.pk, actor=actor))
    assert (delivery.channel, delivery.address, delivery.kind) == ("sms", NUMBER, "test")
    assert delivery.key.startswith(f"provider:{row.pk}:test:")
    save_provider(spec(name="Main", secret=None, enabled=False), actor=SYSTEM, id=row.pk)
    with pytest.raises(Conflict, match="switched off"):
        send_test_through(row.pk, actor=actor)


# --- how they go --------------------------------------------------------------------------------------------------


def errand() -> Errand:
    return Errand(NUMBER, trial_message(key="t", at=clock.now(), to="Ada", url="https://t.example/"), text="Test")


def hand(row: Provider, result: Accepted | TryLater | Rejected | Unfit, *, probe: bool = False) -> bool:
    begun = begin(row.pk, errand(), probe=probe)
    if begun is not None:
        end(begun[0], row.pk, result, probe=probe)
    return begun is not None


def test_handovers_make_records_and_circuits() -> None:
    row, other = twilio(), twilio("Other", position=1)
    hand(row, Accepted("S1"))
    hand(other, Accepted("S2"))
    for _ in range(3):
        hand(row, TryLater(None, "HTTP 503"))
    hand(other, Rejected("no such number"))
    choice = provider_queries.choice("sms", NUMBER)
    first, second = choice.candidates
    assert (first.id, first.record, first.circuit.failures) == (row.pk, Record(1, 3), 3)
    assert first.circuit.open_until is not None
    assert (second.record, second.circuit) == (Record(1, 0), Circuit())
    assert len(choice.sent) == 2
    assert provider_queries.choice("sms", "+4915112345678").candidates[0].record == Record(), "another country"
    assert [one.id for one in provider_queries.choice("sms", NUMBER, other.pk).candidates] == [other.pk]
    [going, _] = provider_queries.going(provider_queries.providers(SYSTEM))
    assert (going.state, going.reason, going.bad) == ("open", "HTTP 503", 3)
    # whoever mends it does not wait
    save_provider(spec(name="Main", secret="another"), actor=SYSTEM, id=row.pk)
    assert provider_queries.choice("sms", NUMBER).candidates[0].circuit == Circuit()


def test_one_probe_at_a_time() -> None:
    row = twilio()
    ProviderHealth.objects.create(provider=row, failures=3, open_until=clock.now(), reason="HTTP 503")
    first = begin(row.pk, errand(), probe=True)
    assert first is not None
    assert begin(row.pk, errand(), probe=True) is None, "the first one finds out"
    end(first[0], row.pk, TryLater(None, "HTTP 503"), probe=True)
    assert ProviderHealth.objects.get().failures == 4
    assert begin(row.pk, errand(), probe=True) is None


def test_a_provider_that_is_removed_while_it_carries() -> None:
    row = twilio()
    begun = begin(row.pk, errand(), probe=False)
    assert begun is not None
    delete_providers([row.pk], actor=SYSTEM)
    end(begun[0], row.pk, TryLater(None, "HTTP 503"), probe=False)
    assert not ProviderHealth.objects.exists()


def test_what_cannot_be_used_is_left_out() -> None:
    twilio("Off", enabled=False)
    twilio("No caller", config={"caller": ""})
    lost = twilio("Lost")
    Provider.objects.filter(pk=lost.pk).update(secret="gAAAAA-not-ours")
    gone = twilio("Gone")
    Provider.objects.filter(pk=gone.pk).update(kind="pigeon")
    choice = provider_queries.choice("voice", NUMBER)
    assert choice.candidates == ()
    assert len(choice.problems) == 2
    assert "TOCSIN_SECRET_KEY" in " ".join(choice.problems)
    assert len(provider_queries.choice("sms", NUMBER).candidates) == 1


def test_old_handovers_are_forgotten() -> None:
    hand(twilio(), Accepted("S1"))
    assert forget_handovers() == 0
    Handover.objects.update(at=clock.now().replace(year=2020))
    assert forget_handovers() == 1


def test_figures(client: Client) -> None:
    row = twilio()
    for _ in range(3):
        hand(row, TryLater(None, "HTTP 503"))
    count_refused(row.pk)
    told = client.get("/metrics").content.decode()
    assert 'tocsin_provider_resting{provider="main"} 1.0' in told
    assert 'tocsin_provider_refusals_total{provider="main"} 1.0' in told


# --- pages --------------------------------------------------------------------------------------------------------


def test_pages(alice: Client, people: Named, world: World) -> None:
    home = "/settings/providers/"
    assert "No provider yet" in alice.get(home).content.decode()
    assert "Telnyx" in alice.get(f"{home}new/").content.decode()
    form = alice.get(f"{home}new/?kind=twilio").content.decode()
    assert "Account SID" in form
    assert "copy <em>Account SID</em>" in form
    fields = {"name": "Main", "position": "0", "countries": "+41, +49", "enabled": "on", "secret": TOKEN}
    fields |= {f"config-{name}": value for name, value in CONFIG.items()}
    wrong = alice.post(f"{home}new/?kind=twilio", fields | {"config-caller": "12", "countries": "41"})
    assert wrong.status_code == 422
    assert "a phone number with its country code" in wrong.content.decode()
    assert TOKEN not in wrong.content.decode()
    assert alice.post(f"{home}new/?kind=twilio", fields).status_code == 303
    row = Provider.objects.get()
    assert row.countries == ["+41", "+49"]
    shown = alice.get(f"{home}{row.pk}/").content.decode()
    assert f"/callbacks/{row.slug}/message" in shown
    assert TOKEN not in shown
    assert alice.post(f"{home}{row.pk}/", fields | {"secret": "", "name": "First"}).status_code == 303
    row.refresh_from_db()
    assert (row.name, secrets.decrypt(row.secret)) == ("First", TOKEN)
    for _ in range(3):
        hand(row, TryLater(None, "HTTP 503 <b>"))
    count_refused(row.pk)
    listed = alice.get(home).content.decode()
    assert "Rests" in listed
    assert "HTTP 503 &lt;b&gt;" in listed
    assert "1 request with a bad signature refused" in listed
    assert '"state": "open"' in alice.get(f"{home}?format=json").content.decode()
    assert alice.post(f"{home}{row.pk}/test/").status_code == 409
    phone(world, people.alice)
    assert alice.post(f"{home}{row.pk}/test/").status_code == 303
    assert "It is the last one" in alice.get(f"{home}{row.pk}/delete/").content.decode()
    assert alice.post(f"{home}{row.pk}/delete/").status_code == 303
    assert not Provider.objects.exists()


def test_pages_are_for_administrators(client: Client, people: Named) -> None:
    client.force_login(people.bob, backend=BACKEND)
    row = twilio()
    for path in ("", "new/", f"{row.pk}/", f"{row.pk}/delete/"):
        assert client.get(f"/settings/providers/{path}").status_code == 403


# --- API and configuration as code --------------------------------------------------------------------------------


def test_api(alice: Client, people: Named, world: World) -> None:
    body = {"name": "Main line", "kind": "twilio", "config": CONFIG, "secret": TOKEN, "countries": ["+41"]}
    made = alice.post("/api/v1/providers", body, content_type="application/json", headers={"X-Requested-With": "x"})
    assert made.status_code == 201, made.content
    told = made.json()
    assert TOKEN not in made.content.decode()
    assert (told["slug"], told["secret_set"], told["carries"]) == ("main-line", True, ["sms", "voice"])
    assert told["replies_url"].endswith("/callbacks/main-line/message")
    assert alice.get("/api/v1/providers").json()["items"][0]["state"] == "closed"
    body.pop("secret")
    changed = alice.put("/api/v1/providers/main-line", body | {"position": 2}, content_type="application/json")
    assert (changed.status_code, changed.json()["position"]) == (200, 2)
    assert alice.post("/api/v1/providers/main-line/test").status_code == 409
    phone(world, people.alice)
    assert alice.post("/api/v1/providers/main-line/test").status_code == 202
    wrong = alice.put("/api/v1/providers/main-line", body | {"config": {}}, content_type="application/json")
    assert wrong.status_code == 422
    assert "config.account_sid" in wrong.json()["error"]["problems"]
    alice.force_login(people.bob, backend=BACKEND)
    assert alice.get("/api/v1/providers").status_code == 403
    alice.force_login(people.alice, backend=BACKEND)
    assert alice.delete("/api/v1/providers/main-line").json() == {"count": 1}


FILE = """\
version: 1
providers:
  - name: Main line
    kind: twilio
    secret: a-token
    countries: ["+41"]
    config: {account_sid: AC1, sender: "+41 79 807 12 34", caller: "+41 79 807 12 34"}
"""


def test_configuration_as_code() -> None:
    files = [File("p.yaml", FILE)]
    apply(files, actor=SYSTEM)
    row = Provider.objects.get()
    assert row.config == {"account_sid": "AC1", "sender": "+41 79 807 12 34", "caller": "+41798071234"}
    assert secrets.decrypt(row.secret) == TOKEN
    assert plan(files, actor=SYSTEM).changes == []
    written = export(actor=SYSTEM)
    assert TOKEN not in written
    assert "main-line" in written
    apply([File("p.yaml", written)], actor=SYSTEM)
    assert secrets.decrypt(Provider.objects.get().secret) == TOKEN, "left as it was"


# --- numbers of people --------------------------------------------------------------------------------------------


def test_numbers_are_kept_in_one_way_of_writing(people: Named) -> None:
    bob = people.bob
    made = add_contact_method(bob.pk, ContactMethodSpec("sms", " 0041 79 123 45 67 "), actor=SYSTEM)
    assert made.address == NUMBER
    with pytest.raises(Conflict):
        add_contact_method(bob.pk, ContactMethodSpec("sms", "+41 79 1234567"), actor=SYSTEM)
    with pytest.raises(Invalid) as caught:
        add_contact_method(bob.pk, ContactMethodSpec("voice", "079 123 45 67"), actor=SYSTEM)
    assert "country code" in caught.value.problems["address"]
    rules = [NotificationRuleSpec("high", "sms", "+41 79 123 45 67")]
    assert set_notification_rules(bob.pk, rules, actor=SYSTEM)[0].contact_method_id == made.pk


def test_one_number_twice_in_a_file_is_named(people: Named) -> None:
    methods = [ContactMethodSpec("sms", "+41 79 123 45 67"), ContactMethodSpec("sms", NUMBER)]
    with pytest.raises(Invalid) as caught:
        save_user(UserSpec("bob@example.org", "Bob", contact_methods=methods), actor=SYSTEM, id=people.bob.pk)
    assert "contact_methods.1.address" in caught.value.problems
    assert not ContactMethod.objects.filter(channel="sms").exists()
