"""Three people who appear in tests: Alice administers, Bob is a responder in her team, Charlie is in another one."""

from dataclasses import dataclass

from tocsin.people import actions, queries
from tocsin.people.models import Team, User
from tocsin.people.rules import TeamSpec, UserSpec
from tocsin.platform.actor import SYSTEM, Actor


@dataclass(frozen=True)
class Named:
    """The people, their teams, and actors that stand for them."""

    alice: User
    bob: User
    charlie: User
    core: Team
    shop: Team

    def actor(self, user: User) -> Actor:
        return queries.actor_of(user)


def named_people() -> Named:
    """Make them."""
    alice = actions.save_user(UserSpec("alice@example.org", "Alice", role="admin", zone="Europe/Zurich"), actor=SYSTEM)
    bob = actions.save_user(UserSpec("bob@example.org", "Bob"), actor=SYSTEM)
    charlie = actions.save_user(UserSpec("charlie@example.org", "Charlie", role="observer"), actor=SYSTEM)
    core = actions.save_team(TeamSpec("Core", members={alice.email: "member", bob.email: "manager"}), actor=SYSTEM)
    shop = actions.save_team(TeamSpec("Shop", members={charlie.email: "member"}), actor=SYSTEM)
    return Named(alice, bob, charlie, core, shop)
