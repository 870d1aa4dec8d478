"""How a verb goes over incidents: lock what the actor may read, decide one by one, say what became of each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tocsin.incidents import rules
from tocsin.incidents.actions.book import Book, use_book
from tocsin.incidents.models import Reader
from tocsin.people.rules import Deed, require
from tocsin.platform.actor import Actor
from tocsin.platform.errors import NotFound


@dataclass(slots=True)
class Done:
    """What became of a verb: ids that changed, and for the others why not.

    ``partly``: of those that changed, the ones for which more people have to do the same, with how many more.
    """

    changed: list[int] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)
    partly: dict[int, str] = field(default_factory=dict)


def lock_readable(book: Book, ids: Sequence[int], actor: Actor) -> dict[int, rules.State]:
    """``book.lock``, without what the actor may not read: to them it does not exist."""
    found = book.lock(ids)
    secret = [state.id for state in found.values() if state.confidential]
    if not secret or rules.reads_everything(actor):
        return found
    rows = Reader.objects.filter(incident_id__in=secret, user_id=actor.user_id or 0)
    own = set(rows.values_list("incident_id", flat=True))
    return {key: state for key, state in found.items() if not state.confidential or key in own}


def each(ids: Iterable[int], actor: Actor, decide: Callable[[Book, rules.State], rules.Skip | None]) -> Done:
    """Lock the incidents, decide for each, note what changed; joins the caller's book.

    What the actor may not read is passed over as what is not there. Raises NotFound for one alone, Forbidden.
    """
    require(actor, Deed.RESPOND)
    wanted = list(dict.fromkeys(ids))
    done = Done()
    with use_book() as book:
        found = lock_readable(book, wanted, actor)
        for key in wanted:
            if key not in found:
                if len(wanted) == 1:
                    raise NotFound(f"There is no incident INC-{key}.")
                done.skipped[key] = "there is no such incident"
                continue
            skip = decide(book, found[key])
            if skip:
                done.skipped[key] = skip.why
            else:
                done.changed.append(key)
    return done
