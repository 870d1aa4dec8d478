"""Many people at once: what an import of thousands needs, with the checks that one has."""

from collections.abc import Mapping, Sequence

from django.db import transaction

from tocsin.people import rules
from tocsin.people.actions.contact_methods import as_text, channel_names, check_method, in_order, kept_address, row_of
from tocsin.people.actions.users import told_of
from tocsin.people.models import ContactMethod, NotificationRule, User
from tocsin.people.rules import ContactMethodSpec, Deed, NotificationRuleSpec, UserSpec, require
from tocsin.platform import audit, clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid

BATCH = 1000


def problems_of(spec: UserSpec) -> dict[str, str]:
    """What ``add_users`` would find wrong with one of them, but for an address that is taken; empty: nothing."""
    problems = rules.check_user(spec, channel_names())
    if spec.manager.strip():
        problems["manager"] = "empty: managers are named once their people are there"
    for number, method in enumerate(spec.contact_methods or ()):
        problems |= {f"contact_methods.{number}.{name}": text for name, text in check_method(method).items()}
    return problems


def add_users(specs: Sequence[UserSpec], *, actor: Actor) -> list[User]:
    """Add people who are not here yet, in a handful of statements however many they are; in the order given.

    As ``save_user`` does one by one, but without managers. Raises Forbidden, Invalid (``<e-mail>.<field>``), Conflict
    (addresses that are taken).
    """
    require(actor, Deed.ADMINISTER)
    problems = {f"{spec.email}.{name}": text for spec in specs for name, text in problems_of(spec).items()}
    emails = [spec.email.strip().lower() for spec in specs]
    if len(set(emails)) < len(emails):
        problems |= {email: "named once" for email in emails if emails.count(email) > 1}
    if problems:
        raise Invalid("These people cannot be kept.", problems)
    with transaction.atomic():
        taken = User.objects.filter(email__in=emails).values_list("email", flat=True)
        if problems := dict.fromkeys(taken, "an address not yet in use"):
            raise Conflict("Somebody with this e-mail address exists already.", problems)
        now = clock.now()
        users = []
        for spec, email in zip(specs, emails, strict=True):
            quiet = rules.quiet_hours(spec.quiet) or (None, None)
            user = User(
                created_at=now,
                email=email,
                name=spec.name.strip(),
                zone=spec.zone,
                role=spec.role,
                is_active=spec.active,
                left_at=None if spec.active else now,
                quiet_from=quiet[0],
                quiet_to=quiet[1],
            )
            user.set_unusable_password()
            users.append(user)
        User.objects.bulk_create(users, batch_size=BATCH)
        pairs = list(zip(users, specs, strict=True))
        methods = {
            (user.pk, one.channel, kept_address(one)): row_of(user, one, now)
            for user, spec in pairs
            for one in _methods(user, spec)
        }
        ContactMethod.objects.bulk_create(methods.values(), batch_size=BATCH)
        ruled = {user.pk: _ruled(user, _rules(user, spec), methods) for user, spec in pairs}
        NotificationRule.objects.bulk_create([rule for of in ruled.values() for rule in of], batch_size=BATCH)
        channels: dict[int, list[str]] = {user.pk: [] for user in users}
        for user_id, channel, _ in methods:
            channels[user_id].append(channel)
        facts = [
            (user.pk, user.email, told_of(user, channels[user.pk], as_text(in_order(ruled[user.pk])))) for user in users
        ]
        audit.record_many(actor, "created", "user", facts)
    return users


def _methods(user: User, spec: UserSpec) -> Sequence[ContactMethodSpec]:
    if spec.contact_methods is None:
        return [ContactMethodSpec(channel="email", address=user.email)]
    return spec.contact_methods


def _rules(user: User, spec: UserSpec) -> Sequence[NotificationRuleSpec]:
    if spec.rules is not None:
        return spec.rules
    return rules.default_rules([(one.channel, kept_address(one)) for one in _methods(user, spec)])


def _ruled(
    user: User, wanted: Sequence[NotificationRuleSpec], methods: Mapping[tuple[int, str, str], ContactMethod]
) -> list[NotificationRule]:
    position = dict.fromkeys(rules.URGENCIES, 0)
    rows = []
    for rule in wanted:
        method = methods.get((user.pk, rule.channel, kept_address(rule)))
        if method is None:
            where = {f"{user.email}.rules": "channel and address of one of the person's contact methods"}
            raise Invalid("These people cannot be kept.", where)
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
    return rows
