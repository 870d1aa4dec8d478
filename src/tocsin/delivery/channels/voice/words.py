"""What a call says: short sentences that are understood at night, without what cannot be spoken. Pure."""

import re

from tocsin.delivery.contract import IncidentFacts, Message, Script

TITLE = 160
NO_ANSWER = "This recording takes no answer. Sign in to Tocsin to acknowledge."
_CODE = re.compile(r"\b\d{6}\b")
_UNSPEAKABLE = re.compile(r"[^\w\s.,:;!?'()%+/&-]+")


def spoken(text: str, most: int = TITLE) -> str:
    """A text as a voice can read it: on one line, without brackets and signs, cut at a word."""
    text = " ".join(_UNSPEAKABLE.sub(" ", text).replace("_", " ").split())
    if len(text) > most:
        text = text[:most].rsplit(" ", 1)[0]
    return text.rstrip(".!?:;, ")


def about(incident: IncidentFacts) -> str:
    """One incident. Of a confidential one no more than its number and priority."""
    priority = incident.priority.removeprefix("P")
    if incident.confidential:
        return f"Incident {incident.id}, priority {priority}. It is confidential: sign in to read about it."
    return f"Incident {incident.id}, priority {priority}, on {spoken(incident.service, 60)}. {spoken(incident.title)}."


def script_of(message: Message) -> Script:
    """What is said to a person, what to an answering machine, and what a key may do."""
    drill = "This is a drill. " if message.drill else ""
    hello = f"This is Tocsin. {drill}"
    verbs = [link.verb for link in message.links if link.verb != "view"]
    offered = tuple(verb for verb in ("acknowledge", "resolve", "escalate") if verb in verbs)
    if message.about != "page" or not message.incidents:
        text = f"{hello}{spoken(message.title)}. {spoken(message.body, 300) if message.kind == 'test' else ''}".strip()
        if message.link("confirm"):  # a code, which is for the person's own ear
            return Script(
                _CODE.sub(lambda digits: ", ".join(digits[0]), text), f"{hello}It wanted to reach you in person."
            )
        return Script(text, text)
    if message.incident is not None:
        what = about(message.incident)
    else:
        worst = min(message.incidents, key=lambda incident: incident.priority)
        what = f"{len(message.incidents)} incidents wait for you. The worst: {about(worst)}"
    return Script(f"{hello}{what}", f"{hello}{what} Nobody has acknowledged it. {NO_ANSWER}", offered)
