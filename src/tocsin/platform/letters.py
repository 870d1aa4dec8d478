"""What an incoming mail says: who it claims to be from, its headers, its text. Pure; never raises for what is in a
mail, because anybody can send one. Headers and bodies follow RFC 5322 and RFC 2045.
"""

import re
from collections import Counter
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.utils import parseaddr
from html import unescape

# Limits of what is looked at: words of people and servers come first in a mail. The time that the standard library's
# parser takes grows with the square of a header's length, and with nesting times lines.
READ = 1024 * 1024
LINES = 20_000
FIELD = 8 * 1024  # of one header with its folded lines, or of one line of text
NESTED = 20  # multiparts in one mail
HTML = 256 * 1024
PARTS = 200
# what the standard library's parser is known to raise for broken mail
FAULTS = (MessageError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)


@dataclass(frozen=True, slots=True)
class Mail:
    """An incoming mail, read.

    sender      address in From; anybody can write anything there
    text        plain text of the first readable part, quoted text and signature still in it
    headers     by lower-case name, the first of each, decoded, on one line
    """

    sender: str
    subject: str
    message_id: str
    text: str
    headers: dict[str, str]
    parsed: Message | None = None


def read(raw: bytes) -> Mail:
    """Read a mail. What cannot be read is empty."""
    parsed: Message | None = None
    tame = _tamed(raw)
    if tame.lower().count(b"multipart/") <= NESTED:
        try:
            parsed = message_from_bytes(tame)
        except FAULTS:
            parsed = None
    if parsed is None:
        return Mail("", "", "", "", {})
    headers = _headers(parsed)
    return Mail(
        sender=address_in(headers.get("from", "")),
        subject=headers.get("subject", "")[:300],
        message_id=identity(headers.get("message-id", "")),
        text=_text(parsed),
        headers=headers,
        parsed=parsed,
    )


def _tamed(raw: bytes) -> bytes:
    """As much of a mail as is looked at, without lines and headers of excessive length."""
    kept: list[bytes] = []
    length = 0
    for line in raw[:READ].splitlines(keepends=True)[:LINES]:
        goes_on = line[:1] in (b" ", b"\t")
        length = length + len(line) if goes_on else len(line)
        if length <= FIELD:
            kept.append(line)
        elif not goes_on:
            kept.append(line[:FIELD] + b"\r\n")
    return b"".join(kept)


def address_in(value: str) -> str:
    """The bare address in a header's value, at most 320 characters (RFC 5321, 4.5.3.1); empty when there is none."""
    try:
        return parseaddr(value)[1][:320]
    except FAULTS:
        return ""


def identity(value: str) -> str:
    """A Message-ID with its brackets, at most 300 characters; empty when it is none."""
    found = re.search(r"<[!-;=?-~]{1,298}>", value)
    return found[0] if found else ""


def _headers(parsed: Message) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        items = list(parsed.raw_items())
    except FAULTS:
        return found
    for name, value in items[:500]:
        text = str(value)[:4000].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        found.setdefault(name.lower(), one_line(text))
    return found


def one_line(value: str) -> str:
    """A header with its encoded words (RFC 2047) read, on one line."""
    try:
        parts = decode_header(value)
        value = "".join(
            part.decode(charset or "ascii", "replace") if isinstance(part, bytes) else part for part, charset in parts
        )
    except FAULTS:
        pass
    return " ".join(value.encode("utf-8", "replace").decode().replace("\0", "").split())


# --- the text -----------------------------------------------------------------------------------------------------


def parts_of(parsed: Message, most: int = PARTS) -> list[Message]:
    """The parts of a mail, in order, from outside to inside."""
    found: list[Message] = []
    waiting = [parsed]
    while waiting and len(found) < most:
        part = waiting.pop(0)
        found.append(part)
        waiting[:0] = inside(part)
    return found


def inside(part: Message) -> list[Message]:
    """The parts of a part."""
    inner = part.get_payload() if part.is_multipart() else None
    return [one for one in inner if isinstance(one, Message)] if isinstance(inner, list) else []


def content(part: Message) -> str:
    """What a part of text says; empty when it cannot be read."""
    try:
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes):
            return ""
        charset = part.get_content_charset() or "utf-8"
        try:
            text = payload.decode(charset, "replace")
        except (LookupError, ValueError):
            text = payload.decode("utf-8", "replace")
    except FAULTS:
        return ""
    return text.encode("utf-8", "replace").decode().replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")


def _text(parsed: Message) -> str:
    rich = ""
    for part in parts_of(parsed):
        kind = kind_of(part)
        if _attached(part):
            continue
        if kind == "text/plain" and (text := content(part)).strip():
            return text
        if kind == "text/html" and not rich:
            rich = plain(content(part))
    return rich


def kind_of(part: Message) -> str:
    """The media type of a part, in lower case."""
    try:
        return part.get_content_type()
    except FAULTS:
        return "application/octet-stream"


def _attached(part: Message) -> bool:
    try:
        return part.get_content_disposition() == "attachment"
    except FAULTS:
        return True


BLOCKS = {"p", "div", "br", "tr", "li", "ul", "ol", "table", "h1", "h2", "h3", "h4", "hr", "pre", "blockquote"}
SILENT = {"script", "style", "head", "title"}
VOID = {"br", "hr", "img", "meta", "link", "input", "wbr", "area", "base", "col", "source"}
# where mail programs put what they quote: by class, or by id
QUOTES = re.compile(
    r"gmail_quote|gmail_attr|yahoo_quoted|moz-cite-prefix|protonmail_quote|zmail_extra|tutanota_quote|divrplyfwdmsg|"
    r"appendonsend|mail-editor-reference-message|ms-outlook-mobile-reference-message"
)


# Not the standard library's parser: on broken HTML its time grows with the square of the length. Here a tag ends before
# the next one begins, so that each character is read once.
_TAG = re.compile(r"<(?:(?P<ends>/?)(?P<name>[A-Za-z][A-Za-z0-9:]{0,30})(?P<more>[^<>]{0,4000})|[!?][^<>]{0,4000})>")
_MARKS = re.compile(r"\b(?:class|id)\s{0,9}=\s{0,9}(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)", re.IGNORECASE)


class _Plain:
    """HTML as lines of text. What is quoted has ``> `` before each of its lines."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.stack: list[tuple[str, bool, bool]] = []  # tag, silent, quoted
        self.open: Counter[str] = Counter()
        self.quoted = self.silent = 0
        self.over = False

    def begins(self, tag: str, more: str) -> None:
        """Blocks begin a line; quotes and what is never shown begin here."""
        marks = " ".join(_MARKS.findall(more)).lower()
        if "divrplyfwdmsg" in marks or "appendonsend" in marks:
            self.over = True  # Outlook: everything that follows is the mail that is answered
        if tag not in VOID and not more.endswith("/"):
            silent, quoted = tag in SILENT, tag == "blockquote" or bool(QUOTES.search(marks))
            self.stack.append((tag, silent, quoted))
            self.open[tag] += 1
            self.silent += silent
            self.quoted += quoted
        if tag in BLOCKS:
            self._line()

    def ends(self, tag: str) -> None:
        """Ends the innermost such element and what was left open inside it."""
        if self.open[tag]:
            name = ""
            while name != tag:
                name, silent, quoted = self.stack.pop()
                self.open[name] -= 1
                self.silent -= silent
                self.quoted -= quoted
        if tag in BLOCKS:
            self._line()

    def says(self, text: str) -> None:
        """Text, white space as one blank."""
        if not self.silent:
            self.out.append(re.sub(r"[ \t\r\n\f]+", " ", unescape(text)))

    def _line(self) -> None:
        self.out.append("\n> " if self.quoted or self.over else "\n")


def plain(html: str) -> str:
    """HTML as plain text, quoted parts marked as in plain mail."""
    first, *rest = html[:HTML].split("<!--")
    html = first + "".join(part.partition("-->")[2] for part in rest)
    reader = _Plain()
    place = 0
    for tag in _TAG.finditer(html):
        reader.says(html[place : tag.start()])
        place = tag.end()
        if tag["name"] and tag["ends"]:
            reader.ends(tag["name"].lower())
        elif tag["name"]:
            reader.begins(tag["name"].lower(), tag["more"])
    reader.says(html[place:])
    return "\n".join(line.strip() for line in "".join(reader.out).replace("\0", "").split("\n"))
