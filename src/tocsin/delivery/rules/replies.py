"""What people answer to an SMS, with a key or to a mail, and what they are told. Pure."""

import re
from dataclasses import dataclass

VERBS = {
    "acknowledge": ("ACK", "ACKNOWLEDGE", "ACKNOWLEDGED", "A", "4"),
    "resolve": ("RES", "RESOLVE", "RESOLVED", "R", "6"),
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
    "Reply ACK, RES or ESC and the number of an incident, as in ACK 123. WHO 123 tells who else is paged, "
    "NOTE 123 keeps the words after it. STOP ends these messages, START brings them back."
)
UNREAD = f"That was not understood. {HOW}"
_INCIDENT = re.compile(r"(?:INC\s*-?\s*|#\s*)?(\d{1,15})")
_KEPT = re.compile(r"NOTE\b[\s:,-]*(?:(?:INC\s*-?\s*|#\s*)?(\d{1,15})\b)?[\s:,-]*(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody wants. ``verb``: acknowledge, resolve, escalate, who, note, stop, start, help, or empty when not
    understood; ``incident``: its number; None: the newest one they were paged for; ``note``: what is to be kept."""

    verb: str
    incident: int | None = None
    note: str = ""


def read(text: str) -> Command:
    """A reply, as people type it on a phone at night: any case, with or without blanks, dots and ``INC-``."""
    words = (text.strip().strip(".!,;?") or text.strip()).upper()
    if not words:
        return Command("")
    for verb, known in (("stop", STOP), ("start", START), ("help", HELP)):
        if words in known:
            return Command(verb)
    if noted := _KEPT.fullmatch(text.strip()):
        number, kept = noted.groups()
        return Command("note" if kept else "", int(number) if number else None, kept)
    first, _, rest = words.partition(" ")
    if not rest and (glued := re.fullmatch(r"([A-Z]+)[-:]?(INC-?\d+|#?\d+)", words)):
        first, rest = glued.groups()
    asked = VERBS | {"who": ("WHO", "W")}
    verb = next((verb for verb, known in asked.items() if first.rstrip(":") in known), "")
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


# --- mail ---------------------------------------------------------------------------------------------------------

HOW_MAIL = (
    "Begin your reply with ack, resolve or escalate, alone on the first line; who tells who else is paged; anything "
    "else is kept as a note."
)
NOTHING_WRITTEN = f"Nothing was written above the quoted text, so nothing was done. {HOW_MAIL}"
WHO = ("WHO", "WHO ELSE", "WHO IS PAGED", "WHO ELSE IS PAGED")
# words that begin no sentence of their own: what follows them is a remark, whatever stands between
UNMISTAKEN = {"ACK": "acknowledge", "ACKED": "acknowledge", "ACKNOWLEDGE": "acknowledge",
              "ACKNOWLEDGED": "acknowledge"}  # fmt: skip
# a bare figure is an incident's number only with punctuation after it: "ack 2 disks failed" is about disks
_WORD = re.compile(
    r"([A-Z]+)(?:\s+(?:(?:INC\s*-?|#)\s*(?P<named>\d{1,15})\b|(?P<bare>\d{1,15})(?=\s*[.,;:!\u2013\u2014-])))?\s*(.*)",
    re.IGNORECASE | re.DOTALL,
)
_NOTE = re.compile(r"note\b(?:\s+(?:INC-|#)(\d{1,15}))?[\s:,-]*(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Words:
    """What a mail says. ``verb``: as of Command, and note, who; empty: nothing was written. ``note``: what is to be
    kept beside it."""

    verb: str
    incident: int | None = None
    note: str = ""


def read_mail(own: str) -> Words:
    """What somebody wrote in a mail, by the same words as in an SMS.

    A verb counts alone on the first line, with or without an incident's number, or with punctuation after it, as in
    "resolved: disk was full". "Resolve the DNS problem first" is a note: a mail is a place for sentences, and a wrong
    resolution costs more than a second mail. Only ``ack`` needs no punctuation, because no sentence begins with it.
    """
    first, _, rest = own.strip().partition("\n")
    first, rest = first.strip(), rest.strip()
    if not first:
        return Words("")
    bare = first.strip(" .!,;?").upper()
    if bare in WHO:
        return Words("who")
    if bare in ("STOP", "UNSUBSCRIBE"):
        return Words("stop")
    if noted := _NOTE.fullmatch(own.strip()):
        number, text = noted.groups()
        return Words("note" if text.strip() else "", int(number) if number else None, text.strip())
    command = read(first)
    if command.verb in VERBS or (command.verb == "help" and not rest):
        return Words(command.verb, command.incident, rest)
    found = _WORD.fullmatch(first)
    if found is not None:
        word, after, number = found[1], found[4], found["named"] or found["bare"]
        verb = UNMISTAKEN.get(word.upper(), "")
        if not verb and re.match(r"[.,;:!\u2013\u2014-]", after):
            verb = next((verb for verb, known in VERBS.items() if len(word) > 1 and word.upper() in known), "")
        if verb:
            note = "\n".join(filter(None, [after.lstrip(" .,;:!\u2013\u2014-").strip(), rest]))
            return Words(verb, int(number) if number else None, note)
    return Words("note", None, own.strip())
