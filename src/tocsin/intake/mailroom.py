"""Mail for sources: ``<key>@domain``, or ``<anything>+<key>@domain``, becomes signals of the source with that key.

Signals are in the inbox when the transaction commits, and only then does the sender hear ``250``. What is not taken is
written down with the reason, as the door does with requests.
"""

import json
import re
import time
from collections import OrderedDict
from math import ceil

import structlog
from django.db import DatabaseError, transaction

from tocsin.intake import actions
from tocsin.intake.contract import ParseError, Request, Signal, clean_text
from tocsin.intake.door.sources import Known
from tocsin.intake.models import Source
from tocsin.intake.rules import TokenBucket
from tocsin.platform import clock, secrets
from tocsin.platform.mail import Arrived

log = structlog.get_logger(__name__)

UNKNOWN = "550 5.1.1 There is no such address here"
OFF = "550 5.2.1 This source is switched off"
LOCKED = "451 4.3.0 The secrets of this source cannot be read, please come again"
LIMITED = "451 4.7.1 Too many mails for this source, please come again"
REFUSED = "550 5.7.1 "
KEPT_BUCKETS = 10_000
OBJECTIONS = ("21", "22", "54")  # classes of SQLSTATE that are about values, and not about the database

_ADDRESS = re.compile(r"(?:.*\+)?([0-9A-Za-z]{32})", re.DOTALL)


def key_in(local: str) -> str:
    """The key in a local part; empty when there is none."""
    found = _ADDRESS.fullmatch(local)
    return found[1] if found else ""


class SourceMail:
    """Takes mail for sources of kinds that listen to mail; see ``platform.mail.Taker``."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[int, int], TokenBucket] = OrderedDict()

    def knows(self, local: str) -> bool:
        """Whether it ends in what may be a key."""
        return bool(key_in(local))

    def turns_away(self, local: str, client: str) -> str:
        """Keys that no source has, sources that are switched off or over their limit. Charges the limit."""
        source = _source(local)
        if source is None:
            return UNKNOWN
        if not source.enabled:
            return OFF
        if source.kind is None or source.kind.listener != "mail":
            right = source.kind.kind if source.kind else "unknown"
            self._note(source, client, "unrouted", UNKNOWN, [f"this key belongs to a source of kind {right}"])
            return UNKNOWN
        if source.locked:
            return LOCKED
        bucket = self._bucket(source)
        wait = bucket.wait(time.monotonic())
        if wait > 0:
            text = f"more than {source.limit} mails a minute; the sender comes again, at best in {ceil(wait)} s"
            self._note(source, client, "limited", LIMITED, [text])
            return LIMITED
        bucket.take(1)
        return ""

    def keep(self, mail: Arrived) -> str:
        """Put the signals of a mail into the inbox. Raises the database's error when it is away."""
        source = _source(mail.local)
        if source is None or source.kind is None or source.kind.listener != "mail":
            return UNKNOWN
        request = Request(
            mail.content,
            now=clock.now(),
            headers={"x-envelope-from": mail.sender, "x-envelope-to": f"{mail.local}@{mail.domain}"},
        )
        place = f"{place_of(mail.local)}@{mail.domain}"
        try:
            parsed = source.kind.parse(request, source.config)
        except ParseError as error:
            reason = "unauthorised" if error.status in (401, 403) else "malformed"
            actions.note_refusal(reason, 550, place, source.id, mail.client, error.errors, mail.content)
            said = error.errors[0] if error.errors else "It is not taken"
            return REFUSED + re.sub(r"[^ -~]", "?", said)[:200]
        if parsed.refused:
            actions.note_refusal(parsed.reason, 250, place, source.id, mail.client, parsed.refused, mail.content)
        _accept(source, parsed.signals)
        return ""

    def _bucket(self, source: Known) -> TokenBucket:
        """The limit of a source; a changed limit begins anew."""
        name = (source.id, source.limit)
        found = self._buckets.setdefault(name, source.bucket)
        self._buckets.move_to_end(name)
        while len(self._buckets) > KEPT_BUCKETS:
            self._buckets.popitem(last=False)
        return found

    @staticmethod
    def _note(source: Known, client: str, reason: str, answer: str, errors: list[str]) -> None:
        with transaction.atomic():
            actions.note_refusal(reason, int(answer[:3]), "mail", source.id, client, errors, b"")


def place_of(local: str) -> str:
    """A local part with its key masked."""
    key = key_in(local)
    return clean_text(local[: -len(key)] + key[:4] + "…")[-120:]


def _source(local: str) -> Known | None:
    """The source whose key stands in a local part, in small letters or as it is. Raises the database's error."""
    key = key_in(local)
    digests = [secrets.digest(key), secrets.digest(key.lower())]
    row = Source.objects.filter(key_digest__in=digests).order_by("pk").first()
    if row is None:
        return None
    facts = {
        "id": row.pk,
        "name": row.name,
        "kind": row.kind,
        "key_digest": row.key_digest,
        "config": json.dumps(row.config),
        "limit_per_minute": row.limit_per_minute,
        "enabled": row.enabled,
    }
    return Known(facts, time.monotonic())


def _accept(source: Known, signals: list[Signal]) -> None:
    """Into the inbox; a signal that PostgreSQL objects to goes in without its details."""
    try:
        with transaction.atomic():
            actions.accept([(source.id, signal) for signal in signals])
    except DatabaseError as error:
        if str(getattr(error.__cause__, "sqlstate", "") or "")[:2] not in OBJECTIONS:
            raise
        log.warning("mail.without_details", source=source.id, error=str(error)[:200])
        actions.accept([(source.id, _plain(signal)) for signal in signals])


def _plain(signal: Signal) -> Signal:
    """The signal with nothing in it that a database could object to."""
    return Signal(
        action=signal.action,
        dedup_key=signal.dedup_key.encode("ascii", "backslashreplace").decode()[:255],
        title=signal.title.encode("ascii", "replace").decode(),
        severity=signal.severity,
        remarks=["the database refused the details; they were dropped"],
    )
