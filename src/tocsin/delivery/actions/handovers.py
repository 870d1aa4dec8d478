"""What providers are given, and how they do: written before and after each try, outside of any other transaction."""

from dataclasses import asdict
from datetime import datetime, timedelta

from django.db import connection, transaction

from tocsin.delivery import numbers
from tocsin.delivery.actions.outbox import storable
from tocsin.delivery.contract import Accepted, Errand, Rejected
from tocsin.delivery.models import Handover, Provider, ProviderHealth, Received
from tocsin.delivery.provider_contract import Result
from tocsin.delivery.rules import providers as rules
from tocsin.platform import clock

KEPT = timedelta(days=90)  # what is older is of no use to rates, limits and receipts


def begin(provider_id: int, errand: Errand, *, probe: bool) -> tuple[int, datetime] | None:
    """Note that a provider is about to be given something; the handover's id and the present moment.

    None: it was to be the probe of a provider that rests, and somebody else has sent that.
    """
    with transaction.atomic():
        now = clock.now()
        if probe:
            health = ProviderHealth.objects.select_for_update().filter(provider_id=provider_id).first()
            circuit = circuit_of(health)
            if health is not None and rules.standing(circuit, now) == "open":
                return None
            _write(provider_id, rules.probing(circuit, now))
        row = Handover.objects.create(
            provider_id=provider_id,
            channel=errand.channel,
            number=errand.number,
            country=numbers.country(errand.number),
            deliveries=list(errand.message.delivery_ids),
            script=asdict(errand.script) if errand.script else None,
            at=now,
        )
    return row.pk, now


def end(handover_id: int, provider_id: int, result: Result, *, probe: bool) -> None:
    """Note what a provider said. News that came before its answer is not undone."""
    ref, reason = (result.ref, "") if isinstance(result, Accepted) else ("", result.reason)
    state = "accepted" if isinstance(result, Accepted) else "rejected" if isinstance(result, Rejected) else "refused"
    with transaction.atomic():
        now = clock.now()
        if ref:
            Handover.objects.filter(pk=handover_id, ref="").update(ref=storable(ref)[:300])
        Handover.objects.filter(pk=handover_id, state="begun").update(
            state=state, reason=storable(reason)[:500], ended_at=None if state == "accepted" else now
        )
        health = ProviderHealth.objects.select_for_update().filter(provider_id=provider_id).first()
        before = circuit_of(health)
        after = rules.circuit_after(before, result, now, probe=probe)
        if after != before:
            _write(provider_id, after)


def circuit_of(health: ProviderHealth | None) -> rules.Circuit:
    """The circuit that is stored there; without one it is closed."""
    return rules.Circuit(health.failures, health.open_until, health.reason) if health else rules.Circuit()


def _write(provider_id: int, circuit: rules.Circuit) -> None:
    if not Provider.objects.filter(pk=provider_id).exists():
        return  # removed meanwhile
    values = {"failures": circuit.failures, "open_until": circuit.open_until, "reason": storable(circuit.reason)}
    ProviderHealth.objects.update_or_create(provider_id=provider_id, defaults=values)


def count_refused(provider_id: int) -> None:
    """A request in this provider's name had no good signature."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO delivery_provider_health (provider_id, failures, reason, refused, refused_at)
               VALUES (%s, 0, '', 1, tocsin_now())
               ON CONFLICT (provider_id) DO UPDATE
               SET refused = delivery_provider_health.refused + 1, refused_at = tocsin_now()""",
            [provider_id],
        )


def forget_handovers() -> int:
    """Forget what was given to providers, and what people sent back, when it is of no more use; how many."""
    before = clock.now() - KEPT
    answers, _ = Received.objects.filter(at__lt=before).delete()
    return Handover.objects.filter(at__lt=before).delete()[0] + answers
