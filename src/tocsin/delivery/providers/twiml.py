"""TwiML, which more than one provider reads: what a call says, and the answer to an SMS."""

import re
from xml.etree import ElementTree

from tocsin.delivery.provider_contract import Heard, Reply, State, StatusUpdate, Turn

XML = "text/xml; charset=utf-8"
LANGUAGE = "en-GB"
KEY_S = 6  # to find the right key in the dark
_UNWRITABLE = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _document(root: ElementTree.Element) -> tuple[str, str]:
    return XML, f'<?xml version="1.0" encoding="UTF-8"?>{ElementTree.tostring(root, encoding="unicode")}'


def writable(text: str) -> str:
    """The text without what XML cannot hold."""
    return _UNWRITABLE.sub(" ", text)


def say(turn: Turn, language: str = LANGUAGE) -> tuple[str, str]:
    """Speak, then wait for one key, or hang up. Every key counts as one, ``#`` too."""
    root = ElementTree.Element("Response")
    into = root
    if turn.listen_url:
        into = ElementTree.SubElement(
            root,
            "Gather",
            {
                "action": turn.listen_url,
                "method": "POST",
                "input": "dtmf",
                "numDigits": "1",
                "finishOnKey": "",
                "timeout": str(KEY_S),
            },
        )
    ElementTree.SubElement(into, "Say", {"language": language}).text = writable(turn.text)
    if turn.again_url:
        ElementTree.SubElement(root, "Redirect", {"method": "POST"}).text = turn.again_url
    else:
        ElementTree.SubElement(root, "Hangup")
    return _document(root)


def message(text: str) -> tuple[str, str]:
    """Answer an SMS; without a text nothing is sent."""
    root = ElementTree.Element("Response")
    if text:
        ElementTree.SubElement(root, "Message").text = writable(text)
    return _document(root)


# --- what is told in the same words by everybody who speaks TwiML --------------------------------------------------

SMS_STATES: dict[str, State] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
CALL_FAILURES = {
    "busy": "the line was busy",
    "no-answer": "nobody answered the phone",
    "failed": "the call could not be put through",
    "canceled": "the call was cancelled",
}


def machine(answered_by: str) -> bool:
    """Whether a machine answered: an answering machine at any point of its greeting, or a fax."""
    return answered_by.startswith("machine") or answered_by == "fax"


def sms_status(form: dict[str, str]) -> list[StatusUpdate]:
    """What became of an SMS; nothing of steps on the way."""
    state = SMS_STATES.get(form.get("MessageStatus") or form.get("SmsStatus") or "")
    ref = form.get("MessageSid") or form.get("SmsSid") or ""
    code = form.get("ErrorCode", "")
    reason = f"undelivered{f', error {code[:10]}' if code else ''}" if state == "failed" else ""
    if state is None or not ref:
        return []
    return [StatusUpdate(ref, state, reason)]


def call_status(form: dict[str, str]) -> list[StatusUpdate]:
    """What became of a call; nothing of steps on the way."""
    ref, status = form.get("CallSid", ""), form.get("CallStatus", "")
    if not ref:
        return []
    if status in CALL_FAILURES:
        return [StatusUpdate(ref, "failed", CALL_FAILURES[status])]
    if status == "completed":
        if machine(form.get("AnsweredBy", "")):
            return [StatusUpdate(ref, "failed", "an answering machine took the call", machine=True)]
        return [StatusUpdate(ref, "delivered")]
    return []


def heard(form: dict[str, str]) -> list[Heard]:
    """A call asks what to say."""
    if not form.get("CallSid"):
        raise ValueError("no CallSid")
    return [Heard(form["CallSid"], form.get("Digits", "")[:4], machine(form.get("AnsweredBy", "")))]


def reply(form: dict[str, str]) -> list[Reply]:
    """An SMS from a person."""
    ref = form.get("MessageSid") or form.get("SmsMessageSid") or form.get("SmsSid")
    if not ref or not form.get("From"):
        raise ValueError("no MessageSid or From")
    return [Reply(form["From"], form.get("Body", ""), ref)]
