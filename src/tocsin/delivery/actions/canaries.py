"""How canaries are set; sending them is ``project.canary``'s."""

from django.db import transaction

from tocsin.delivery.canaries import EVERY_MINUTES, LATE_AFTER_S, SETTING, Config, config
from tocsin.delivery.models import Webhook
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, events
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid
from tocsin.platform.models import Setting


def save_canary(wanted: Config, *, actor: Actor) -> Config:
    """Set how canaries are sent. Raises Forbidden unless the actor administers, Invalid by field."""
    require(actor, Deed.ADMINISTER)
    problems = {}
    if not EVERY_MINUTES[0] <= wanted.every_minutes <= EVERY_MINUTES[1]:
        problems["every_minutes"] = f"must be {EVERY_MINUTES[0]} to {EVERY_MINUTES[1]} minutes"
    if not LATE_AFTER_S[0] <= wanted.late_after_s <= LATE_AFTER_S[1]:
        problems["late_after_s"] = f"must be {LATE_AFTER_S[0]} to {LATE_AFTER_S[1]} seconds"
    if wanted.webhook is not None and not Webhook.objects.filter(pk=wanted.webhook).exists():
        problems["webhook"] = "must be a webhook that exists, or none"
    if problems:
        raise Invalid("Canaries cannot be set like this.", problems)
    with transaction.atomic():
        before = config()
        if wanted != before:
            Setting.objects.update_or_create(name=SETTING, defaults={"value": wanted.to_json()})
            audit.record(actor, "changed", "canary", 1, "Canary", before.to_json(), wanted.to_json())
            events.wake("clock")  # whoever sends them looks at once
    return wanted
