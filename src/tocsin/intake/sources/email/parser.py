"""Mail into signals.

The body of the request is the mail as it came (RFC 5322). The listener tells the envelope in two headers:
``x-envelope-from`` and ``x-envelope-to``. What is the answer of a machine to a mail (RFC 3834), a report about one
(RFC 6522), mail of Tocsin itself or mail that goes in circles (RFC 5321, 6.3) is left out, with the reason; mail that a
machine wrote by itself (``Auto-Submitted: auto-generated``, ``Precedence: bulk``) is what this source is for.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from tocsin.intake.contract import (
    Action,
    Fit,
    Lines,
    Parsed,
    ParseError,
    Request,
    Severity,
    Signal,
    clean_text,
    heard,
    lines_of,
    lines_problem,
    moment,
    report,
    stored,
)
from tocsin.intake.sources.email.reading import Letter, read_letter

ACTIONS: dict[str, Action] = {"open": "trigger", "acknowledge": "acknowledge", "resolve": "resolve"}
SEVERITIES: tuple[Severity, ...] = ("critical", "error", "warning", "info")
VERBS = (*ACTIONS, "ignore", "key", *SEVERITIES)
PLACES = ("subject", "body", "from", "to", "headers")

MOST_HOPS = 100  # RFC 5321, 6.3
KEPT_TEXT = 16_000
MOST_LINKS = 5
# X-Priority (1 highest ... 5 lowest) and Importance (RFC 2156)
IMPORTANCE: dict[str, Severity] = {"1": "critical", "high": "critical", "5": "info", "low": "info"}

# what mail programs put before the subject of an answer or of mail that is passed on
_BEFORE = re.compile(
    r"(?:(?:re|fwd?|aw|wg|sv|vs|vb|antw|tr|rif|enc|odp|ynt|回复|转发)\s*(?:\[\d{1,4}\])?\s*[:\uff1a]\s*)+",
    re.IGNORECASE,
)
_LINK = re.compile(r"https?://[^\s<>\"'\])}]{1,2000}")
_ANSWERERS = ("x-autoreply", "x-autorespond", "x-autoreply-from", "x-mail-autoreply", "x-auto-reply", "x-vacation")
_ABSENT = re.compile(
    r"^\W*(auto(matic)?[ -]?(reply|response|answer)|out of (the )?office|automatische (antwort|abwesenheit)|"
    r"abwesenheitsnotiz|réponse automatique|respuesta automática|risposta automatica|resposta automática)",
    re.IGNORECASE,
)


def problems(config: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a configuration, by field."""
    found = {}
    if problem := lines_problem(config.get("rules"), VERBS, PLACES):
        found["rules"] = problem
    wrong = [one for one in _senders(config) if "@" not in one or one.endswith("@")]
    if wrong:
        found["senders"] = f"an address, or a domain as @example.org, not {wrong[0][:60]!r}"
    return found


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """The signal that a mail is, or none and why. Raises ParseError for what is no mail or of a wrong sender."""
    if not request.body.strip():
        raise ParseError(["the body is empty; a mail is expected"])
    letter = read_letter(request.body)
    envelope = request.headers.get("x-envelope-from")
    if envelope is None and not letter.is_mail:
        raise ParseError(["the body is no mail: it has none of the headers 'From', 'Subject', 'Date', 'Message-ID'"])
    sender = letter.sender or str(envelope or "").strip("<> ").lower()
    _check_sender(letter, sender, config)
    if why := left_out(letter, str(envelope or ""), envelope is not None):
        return _ignored(why)
    lines = lines_of(str(config.get("rules") or ""), VERBS, PLACES)
    places = {
        "subject": letter.subject,
        "body": letter.text,
        "from": f"{letter.headers.get('from', '')} {sender}".strip(),
        "to": " ".join((letter.headers.get("to", ""), str(request.headers.get("x-envelope-to") or ""))).strip(),
        "headers": "\n".join(f"{name}: {value}" for name, value in letter.headers.items()),
    }
    decided = lines.first((*ACTIONS, "ignore"), places)
    verb = decided.rule.verb if decided else config.get("otherwise", "open")
    if verb == "ignore":
        return _ignored(f"it is left out by {decided.why}" if decided else "no line of the rules is about it")
    return stored([_signal(request, letter, sender, ACTIONS[verb], decided, lines, places, config)])


def _ignored(why: str) -> Parsed:
    """Nothing to store; the refusals tell why."""
    return msgspec.structs.replace(heard(f"left out: {why}"), refused=[f"'mail': {why}"], reason="ignored")


def _signal(
    request: Request,
    letter: Letter,
    sender: str,
    action: Action,
    decided: Fit | None,
    lines: Lines,
    places: Mapping[str, str],
    config: Mapping[str, Any],
) -> Signal:
    named = lines.first(("key",), places)
    graded = lines.first(SEVERITIES, places)
    fits = [f"{fit.rule.verb} by {fit.why}"[:300] for fit in (decided, named, graded) if fit is not None]
    first_line = next((line.strip() for line in letter.text.splitlines() if line.strip()), "")
    title = subject_of(letter.subject) or first_line[:200] or f"Mail without a subject from {sender or 'nobody'}"
    at = _date(letter.headers.get("date", ""))
    return report(
        action,
        (named.found.strip() if named else "") or _identity(letter, sender, title, config),
        title,
        severity=_severity(graded, letter, config),
        labels={"sender": sender},
        details={
            "from": letter.headers.get("from", ""),
            "to": places["to"],
            "date": letter.headers.get("date", ""),
            "message_id": letter.headers.get("message-id", ""),
            "text": letter.text[:KEPT_TEXT],
            "attachments": letter.attachments,
        },
        links=[(link.rstrip(".,;:!?"), "Open") for link in dict.fromkeys(_LINK.findall(letter.text)[:MOST_LINKS])],
        origin=sender,
        occurred_at=at if at is not None and at <= request.now else None,
        remarks=[*letter.remarks, *fits],
    )


def _severity(graded: Fit | None, letter: Letter, config: Mapping[str, Any]) -> Severity:
    if graded is not None:
        return next(one for one in SEVERITIES if one == graded.rule.verb)
    for name in ("x-priority", "importance"):
        word = letter.headers.get(name, "").split("(")[0].strip().lower()
        if word in IMPORTANCE:
            return IMPORTANCE[word]
    return next((one for one in SEVERITIES if one == config.get("severity")), "error")


def subject_of(subject: str) -> str:
    """A subject without what answering and passing on put before it; the rest stays as it is, numbers too."""
    text = " ".join(subject.split())
    found = _BEFORE.match(text)
    return text[found.end() :].strip() if found else text


def _identity(letter: Letter, sender: str, title: str, config: Mapping[str, Any]) -> str:
    """The dedup key, as the source's ``identity`` says."""
    how = config.get("identity", "subject")
    own = letter.headers.get("message-id", "").strip()
    if how == "all":
        return "mail"
    if how == "thread":
        thread = letter.headers.get("references", "").split() or letter.headers.get("in-reply-to", "").split()
        return (thread[0] if thread else own) or title.lower()
    if how == "mail":
        return own or f"{letter.headers.get('date', '')} {sender} {title}"
    return title.lower() if letter.subject.strip() else f"no subject from {sender}"


def _date(value: str) -> Any:
    try:
        return moment(parsedate_to_datetime(value).isoformat())
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None


# -- what is no report -----------------------------------------------------------------------------------------------


def left_out(letter: Letter, envelope: str, known_envelope: bool) -> str:
    """Why a mail is nothing that a tool reports; empty when it may be."""
    headers = letter.headers
    submitted = headers.get("auto-submitted", "no").lower().split(";")[0].strip()
    precedence = headers.get("precedence", "").lower().strip()
    answerer = next((name for name in _ANSWERERS if headers.get(name, "no").lower() not in ("no", "false", "")), "")
    by_itself = submitted == "auto-generated" or (known_envelope and not envelope.strip("<> "))
    checks = (
        (any(name.startswith("x-tocsin-") for name in headers), "it is mail of Tocsin itself"),
        (submitted == "auto-replied", "a machine's answer (Auto-Submitted: auto-replied)"),
        (precedence in ("auto_reply", "auto-reply", "junk"), f"a machine's answer (Precedence: {precedence})"),
        (bool(answerer), f"a machine's answer ({answerer})"),
        (by_itself and bool(_ABSENT.match(letter.subject)), "a machine's answer (by its subject)"),
        (letter.media_type == "multipart/report", "a report about another mail"),
        (letter.hops > MOST_HOPS, f"it passed more than {MOST_HOPS} servers and may go in circles"),
    )
    return next((why for true, why in checks if true), "")


def _senders(config: Mapping[str, Any]) -> list[str]:
    return [one.lower() for one in re.split(r"[\s,;]+", str(config.get("senders") or "")) if one]


def _check_sender(letter: Letter, sender: str, config: Mapping[str, Any]) -> None:
    """Raises ParseError when mail of this sender is not taken."""
    allowed = _senders(config)
    if allowed and not any(sender == one or (one.startswith("@") and sender.endswith(one)) for one in allowed):
        raise ParseError([f"'From' is not one of the allowed senders: {clean_text(sender)[:100] or 'empty'}"], 403)
    server = str(config.get("checked_by") or "").strip().lower()
    if not server:
        return
    # RFC 8601: the uppermost is that of the last server, which is ours when it is named so
    checker, _, results = letter.headers.get("authentication-results", "").lower().partition(";")
    if (checker.split() or [""])[0] != server or not re.search(r"\bdmarc\s{0,9}=\s{0,9}pass\b", results):
        raise ParseError([f"'Authentication-Results' of {server} does not say that the mail is its sender's"], 403)
