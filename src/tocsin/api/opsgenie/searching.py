"""The part of Opsgenie's search language that lists of alerts understand. Pure."""

import re

from tocsin.platform.errors import Invalid

FIELDS = ("alias", "message", "priority", "status", "tinyid")
_TERM = re.compile(r"\s*(?P<field>[A-Za-z]+)\s*[:=]\s*(?P<value>\"[^\"]*\"|\S.*?)\s*")
_AND = re.compile(r"\s+AND\s+", re.IGNORECASE)


def read(query: str, statuses: tuple[str, ...] = ("open", "closed")) -> dict[str, str]:
    """The terms of a query, by lower-case field; words without a field are looked for in the message.

    ``status: open AND priority: P1 AND disk``. Raises Invalid for what is not understood: to leave out a condition
    would answer with alerts that were not asked for.
    """
    found: dict[str, str] = {}
    for part in _AND.split(query.strip()):
        if not part.strip():
            continue
        term = _TERM.fullmatch(part)
        name = term["field"].lower() if term else "message"
        value = (term["value"] if term else part).strip().strip('"')
        if name not in FIELDS or name in found or re.search(r"[<>()*]|\bOR\b|\bNOT\b", value):
            raise Invalid("This query is not understood.", {"query": f"terms of {', '.join(FIELDS)}, joined by AND"})
        found[name] = value
    if found.get("status", statuses[0]) not in statuses:
        raise Invalid("This query is not understood.", {"query": f"status is {' or '.join(statuses)}"})
    return found
