"""What a mail that came back says: reports as in RFC 3464, and the usual ones that are none. Pure; never raises."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import Message
from typing import Literal

from tocsin.delivery.rules.mail import FAULTS, Mail, content, inside, kind_of, parts_of

# Enhanced status codes (RFC 3463) that speak of the address: no such mailbox, domain or place, moved, ambiguous,
# mailbox disabled, no mail taken there (RFC 7505). All else may be a full mailbox, a filter, an outage.
DEAD = re.compile(r"5\.(1\.(0|1|2|3|6|10)|2\.1|4\.4)$")
# the same, in the words of servers that send no such codes
WORDS_OF_DEATH = re.compile(
    r"(user|recipient|mailbox|address|account)[^.\n]{0,60}"
    r"(unknown|does ?n[o']t exist|not found|no longer|disabled|invalid|unavailable)|"
    r"no such (user|recipient|mailbox|person|address)|"
    r"unknown (user|recipient|mailbox)|mailbox unavailable|host (or domain name )?not found|couldn't find any host",
    re.IGNORECASE,
)
DELAYED = re.compile(
    r"delayed|still being retried|will (continue|keep) (to )?(try|be retried)|has not (yet )?been delivered|"
    r"no action is required|warning message only|delivery temporarily",
    re.IGNORECASE,
)
RETURNED = re.compile(
    r"undeliver|delivery (status notification|has failed|failure|failed)|returned mail|mail delivery (failed|system)|"
    r"failure notice|could not be delivered|wasn't delivered|couldn't be delivered|unzustellbar|non remis|"
    r"no se pudo entregar|message non distribué",
    re.IGNORECASE,
)
_CODE = re.compile(r"\b([45]\.\d{1,3}\.\d{1,3})\b")
_REPLY = re.compile(r"\b([45]\d\d)[ -](?:[45]\.\d|[A-Za-z<])")
# mail that repeats the one that came back, below which nothing is said any more
_COPY = re.compile(
    r"^[ \t]{0,10}(-{3,}.{0,40}(copy of the|original) message|--- below this line is a copy|"
    r"original message (headers|follows)|"
    r"return-path:|received: )",
    re.IGNORECASE | re.MULTILINE,
)
SPAN = timedelta(hours=1)
WINDOW = timedelta(days=30)
ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Bounce:
    """What became of a mail of ours.

    ``failed``: it will not arrive; ``delayed``: it is still being tried; ``delivered``; ``unclear``: not understood.
    ``dead``: the address itself is what is wrong. ``reason``: the other server's words, one line.
    """

    state: Literal["failed", "delayed", "delivered", "unclear"]
    status: str = ""
    reason: str = ""
    dead: bool = False


def bounce(mail: Mail) -> Bounce:
    """What a mail to a return address says."""
    if mail.parsed is None:
        return Bounce("unclear")
    try:
        return _report(mail.parsed) or _loose(mail)
    except FAULTS:
        return Bounce("unclear")


def _report(parsed: Message) -> Bounce | None:
    """A report by the rules: a part message/delivery-status whose blocks are headers; None: there is none."""
    found: list[Bounce] = []
    for part in parts_of(parsed):
        if kind_of(part) not in ("message/delivery-status", "message/global-delivery-status"):
            continue
        for fields in _blocks(part):
            action = fields.get("action", "").lower().split("(")[0].strip()
            if not action:
                continue
            code = _CODE.search(fields.get("status", "")) or _CODE.search(fields.get("diagnostic-code", ""))
            status = code[1] if code else ""
            said = fields.get("diagnostic-code", "").partition(";")
            reason = _line(said[2] or said[0])
            state: Literal["failed", "delayed", "delivered", "unclear"] = "unclear"
            if action == "failed":
                state = "failed"
            elif action == "delayed":
                state = "delayed"
            elif action == "delivered":
                state = "delivered"
            dead = state == "failed" and _dead(status, reason)
            found.append(Bounce(state, status, reason or status, dead))
    order = {"failed": 0, "delayed": 1, "delivered": 2, "unclear": 3}
    return min(found, key=lambda one: order[one.state], default=None)


def _blocks(part: Message) -> list[dict[str, str]]:
    """The blocks of fields in a report, by lower-case name; whether the parser took them apart or not."""
    if inner := inside(part):
        return [{name.lower(): str(value) for name, value in one.items()} for one in inner]
    blocks = []
    for block in re.split(r"\n\s*\n", content(part)):
        unfolded = re.sub(r"\n[ \t]+", " ", block)
        pairs = (line.partition(":") for line in unfolded.split("\n") if ":" in line)
        blocks.append({name.strip().lower(): value.strip() for name, _, value in pairs})
    return blocks


def _loose(mail: Mail) -> Bounce:
    """A bounce in free words: qmail, old Exim and Exchange, and whatever says X-Failed-Recipients (Exim, Google)."""
    text = mail.text[:100_000]
    if copy := _COPY.search(text):
        text = text[: copy.start()]
    text = text[:20_000]
    told = f"{mail.subject}\n{text}"
    code, reply = _CODE.search(text), _REPLY.search(text)
    status = code[1] if code else ""
    permanent = status.startswith("5") or bool(reply and reply[1].startswith("5"))
    where = code or reply
    reason = _line(_around(text, where.start())) if where else _line(_telling(text))
    if DELAYED.search(told) and not permanent:
        return Bounce("delayed", status, reason)
    if permanent or "x-failed-recipients" in mail.headers or RETURNED.search(told):
        return Bounce("failed", status, reason or "it came back", _dead(status, text))
    return Bounce("unclear", status, reason)


def _around(text: str, place: int) -> str:
    """The line of a text that holds this place, with what follows it up to an empty line."""
    begin = text.rfind("\n", 0, place) + 1
    end = text.find("\n\n", place)
    return text[begin : end if end > 0 else len(text)]


def _telling(text: str) -> str:
    """The first line that says what is wrong."""
    lines = [line for line in text.split("\n") if line.strip()]
    return next((line for line in lines if WORDS_OF_DEATH.search(line) or RETURNED.search(line)), "")


def _dead(status: str, words: str) -> bool:
    return bool(DEAD.match(status)) if status else bool(WORDS_OF_DEATH.search(words))


def _line(text: str) -> str:
    return " ".join(text.split())[:300]


def given_up(moments: Sequence[datetime], now: datetime) -> bool:
    """Whether an address is to be given up after mails to it came back, the address being at fault each time.

    Three of them within thirty days, the first and the last at least an hour apart: a server that is set up wrongly for
    a few minutes must not take a contact method away, however many pages went out meanwhile.
    """
    recent = [moment for moment in moments if now - moment < WINDOW]
    return len(recent) >= ENOUGH and max(recent) - min(recent) >= SPAN
