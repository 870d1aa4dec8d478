"""Writing providers down: the accounts that SMS and calls go through."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from tocsin.delivery import provider_queries
from tocsin.delivery import rules as outbox_rules
from tocsin.delivery.actions.outbox import enqueue
from tocsin.delivery.models import Provider, ProviderHealth
from tocsin.delivery.rules import providers as rules
from tocsin.delivery.rules.providers import PROVIDER, ProviderSpec
from tocsin.people.models import ContactMethod
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, clock, secrets
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound
from tocsin.platform.unique import require_free

REFUSED = "This provider cannot be kept."


def save_provider(spec: ProviderSpec, *, actor: Actor, id: int | None = None) -> Provider:
    """Add a provider, or make the one with this ``id`` as written. The slug is made from the name when empty.

    Raises Forbidden, NotFound, Invalid, Conflict.
    """
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        row = Provider() if id is None else _lock(id)
        name, slug = spec.name.strip(), spec.slug or row.slug or slugify(spec.name)[:120].strip("-")
        countries = list(dict.fromkeys(prefix.replace(" ", "") for prefix in spec.countries if prefix.strip()))
        if problems := _problems(spec, name, slug, countries, row):
            raise Invalid(REFUSED, problems)
        require_free(Provider.objects.all(), "provider", row.pk, name=name, slug=slug)
        before = None if id is None else _facts(row)
        anew: dict[str, str] = {}
        row.name, row.slug, row.kind = name, slug, spec.kind
        row.config = provider_queries.kinds()[spec.kind].descriptor.clean(spec.config)
        row.countries, row.position, row.enabled = countries, spec.position, spec.enabled
        if spec.secret is not None and _clear(row.secret) != spec.secret:
            row.secret = secrets.encrypt(spec.secret) if spec.secret else ""
            anew = dict.fromkeys(["secret"], "set anew")
        row.save()
        after = _facts(row) | anew
        if before != after:
            audit.record(actor, "created" if id is None else "changed", PROVIDER, row.pk, row.name, before, after)
            # whoever has mended an account must not wait for the end of its rest
            ProviderHealth.objects.filter(provider=row).update(failures=0, open_until=None, reason="")
    return row


def delete_providers(ids: Iterable[int], *, actor: Actor) -> int:
    """Remove providers with what they have on record; how many were removed. Receipts and replies that come later are
    refused. Raises Forbidden."""
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        found = list(Provider.objects.select_for_update().filter(pk__in=list(ids)).order_by("pk"))
        for row in found:
            audit.record(actor, "deleted", PROVIDER, row.pk, row.name, before=_facts(row))
            row.delete()
    return len(found)


def send_test_through(provider_id: int, *, actor: Actor) -> int:
    """Send an SMS through this provider to oneself; returns the delivery's id, whose state tells what came of it.

    Raises Forbidden, NotFound, Conflict (it is switched off, cannot send SMS, or one has no number).
    """
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        row = _lock(provider_id)
        if not row.enabled:
            raise Conflict("This provider is switched off.")
        kind = provider_queries.kinds().get(row.kind)
        if kind is None or not kind.descriptor.carries("sms", row.config):
            raise Conflict("This provider sends no SMS as it is set up.")
        method = (
            ContactMethod.objects.filter(user_id=actor.user_id or 0, channel="sms", disabled_at=None)
            .order_by("id")
            .first()
        )
        if method is None:
            raise Conflict("The test is an SMS to you: add SMS with your number to your contact methods first.")
        item = outbox_rules.NewDelivery(
            kind="test",
            key=rules.key_of_test(row.pk, secrets.random_key(12)),
            channel="sms",
            address=method.address,
            user_id=method.user_id,
            contact_method_id=method.pk,
            rank=outbox_rules.TEST_RANK,
        )
        return enqueue([item], now=clock.now())[0]


def _problems(spec: ProviderSpec, name: str, slug: str, countries: list[str], row: Provider) -> dict[str, str]:
    wrong = {}
    if not 0 < len(name) <= 120:
        wrong["name"] = "1 to 120 characters"
    if slugify(slug) != slug or not 0 < len(slug) <= 120:
        wrong["slug"] = "small letters, digits and hyphens, 120 at most"
    if not 0 <= spec.position <= 1000:
        wrong["position"] = "0 to 1000"
    if bad := rules.bad_prefixes(countries):
        wrong["countries"] = f"dialling prefixes such as +49, not {bad[0][:20]}"
    if row.pk and spec.kind != row.kind:
        wrong["kind"] = "cannot be changed: add another provider"
    # a stored secret was checked when it came in
    secret = spec.secret if spec.secret is not None else ("kept" if row.secret else "")
    return wrong | provider_queries.check(spec.kind, secret, spec.config)


def _clear(stored: str) -> str | None:
    """What is stored; None when it cannot be read any more, so that whatever is given replaces it."""
    try:
        return secrets.decrypt(stored) if stored else ""
    except secrets.SecretUnreadable:
        return None


def _lock(provider_id: int) -> Provider:
    row = Provider.objects.select_for_update().filter(pk=provider_id).first()
    if row is None:
        raise NotFound("There is no such provider.")
    return row


def _facts(row: Provider) -> dict[str, Any]:
    """A provider for the audit, without its secret."""
    spec = ProviderSpec(row.name, row.kind, row.slug, row.config, None, row.countries, row.position, row.enabled)
    return asdict(spec) | {"secret": "set" if row.secret else ""}
