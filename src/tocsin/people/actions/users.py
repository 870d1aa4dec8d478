"""People come, change and go."""

from collections.abc import Iterable, Sequence

from django.apps import apps
from django.db import transaction

from tocsin.people import rules
from tocsin.people.actions.contact_methods import (
    as_text,
    channel_names,
    in_order,
    kept_address,
    lock_user,
    rules_as_text,
    sync,
    write_rules,
)
from tocsin.people.models import User
from tocsin.people.rules import ContactMethodSpec, Deed, UserSpec, require
from tocsin.platform import audit, clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Forbidden, Invalid

OPEN = ("triggered", "acknowledged", "mitigated")  # states of incidents
THEMES = ("system", "light", "dark", "contrast")


OWN = {"name", "zone", "quiet_from", "quiet_to"}  # what people may change of themselves


def save_user(spec: UserSpec, *, actor: Actor, id: int | None = None) -> User:
    """Add a person, or change the one with this ``id``.

    A new person whose contact methods are not given is reached by e-mail; one whose rules are not given gets the
    default ones. People may change their own name, zone and how they are reached; the rest needs an administrator.
    Raises Forbidden, NotFound, Invalid (field names of the spec), Conflict when the address is taken, or when the last
    administrator would go.
    """
    if id is None:
        require(actor, Deed.ADMINISTER)
    else:
        rules.require_edit_person(actor, id)
    if problems := rules.check_user(spec, channel_names()):
        raise Invalid("This person cannot be kept.", problems)
    email = spec.email.strip().lower()
    with transaction.atomic():
        user = User(created_at=clock.now()) if id is None else lock_user(id)
        taken = User.objects.filter(email__iexact=email)
        if (taken if id is None else taken.exclude(pk=id)).exists():
            raise Conflict("Somebody with this e-mail address exists already.", {"email": "an address not yet in use"})
        wanted: dict[str, object] = {
            "email": email,
            "name": spec.name.strip(),
            "zone": spec.zone,
            "role": spec.role,
            "is_active": spec.active,
            "manager_id": _manager(spec.manager, id),
        }
        quiet = rules.quiet_hours(spec.quiet)
        wanted |= {"quiet_from": quiet[0] if quiet else None, "quiet_to": quiet[1] if quiet else None}
        before = _facts(user) if id is not None else None
        changed = {name: value for name, value in wanted.items() if id is None or getattr(user, name) != value}
        if id is not None and changed.keys() - OWN and not rules.may(actor, Deed.ADMINISTER):
            raise Forbidden("Only an administrator may change e-mail address, role, manager or access of a person.")
        if user.pk and user.role == "admin" and user.is_active and (spec.role != "admin" or not spec.active):
            _keep_an_admin(without=[user.pk])
        if "is_active" in changed:
            changed["left_at"] = None if spec.active else clock.now()
        for name, value in changed.items():
            setattr(user, name, value)
        if id is None:
            user.set_unusable_password()
            user.save()
        elif changed:
            user.save(update_fields=list(changed))
        moved = _reach(user, spec, new=id is None)
        if id is None or changed or moved:
            audit.record(actor, "created" if id is None else "changed", "user", user.pk, email, before, _facts(user))
    return user


def set_quiet_hours(user_id: int, text: str, *, actor: Actor) -> None:
    """Let pages of low urgency wait for somebody's quiet hours (``22:00-07:00``) to be over; empty: never.

    Raises Forbidden, NotFound, Invalid (``quiet``).
    """
    rules.require_edit_person(actor, user_id)
    try:
        found = rules.quiet_hours(text)
    except ValueError as error:
        raise Invalid("These are no quiet hours.", {"quiet": str(error)}) from error
    with transaction.atomic():
        user = lock_user(user_id)
        before = _facts(user)
        user.quiet_from, user.quiet_to = found or (None, None)
        if before != (after := _facts(user)):
            user.save(update_fields=["quiet_from", "quiet_to"])
            audit.record(actor, "changed", "user", user.pk, user.email, before, after)


def set_active(ids: Iterable[int], active: bool, *, actor: Actor) -> int:
    """Let people in, or out: somebody inactive cannot sign in and their tokens stop. How many changed.

    Raises Forbidden, Conflict when no administrator would be left.
    """
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        found = list(User.objects.select_for_update().filter(pk__in=list(ids)).exclude(is_active=active))
        if not active:
            _keep_an_admin(without=[user.pk for user in found])
        for user in found:
            user.is_active, user.left_at = active, None if active else clock.now()
            user.save(update_fields=["is_active", "left_at"])
            audit.record(actor, "changed", "user", user.pk, user.email, {"active": not active}, {"active": active})
    return len(found)


def set_theme(user_id: int, theme: str, *, actor: Actor) -> None:
    """How the pages look for this person. Raises Invalid, Forbidden, NotFound."""
    if theme not in THEMES:
        raise Invalid("There is no such theme.", {"theme": rules.one_of(THEMES)})
    rules.require_edit_person(actor, user_id)
    with transaction.atomic():
        user = lock_user(user_id)
        user.theme = theme
        user.save(update_fields=["theme"])


def delete_users(ids: Iterable[int], *, actor: Actor) -> int:
    """Remove people for good; how many were removed. Their name stays in timelines and the audit.

    Raises Forbidden; Conflict, before anybody is removed, when somebody is still in a rota, named by a policy or
    assigned to an open incident, or when no administrator would be left.
    """
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        rows = User.objects.select_for_update().filter(pk__in=list(ids))
        found = list(rows.prefetch_related("contact_methods", "notification_rules__contact_method"))
        if any(actor.user_id == user.pk for user in found):
            raise Conflict("You cannot delete yourself.")
        needed = _needed(found)
        problems = {user.email: needed[user.pk] for user in found if user.pk in needed}
        if problems:
            raise Conflict("Somebody still depends on these people; take them out there first.", problems)
        _keep_an_admin(without=[user.pk for user in found])
        for user in found:
            ruled = in_order(user.notification_rules.all())
            channels = [method.channel for method in user.contact_methods.all()]
            audit.record(actor, "deleted", "user", user.pk, user.email, told_of(user, channels, as_text(ruled)))
        # all at once: what hangs on a person is in two dozen tables
        User.objects.filter(pk__in=[user.pk for user in found]).delete()
    return len(found)


def _manager(email: str, user_id: int | None) -> int | None:
    if not email.strip():
        return None
    manager = User.objects.filter(email__iexact=email.strip()).first()
    if manager is None:
        raise Invalid("This person cannot be kept.", {"manager": "the e-mail address of somebody known here"})
    # a chain of managers that bites its own tail would make an escalation to managers run for ever
    above: User | None = manager
    for _ in range(100):
        if above is None:
            break
        if above.pk == user_id:
            raise Invalid("This person cannot be kept.", {"manager": "nobody who reports to this person"})
        above = above.manager
    return manager.pk


def _reach(user: User, spec: UserSpec, *, new: bool) -> bool:
    """Contact methods and rules as the spec wants them; whether anything changed."""
    methods = spec.contact_methods
    if methods is None and new:
        methods = [ContactMethodSpec(channel="email", address=user.email)]
    rules_before = [] if new else rules_as_text(user)
    changed = sync(user, methods) if methods is not None else False
    if spec.rules is not None:
        have = [
            (row.urgency, row.delay_s, row.contact_method.channel, row.contact_method.address)
            for row in user.notification_rules.select_related("contact_method").order_by("urgency", "position")
        ]
        want = sorted(
            ((rule.urgency, rule.delay_s, rule.channel, kept_address(rule)) for rule in spec.rules),
            key=lambda row: row[0],
        )
        if have != want:
            write_rules(user, spec.rules)
    elif methods and not user.notification_rules.exists():
        write_rules(user, rules.default_rules([(m.channel, m.address) for m in user.contact_methods.all()]))
    return changed or rules_as_text(user) != rules_before


def _facts(user: User) -> dict[str, object]:
    """What the audit keeps of a person, of what is stored."""
    channels = list(user.contact_methods.values_list("channel", flat=True)) if user.pk else []
    return told_of(user, channels, rules_as_text(user) if user.pk else [])


def told_of(user: User, channels: list[str], ruled: list[str]) -> dict[str, object]:
    """What the audit keeps of a person: no addresses beyond the e-mail they sign in with."""
    return {
        "email": user.email,
        "name": user.name,
        "zone": user.zone,
        "role": user.role,
        "active": user.is_active,
        "manager": user.manager_id,
        "quiet": rules.quiet_text(user.quiet_from, user.quiet_to),
        "contact_methods": sorted(channels),
        "rules": ruled,
    }


def _keep_an_admin(without: list[int]) -> None:
    admins = set(User.objects.select_for_update().filter(role="admin", is_active=True).values_list("pk", flat=True))
    if admins and not admins - set(without):
        raise Conflict("At least one active administrator must remain.")


def _needed(users: Sequence[User]) -> dict[int, str]:
    """Who would miss these people, by their ids. Rooms above are asked through relations, not imported."""
    ids = [user.pk for user in users]
    found: dict[int, str] = {}
    incidents = apps.get_model("incidents", "Incident").objects.filter(assignees__in=ids)
    for pk, user_id in incidents.filter(state__in=OPEN).order_by("-pk").values_list("pk", "assignees"):
        found[user_id] = f"assigned to INC-{pk}"
    for policy in apps.get_model("escalation", "Policy").objects.order_by("-id").prefetch_related("steps"):
        targets = [*policy.fallback, *policy.executives, *(one for step in policy.steps.all() for one in step.targets)]
        named = {one.get("id") for one in targets if "user" in (one.get("kind"), one.get("of"))}
        found |= dict.fromkeys(named.intersection(ids), f"named by the policy {policy.name}")
    members = apps.get_model("oncall", "LayerMember").objects.filter(user_id__in=ids, layer__effective_until=None)
    for user_id, name in members.order_by("-pk").values_list("user_id", "layer__schedule__name"):
        found[user_id] = f"in the rota of the schedule {name}"
    return found
