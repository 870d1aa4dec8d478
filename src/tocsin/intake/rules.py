"""Pure decisions of intake: rows of the inbox, limits, masking, heartbeats."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

import msgspec

from tocsin.intake.contract import Link, Signal, clean, clean_text, short_key

BUCKETS = 64
DEPTH_LIMIT = 64
KEPT_REFUSALS = 1_000
EXCERPT = 2_000

Row = tuple[int, int, str, str, str, str, str, datetime | None]
"""source_id, bucket, action, dedup_key, severity, title, data (JSON text), occurred_at: columns of the inbox."""


@dataclass(frozen=True)
class SourceSpec:
    """A source as people describe it. ``service`` is the service's slug; the key is made by Tocsin."""

    name: str
    service: str
    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    limit_per_minute: int = 100_000
    enabled: bool = True


@dataclass(frozen=True)
class HeartbeatMissed:
    """A source that owed a check-in and did not make it; ``config`` is the source's."""

    source_id: int
    name: str
    last_at: datetime
    due_at: datetime
    config: Mapping[str, Any] = field(default_factory=dict)


class _Rest(msgspec.Struct, gc=False):
    """What ``intake_inbox.data`` holds. Every key is always there, but for ``priority``."""

    labels: dict[str, str]
    details: Any
    links: list[Link]
    remarks: list[str]
    origin: str
    client: str
    client_url: str
    expires_at: datetime | None
    priority: str | msgspec.UnsetType = msgspec.UNSET


_encode = msgspec.json.Encoder().encode
_FLAT = re.compile(rb"[^\[\]{}]+")
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')


def bucket_of(source_id: int, dedup_key: str) -> int:
    """The hash partition (0 ... 63) in which signals of this key keep their order: crc32("<source>:<key>") & 63."""
    return crc32(f"{source_id}:{dedup_key}".encode("utf-8", "replace")) & (BUCKETS - 1)


def row_of(source_id: int, signal: Signal) -> Row:
    """The inbox row of a signal, safe for PostgreSQL whatever the signal holds."""
    try:
        data = _encode(
            _Rest(
                signal.labels,
                signal.details,
                signal.links,
                signal.remarks,
                signal.origin,
                signal.client,
                signal.client_url,
                signal.expires_at,
                signal.priority or msgspec.UNSET,
            )
        )
        if (data.count(b"[") + data.count(b"{") > DEPTH_LIMIT and _depth(data) > DEPTH_LIMIT) or b"\\u0000" in data:
            data = _encode(_mended(signal))
    except (ValueError, TypeError, RecursionError, OverflowError):
        data = _encode(_mended(signal))
    key, title = signal.dedup_key, signal.title
    if not (key.isascii() and title.isascii()) or "\0" in key or "\0" in title:
        key, title = clean_text(key), clean_text(title)
    return (
        source_id,
        crc32(f"{source_id}:{key}".encode()) & 63,
        signal.action,
        key,
        signal.severity,
        title,
        data.decode(),
        signal.occurred_at,
    )


def _depth(data: bytes) -> int:
    """How deep the brackets of a JSON text are nested."""
    deepest = depth = 0
    for byte in _FLAT.sub(b"", _STRINGS.sub(b"", data)):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _mended(signal: Signal) -> _Rest:
    """The rest of a signal with whatever cannot be stored replaced: a report without details is better than none."""
    remarks = [clean_text(str(text)) for text in signal.remarks]
    try:
        details = clean(msgspec.to_builtins(signal.details))
        text = _encode(details)
        if _depth(text) > DEPTH_LIMIT - 2:
            remarks.append(f"details nested more than {DEPTH_LIMIT} deep were kept as text")
            details = text[:65_536].decode("utf-8", "replace").replace("\\u0000", "\ufffd")
    except (ValueError, TypeError, RecursionError, OverflowError):
        remarks.append("the details could not be stored")
        details = None
    return _Rest(
        {clean_text(str(name)): clean_text(str(value)) for name, value in signal.labels.items()},
        details,
        [Link(clean_text(str(link.href)), clean_text(str(link.text))) for link in signal.links],
        remarks,
        clean_text(str(signal.origin)),
        clean_text(str(signal.client)),
        clean_text(str(signal.client_url)),
        signal.expires_at,
        signal.priority or msgspec.UNSET,
    )


def plainest(row: Row) -> Row:
    """The row with everything dropped that PostgreSQL could object to; for one that it refused."""
    source_id, _, action, key, severity, title, _, _ = row
    key = short_key(key.encode("ascii", "backslashreplace").decode().replace("\0", ""))
    title = title.encode("ascii", "replace").decode().replace("\0", "")
    rest = _Rest({}, None, [], ["the database refused the details; they were dropped"], "", "", "", None)
    return (source_id, bucket_of(source_id, key), action, key, severity, title, _encode(rest).decode(), None)


class TokenBucket:
    """A limit of so many signals a minute; what was saved up allows a burst of one minute's worth.

    A request may take more than is left and go into debt: a batch larger than the limit passes once, then waits.
    """

    __slots__ = ("_at", "_rate", "_tokens", "capacity")

    def __init__(self, per_minute: int, at: float) -> None:
        self.capacity = float(max(per_minute, 1))
        self._rate = self.capacity / 60
        self._tokens = self.capacity
        self._at = at

    def wait(self, at: float) -> float:
        """Seconds until another signal may come; 0 when one may come now. ``at`` in seconds, from any steady clock."""
        if at > self._at:
            self._tokens = min(self.capacity, self._tokens + (at - self._at) * self._rate)
            self._at = at
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._rate

    def take(self, count: int) -> None:
        """Charge so many signals."""
        self._tokens -= count

    @property
    def left(self) -> int:
        """Signals that may come at once."""
        return max(0, int(self._tokens))


_SECRET_FIELD = re.compile(
    r"""((?:routing_?key|service_?key|api_?key|integration_?key|token|password|passwd|secret|authorization|credential\w*)
    ["']?\s*[:=]\s*["']?)((?:Bearer|Basic|Token)\s+)?([^"'&\s,}]{1,4})[^"'&\s,}]*""",
    re.IGNORECASE | re.VERBOSE,
)
_LONG_WORD = re.compile(r"(?<![0-9A-Za-z])([0-9A-Za-z]{4})[0-9A-Za-z]{28}(?![0-9A-Za-z])")


def masked(text: str) -> str:
    """The text with keys, tokens and passwords cut to their first four characters."""
    return _LONG_WORD.sub(r"\1…", _SECRET_FIELD.sub(lambda found: f"{found[1]}{found[2] or ''}{found[3]}…", text))


def excerpt(body: bytes) -> str:
    """The beginning of a body for people to look at: at most EXCERPT characters, storable, keys masked."""
    return masked(clean_text(body[: EXCERPT * 2].decode("utf-8", "replace")))[:EXCERPT]


def masked_path(path: str) -> str:
    """A request's path with the key behind ``/in/`` masked, at most 500 characters."""
    head, mark, rest = path.partition("/in/")
    if not mark:
        return masked(clean_text(path))[:500]
    words = rest.split("/")
    shown = [word if len(word) < 20 or word.count("-") > 1 else f"{word[:4]}…" for word in words]
    return clean_text(f"{head}{mark}{'/'.join(shown)}")[:500]


def check_ins_owed(kind: str, config: Mapping[str, Any]) -> tuple[int, int] | None:
    """How often a source of this kind has to check in, and how late it may, seconds; None: it need not."""
    if kind == "heartbeat":
        return int(config["interval_s"]), int(config["grace_s"])
    if kind == "partner":  # it speaks once a minute
        return 60, int(config["after_minutes"]) * 60 - 60
    return None


def heartbeat_due(checked_in: datetime, interval_s: int, grace_s: int) -> datetime:
    """When the next check-in is late."""
    return checked_in + timedelta(seconds=interval_s + grace_s)


def missed_signal(missed: HeartbeatMissed) -> Signal:
    """The signal that a missing check-in becomes, with the title, priority and tags that its source may be told."""
    told = {name: str(missed.config.get(name) or "") for name in ("description", "message", "priority", "tags")}
    details = {"last_check_in": missed.last_at.isoformat(), "due": missed.due_at.isoformat()}
    return Signal(
        action="trigger",
        dedup_key="heartbeat",
        title=told["message"] or f"{missed.name} missed its check-in",
        severity="error",
        labels={"heartbeat": missed.name} | ({"tags": told["tags"]} if told["tags"] else {}),
        details=details | ({"description": told["description"]} if told["description"] else {}),
        origin=missed.name,
        occurred_at=missed.due_at,
        priority="" if told["priority"] == "matrix" else told["priority"],
    )


def returned_signal(name: str, at: datetime) -> Signal:
    """The signal that a check-in becomes after one was missed."""
    return Signal(
        action="resolve",
        dedup_key="heartbeat",
        title=f"{name} checked in again",
        severity="info",
        labels={"heartbeat": name},
        origin=name,
        occurred_at=at,
    )


def problems_of(spec: SourceSpec, kinds: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with a source's description, by field, apart from its configuration."""
    problems = {}
    if not spec.name.strip() or len(spec.name) > 120 or "\0" in spec.name:
        problems["name"] = "between 1 and 120 characters"
    if spec.kind not in kinds:
        problems["kind"] = f"one of {', '.join(sorted(kinds))}"
    if not 1 <= spec.limit_per_minute <= 100_000_000:
        problems["limit_per_minute"] = "between 1 and 100,000,000 signals a minute"
    return problems
