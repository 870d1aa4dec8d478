"""Whether a person wrote an incoming mail, and what tells it from others. Pure; never raises for what is in a mail. How
mails are read is in ``platform.letters``; what tells automatic mail is named at ``automatic``.
"""

import re

from tocsin.platform.letters import (
    FAULTS,
    READ,
    Mail,
    address_in,
    content,
    identity,
    inside,
    kind_of,
    parts_of,
    plain,
    read,
)

__all__ = [
    "FAULTS", "READ", "Mail", "address_in", "automatic", "content", "identity", "inside", "kind_of", "parts_of",
    "plain", "read", "told_apart",
]  # fmt: skip


def told_apart(raw: bytes) -> tuple[str, bytes]:
    """The Message-ID of a mail, and what tells it from all others: that, or without one what no server changes on its
    way."""
    mail = read(raw[: 64 * 1024])
    if mail.message_id:
        return mail.message_id, mail.message_id.encode()
    told = "\0".join(mail.headers.get(name, "") for name in ("date", "from", "subject"))
    return "", told.encode() + b"\0" + raw.partition(b"\r\n\r\n")[2]


# --- whether a person wrote it ------------------------------------------------------------------------------------

SUBJECTS = re.compile(
    r"(auto(matic)?[ -]?(reply|response|answer)|out of (the )?office|automatische (antwort|abwesenheit)|abwesenheits|"
    r"réponse automatique|absence du bureau|respuesta automática|fuera de la oficina|risposta automatica|"
    r"resposta automática|automatisch antwoord|automatiskt svar|automatisk svar|autosvar|automaattinen vastaus|"
    r"automatyczna odpowiedź|автоответ|自動返信|自动回复|자동 회신|undeliverable|delivery status notification)",
    re.IGNORECASE,
)
MACHINES = re.compile(
    r"^(mailer-daemon|postmaster|no-?reply|do-?not-?reply|auto-?reply|bounces?)([+=@._-]|$)", re.IGNORECASE
)
LISTS = ("list-id", "list-unsubscribe", "list-post", "mailing-list", "feedback-id")
ANSWERERS = ("x-autoreply", "x-autorespond", "x-autoreply-from", "x-mail-autoreply", "x-auto-reply", "x-vacation")


def automatic(mail: Mail, envelope_sender: str) -> str:
    """Why a mail counts as written by a machine; empty when a person may have written it.

    By the envelope's empty sender and Auto-Submitted (RFC 3834), by Precedence and headers of lists (RFC 2919), by
    X-headers of mail programs and Exchange, by its media type (receipts and reports, RFC 6522), and by subjects of mail
    programs that set none of these. Our own mail that comes back is automatic too.
    """
    headers = mail.headers
    submitted = headers.get("auto-submitted", "no").lower().split(";")[0].strip()
    precedence = headers.get("precedence", "").lower().strip()
    suppressed = headers.get("x-auto-response-suppress", "").lower()
    autoreply = next((name for name in ANSWERERS if headers.get(name, "no").lower() not in ("no", "false", "")), "")
    by_list = next((name for name in LISTS if name in headers), "")
    checks = (
        (not envelope_sender.strip("<> "), "the envelope names no sender"),
        (bool(MACHINES.match(envelope_sender)), "its envelope comes from a machine"),
        (submitted not in ("no", ""), "Auto-Submitted"),
        (precedence in ("bulk", "junk", "list", "auto_reply", "auto-reply"), "Precedence"),
        (bool(autoreply), autoreply),
        (bool(by_list), by_list),
        ("all" in re.split(r"[\s,]+", suppressed), "X-Auto-Response-Suppress"),
        (any(name.startswith("x-tocsin-") for name in headers), "it is mail of Tocsin"),
        (mail.parsed is not None and kind_of(mail.parsed) == "multipart/report", "it is a report"),
        (bool(MACHINES.match(mail.sender)), "it comes from a machine"),
        (bool(SUBJECTS.search(mail.subject)), "its subject is that of an automatic answer"),
    )
    return next((why for true, why in checks if true), "")
