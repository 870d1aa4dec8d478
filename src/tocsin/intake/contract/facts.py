"""Reading the objects that tools post: fields by dotted name, each as its type, and every doubt named.

``Facts`` notes what is wrong while it is read; ``refuse_if_wrong`` raises all of it at once. ``report`` makes the
signal, within its limits, out of texts as they came.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec

from tocsin.intake.contract.kind import Answer, Parsed, ParseError, Request
from tocsin.intake.contract.signal import Action, Link, Severity, Signal, cut_title, short_key
from tocsin.intake.contract.text import as_text, clean, clean_text, decode_json, moment, tidy_labels

T = TypeVar("T")

MOST_ERRORS = 20
FORM = "application/x-www-form-urlencoded"
_NUMBER = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,9})?")
_ZONE = re.compile(r" (?:UTC|([+-][0-9]{2}:?[0-9]{2}))$")

_decode = msgspec.json.Decoder(Any).decode


def json_of(request: Request) -> Any:
    """The body as plain JSON values. Raises ParseError (kind ``json``) when it is none."""
    if request.decoded is None:
        request.decoded = clean(decode_json(request.body, _decode, lambda value: value))
    return request.decoded


def form_of(request: Request) -> dict[str, str]:
    """The fields of a form-encoded body, the last of each name. Raises ParseError when it is no such form."""
    try:
        fields = parse_qs(request.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=500)
    except ValueError as error:
        raise ParseError([f"the body is no form: {error}"], kind="json") from error
    return {clean_text(name): clean_text(values[-1]) for name, values in fields.items()}


class Facts:
    """One object of a body. ``errors`` is shared by all that are reached from it.

    Names may be dotted (``incident.state``); what is not there reads as empty.
    """

    __slots__ = ("_where", "errors", "value")

    def __init__(self, value: Mapping[str, Any], where: str = "", errors: list[str] | None = None) -> None:
        self.value = value
        self._where = where
        self.errors: list[str] = [] if errors is None else errors

    @classmethod
    def of(cls, request: Request) -> "Facts":
        """The body, which must be a JSON object. Raises ParseError."""
        value = json_of(request)
        if not isinstance(value, dict):
            raise ParseError(["'body' must be an object"])
        return cls(value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def at(self, name: str) -> Any:
        """The value under a name, as it came; None when it is not there."""
        value: Any = self.value
        for word in name.split("."):
            value = value.get(word) if isinstance(value, Mapping) else None
        return value

    def wrong(self, name: str, text: str) -> None:
        """Note what is wrong with a field."""
        self.errors.append(f"'{self._where}{name}' {text}")

    def text(self, *names: str) -> str:
        """The first of these fields that says something, as text without space around; empty when none does."""
        for name in names:
            text = as_text(self.at(name)).strip()
            if text:
                return text
        return ""

    def needed(self, *names: str) -> str:
        """As ``text``; noted as wrong when no field is there, or it is a list or an object."""
        for name in names:
            value = self.at(name)
            if isinstance(value, dict | list):
                self.wrong(name, "must be a string")
                return ""
        text = self.text(*names)
        if not text:
            self.wrong(names[0], "is missing" if self.at(names[0]) is None else "is blank")
        return text

    def part(self, name: str) -> "Facts":
        """The object under a name; an empty one when there is none."""
        value = self.at(name)
        return Facts(value if isinstance(value, dict) else {}, f"{self._where}{name}.", self.errors)

    def needed_part(self, name: str) -> "Facts":
        """As ``part``; noted as wrong when it is no object."""
        if not isinstance(self.at(name), dict):
            self.wrong(name, "is missing" if self.at(name) is None else "must be an object")
        return self.part(name)

    def parts(self, name: str) -> list["Facts"]:
        """The objects of a list; what is no object is left out."""
        value = self.at(name)
        return [
            Facts(item, f"{self._where}{name}[{index}].", self.errors)
            for index, item in enumerate(value if isinstance(value, list) else [])
            if isinstance(item, dict)
        ]

    def one_of(self, name: str, choices: Mapping[str, T], *, default: str | None = None) -> T | None:
        """What the field's word means, in whatever case it is written; noted as wrong when it is no such word.

        ``default`` is the word that counts when the field is empty.
        """
        value = self.at(name)
        word = as_text(value if not isinstance(value, dict | list) else None, 200).strip() or default
        if word is None:
            self.wrong(name, "is missing" if value is None else f"must be one of {', '.join(choices)}")
            return None
        found = choices.get(word.lower())
        if found is None:
            self.wrong(name, f"is invalid (must be one of {', '.join(choices)})")
        return found

    def when(self, *names: str) -> datetime | None:
        """The moment in the first of these fields that holds one: ISO 8601 or epoch, also as text."""
        for name in names:
            value = self.at(name)
            if isinstance(value, str):
                value = value.strip()
                if _NUMBER.fullmatch(value):
                    value = float(value)
                else:
                    value = _ZONE.sub(lambda found: found[1] or "+00:00", value)
            found = moment(value)
            if found is not None:
                return found
        return None

    def labels(self, **fields: str) -> dict[str, str]:
        """Labels out of fields, by the label's name; empty ones are left out."""
        return {label: text for label, name in fields.items() if (text := self.text(name))}

    def refuse_if_wrong(self) -> None:
        """Raise ParseError with everything that was noted, if anything was."""
        if self.errors:
            raise ParseError(self.errors[:MOST_ERRORS])


def tags(value: Any) -> dict[str, str]:
    """Labels out of tags as tools write them: a map, a list or a text of ``name:value`` or ``name=value``.

    A tag without a value has the value ``true``.
    """
    if isinstance(value, dict):
        return tidy_labels(value)
    words = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    found = {}
    for word in words:
        if isinstance(word, list) and len(word) == 2:
            name, text = as_text(word[0]), as_text(word[1])
        else:
            name, _, text = re.sub("[:=]", "\0", as_text(word).strip(), count=1).partition("\0")
        if name.strip():
            found[name.strip()] = text.strip() or "true"
    return found


def report(
    action: Action,
    key: str,
    title: str,
    *,
    severity: Severity = "error",
    labels: Mapping[str, str] | None = None,
    details: Any = None,
    links: Iterable[tuple[str, str]] = (),
    origin: str = "",
    client: str = "",
    client_url: str = "",
    occurred_at: datetime | None = None,
    remarks: list[str] | None = None,
) -> Signal:
    """A signal within its limits. ``links``: pairs of address and text; those without an address are left out."""
    remarks = [] if remarks is None else remarks
    line = " ".join(title.split()) or "Signal without a title"
    return Signal(
        action=action,
        dedup_key=short_key(key),
        title=cut_title(line, remarks),
        severity=severity,
        labels=tidy_labels(dict(labels or {})),
        details=details,
        links=[Link(address, text) for address, text in links if address.startswith(("https://", "http://"))],
        remarks=remarks,
        origin=origin[:255],
        client=client,
        client_url=client_url,
        occurred_at=occurred_at,
    )


def stored(signals: list[Signal]) -> Parsed:
    """The signals and a plain answer that says how many there are."""
    return Parsed(signals, Answer(200, b'{"status":"success","message":"Signals stored","accepted":%d}' % len(signals)))


def heard(why: str) -> Parsed:
    """Nothing to store: the answer says why not."""
    return Parsed([], Answer(200, msgspec.json.encode({"status": "success", "message": why, "accepted": 0})))
