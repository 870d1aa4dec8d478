"""One request about alerts: the source or the person that asks, as what it acts, and how it names an alert."""

from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from tocsin.api.opsgenie.names import alert_number
from tocsin.intake import queries as intake
from tocsin.intake.contract import clean_text, short_key
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid
from tocsin.triage import queries as triage


@dataclass(frozen=True)
class Asked:
    """Who asks, with what query, and the absolute address that was asked.

    ``actor`` writes, in the source's name. ``reader`` reads: what a source sends is open to Tocsin's own work in its
    name, but whoever holds its key is a stranger to confidential incidents. With a person's API token there is no
    ``source``, and both are that person.
    """

    source: intake.SourceRow | None
    actor: Actor
    reader: Actor
    query: QueryDict
    address: str

    def alerts(self) -> Any:
        """The alerts of this source that it may see, not those of confidential incidents; all that a person may."""
        rows = triage.alerts(self.reader, source=[] if self.source is None else [self.source.pk])
        return rows.select_related("source", "incident", "incident__acknowledged_by")

    @property
    def source_id(self) -> int | None:
        """The source's number; None for a person."""
        return None if self.source is None else self.source.pk

    @property
    def kind_of_name(self) -> str:
        """How alerts are named in this request: id, tiny or alias. Raises Invalid."""
        kind = (self.query.get("identifierType") or "id").lower()
        if kind not in ("id", "tiny", "alias"):
            raise Invalid("The alert cannot be found like this.", {"identifierType": "id, tiny or alias"})
        return kind

    def alert(self, name: str) -> Any:
        """The alert of this name, the newest of an alias; None when there is none. Raises Invalid."""
        if self.kind_of_name == "alias":
            return self.alerts().filter(dedup_key=short_key(clean_text(name))).order_by("-id").first()
        if self.kind_of_name == "tiny":
            number = int(name) if name.isascii() and name.isdigit() and len(name) < 19 else None
        else:
            number = alert_number(self.source_id, name)
        return self.alerts().filter(pk=number).first() if number is not None and number < 2**63 else None
