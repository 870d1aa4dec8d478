"""What may be read of webhooks, the addresses outside that policies call."""

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from tocsin.delivery.models import Webhook
from tocsin.delivery.rules import WebhookSpec
from tocsin.people.rules import Deed, require
from tocsin.platform.actor import Actor
from tocsin.platform.errors import NotFound


def webhooks(actor: Actor, q: str = "") -> QuerySet[Webhook]:
    """Webhooks by name; ``q`` is looked for in the name. Raises Forbidden."""
    require(actor, Deed.READ)
    rows = Webhook.objects.select_related("team").order_by("name")
    return rows.filter(Q(name__icontains=q) | Q(slug__icontains=q)) if q else rows


def webhook(actor: Actor, key: int | str) -> Webhook:
    """One webhook by id, slug or name. Raises NotFound, Forbidden."""
    text = str(key)
    by = Q(slug__iexact=text) | Q(name__iexact=text)
    if text.isdecimal() and len(text) < 10:
        by |= Q(pk=int(text))
    found = webhooks(actor).filter(by).first()
    if found is None:
        raise NotFound(f"There is no webhook {text!r}.")
    return found


def named(ids: Iterable[int]) -> dict[int, str]:
    """Names of webhooks by id."""
    return dict(Webhook.objects.filter(pk__in=list(ids)).values_list("pk", "name"))


def slugs(ids: Iterable[int]) -> dict[int, str]:
    """Slugs of webhooks by id."""
    return dict(Webhook.objects.filter(pk__in=list(ids)).values_list("pk", "slug"))


def ids_of(wanted: Iterable[str]) -> dict[str, int]:
    """Ids of webhooks by slug; unknown slugs are left out."""
    return dict(Webhook.objects.filter(slug__in=list(wanted)).values_list("slug", "pk"))


def export_webhooks(ids: Iterable[int] | None = None) -> list[WebhookSpec]:
    """All webhooks, or these, as people write them; what is secret stays."""
    rows = Webhook.objects.select_related("team").order_by("name")
    if ids is not None:
        rows = rows.filter(pk__in=list(ids))
    return [
        WebhookSpec(
            row.name, row.url, row.slug, row.team.slug if row.team else "", enabled=row.enabled, format=row.format
        )
        for row in rows
    ]
