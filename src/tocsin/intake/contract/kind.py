"""The descriptor of a source: what it is called, what it must be told, how a request becomes signals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tocsin.intake.contract.signal import Signal

JSON = "application/json"


class Headers(Protocol):
    """Header values by lower-case name."""

    def get(self, key: str, default: Any = None) -> Any: ...


class Request:
    """What a sender sent. ``tail`` is the path behind the key; ``now`` is the database's clock."""

    __slots__ = ("body", "decoded", "fetched", "headers", "method", "now", "path", "query", "tail")

    def __init__(
        self,
        body: bytes,
        *,
        now: datetime,
        method: str = "POST",
        path: str = "",
        tail: str = "",
        query: str = "",
        headers: Headers | None = None,
    ) -> None:
        self.body = body
        self.now = now
        self.method = method
        self.path = path
        self.tail = tail
        self.query = query
        self.headers: Headers = {} if headers is None else headers
        self.decoded: Any = None  # what the source's ``key`` already decoded, so that ``parse`` need not again
        self.fetched: bytes | None = None  # the document that the source's ``needs`` named

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; empty when the sender named none."""
        return str(self.headers.get("content-type") or "").partition(";")[0].strip().lower()


class Answer(msgspec.Struct, frozen=True):
    """A response: status, body and its type, and further headers."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class Parsed(msgspec.Struct, frozen=True):
    """Signals of a request, the answer once they are durable, and what was left out and why.

    ``reason`` is that of what was left out: ``malformed`` in a mixed batch; ``ignored`` when that is as it should be.
    """

    signals: list[Signal]
    answer: Answer
    refused: list[str] = []
    reason: str = "malformed"


class ParseError(Exception):
    """A request that makes no sense. Each error names the field and what would be right.

    ``kind`` is ``json`` when the body could not even be decoded, else ``event``.
    """

    def __init__(self, errors: list[str], status: int = 400, kind: str = "event") -> None:
        super().__init__("; ".join(errors))
        self.errors = errors
        self.status = status
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a source may be told; a form renders itself from it.

    ``type`` is ``text``, ``lines`` (text of several lines), ``choice``, ``number``, ``flag``, ``cel`` or ``secret``:
    kept encrypted, never shown, and left as it is when a change leaves it out. ``choices`` maps a choice to its label.
    """

    name: str
    label: str
    hint: str = ""
    type: str = "text"
    required: bool = False
    default: Any = None
    choices: Mapping[str, str] = field(default_factory=dict)
    minimum: int | None = None
    maximum: int | None = None


def refuse_plainly(status: int, errors: list[str], kind: str) -> bytes:
    """The body of a refusal for senders that expect no particular shape."""
    return msgspec.json.encode({"status": "error", "message": errors[0] if errors else "refused", "errors": errors})


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A tool we listen to.

    kind     its name, as in the address ``/in/<kind>/<key>``; ``aliases`` are other names it answers to
    parse    (request, config) -> Parsed; raises ParseError and nothing else
    paths    fixed addresses whose key is inside the request; ``key`` reads it there (None: the sender gave none)
    roots    beginnings of addresses below which things have names (``/v2/alerts``); ``takes`` says of (method, path,
             query) whether the door serves it. What it does not is left to the pages and the API; so is what
             ``elsewhere`` says of the headers (it shows a person's token, no key).
    leaves   (method, what stands behind the key) -> whether a request below ``/in/<kind>/<key>/`` is not the door's
    refuse   (status, errors, kind of error) -> body of a refusal, in the shape this tool understands
    answer   requests that need no key (a status page, a handshake): an Answer, or None to go on
    needs    (request, config) -> address of a public document without which ``parse`` cannot judge the request (the
             certificate of a signature), or None; the door fetches and keeps it. Raises ParseError
    check    (config) -> problems by field, beyond what the fields themselves say
    listener what else brings this kind's signals, beside its address: ``mail`` (``tocsin mail``), ``syslog``
             (``tocsin syslog``), or nothing. The body is then the mail, or the message
    unknown  status of an unknown key found by ``key``
    """

    kind: str
    label: str
    summary: str
    folder: Path
    parse: Callable[[Request, Mapping[str, Any]], Parsed]
    aliases: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    paths: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    takes: Callable[[str, str, str], bool] | None = None
    elsewhere: Callable[[Headers], bool] | None = None
    leaves: Callable[[str, str], bool] | None = None
    methods: frozenset[str] = frozenset({"POST"})
    key: Callable[[Request], str | None] | None = None
    refuse: Callable[[int, list[str], str], bytes] = refuse_plainly
    answer: Callable[[Request], Answer | None] | None = None
    needs: Callable[[Request, Mapping[str, Any]], str | None] | None = None
    check: Callable[[Mapping[str, Any]], dict[str, str]] | None = None
    listener: str = ""
    unknown: int = 404
    unknown_text: str = "no source has this key"

    def guide(self) -> str:
        """How to connect the tool, Markdown. ``{url}``, ``{key}``, ``{mail}`` and ``{syslog}`` stand for its own."""
        return (self.folder / "guide.md").read_text(encoding="utf-8")

    def address(self, base: str, key: str) -> str:
        """The address that a sender is given."""
        return f"{base}/in/{self.kind}/{key}"

    @property
    def secrets(self) -> frozenset[str]:
        """Names of the fields that are secret."""
        return frozenset(item.name for item in self.fields if item.type == "secret")

    def defaults(self) -> dict[str, Any]:
        """The configuration of a source that was told nothing."""
        return {item.name: item.default for item in self.fields if item.default is not None}


def checked_config(kind: SourceKind, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The configuration with defaults filled in, and problems by field (empty: it is fine)."""
    known = {item.name: item for item in kind.fields}
    problems = {
        name: f"{kind.label} has no such setting; it knows {', '.join(known) or 'none'}"
        for name in config
        if name not in known
    }
    result: dict[str, Any] = {}
    for name, item in known.items():
        value = config.get(name)
        if value is None or value == "":
            if item.required and item.default is None:
                problems[name] = f"{item.label} is needed"
            elif item.default is not None:
                result[name] = item.default
            continue
        value, problem = _checked(item, value)
        if problem:
            problems[name] = problem
        else:
            result[name] = value
    if not problems and kind.check:
        problems = kind.check(result)
    return result, problems


def _checked(item: Field, value: Any) -> tuple[Any, str]:
    """The value as the field's type, and what is wrong with it."""
    if item.type == "choice":
        return value, "" if value in item.choices else f"one of {', '.join(item.choices)}"
    if item.type == "flag":
        flags = {True: True, False: False, "true": True, "false": False, "on": True, "off": False}
        known = isinstance(value, bool | str) and value in flags
        return flags.get(value) if known else value, "" if known else "true or false"
    if item.type == "number":
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            return value, "a whole number"
        low, high = item.minimum, item.maximum
        if (low is not None and number < low) or (high is not None and number > high):
            return number, f"between {low} and {high}"
        return number, ""
    if not isinstance(value, str):
        return value, "text"
    return value, "" if len(value) <= 4000 else "at most 4000 characters"
