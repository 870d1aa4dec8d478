"""How a person is reached: contact methods and the notification rules that use them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Protocol, cast

from django.db import transaction

from tocsin.people import rules
from tocsin.people.models import ContactMethod, NotificationRule, User
from tocsin.people.rules import ContactMethodSpec, NotificationRuleSpec
from tocsin.platform import audit, clock, plugins, secrets
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound


def channel_names() -> list[str]:
    """Names of the installed channels, sorted."""
    return list(_installed())


@cache
def _installed() -> tuple[str, ...]:
    # every entry point of every installed package is read for this: some 30 ms
    return tuple(plugins.names("tocsin.channels"))


class _Field(Protocol):
    def clean(self, value: str) -> str: ...


class _Descriptor(Protocol):
    address: _Field

    def check(self, address: object, secret: object, config: Mapping[str, object]) -> dict[str, str]: ...


class _Channel(Protocol):
    """What people need of a channel; the whole of it is in delivery's contract, which lies above."""

    descriptor: _Descriptor


def check_method(spec: ContactMethodSpec, stored_secret: str = "") -> dict[str, str]:
    """What is wrong with a contact method by field, as the channel itself judges it; empty when nothing is.

    ``stored_secret`` (encrypted) counts when the spec leaves the secret as it is.
    """
    if problems := rules.check_contact_method(spec, channel_names()):
        return problems
    channel = cast(_Channel, plugins.loadable("tocsin.channels")[spec.channel])
    secret = spec.secret
    if secret is None:
        try:
            secret = secrets.decrypt(stored_secret) if stored_secret else ""
        except secrets.SecretUnreadable:
            secret = ""
    return channel.descriptor.check(spec.address.strip(), secret, spec.config)


def lock_user(user_id: int) -> User:
    """The person's row, locked until the end of the transaction. Raises NotFound."""
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise NotFound("There is no such person.")
    return user


def add_contact_method(user_id: int, spec: ContactMethodSpec, *, actor: Actor) -> ContactMethod:
    """Give a person one more way to be reached, with notification rules for it when they have none at all.

    Raises Forbidden, NotFound, Invalid (field names of the spec), Conflict when the person has it already.
    """
    rules.require_edit_person(actor, user_id)
    with transaction.atomic():
        user = lock_user(user_id)
        _check(spec)
        address = kept_address(spec)
        if user.contact_methods.filter(channel=spec.channel, address=address).exists():
            raise Conflict("This contact method exists already.", {"address": "each channel and address once"})
        method = _insert(user, spec)
        if not user.notification_rules.exists():
            write_rules(user, rules.default_rules([(m.channel, m.address) for m in user.contact_methods.all()]))
        audit.record(actor, "added", "contact method", method.pk, f"{user.email}: {method.channel}")
    return method


def update_contact_method(method_id: int, spec: ContactMethodSpec, *, actor: Actor) -> ContactMethod:
    """Change a contact method. A new address is not verified and not disabled.

    Raises Forbidden, NotFound, Invalid, Conflict.
    """
    with transaction.atomic():
        method = _lock(method_id)
        rules.require_edit_person(actor, method.user_id)
        _check(spec, method.secret)
        address = kept_address(spec)
        others = ContactMethod.objects.filter(user_id=method.user_id, channel=spec.channel, address=address)
        if others.exclude(pk=method.pk).exists():
            raise Conflict("This contact method exists already.", {"address": "each channel and address once"})
        if _apply(method, spec):
            audit.record(actor, "changed", "contact method", method.pk, f"{method.user.email}: {method.channel}")
    return method


def delete_contact_methods(ids: Iterable[int], *, actor: Actor) -> int:
    """Remove contact methods with the notification rules that use them; how many were removed.

    Raises Forbidden before anything is removed.
    """
    with transaction.atomic():
        found = list(
            ContactMethod.objects.select_for_update(of=("self",)).filter(pk__in=list(ids)).select_related("user")
        )
        for method in found:
            rules.require_edit_person(actor, method.user_id)
        for method in found:
            audit.record(actor, "deleted", "contact method", method.pk, f"{method.user.email}: {method.channel}")
        ContactMethod.objects.filter(pk__in=[method.pk for method in found]).delete()
    return len(found)


def verify_contact_methods(ids: Iterable[int], *, actor: Actor) -> int:
    """Note that these contact methods reach their person; called when somebody proved it. How many changed."""
    return _stamp(ids, actor, "verified")


def disable_contact_methods(ids: Iterable[int], reason: str, *, actor: Actor) -> int:
    """Stop using these contact methods, because a provider says the address is dead, say. How many changed."""
    return _stamp(ids, actor, "disabled", reason[:300])


def enable_contact_methods(ids: Iterable[int], *, actor: Actor) -> int:
    """Use these contact methods again. How many changed."""
    return _stamp(ids, actor, "enabled")


def set_notification_rules(
    user_id: int, wanted: Sequence[NotificationRuleSpec], *, actor: Actor
) -> list[NotificationRule]:
    """Replace a person's notification rules by these, in this order.

    Raises Forbidden, NotFound, Invalid (``rules.<number>.<field>``).
    """
    rules.require_edit_person(actor, user_id)
    with transaction.atomic():
        user = lock_user(user_id)
        before = rules_as_text(user)
        written = write_rules(user, wanted)
        after = rules_as_text(user)
        if before != after:
            audit.record(
                actor, "changed", "notification rules", user.pk, user.email, {"rules": before}, {"rules": after}
            )
    return written


def sync(user: User, wanted: Sequence[ContactMethodSpec]) -> bool:
    """Make the person's contact methods these; whether anything changed. The caller has locked and audits.

    Raises Invalid (``contact_methods.<number>.<field>``).
    """
    stored = {(method.channel, method.address): method for method in user.contact_methods.all()}
    problems: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for number, spec in enumerate(wanted):
        place = (spec.channel, kept_address(spec))
        known = stored.get(place)
        if place in seen:
            problems[f"contact_methods.{number}.address"] = "each channel and address once"
        seen.add(place)
        for name, text in check_method(spec, known.secret if known else "").items():
            problems[f"contact_methods.{number}.{name}"] = text
    if problems:
        raise Invalid("This person cannot be kept.", problems)
    changed = False
    fresh = []
    for spec in wanted:
        method = stored.pop((spec.channel, kept_address(spec)), None)
        if method is None:
            fresh.append(spec)
        else:
            changed = _apply(method, spec) or changed
    if fresh:
        now = clock.now()
        ContactMethod.objects.bulk_create(row_of(user, spec, now) for spec in fresh)
        changed = True
    if stored:
        ContactMethod.objects.filter(pk__in=[method.pk for method in stored.values()]).delete()
        changed = True
    return changed


def write_rules(
    user: User, wanted: Sequence[NotificationRuleSpec], *, keep: Sequence[int | None] | None = None
) -> list[NotificationRule]:
    """Replace the rules of a locked person by these, in this order. Raises Invalid.

    A rule that stays the same keeps its number; ``keep`` says for each which number it keeps although it changes.
    """
    methods = {(method.channel, method.address): method for method in user.contact_methods.all()}
    problems: dict[str, str] = {}
    rows: list[NotificationRule] = []
    position = dict.fromkeys(rules.URGENCIES, 0)
    for number, rule in enumerate(wanted):
        method = methods.get((rule.channel, kept_address(rule)))
        if method is None:
            problems[f"rules.{number}.address"] = "channel and address of one of the person's contact methods"
        if rule.urgency not in rules.URGENCIES:
            problems[f"rules.{number}.urgency"] = rules.one_of(rules.URGENCIES)
        if not 0 <= rule.delay_s <= rules.MAX_DELAY_S:
            problems[f"rules.{number}.delay_s"] = f"0 to {rules.MAX_DELAY_S} seconds"
        if problems or method is None:
            continue
        rows.append(
            NotificationRule(
                user=user,
                urgency=rule.urgency,
                position=position[rule.urgency],
                delay_s=rule.delay_s,
                contact_method=method,
            )
        )
        position[rule.urgency] += 1
    if problems:
        raise Invalid("These notification rules cannot be kept.", problems)
    stored = list(user.notification_rules.select_for_update().order_by("urgency", "position"))
    if keep is None:
        same: dict[tuple[str, int, int], list[int]] = {}
        for row in stored:
            same.setdefault((row.urgency, row.delay_s, row.contact_method_id), []).append(row.pk)
        alike = (same.get((row.urgency, row.delay_s, row.contact_method_id)) for row in rows)
        keep = [numbers.pop(0) if numbers else None for numbers in alike]
    for row, own in zip(rows, keep, strict=True):
        if own is not None:
            row.pk = own
    # places are unique, so all go before they come back
    user.notification_rules.all().delete()
    return NotificationRule.objects.bulk_create(rows)


def rules_as_text(user: User) -> list[str]:
    """A person's rules as short lines without addresses, for comparison and audit."""
    return as_text(user.notification_rules.select_related("contact_method").order_by("urgency", "position"))


def in_order(rows: Iterable[NotificationRule]) -> list[NotificationRule]:
    """Rules of one person as they are listed."""
    return sorted(rows, key=lambda rule: (rule.urgency, rule.position))


def as_text(rows: Iterable[NotificationRule]) -> list[str]:
    """Rules, in their order, as ``rules_as_text`` has them."""
    return [
        f"{row.urgency} after {row.delay_s} s: {row.contact_method.channel} {row.contact_method_id}" for row in rows
    ]


def _check(spec: ContactMethodSpec, stored_secret: str = "") -> None:
    if problems := check_method(spec, stored_secret):
        raise Invalid("This contact method cannot be kept.", problems)


def kept_address(spec: ContactMethodSpec | NotificationRuleSpec) -> str:
    """The address as it is kept: as the channel writes it, so that one phone number is not two."""
    known = plugins.loadable("tocsin.channels").get(spec.channel)
    return cast(_Channel, known).descriptor.address.clean(spec.address) if known else spec.address.strip()


def _lock(method_id: int) -> ContactMethod:
    method = ContactMethod.objects.select_for_update(of=("self",)).select_related("user").filter(pk=method_id).first()
    if method is None:
        raise NotFound("There is no such contact method.")
    return method


def _insert(user: User, spec: ContactMethodSpec) -> ContactMethod:
    method = row_of(user, spec, clock.now())
    method.save()
    return method


def row_of(user: User, spec: ContactMethodSpec, now: datetime) -> ContactMethod:
    """A contact method as it will be stored, not stored yet."""
    return ContactMethod(
        user=user,
        channel=spec.channel,
        address=kept_address(spec),
        label=spec.label.strip(),
        config=spec.config,
        secret=secrets.encrypt(spec.secret) if spec.secret else "",
        changed_at=now,
    )


def _apply(method: ContactMethod, spec: ContactMethodSpec) -> bool:
    """Save what differs; whether anything did. A changed address or channel has to be proved again."""
    fields: dict[str, object] = {}
    if (method.channel, method.address) != (spec.channel, kept_address(spec)):
        fields |= {
            "channel": spec.channel,
            "address": kept_address(spec),
            "verified_at": None,
            "reached_at": None,
            "asked_at": None,
            "changed_at": clock.now(),
            "disabled_at": None,
            "disabled_reason": "",
        }
    if method.label != spec.label.strip():
        fields["label"] = spec.label.strip()
    if method.config != spec.config:
        fields["config"] = spec.config
    if spec.secret is not None and (not method.secret or secrets.decrypt(method.secret) != spec.secret):
        fields["secret"] = secrets.encrypt(spec.secret) if spec.secret else ""
    for name, value in fields.items():
        setattr(method, name, value)
    if fields:
        method.save(update_fields=list(fields))
    return bool(fields)


def _stamp(ids: Iterable[int], actor: Actor, verb: str, reason: str = "") -> int:
    with transaction.atomic():
        found = list(
            ContactMethod.objects.select_for_update(of=("self",)).filter(pk__in=list(ids)).select_related("user")
        )
        moment = clock.now()
        for method in found:
            rules.require_edit_person(actor, method.user_id)
            if verb == "verified":
                method.verified_at, method.disabled_at, method.disabled_reason = moment, None, ""
                method.reached_at, method.asked_at = moment, None
            elif verb == "enabled":
                method.disabled_at, method.disabled_reason = None, ""
            else:
                method.disabled_at, method.disabled_reason = moment, reason
            method.save(update_fields=["verified_at", "reached_at", "asked_at", "disabled_at", "disabled_reason"])
            name = f"{method.user.email}: {method.channel}"
            audit.record(actor, verb, "contact method", method.pk, name, None, {"reason": reason} if reason else None)
    return len(found)
