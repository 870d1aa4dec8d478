from dataclasses import replace
from datetime import timedelta

import pytest

from tocsin.people import actions, queries
from tocsin.people.models import ApiToken, ContactMethod
from tocsin.people.rules import ContactMethodSpec, NotificationRuleSpec, TeamSpec, UserSpec
from tocsin.people.tests.named import Named, named_people
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.errors import Conflict, Forbidden, Invalid, NotFound
from tocsin.platform.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> Named:
    return named_people()


def test_a_new_person_is_reached_by_mail(people: Named) -> None:
    assert [(m.channel, m.address) for m in people.bob.contact_methods.all()] == [("email", "bob@example.org")]
    assert {r.urgency for r in people.bob.notification_rules.all()} == {"high", "low"}
    assert not people.bob.has_usable_password()


def test_only_an_administrator_adds_people(people: Named) -> None:
    spec = UserSpec("dan@example.org", "Dan")
    for user in (people.bob, people.charlie):
        with pytest.raises(Forbidden):
            actions.save_user(spec, actor=people.actor(user))
    dan = actions.save_user(spec, actor=people.actor(people.alice))
    assert queries.user(SYSTEM, "DAN@example.org") == dan
    with pytest.raises(Conflict):
        actions.save_user(replace(spec, email="Dan@Example.org"), actor=SYSTEM)


def test_people_change_themselves_but_not_their_role(people: Named) -> None:
    bob = people.actor(people.bob)
    mine = UserSpec(
        "bob@example.org",
        "Robert",
        zone="Asia/Tokyo",
        contact_methods=[ContactMethodSpec("ntfy", "https://ntfy.example/bobs-topic")],
    )
    saved = actions.save_user(mine, actor=bob, id=people.bob.pk)
    assert (saved.name, saved.zone) == ("Robert", "Asia/Tokyo")
    # the mail rule went with its contact method, so new rules were made: nobody is left without any
    assert {r.contact_method.channel for r in saved.notification_rules.all()} == {"ntfy"}
    with pytest.raises(Forbidden):
        actions.save_user(replace(mine, role="admin"), actor=bob, id=people.bob.pk)
    with pytest.raises(Forbidden):
        actions.save_user(mine, actor=people.actor(people.charlie), id=people.bob.pk)


def test_lists_that_are_not_given_stay(people: Named) -> None:
    actions.save_user(UserSpec("bob@example.org", "Bob B."), actor=SYSTEM, id=people.bob.pk)
    assert people.bob.contact_methods.count() == 1
    assert people.bob.notification_rules.count() == 2


def test_the_last_administrator_stays(people: Named) -> None:
    with pytest.raises(Conflict):
        actions.save_user(UserSpec("alice@example.org", "Alice", role="observer"), actor=SYSTEM, id=people.alice.pk)
    with pytest.raises(Conflict):
        actions.set_active([people.alice.pk], False, actor=SYSTEM)
    with pytest.raises(Conflict):
        actions.delete_users([people.alice.pk], actor=SYSTEM)


def test_managers_do_not_go_in_circles(people: Named) -> None:
    actions.save_user(UserSpec("bob@example.org", "Bob", manager="alice@example.org"), actor=SYSTEM, id=people.bob.pk)
    with pytest.raises(Invalid) as caught:
        actions.save_user(
            UserSpec("alice@example.org", "Alice", role="admin", manager="bob@example.org"),
            actor=SYSTEM,
            id=people.alice.pk,
        )
    assert "manager" in caught.value.problems


def test_saving_the_same_again_changes_nothing(people: Named) -> None:
    entries = AuditEntry.objects.count()
    for spec in queries.export_users():
        actions.save_user(spec, actor=SYSTEM, id=queries.user(SYSTEM, spec.email).pk)
    for team in queries.export_teams():
        found = queries.team_named(team.slug)
        assert found is not None
        actions.save_team(team, actor=SYSTEM, id=found.pk)
    assert AuditEntry.objects.count() == entries


def test_a_changed_address_has_to_be_proved_again(people: Named) -> None:
    method = people.bob.contact_methods.get()
    bob = people.actor(people.bob)
    actions.verify_contact_methods([method.pk], actor=SYSTEM)
    same = actions.update_contact_method(
        method.pk, ContactMethodSpec("email", "bob@example.org", label="work"), actor=bob
    )
    assert same.verified_at
    other = actions.update_contact_method(method.pk, ContactMethodSpec("email", "bob@elsewhere.org"), actor=bob)
    assert other.verified_at is None
    with pytest.raises(Forbidden):
        actions.update_contact_method(
            method.pk, ContactMethodSpec("email", "charlie@example.org"), actor=people.actor(people.charlie)
        )
    with pytest.raises(Invalid) as caught:
        actions.update_contact_method(method.pk, ContactMethodSpec("pigeon", "x"), actor=bob)
    assert "channel" in caught.value.problems


def test_secrets_are_stored_encrypted(people: Named) -> None:
    spec = ContactMethodSpec("webhook", "https://example.org/x", secret="hush")
    method = actions.add_contact_method(people.bob.pk, spec, actor=people.actor(people.bob))
    assert method.secret
    assert "hush" not in method.secret
    kept = actions.update_contact_method(method.pk, replace(spec, secret=None), actor=SYSTEM)
    assert kept.secret == method.secret
    assert "hush" not in repr(queries.export_users())


def test_others_see_masked_addresses(people: Named) -> None:
    seen = queries.contact_methods(people.actor(people.charlie), people.bob.pk)
    assert [m.address for m in seen] == ["b…@example.org"]
    assert queries.contact_methods(people.actor(people.bob), people.bob.pk)[0].address == "bob@example.org"


def test_rules_are_replaced_in_order(people: Named) -> None:
    wanted = [NotificationRuleSpec("high", "email", "bob@example.org", delay) for delay in (0, 300)]
    actions.set_notification_rules(people.bob.pk, wanted, actor=people.actor(people.bob))
    assert [(r.position, r.delay_s) for r in people.bob.notification_rules.all()] == [(0, 0), (1, 300)]
    with pytest.raises(Invalid) as caught:
        actions.set_notification_rules(people.bob.pk, [NotificationRuleSpec("high", "ntfy", "x")], actor=SYSTEM)
    assert "rules.0.address" in caught.value.problems
    assert people.bob.notification_rules.count() == 2


def test_deleting_a_contact_method_takes_its_rules(people: Named) -> None:
    method = people.bob.contact_methods.get()
    with pytest.raises(Forbidden):
        actions.delete_contact_methods([method.pk], actor=people.actor(people.charlie))
    assert actions.delete_contact_methods([method.pk], actor=people.actor(people.bob)) == 1
    assert not ContactMethod.objects.filter(user=people.bob).exists()
    assert not people.bob.notification_rules.exists()


def test_team_managers_manage_their_team_only(people: Named) -> None:
    bob = people.actor(people.bob)
    actions.set_members(people.core.pk, {"charlie@example.org": "member"}, actor=bob)
    assert people.core.memberships.count() == 3
    actions.remove_members(people.core.pk, ["charlie@example.org"], actor=bob)
    with pytest.raises(Forbidden):
        actions.set_members(people.shop.pk, {"bob@example.org": "member"}, actor=bob)
    with pytest.raises(Forbidden):
        actions.save_team(TeamSpec("New"), actor=bob)
    with pytest.raises(Invalid) as caught:
        actions.set_members(people.core.pk, {"nobody@example.org": "member"}, actor=bob)
    assert "members.nobody@example.org" in caught.value.problems
    with pytest.raises(Conflict):
        actions.save_team(TeamSpec("core"), actor=SYSTEM)
    assert actions.delete_teams([people.shop.pk], actor=SYSTEM) == 1


def test_tokens_stand_for_their_person_and_end(people: Named) -> None:
    row, token = actions.create_token(people.bob.pk, actor=people.actor(people.bob), scopes=["read"], days=1)
    assert token.startswith("tocsin_")
    assert len(token) == 47
    assert token not in repr(ApiToken.objects.values())
    actor = queries.authenticate_token(token)
    assert actor is not None
    assert (actor.kind, actor.id, actor.scopes) == ("token", people.bob.pk, frozenset({"read"}))
    assert queries.authenticate_token(token[:-1] + "!") is None
    assert queries.authenticate_token("") is None
    row.refresh_from_db()
    used = row.last_used_at
    queries.authenticate_token(token)
    row.refresh_from_db()
    assert row.last_used_at == used
    clock.shift(timedelta(days=2))
    assert queries.authenticate_token(token) is None


def test_a_revoked_token_and_an_inactive_person_are_out(people: Named) -> None:
    bob = people.actor(people.bob)
    row, token = actions.create_token(people.bob.pk, actor=bob)
    with pytest.raises(Forbidden):
        actions.revoke_tokens([row.pk], actor=people.actor(people.charlie))
    assert actions.revoke_tokens([row.pk], actor=bob) == 1
    assert queries.authenticate_token(token) is None
    _, second = actions.create_token(people.bob.pk, actor=bob)
    actions.set_active([people.bob.pk], False, actor=SYSTEM)
    assert queries.authenticate_token(second) is None


def test_a_narrow_token_makes_no_tokens(people: Named) -> None:
    _, token = actions.create_token(people.alice.pk, actor=SYSTEM, scopes=["configure"])
    narrow = queries.authenticate_token(token)
    assert narrow is not None
    with pytest.raises(Forbidden):
        actions.create_token(people.alice.pk, actor=narrow, scopes=["admin"])
    with pytest.raises(Forbidden):
        actions.create_token(people.alice.pk, actor=people.actor(people.bob))
    with pytest.raises(Invalid) as caught:
        actions.create_token(people.alice.pk, actor=SYSTEM, scopes=["everything"], days=0)
    assert set(caught.value.problems) == {"scopes", "days"}


def test_tokens_of_others_are_not_listed(people: Named) -> None:
    actions.create_token(people.alice.pk, actor=SYSTEM)
    actions.create_token(people.bob.pk, actor=SYSTEM)
    assert [row.user_id for row in queries.tokens(people.actor(people.bob))] == [people.bob.pk]
    assert queries.tokens(people.actor(people.alice)).count() == 2


def test_what_is_not_there_is_not_found(people: Named) -> None:
    with pytest.raises(NotFound):
        queries.user(SYSTEM, "nobody@example.org")
    with pytest.raises(NotFound):
        queries.team(SYSTEM, "none")
    with pytest.raises(NotFound):
        actions.save_team(TeamSpec("X"), actor=SYSTEM, id=999_999)
    with pytest.raises(NotFound):
        actions.add_contact_method(999_999, ContactMethodSpec("email", "a@b.c"), actor=SYSTEM)
