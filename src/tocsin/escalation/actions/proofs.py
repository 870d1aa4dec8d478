"""The standing proof: proven again when the configuration changed and every night; a new gap is told to its owners."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from tocsin.delivery.actions.notices import notify
from tocsin.escalation import queries
from tocsin.escalation.models import KnownGap
from tocsin.escalation.proving import AGES_AGO, CounterExample, Proof, prove
from tocsin.oncall.rules.spans import both, without
from tocsin.oncall.rules.wallclock import Span, to_us
from tocsin.people.models import ContactMethod
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.platform.models import Setting

log = structlog.get_logger()

NIGHTLY = timedelta(hours=24)
SETTLE = timedelta(seconds=30)  # a change is followed by others; the proof waits for the last of them
TO_VERIFY = timedelta(days=7)  # so long a new contact method may stay unverified before its team is told
MOST_SPANS = 2_000
_LAST = "escalation.proof"


def reprove_due() -> bool:
    """Prove again if the configuration has changed since, or a day has passed. Whether the proof is up to date now."""
    with transaction.atomic():
        now, version = clock.reading()
        row, _ = Setting.objects.get_or_create(name=_LAST, defaults={"value": {}})
        last = Setting.objects.select_for_update(skip_locked=True).filter(pk=row.pk).first()
        if last is None:
            return False  # another engine is at it
        was = last.value
        if was.get("version") == version:
            if was["at"] > (now - NIGHTLY).isoformat():
                return True
        elif was.get("seen") != version:
            last.value = was | {"seen": version, "seen_at": now.isoformat()}
            last.save(update_fields=["value"])
            return False
        elif was["seen_at"] > (now - SETTLE).isoformat():
            return False
        proof = reprove(_until(was))
        last.value = {"version": version, "at": now.isoformat(), "until": proof.until.isoformat()}
        last.save(update_fields=["value"])
    return True


def _until(was: dict[str, Any]) -> datetime | None:
    return datetime.fromisoformat(was["until"]) if "until" in was else None


def reprove(proven_until: datetime | None = None) -> Proof:
    """Prove all services, remember the gaps, and tell the owning teams of those that are new.

    A gap is new when it lies before ``proven_until``, the end of the proof before, and was not there then; without a
    proof before, all are. That a contact method is not verified is no news for the week that its person has to do it,
    nor where nobody has verified any: pages go there all the same.
    """
    with transaction.atomic():
        verifying = ContactMethod.objects.filter(verified_at__isnull=False).exists()
        now = clock.now()
        proof = prove(actor=SYSTEM, trusting=now - TO_VERIFY if verifying else AGES_AGO)
        known = {row.key: row for row in KnownGap.objects.select_for_update()}
        horizon = [(to_us(proof.since), to_us(proven_until or proof.until))]
        for one in proof.counter_examples:
            row = known.pop(one.key, None) or KnownGap(key=one.key, found_at=now)
            spans = one.gap.spans[:MOST_SPANS]
            old: list[Span] = [(begin, end) for begin, end in row.spans]
            news = without(both(spans, horizon), old)
            row.text, row.spans = one.sentence, [list(span) for span in spans]
            row.save()
            if news:
                _tell(one, row, now)
        KnownGap.objects.filter(pk__in=[row.pk for row in known.values()]).delete()
    return proof


def _tell(one: CounterExample, row: KnownGap, now: datetime) -> None:
    owners = queries.looking_after(one.team_ids)
    count = notify(
        owners,
        key=f"gap:{row.pk}:{now.isoformat()}",
        title=f"Nobody to page: {one.gap.when}",
        body=f"{one.sentence}\n\nPut somebody on call then, or say in the schedule that nobody is needed.",
        path="/on-call/proof/",
    )
    log.info("escalation.gap_found", text=one.sentence, told=count)
