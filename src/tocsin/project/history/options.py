"""How somebody wants a file to be read: checked, and as JSON. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from tocsin.people.rules import known_zone
from tocsin.platform.errors import Invalid
from tocsin.project.history.columns import BY_NAME, FIELDS
from tocsin.project.history.dates import ORDERS
from tocsin.project.history.values import ANSWERS

OPEN = ("resolve", "leave_out")
SERVICES = ("imported", "create")


@dataclass(frozen=True, slots=True)
class Options:
    """How the file is read.

    mapping   field -> column; a field that is not named has no column
    order     D/M/Y, M/D/Y or Y/M/D; empty: it has to be said before anything is planned
    zone      IANA zone of moments that carry none; empty: it has to be said, if there are any
    values    field -> value in the file -> what it means
    link      address of an incident there, with ``{number}`` in it
    open      what becomes of incidents that are open in the file: ``resolve`` or ``leave_out``
    services  what becomes of services that are not known here: ``imported`` (one for all) or ``create``
    teams     whether a service that is made belongs to its team, made too if need be
    """

    mapping: dict[str, str] = field(default_factory=dict)
    order: str = ""
    zone: str = ""
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    link: str = ""
    open: str = "resolve"
    services: str = "imported"
    teams: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "mapping": self.mapping, "order": self.order, "zone": self.zone, "values": self.values, "link": self.link,
            "open": self.open, "services": self.services, "teams": self.teams,
        }  # fmt: skip

    @property
    def clock(self) -> ZoneInfo:
        return ZoneInfo(self.zone or "UTC")


def of_json(value: Mapping[str, Any]) -> Options:
    """The inverse of ``to_json``."""
    return Options(**{name: value[name] for name in Options.__dataclass_fields__ if name in value})


def checked(options: Options, columns: list[str]) -> Options:
    """The options without what is empty. Raises Invalid, naming each field that is wrong."""
    problems: dict[str, str] = {}
    mapping = {name: column for name, column in options.mapping.items() if column}
    for name, column in mapping.items():
        if name not in BY_NAME:
            problems[f"mapping.{name}"] = f"is no field; they are {', '.join(one.name for one in FIELDS)}"
        elif column not in columns:
            problems[f"mapping.{name}"] = f"there is no column {column}"
    if options.order and options.order not in ORDERS:
        problems["order"] = f"must be one of {', '.join(ORDERS)}"
    if options.zone and not known_zone(options.zone):
        problems["zone"] = "an IANA zone such as Europe/Berlin"
    if options.open not in OPEN:
        problems["open"] = f"must be one of {', '.join(OPEN)}"
    if options.services not in SERVICES:
        problems["services"] = f"must be one of {', '.join(SERVICES)}"
    if options.link and (
        "{number}" not in options.link or urlsplit(options.link).scheme not in ("http", "https")
        or len(options.link) > 500
    ):  # fmt: skip
        problems["link"] = "an http or https address with {number} in it"
    values = {name: {k: v for k, v in table.items() if v} for name, table in options.values.items()}
    for name, table in values.items():
        if name not in ANSWERS:
            problems[f"values.{name}"] = f"only of {', '.join(ANSWERS)}"
            continue
        for value, meaning in table.items():
            if meaning not in ANSWERS[name]:
                problems[f"values.{name}.{value[:40]}"] = f"must be one of {', '.join(ANSWERS[name])}"
    if problems:
        raise Invalid("The file cannot be read like this.", problems)
    return Options(
        mapping, options.order, options.zone, {name: table for name, table in values.items() if table}, options.link,
        options.open, options.services, options.teams,
    )  # fmt: skip
