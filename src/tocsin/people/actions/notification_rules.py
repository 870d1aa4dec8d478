"""One notification rule at a time; who writes a whole list uses ``set_notification_rules``.

A rule keeps its number as long as it says the same, so that whoever names it by that finds it again.
"""

from collections.abc import Iterable

from django.db import transaction

from tocsin.people import rules
from tocsin.people.actions.contact_methods import lock_user, rules_as_text, write_rules
from tocsin.people.models import NotificationRule, User
from tocsin.people.rules import NotificationRuleSpec
from tocsin.platform import audit
from tocsin.platform.actor import Actor
from tocsin.platform.errors import NotFound


def add_notification_rule(user_id: int, spec: NotificationRuleSpec, *, actor: Actor) -> NotificationRule:
    """Add a rule to a person's, after those of the same urgency and delay.

    Raises Forbidden, NotFound, Invalid (field names of the spec).
    """
    rules.require_edit_person(actor, user_id)
    with transaction.atomic():
        user = lock_user(user_id)
        return _write(user, [*_stored(user), (None, spec)], actor)[-1]


def update_notification_rule(rule_id: int, spec: NotificationRuleSpec, *, actor: Actor) -> NotificationRule:
    """Make one rule as written. Raises Forbidden, NotFound, Invalid (field names of the spec)."""
    with transaction.atomic():
        user = _owner(rule_id, actor)
        wanted = [(number, spec if number == rule_id else one) for number, one in _stored(user)]
        written = _write(user, wanted, actor)
        return next(row for row in written if row.pk == rule_id)


def delete_notification_rules(ids: Iterable[int], *, actor: Actor) -> int:
    """Remove rules; how many were removed. Raises Forbidden, NotFound."""
    gone = set(ids)
    count = 0
    with transaction.atomic():
        owners = NotificationRule.objects.filter(pk__in=gone).values_list("user_id", flat=True)
        for user_id in sorted(set(owners)):
            rules.require_edit_person(actor, user_id)
            user = lock_user(user_id)
            stored = _stored(user)
            kept = [one for one in stored if one[0] not in gone]
            count += len(stored) - len(kept)
            _write(user, kept, actor)
    return count


def _owner(rule_id: int, actor: Actor) -> User:
    row = NotificationRule.objects.filter(pk=rule_id).first()
    if row is None:
        raise NotFound("There is no such notification rule.")
    rules.require_edit_person(actor, row.user_id)
    return lock_user(row.user_id)


def _stored(user: User) -> list[tuple[int | None, NotificationRuleSpec]]:
    rows = user.notification_rules.select_related("contact_method").order_by("urgency", "position")
    return [
        (row.pk, NotificationRuleSpec(row.urgency, row.contact_method.channel, row.contact_method.address, row.delay_s))
        for row in rows
    ]


def _write(user: User, wanted: list[tuple[int | None, NotificationRuleSpec]], actor: Actor) -> list[NotificationRule]:
    before = rules_as_text(user)
    written = write_rules(user, [spec for _, spec in wanted], keep=[number for number, _ in wanted])
    after = rules_as_text(user)
    if before != after:
        audit.record(actor, "changed", "notification rules", user.pk, user.email, {"rules": before}, {"rules": after})
    return written
