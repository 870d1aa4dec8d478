"""Who may do what. Pure: an actor and a deed in, yes or no with the reason out."""

from enum import StrEnum

from tocsin.platform.actor import Actor
from tocsin.platform.errors import Forbidden


class Deed(StrEnum):
    """What an actor may want to do; the least role that may is in ``MAY``."""

    READ = "read"
    RESPOND = "respond"  # acknowledge, resolve, note, escalate ... any incident
    OVERRIDE = "override"  # put a person on call
    CONFIGURE = "configure"  # services, sources, schedules, policies, rules of a team
    ADMINISTER = "administer"  # people, tokens of others, organisation settings


RANK = {"observer": 0, "responder": 1, "manager": 2, "admin": 3}
MAY = {Deed.READ: 0, Deed.RESPOND: 1, Deed.OVERRIDE: 1, Deed.CONFIGURE: 2, Deed.ADMINISTER: 3}
SCOPE = {
    Deed.READ: {"read", "respond", "configure", "admin"},
    Deed.RESPOND: {"respond", "configure", "admin"},
    Deed.OVERRIDE: {"respond", "configure", "admin"},
    Deed.CONFIGURE: {"configure", "admin"},
    Deed.ADMINISTER: {"admin"},
}
SCOPES = ("read", "respond", "configure", "admin")


def may(actor: Actor | None, deed: Deed, team_id: int | None = None) -> bool:
    """Whether ``actor`` may do ``deed``, for the things of a team when ``team_id`` is given.

    A responder who manages the team may configure what the team owns.
    """
    if actor is None:
        return False
    if actor.kind == "system":
        return True
    if actor.scopes is not None and not actor.scopes & SCOPE[deed]:
        return False
    if RANK.get(actor.role, 0) >= MAY[deed]:
        return True
    return deed is Deed.CONFIGURE and team_id is not None and team_id in actor.managed


def require(actor: Actor | None, deed: Deed, team_id: int | None = None) -> None:
    """Raise Forbidden unless ``may``."""
    if not may(actor, deed, team_id):
        who = actor.name if actor else "Somebody who is not signed in"
        raise Forbidden(f"{who} may not {deed.value} here; ask an administrator for the right role or token scope.")
