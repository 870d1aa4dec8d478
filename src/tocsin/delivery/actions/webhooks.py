"""Writing webhooks down: the addresses outside that policies call."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Q
from django.utils.text import slugify

from tocsin.delivery import canaries, rules, webhooks
from tocsin.delivery.actions.outbox import enqueue
from tocsin.delivery.models import Webhook
from tocsin.delivery.queries import check_method
from tocsin.delivery.rules import WEBHOOK, WebhookSpec
from tocsin.people import queries as people
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, clock, secrets
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound
from tocsin.platform.unique import require_free

REFUSED = "This webhook cannot be kept."
HIDDEN = ("secret", "authorization")


def save_webhook(spec: WebhookSpec, *, actor: Actor, id: int | None = None) -> Webhook:
    """Add a webhook, or make the one with this ``id`` as written. The slug is made from the name when empty.

    Raises Forbidden, NotFound, Invalid, Conflict.
    """
    with transaction.atomic():
        row = Webhook() if id is None else _lock(id)
        if id is not None:
            require(actor, Deed.CONFIGURE, row.team_id)
        team = people.owning_team(spec.team, REFUSED)
        require(actor, Deed.CONFIGURE, team.pk if team else None)
        name, slug = spec.name.strip(), spec.slug or row.slug or slugify(spec.name)[:120].strip("-")
        if problems := _problems(spec, name, slug):
            raise Invalid(REFUSED, problems)
        require_free(Webhook.objects.all(), "webhook", row.pk, name=name, slug=slug)
        before = None if id is None else _facts(row)
        anew = {}
        row.name, row.slug, row.team, row.url, row.enabled = name, slug, team, spec.url.strip(), spec.enabled
        row.format = spec.format
        for field in HIDDEN:
            value = getattr(spec, field)
            if value is not None and (not getattr(row, field) or secrets.decrypt(getattr(row, field)) != value):
                setattr(row, field, secrets.encrypt(value) if value else "")
                anew[field] = "set anew" if value else ""
        row.save()
        after = _facts(row) | anew
        if before != after:
            audit.record(actor, "created" if id is None else "changed", WEBHOOK, row.pk, row.name, before, after)
    return row


def delete_webhooks(ids: Iterable[int], *, actor: Actor) -> int:
    """Remove webhooks; how many were removed. What is on its way to them fails.

    Raises Forbidden; Conflict, before any is removed, when a policy still calls one.
    """
    with transaction.atomic():
        found = list(Webhook.objects.select_for_update(of=("self",)).filter(pk__in=list(ids)).order_by("pk"))
        for row in found:
            require(actor, Deed.CONFIGURE, row.team_id)
        if problems := {row.slug: f"called by {', '.join(names)}" for row in found if (names := called_by(row.pk))}:
            raise Conflict("A policy still calls these webhooks; change it first.", problems)
        for row in found:
            audit.record(actor, "deleted", WEBHOOK, row.pk, row.name, before=_facts(row))
            row.delete()
    return len(found)


def send_test_to(webhook_id: int, *, actor: Actor) -> int:
    """Send a test to a webhook; returns the delivery's id, whose state tells what came of it.

    Raises Forbidden, NotFound, Conflict (it is switched off).
    """
    with transaction.atomic():
        row = _lock(webhook_id)
        require(actor, Deed.CONFIGURE, row.team_id)
        if not row.enabled:
            raise Conflict("This webhook is switched off.")
        item = rules.NewDelivery(
            kind="test",
            key=f"{WEBHOOK}:{row.pk}:test:{secrets.random_key(12)}",
            channel=WEBHOOK,
            address=row.name,
            rank=rules.TEST_RANK,
        )
        return enqueue([item], now=clock.now())[0]


def called_by(webhook_id: int) -> list[str]:
    """Names of the policies that call a webhook; the canary, if it goes there."""
    named = [{"kind": WEBHOOK, "id": webhook_id}]
    rows = apps.get_model("escalation", "Policy").objects.filter(Q(steps__targets__contains=named))
    canary = ["the canary"] if canaries.config().webhook == webhook_id else []
    return sorted(set(rows.values_list("name", flat=True))) + canary


def _problems(spec: WebhookSpec, name: str, slug: str) -> dict[str, str]:
    wrong = {}
    if not 0 < len(name) <= 120:
        wrong["name"] = "1 to 120 characters"
    if slugify(slug) != slug or not 0 < len(slug) <= 120:
        wrong["slug"] = "small letters, digits and hyphens, 120 at most"
    config = {"authorization": spec.authorization} if spec.authorization else {}
    config["format"] = spec.format
    told = {"address": "url", "config.authorization": "authorization", "config.format": "format"}
    found = check_method(WEBHOOK, spec.url.strip(), spec.secret or "", config)
    return wrong | {told.get(field, field): text for field, text in found.items()}


def _lock(webhook_id: int) -> Webhook:
    row = Webhook.objects.select_for_update(of=("self",)).filter(pk=webhook_id).first()
    if row is None:
        raise NotFound("There is no such webhook.")
    return row


def _facts(row: Webhook) -> dict[str, Any]:
    """A webhook for the audit, without what is secret."""
    facts = asdict(webhooks.export_webhooks([row.pk])[0])
    return facts | {field: "set" if getattr(row, field) else "" for field in HIDDEN}
