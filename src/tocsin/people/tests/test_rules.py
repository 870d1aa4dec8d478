import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.people import rules
from tocsin.people.rules import ContactMethodSpec, Deed, NotificationRuleSpec, TeamSpec, UserSpec
from tocsin.platform.actor import SYSTEM, Actor

CHANNELS = ["email", "ntfy"]


def actor(role: str, scopes: set[str] | None = None, managed: set[int] | None = None) -> Actor:
    kind = "user" if scopes is None else "token"
    chosen = None if scopes is None else frozenset(scopes)
    return Actor(kind=kind, id=1, name="Somebody", role=role, managed=frozenset(managed or ()), scopes=chosen)


@pytest.mark.parametrize(
    ("role", "deeds"),
    [
        ("observer", {Deed.READ}),
        ("responder", {Deed.READ, Deed.RESPOND, Deed.OVERRIDE}),
        ("manager", {Deed.READ, Deed.RESPOND, Deed.OVERRIDE, Deed.CONFIGURE}),
        ("admin", set(Deed)),
        ("unheard-of", {Deed.READ}),
    ],
)
def test_a_role_may_exactly_this(role: str, deeds: set[Deed]) -> None:
    assert {deed for deed in Deed if rules.may(actor(role), deed)} == deeds


@pytest.mark.parametrize(
    ("scopes", "deeds"),
    [
        (set(), set()),
        ({"read"}, {Deed.READ}),
        ({"respond"}, {Deed.READ, Deed.RESPOND, Deed.OVERRIDE}),
        ({"configure"}, {Deed.READ, Deed.RESPOND, Deed.OVERRIDE, Deed.CONFIGURE}),
        ({"admin"}, set(Deed)),
    ],
)
def test_a_token_narrows_even_an_administrator(scopes: set[str], deeds: set[Deed]) -> None:
    assert {deed for deed in Deed if rules.may(actor("admin", scopes), deed)} == deeds


@given(st.sampled_from(list(rules.RANK)), st.sets(st.sampled_from(rules.SCOPES)), st.sampled_from(list(Deed)))
def test_a_token_never_may_more_than_its_person(role: str, scopes: set[str], deed: Deed) -> None:
    assert not rules.may(actor(role, scopes), deed) or rules.may(actor(role), deed)


def test_who_manages_a_team_configures_what_it_owns() -> None:
    bob = actor("responder", managed={7})
    assert rules.may(bob, Deed.CONFIGURE, 7)
    assert not rules.may(bob, Deed.CONFIGURE, 8)
    assert not rules.may(bob, Deed.CONFIGURE)
    assert not rules.may(None, Deed.READ)
    assert rules.may(SYSTEM, Deed.ADMINISTER)


def test_a_token_that_may_respond_cannot_redirect_pages() -> None:
    assert rules.may_edit_person(actor("responder"), 1)
    assert not rules.may_edit_person(actor("responder"), 2)
    assert not rules.may_edit_person(actor("responder", {"respond"}), 1)
    assert rules.may_edit_person(actor("responder", {"configure"}), 1)
    assert not rules.may_edit_person(Actor(kind="link", id=1, name="", role="responder"), 1)
    assert not rules.may_edit_person(Actor(kind="source", id=1, name="", role="responder"), 1)


@pytest.mark.parametrize(
    "email", ["alice@example.org", "a.b+c@mail.example", "o'neil@localhost", "ä@example.org", "a@1.2"]
)
def test_addresses_that_are_fine(email: str) -> None:
    assert rules.check_email(email) is None


@pytest.mark.parametrize(
    "email",
    ["", "alice", "@example.org", "alice@", "a b@example.org", "a@b@c", "a@-b", "a@b..c", "a@b\n", "x" * 250 + "@b.c"],
)
def test_addresses_that_are_not(email: str) -> None:
    assert rules.check_email(email)


@given(st.text())
def test_any_text_is_judged_without_an_exception(text: str) -> None:
    spec = UserSpec(text, text, text, text, [ContactMethodSpec(text, text)], [NotificationRuleSpec(text, text, text)])
    assert rules.check_user(spec, CHANNELS)
    rules.check_team(TeamSpec(text, text, text, {text: text}))
    rules.mask(text)


def test_problems_name_the_field() -> None:
    spec = UserSpec(
        "alice@example.org",
        "Alice",
        zone="Mars/Olympus",
        role="king",
        contact_methods=[ContactMethodSpec("email", "nowhere"), ContactMethodSpec("pigeon", "1")],
        rules=[NotificationRuleSpec("high", "ntfy", "x", -1)],
    )
    assert set(rules.check_user(spec, CHANNELS)) == {
        "zone",
        "role",
        "contact_methods.0.address",
        "contact_methods.1.channel",
        "rules.0.delay_s",
        "rules.0.address",
    }
    assert set(rules.check_team(TeamSpec("", "12", members={"a@b": "boss"}))) == {"name", "slug", "members.a@b"}


def test_defaults_reach_a_person_at_once_and_on_every_method() -> None:
    made = rules.default_rules([("ntfy", "x"), ("email", "a@b")])
    assert [(rule.urgency, rule.channel, rule.delay_s) for rule in made] == [
        ("high", "ntfy", 0),
        ("high", "email", 120),
        ("low", "ntfy", 0),
    ]
    assert rules.default_rules([]) == []


def test_masked_addresses_do_not_hold_the_address() -> None:
    assert rules.mask("alice@example.org") == "a…@example.org"
    assert "token" not in rules.mask("https://hooks.example/token/abcdef")
    assert rules.mask("short") == "…"
