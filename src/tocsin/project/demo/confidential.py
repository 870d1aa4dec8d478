"""The one confidential incident of the history: what it is, and who may read it."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from tocsin.people.models import User
from tocsin.project.demo import company
from tocsin.project.demo.conditions import Condition

SIGN_INS = Condition(
    "ImpossibleTravel",
    "critical",
    "{service}: an administrator signed in from two continents within an hour",
    {"account": ("adm-17",)},
    "A stolen session. Ended, and the passkey replaced.",
)
Entry = tuple[datetime, str, tuple[str, int | None, str], dict[str, Any]]


def let_in(users: Iterable[User], who: tuple[str, int | None, str], answered: datetime) -> Entry:
    """Whoever answers for it asks for the one person who must know."""
    asked = next(user for user in users if user.email == f"{company.CONFIDANT}@{company.DOMAIN}")
    facts = {"users": [asked.pk], "names": [asked.name], "reason": "Decides whether customers must hear of it."}
    return answered + timedelta(minutes=2), "let_in", who, facts


def readers(entries: Iterable[Entry]) -> Iterator[tuple[int, datetime, str]]:
    """Who may read it, since when and why: those who were paged, and those who were let in."""
    known: set[int] = set()
    for at, kind, actor, data in sorted(entries, key=lambda entry: entry[0]):
        why = {"paged": "was paged for it", "let_in": f"{actor[2]} let them in"}.get(kind, "")
        for user in data["users"] if why else ():
            if user not in known:
                yield user, at, why
            known.add(user)
