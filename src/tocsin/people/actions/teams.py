"""Teams and who belongs to them."""

from collections.abc import Iterable, Mapping

from django.apps import apps
from django.db import transaction
from django.db.models import Q
from django.utils.text import slugify

from tocsin.people import rules
from tocsin.people.models import Membership, Team, User
from tocsin.people.rules import Deed, TeamSpec, require
from tocsin.platform import audit
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound


def save_team(spec: TeamSpec, *, actor: Actor, id: int | None = None) -> Team:
    """Add a team, or change the one with this ``id``. The slug is made from the name when empty.

    Raises Forbidden, NotFound, Invalid (``name``, ``slug``, ``members.<e-mail>``), Conflict when the slug is taken.
    """
    require(actor, Deed.CONFIGURE, id)
    with transaction.atomic():
        team = Team() if id is None else _lock(id)
        slug = spec.slug.strip().lower() or team.slug or slugify(spec.name)[:100].strip("-")
        spec = TeamSpec(spec.name.strip(), slug, spec.description.strip(), spec.members)
        if problems := rules.check_team(spec):
            raise Invalid("This team cannot be kept.", problems)
        if Team.objects.filter(slug=slug).exclude(pk=team.pk).exists():
            raise Conflict("A team with this slug exists already.", {"slug": "one not yet in use"})
        before = None if id is None else _facts(team)
        wanted = {"name": spec.name, "slug": spec.slug, "description": spec.description}
        changed = [name for name, value in wanted.items() if id is None or getattr(team, name) != value]
        for name in changed:
            setattr(team, name, wanted[name])
        if id is None:
            team.save()
        elif changed:
            team.save(update_fields=changed)
        if spec.members is not None:
            _set_members(team, spec.members)
        after = _facts(team)
        if before != after:
            audit.record(actor, "created" if id is None else "changed", "team", team.pk, team.name, before, after)
    return team


def set_members(team_id: int, members: Mapping[str, str], *, actor: Actor) -> None:
    """Make these e-mail addresses members of the team, or change their role in it (``manager``, ``member``).

    Whoever is not named stays as they are. Raises Forbidden, NotFound, Invalid.
    """
    require(actor, Deed.CONFIGURE, team_id)
    with transaction.atomic():
        team = _lock(team_id)
        before = _facts(team)
        _set_members(team, _members(team) | {email.strip().lower(): role for email, role in members.items()})
        after = _facts(team)
        if before != after:
            audit.record(actor, "changed", "team", team.pk, team.name, before, after)


def remove_members(team_id: int, emails: Iterable[str], *, actor: Actor) -> int:
    """Take people out of a team; how many were in it. Raises Forbidden, NotFound."""
    require(actor, Deed.CONFIGURE, team_id)
    with transaction.atomic():
        team = _lock(team_id)
        before = _facts(team)
        gone = {email.strip().lower() for email in emails}
        count, _ = team.memberships.filter(user__email__in=gone).delete()
        if count:
            audit.record(actor, "changed", "team", team.pk, team.name, before, _facts(team))
    return count


def delete_teams(ids: Iterable[int], *, actor: Actor) -> int:
    """Remove teams; how many were removed.

    Raises Forbidden; Conflict, before any is removed, when one still owns services or is paged by a policy.
    """
    with transaction.atomic():
        found = list(Team.objects.select_for_update().filter(pk__in=list(ids)))
        for team in found:
            require(actor, Deed.CONFIGURE, team.pk)
        problems = {team.slug: text for team in found if (text := _needed_by(team))}
        if problems:
            raise Conflict("Something still depends on these teams; change that first.", problems)
        for team in found:
            audit.record(actor, "deleted", "team", team.pk, team.name, _facts(team))
            team.delete()
    return len(found)


def _lock(team_id: int) -> Team:
    team = Team.objects.select_for_update().filter(pk=team_id).first()
    if team is None:
        raise NotFound("There is no such team.")
    return team


def _members(team: Team) -> dict[str, str]:
    return dict(team.memberships.order_by("user__email").values_list("user__email", "role"))


def _facts(team: Team) -> dict[str, object]:
    return {"name": team.name, "slug": team.slug, "description": team.description, "members": _members(team)}


def _set_members(team: Team, members: Mapping[str, str]) -> None:
    wanted = {email.strip().lower(): role for email, role in members.items()}
    problems = {f"members.{email}": rules.one_of(rules.TEAM_ROLES) for email, role in wanted.items()
                if role not in rules.TEAM_ROLES}  # fmt: skip
    ids = {email.lower(): pk for email, pk in User.objects.filter(email__in=list(wanted)).values_list("email", "pk")}
    problems |= {f"members.{email}": "somebody known here" for email in wanted if email not in ids}
    if problems:
        raise Invalid("This team cannot be kept.", problems)
    have = {row.user_id: row for row in team.memberships.all()}
    for email, role in wanted.items():
        row = have.pop(ids[email], None)
        if row is None:
            Membership.objects.create(team=team, user_id=ids[email], role=role)
        elif row.role != role:
            row.role = role
            row.save(update_fields=["role"])
    Membership.objects.filter(pk__in=[row.pk for row in have.values()]).delete()


def _needed_by(team: Team) -> str:
    """What would miss this team, or an empty text. Rooms above are asked through relations, not imported."""
    service = team.services.first()
    if service is not None:
        return f"owns the service {service.name}"
    named, managed = [{"kind": "team", "id": team.pk}], [{"of": "team", "id": team.pk}]
    by = Q(steps__targets__contains=named) | Q(steps__targets__contains=managed)
    for targets in (named, managed):
        by |= Q(fallback__contains=targets) | Q(executives__contains=targets)
    policy = apps.get_model("escalation", "Policy").objects.filter(by).order_by("id").first()
    return f"is paged by the policy {policy.name}" if policy is not None else ""
