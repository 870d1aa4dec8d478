"""One syslog message: RFC 5424, and what older programs and devices send under the name of RFC 3164. Never raises."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from tocsin.intake.contract import clean_text, moment

SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
NO_PRIORITY = 13  # user.notice (RFC 3164, 4.3.3)
KEY_ELEMENT = re.compile(r"tocsin(@[0-9.]{1,60})?")
KEY_NAME = "key"

_PRIORITY = re.compile(r"<([0-9]{1,3})>")
_HEADER = re.compile(r"[1-9][0-9]{0,2} (\S{1,64}) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32})(?: |$)")
_ELEMENT = re.compile(r'\[([^ =\]"]{1,64})((?: +[^ =\]"]{1,64}="(?:[^"\\]|\\.)*+")*+) *\]', re.DOTALL)
_PARAMETER = re.compile(r' +([^ =\]"]{1,64})="((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\\]])')
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
# Cisco: a number of its own, and a mark of a clock that is not set
_SEQUENCE = re.compile(r"[0-9]{1,10}: (?=[*.]?(?:%|[A-Z0-9]))[*.]?")
_OLD_MOMENT = re.compile(
    rf"(?:{_MONTHS}) +[0-9]{{1,2}} (?:[0-9]{{4}} )?[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}"
    r"(?:\.[0-9]{1,9})?(?: [A-Z]{3,4})?:? +"
)
_NEW_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}(?:Z|[+-][0-9]{2}:?[0-9]{2})?) +")
_HOST = re.compile(r"([^\s:\[\]<>()]{1,255}|[0-9a-fA-F:.]{2,45}) +(?=\S)")
_TAG = re.compile(r"([A-Za-z0-9_./@%()-]{1,128})(?:\[([^\]\s]{0,128})\])?: ?")


@dataclass(frozen=True, slots=True)
class Message:
    """What a message says. Empty: it does not. ``at``: only when it names its zone. ``data``: structured data."""

    priority: int
    text: str
    at: datetime | None = None
    host: str = ""
    app: str = ""
    process: str = ""
    kind: str = ""
    data: dict[str, dict[str, str]] = field(default_factory=dict)
    key: str = ""

    @property
    def severity(self) -> int:
        """0 (emerg) ... 7 (debug)."""
        return self.priority & 7

    @property
    def facility(self) -> str:
        """The facility's name."""
        return FACILITIES[self.priority >> 3]


def read_message(raw: bytes) -> Message:
    """Read one message, without its frame."""
    line = clean_text(raw.rstrip(b"\0\r\n ").decode("utf-8", "replace")).lstrip("\ufeff\r\n ")
    found = _PRIORITY.match(line)
    priority = int(found[1]) if found else NO_PRIORITY
    if found is None or priority > 191:
        return _old(NO_PRIORITY, line)
    rest = line[found.end() :]
    header = _HEADER.match(rest)
    if header is None:
        return _old(priority, rest)
    when, host, app, process, kind = ("" if word == "-" else word for word in header.groups())
    data, text = _data(rest[header.end() :])
    key = ""
    for name in [name for name in data if KEY_ELEMENT.fullmatch(name)]:
        key = data.pop(name).get(KEY_NAME, "") or key
    return Message(priority, text, moment(when) if _zoned(when) else None, host, app, process, kind, data, key)


def _zoned(when: str) -> bool:
    return bool(re.search(r"(Z|[+-][0-9]{2}:?[0-9]{2})$", when))


def _data(rest: str) -> tuple[dict[str, dict[str, str]], str]:
    """Structured data (RFC 5424, 6.3) and the text behind it; what is not well-formed is text."""
    if rest == "-" or rest.startswith("- "):
        return {}, _text(rest[2:])
    data: dict[str, dict[str, str]] = {}
    place = 0
    while element := _ELEMENT.match(rest, place):
        values = data.setdefault(element[1], {})
        for name, value in _PARAMETER.findall(element[2]):
            values[name] = _ESCAPED.sub(r"\1", value)
        place = element.end()
    return data, _text(rest[place:])


def _text(rest: str) -> str:
    return rest.removeprefix(" ").lstrip("\ufeff")


def _old(priority: int, rest: str) -> Message:
    """A message of the older form: a moment, a host and a tag, each of which may be missing."""
    if sequence := _SEQUENCE.match(rest):
        rest = rest[sequence.end() :]
    at = None
    stamped = _NEW_MOMENT.match(rest)
    if stamped:
        at = moment(stamped[1]) if _zoned(stamped[1]) else None
    else:
        stamped = _OLD_MOMENT.match(rest)
    host = ""
    if stamped:
        rest = rest[stamped.end() :]
        if named := _HOST.match(rest):
            host, rest = named[1], rest[named.end() :]
    tag = _TAG.match(rest)
    if tag is None:
        return Message(priority, rest, at, host)
    return Message(priority, rest[tag.end() :], at, host, tag[1], tag[2] or "")
