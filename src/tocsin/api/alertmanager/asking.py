"""One request: who asks, and what of it they may read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, QueryDict

from tocsin.catalogue import queries as catalogue
from tocsin.intake import queries as intake
from tocsin.intake.sources.alertmanager_api import parser
from tocsin.people.queries import authenticate_token
from tocsin.platform.actor import Actor
from tocsin.triage import queries as triage

KIND = "alertmanager-api"


class Refused(Exception):
    """A request that is turned away in Alertmanager's way: status, and the body as a JSON value (None: empty)."""

    def __init__(self, status: int, body: Any = None) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


@dataclass(frozen=True)
class Asked:
    """Who asks. ``actor`` makes silences; ``reader`` reads alerts: whoever holds a source's key is a stranger to
    confidential incidents. ``source`` is None for a person."""

    actor: Actor
    reader: Actor
    source: intake.SourceRow | None
    query: QueryDict

    def alerts(self) -> Any:
        """Open alerts that the asker may see; a source's own."""
        of = [self.source.pk] if self.source is not None else []
        return triage.alerts(self.reader, state=["open"], source=of).select_related("held_by__silence")

    def receivers(self) -> list[str]:
        """Names of the services whose alerts the asker may see: what stands for receivers here."""
        if self.source is not None:
            return [self.source.service.slug]
        return [service.slug for service in catalogue.services(self.reader)]

    def many(self, name: str) -> list[str]:
        """Every value of a query parameter, however the client repeats it."""
        return [*self.query.getlist(name), *self.query.getlist(f"{name}[]")]

    def flag(self, name: str) -> bool:
        """A switch of the query that is on by default. Raises Refused."""
        text = self.query.get(name, "true").lower()
        if text not in ("true", "1", "t", "false", "0", "f"):
            message = f'{name} in query must be of type boolean: "{text[:80]}"'
            raise Refused(422, {"code": 601, "message": message})
        return text in ("true", "1", "t")


def asked(request: HttpRequest, key: str) -> Asked | None:
    """Who asks: by the key in the address, else as the door takes it (bearer, password of Basic, ``?token=``).

    A token of Tocsin stands for its person; anything else must be the key of a source. None: neither is known. Raises
    ParseError when the header cannot be read.
    """
    found = key or parser.key_in(request.headers.get("Authorization", ""), request.META.get("QUERY_STRING", "")) or ""
    if found.startswith("tocsin_"):
        actor = authenticate_token(found)
        return None if actor is None else Asked(actor, actor, None, request.GET)
    source = intake.source_of_key(found, KIND)
    if source is None:
        return None
    return Asked(
        actor=Actor(kind="source", id=source.pk, name=source.name, role="responder"),
        reader=Actor(kind="sender", id=None, name=source.name, role="observer"),
        source=source,
        query=request.GET,
    )


def written(moment: datetime) -> str:
    """A moment as Alertmanager writes it: milliseconds, UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def strings(value: Any) -> Iterator[tuple[str, str]]:
    """The pairs of a JSON object whose values are text."""
    if isinstance(value, dict):
        for name, text in value.items():
            if isinstance(text, str):
                yield str(name), text
