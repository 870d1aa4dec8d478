"""A signal: one raw report that arrived, in the one shape that triage knows."""

from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal

import msgspec

Action = Literal["trigger", "acknowledge", "resolve", "change", "check_in"]
ACTIONS: tuple[Action, ...] = ("trigger", "acknowledge", "resolve", "change", "check_in")
Severity = Literal["critical", "error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "error", "warning", "info")

TITLE_LIMIT = 1024
KEY_LIMIT = 255


class Link(msgspec.Struct, frozen=True, gc=False):
    """An address worth opening, with what to call it."""

    href: str
    text: str = ""


class Signal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one report says.

    action       what the sender wants: ``trigger``, ``acknowledge``, ``resolve``, ``change``, ``check_in``
    dedup_key    names the condition within its source, at most KEY_LIMIT characters
    title        one line for people, at most TITLE_LIMIT characters; may be empty on acknowledge and resolve
    severity     what the source said
    labels       short facts to route and group by
    details      anything else the sender told, JSON-able
    remarks      what intake changed or doubted, in words (``summary cut at 1024 characters``)
    origin       the thing that the report is about, or the program that noticed
    occurred_at  when the sender says it happened; None: it did not say
    expires_at   when the condition counts as resolved unless it is reported again; None: never
    priority     ``P1`` ... ``P5`` when the sender names the incident's priority; empty: impact and urgency decide
    """

    action: Action
    dedup_key: str
    title: str = ""
    severity: Severity = "error"
    labels: dict[str, str] = {}
    details: Any = None
    links: list[Link] = []
    remarks: list[str] = []
    origin: str = ""
    client: str = ""
    client_url: str = ""
    occurred_at: datetime | None = None
    expires_at: datetime | None = None
    priority: str = ""


_ORDERED = msgspec.json.Encoder(order="deterministic")

# words that monitoring tools use for how bad something is
_WORDS: dict[str, Severity] = {
    **dict.fromkeys(
        ("critical", "crit", "page", "fatal", "emergency", "emerg", "disaster", "alert", "p1", "p0", "sev1"),
        "critical",
    ),
    **dict.fromkeys(("error", "err", "high", "major", "average", "p2", "sev2", "failure"), "error"),
    **dict.fromkeys(("warning", "warn", "medium", "minor", "moderate", "p3", "sev3"), "warning"),
    **dict.fromkeys(
        ("info", "informational", "information", "notice", "low", "none", "ok", "debug", "p4", "p5", "sev4", "sev5",
         "success"),
        "info",
    ),
}  # fmt: skip


def severity_of(word: object, default: Severity = "error") -> Severity:
    """The severity that a tool's word means (``page`` -> ``critical``, ``P3`` -> ``warning``); else ``default``."""
    if word is None:
        return default
    return _WORDS.get(word if isinstance(word, str) else str(word)) or _WORDS.get(str(word).strip().lower(), default)


def identity(value: object) -> str:
    """32 hex characters that are the same for equal JSON values, however their keys are ordered.

    BLAKE2b-128 of the JSON text with sorted keys. Used for label sets that come without a fingerprint of their own.
    """
    return blake2b(_ORDERED.encode(value), digest_size=16).hexdigest()


def short_key(key: str) -> str:
    """A dedup key of at most KEY_LIMIT characters; a longer one keeps its beginning and ends in a hash of the whole."""
    if len(key) <= KEY_LIMIT:
        return key
    digest = blake2b(key.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return f"{key[: KEY_LIMIT - 33]}~{digest}"


def cut_title(title: str, remarks: list[str], name: str = "title") -> str:
    """The title in one line of at most TITLE_LIMIT characters; a cut is remarked."""
    if len(title) <= TITLE_LIMIT:
        return title
    remarks.append(f"{name} cut at {TITLE_LIMIT} characters")
    return title[: TITLE_LIMIT - 1] + "…"
