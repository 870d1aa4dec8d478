"""Who acts. Every action takes ``actor`` and checks it; nothing happens in nobody's name."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, an API token of a person, a signed link, a source, or Tocsin itself.

    kind     ``user``, ``token``, ``link``, ``source`` or ``system``; ``sender``: whoever holds a source's key and reads
    id       primary key of the person (user, token, link) or the source; None for the system
    role     ``admin``, ``manager``, ``responder`` or ``observer``; the system's is ``admin``
    teams    ids of the teams the person belongs to
    managed  ids of the teams that the person manages
    scopes   what a token or link is narrowed to (``read``, ``respond``, ``configure``, ``admin``); None: not narrowed
    """

    kind: str
    id: int | None
    name: str
    role: str = "observer"
    teams: frozenset[int] = field(default=frozenset())
    managed: frozenset[int] = field(default=frozenset())
    scopes: frozenset[str] | None = None

    @property
    def user_id(self) -> int | None:
        """The person behind this actor, if there is one."""
        return self.id if self.kind in ("user", "token", "link") else None


SYSTEM = Actor(kind="system", id=None, name="Tocsin", role="admin")
