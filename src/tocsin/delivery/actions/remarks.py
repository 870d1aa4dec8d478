"""What a person who was paged may say and ask about an incident besides the verbs, by mail or by SMS."""

from collections.abc import Sequence

from tocsin.delivery.actions.links import confidential, standing
from tocsin.delivery.actions.outbox import storable
from tocsin.escalation import queries as escalation
from tocsin.incidents import actions as incidents
from tocsin.people.models import User
from tocsin.people.queries import actor_of
from tocsin.platform.actor import Actor

NOTE_LENGTH = 20_000


def keep_note(ids: Sequence[int], text: str, user: User) -> None:
    """Keep a note on incidents in somebody's name. Raises Forbidden, NotFound, Invalid."""
    incidents.add_note(list(ids), text=storable(text)[:NOTE_LENGTH], actor=_as(user))


def who_else(incident_id: int, user: User) -> str:
    """Who else was paged for an incident since it last began to page; nothing of one that is confidential."""
    if confidential([incident_id]):
        return f"INC-{incident_id} is confidential: sign in to see who is paged for it."
    pages = list(escalation.pages(_as(user), incident_id).prefetch_related(None))
    last = max((page.generation for page in pages), default=0)
    names = {page.user.name: page.answered_at for page in pages if page.user and page.generation == last}
    names.pop(user.name, None)
    told = [f"{name} (has answered)" if answered else name for name, answered in names.items()]
    by = standing("acknowledge", [incident_id])
    paged = f"also paged: {', '.join(told)}." if told else "nobody else is paged."
    return f"INC-{incident_id}: {paged} {by or 'Nobody has acknowledged it.'}"


def _as(user: User) -> Actor:
    return actor_of(user, kind="link", scopes=frozenset({"respond"}))
