"""What may be read of providers, the accounts that SMS and calls go through. Only administrators see them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.db import connection
from django.db.models import Q, QuerySet

from tocsin.delivery import numbers
from tocsin.delivery.actions.handovers import circuit_of
from tocsin.delivery.models import Handover, Provider, ProviderHealth
from tocsin.delivery.provider_contract import Account
from tocsin.delivery.provider_contract import Provider as Kind
from tocsin.delivery.rules import providers as rules
from tocsin.delivery.rules.providers import Candidate, ProviderSpec, Record
from tocsin.people.rules import Deed, require
from tocsin.platform import clock, plugins, secrets
from tocsin.platform.actor import Actor
from tocsin.platform.errors import NotFound

GROUP = "tocsin.providers"
CARRIED = ("sms", "voice")  # channels whose messages go through a provider


def kinds() -> dict[str, Kind]:
    """All kinds of provider that are installed and work."""
    return cast(dict[str, Kind], plugins.loadable(GROUP))


def check(kind: str, secret: object, config: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with an account's fields, by field name; empty when nothing is."""
    known = kinds()
    if kind not in known:
        return {"kind": "must be one of " + ", ".join(known)}
    return known[kind].descriptor.check(secret, config)


def providers(actor: Actor, q: str = "") -> QuerySet[Provider]:
    """Providers in the order in which they are asked; ``q`` is looked for in the name. Raises Forbidden."""
    require(actor, Deed.ADMINISTER)
    rows = Provider.objects.select_related("health").order_by("position", "name")
    return rows.filter(Q(name__icontains=q) | Q(slug__icontains=q)) if q else rows


def provider(actor: Actor, key: int | str) -> Provider:
    """One provider by id, slug or name. Raises NotFound, Forbidden."""
    text = str(key)
    by = Q(slug__iexact=text) | Q(name__iexact=text)
    if text.isdecimal() and len(text) < 10:
        by |= Q(pk=int(text))
    found = providers(actor).filter(by).first()
    if found is None:
        raise NotFound(f"There is no provider {text!r}.")
    return found


def export_providers(ids: Iterable[int] | None = None) -> list[ProviderSpec]:
    """All providers, or these, as people write them; what is secret stays."""
    rows = Provider.objects.order_by("position", "name")
    if ids is not None:
        rows = rows.filter(pk__in=list(ids))
    return [
        ProviderSpec(row.name, row.kind, row.slug, row.config, None, row.countries, row.position, row.enabled)
        for row in rows
    ]


def uncarried(channel: str) -> str:
    """Why nothing can go out over a channel as things stand; empty when it can, or needs no provider."""
    if channel not in CARRIED:
        return ""
    known = kinds()
    rows = Provider.objects.filter(enabled=True)
    if any(row.kind in known and known[row.kind].descriptor.carries(channel, row.config) for row in rows):
        return ""
    return "Nothing arrives here until an administrator sets a provider up that carries it (Settings, Providers)."


def account_of(row: Provider) -> Account:
    """The account with its secret in the clear. Raises SecretUnreadable."""
    return Account(row.slug, row.name, row.config, secrets.decrypt(row.secret) if row.secret else "")


def by_slug(slug: str) -> Provider | None:
    """The provider that a request claims to come from; one that is switched off may still report what it took."""
    return Provider.objects.filter(slug=slug).first()


# --- while something is carried -----------------------------------------------------------------------------------

# an SMS that did not arrive tells on its provider, a phone that nobody picked up does not
_RECORDS = """
SELECT provider_id,
       count(*) FILTER (WHERE state IN ('accepted', 'delivered')),
       count(*) FILTER (WHERE state = 'refused' OR (state = 'failed' AND channel = 'sms'))
FROM delivery_handover
WHERE at > %s AND (%s = '' OR country = %s) GROUP BY provider_id
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """What there is to choose from at a moment, and when the number got its last SMS."""

    now: datetime
    candidates: tuple[Candidate, ...]
    sent: tuple[datetime, ...]
    problems: tuple[str, ...] = ()


def records(now: datetime, country: str = "") -> dict[int, Record]:
    """How each provider did over the last hour, with one country's numbers or with all."""
    with connection.cursor() as cursor:
        cursor.execute(_RECORDS, [now - timedelta(hours=1), country, country])
        return {row[0]: Record(row[1], row[2]) for row in cursor.fetchall()}


def choice(channel: str, number: str, only: int | None = None) -> Choice:
    """Providers that are switched on and can carry for the channel; ``only``: none but this one."""
    now = clock.now()
    known = kinds()
    rows = Provider.objects.filter(enabled=True).order_by("position", "name")
    if only is not None:
        rows = rows.filter(pk=only)
    circuits = {row.provider_id: circuit_of(row) for row in ProviderHealth.objects.all()}
    lately = records(now, numbers.country(number))
    found, problems = [], []
    for row in rows:
        if row.kind not in known:
            problems.append(f"{row.name}: its kind {row.kind} is not installed")
            continue
        if not known[row.kind].descriptor.carries(channel, row.config):
            continue
        try:
            account = account_of(row)
        except secrets.SecretUnreadable:
            problems.append(f"{row.name}: its secret was stored under another TOCSIN_SECRET_KEY")
            continue
        found.append(
            Candidate(
                row.pk,
                row.kind,
                account,
                row.position,
                # a test of one provider goes to whoever tests it, wherever they live
                () if only is not None else tuple(row.countries),
                circuits.get(row.pk, rules.Circuit()),
                lately.get(row.pk, Record()),
            )
        )
    since = now - timedelta(seconds=rules.NUMBER.window_s)
    sent = Handover.objects.filter(
        number=number, at__gt=since, channel="sms", state__in=("begun", "accepted", "delivered", "failed")
    )
    return Choice(now, tuple(found), tuple(sent.values_list("at", flat=True)), tuple(problems))


# --- how they go --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Going:
    """How a provider goes, for people. ``state``: closed, open or probe."""

    row: Provider
    label: str
    state: str
    reason: str
    open_until: datetime | None
    good: int
    bad: int
    refused: int
    refused_at: datetime | None
    carries: tuple[str, ...]


def going(rows: Iterable[Provider]) -> list[Going]:
    """How these providers go; one query for all of them."""
    now = clock.now()
    lately = records(now)
    known = kinds()
    found = []
    for row in rows:
        health = getattr(row, "health", None)
        circuit = circuit_of(health)
        kind = known.get(row.kind)
        record = lately.get(row.pk, Record())
        carries = tuple(c for c in ("sms", "voice") if kind and kind.descriptor.carries(c, row.config))
        found.append(
            Going(
                row,
                kind.descriptor.label if kind else row.kind,
                rules.standing(circuit, now),
                circuit.reason,
                circuit.open_until,
                record.good,
                record.bad,
                health.refused if health else 0,
                health.refused_at if health else None,
                carries,
            )
        )
    return found
