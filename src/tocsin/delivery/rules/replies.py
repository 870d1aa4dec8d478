"""What people answer to an SMS or with a key, and what they are told. Pure."""

import re
from dataclasses import dataclass

VERBS = {
    "acknowledge": ("ACK", "ACKNOWLEDGE", "A", "4"),
    "resolve": ("RES", "RESOLVE", "R", "6"),
    "escalate": ("ESC", "ESCALATE", "E", "5"),
}
KEYS = {"4": "acknowledge", "6": "resolve", "5": "escalate"}
AGAIN = "*"
# the words that carriers everywhere know; a person who sends one must never get another page there
STOP = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT")
START = ("START", "UNSTOP", "YES")
HELP = ("HELP", "INFO", "?")
STOPPED = "STOP was answered from this number"
HOW = (
    "Reply ACK, RES or ESC and the number of an incident, as in ACK 123. "
    "STOP ends these messages, START brings them back."
)
UNREAD = f"That was not understood. {HOW}"
_INCIDENT = re.compile(r"(?:INC\s*-?\s*|#\s*)?(\d{1,15})")


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody wants. ``verb``: acknowledge, resolve, escalate, stop, start, help, or empty when not understood;
    ``incident``: its number; None: the newest one they were paged for."""

    verb: str
    incident: int | None = None


def read(text: str) -> Command:
    """A reply, as people type it on a phone at night: any case, with or without blanks, dots and ``INC-``."""
    words = text.strip().strip(".!,;").upper()
    if not words:
        return Command("")
    for verb, known in (("stop", STOP), ("start", START), ("help", HELP)):
        if words in known:
            return Command(verb)
    first, _, rest = words.partition(" ")
    if not rest and (glued := re.fullmatch(r"([A-Z]+)[-:]?(INC-?\d+|#?\d+)", words)):
        first, rest = glued.groups()
    verb = next((verb for verb, known in VERBS.items() if first.rstrip(":") in known), "")
    if not verb:
        return Command("")
    rest = rest.strip()
    if not rest:
        return Command(verb)
    number = _INCIDENT.fullmatch(rest)
    # a wrong number must not become "the newest one": somebody else's incident would be taken
    return Command(verb, int(number[1])) if number else Command("")


def spoken_keys(verbs: tuple[str, ...]) -> str:
    """What a call says of the keys that it listens to."""
    words = {"acknowledge": "acknowledge", "resolve": "resolve", "escalate": "pass it on"}
    told = [f"press {key} to {words[verb]}" for key, verb in KEYS.items() if verb in verbs]
    return f"{', '.join([*told, 'star to hear it again'])}.".capitalize() if told else ""
