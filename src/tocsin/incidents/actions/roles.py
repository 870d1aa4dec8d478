"""Roles in an incident: the kinds that there are, and taking, asking, handing over, leaving.

A role is held by one person at a time. Whoever is asked hears of it and confirms or declines; until then whoever held
it goes on holding it, so that a role never falls between two people.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import ProtectedError, Q
from django.utils.text import slugify

from tocsin.incidents import rules
from tocsin.incidents.actions.book import Book, use_book
from tocsin.incidents.actions.each import lock_readable
from tocsin.incidents.actions.readers import let_in
from tocsin.incidents.models import Role, RoleHolder
from tocsin.incidents.rules import command
from tocsin.people import queries as people
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, events
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, Forbidden, Invalid, NotFound

# --- what roles there are -----------------------------------------------------------------------------------------


def save_role(spec: command.RoleSpec, *, actor: Actor, id: int | None = None) -> Role:
    """Add a role, or change the one with this ``id``. The slug is made from the name when empty.

    Raises Forbidden, NotFound, Invalid (fields of the spec), Conflict when name or slug is taken.
    """
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        role = Role() if id is None else Role.objects.select_for_update().filter(pk=id).first()
        if role is None:
            raise NotFound("There is no such role.")
        before = None if id is None else _facts(role)
        problems = command.role_problems(spec)
        name = spec.name.strip()
        slug = (spec.slug.strip().lower() or role.slug or slugify(name))[: command.SLUG_LENGTH].strip("-")
        if not slug or slug != slugify(slug):
            problems["slug"] = "lower-case letters, digits and hyphens"
        if problems:
            raise Invalid("This role cannot be kept.", problems)
        taken = Role.objects.exclude(pk=role.pk).filter(Q(slug=slug) | Q(name__iexact=name)).first()
        if taken is not None:
            field = "slug" if taken.slug == slug else "name"
            raise Conflict("A role like this exists already.", {field: "one not yet in use"})
        role.slug, role.name, role.summary = slug, name, spec.summary.strip()
        role.duties = [duty.strip() for duty in spec.duties]
        role.leads, role.position = spec.leads, spec.position
        if _facts(role) != before:
            role.save()
            audit.record(
                actor, "created" if id is None else "changed", "role", role.pk, role.name, before, _facts(role)
            )
    return role


def delete_roles(ids: Iterable[int], *, actor: Actor) -> int:
    """Take roles away that nobody ever took; how many. Raises Forbidden, Conflict naming one that is on record."""
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        rows = list(Role.objects.select_for_update().filter(pk__in=list(ids)))
        for role in rows:
            facts = _facts(role)
            key = role.pk
            try:
                role.delete()
            except ProtectedError as error:
                raise Conflict(f"{role.name} stands on the record of incidents; rename it instead.") from error
            audit.record(actor, "deleted", "role", key, role.name, facts, None)
    return len(rows)


def _facts(role: Role) -> dict[str, object]:
    return {
        "name": role.name,
        "slug": role.slug,
        "summary": role.summary,
        "duties": list(role.duties),
        "leads": role.leads,
        "position": role.position,
    }


# --- who holds them -----------------------------------------------------------------------------------------------


def take_role(incident_id: int, role: str, *, actor: Actor) -> RoleHolder:
    """Take a role oneself, also from somebody who holds it. Raises Forbidden, NotFound, Conflict."""
    user_id = _person(actor)
    with use_book() as book:
        incident, row = _open(book, incident_id, role, actor)
        rows = _current(incident.id, row.pk)
        if rows.get("held") and rows["held"].user_id == user_id:
            raise Conflict(f"You are {row.name} of INC-{incident.id} already.")
        if asked := rows.get("asked"):
            if asked.user_id == user_id:
                return _confirm(book, incident, asked, actor)
            _end(asked, "ended", book.now)
        before = rows.get("held")
        if before is not None:
            _end(before, "ended", book.now)
        holder = RoleHolder.objects.create(
            incident_id=incident.id, role=row, user_id=user_id, state="held", asked_at=book.now, taken_at=book.now,
            previous=before,
        )  # fmt: skip
        told: dict[str, object] = {"role": row.name} | ({"users": [before.user_id]} if before else {})
        book.write(incident, "role_taken", actor, told)
        _let_in(incident, user_id)
    return holder


def ask_role(
    incident_id: int, role: str, user_id: int, *, actor: Actor, note: str = "", briefing: str = ""
) -> RoleHolder:
    """Ask somebody to take a role; they hear of it at once. Who holds it keeps it until they confirm.

    ``note``: what the asker adds; ``briefing``: Markdown for whoever takes over. Raises Forbidden, NotFound, Conflict,
    Invalid.
    """
    if len(note) > command.TEXT_LENGTH:
        raise Invalid("That is too long.", {"note": f"at most {command.TEXT_LENGTH} characters"})
    with use_book() as book:
        incident, row = _open(book, incident_id, role, actor)
        user = User.objects.filter(pk=user_id, is_active=True).first()
        if user is None or people.actor_of(user).role == "observer":
            raise Invalid("They cannot take a role.", {"user": "an active person who may respond to incidents"})
        rows = _current(incident.id, row.pk)
        if rows.get("held") and rows["held"].user_id == user_id:
            raise Conflict(f"{user.name} is {row.name} of INC-{incident.id} already.")
        if asked := rows.get("asked"):
            if asked.user_id == user_id:
                raise Conflict(f"{user.name} was asked already and has not answered yet.")
            _end(asked, "ended", book.now)
        holder = RoleHolder.objects.create(
            incident_id=incident.id, role=row, user_id=user_id, state="asked", asked_by_id=actor.user_id,
            asked_at=book.now, previous=rows.get("held"), briefing=briefing,
        )  # fmt: skip
        told: dict[str, object] = {"role": row.name, "users": [user_id]}
        book.write(incident, "role_asked", actor, told | ({"reason": note.strip()} if note.strip() else {}))
        _let_in(incident, user_id)
        book.flush()
        events.publish([command.RoleAsked(incident.id, holder.pk, user_id, row.name, incident.said)])
    return holder


def answer_role(holder_id: int, accept: bool, *, actor: Actor, note: str = "") -> RoleHolder:
    """Confirm or decline a role that one was asked to take. Raises Forbidden, NotFound, Conflict."""
    user_id = _person(actor)
    with use_book() as book:
        incident, asked = _locked(book, holder_id, actor)
        if asked.user_id != user_id:
            raise Forbidden("Only whoever was asked can answer.")
        if asked.state != "asked":
            raise Conflict("This was answered or taken back already.")
        if accept:
            return _confirm(book, incident, asked, actor)
        _end(asked, "declined", book.now)
        because = {"reason": note.strip()[: command.TITLE_LENGTH]} if note.strip() else {}
        book.write(incident, "role_declined", actor, {"role": asked.role.name} | because)
    return asked


def leave_role(holder_id: int, *, actor: Actor, note: str = "") -> RoleHolder:
    """End a role that is held or was asked for, one's own or, for whoever may respond, another's.

    Raises Forbidden, NotFound, Conflict.
    """
    require(actor, Deed.RESPOND)
    with use_book() as book:
        incident, holder = _locked(book, holder_id, actor)
        if holder.state not in command.HOLDING:
            raise Conflict("That is over already.")
        _end(holder, "ended", book.now)
        told: dict[str, object] = {"role": holder.role.name, "users": [holder.user_id]}
        because = {"reason": note.strip()[: command.TITLE_LENGTH]} if note.strip() else {}
        book.write(incident, "role_left", actor, told | because)
    return holder


def _person(actor: Actor) -> int:
    require(actor, Deed.RESPOND)
    if actor.user_id is None:
        raise Forbidden("Only a person can hold a role.")
    return actor.user_id


def _open(book: Book, incident_id: int, role: str, actor: Actor) -> tuple[rules.State, Role]:
    """The incident, locked and open, and the role of this slug or name."""
    require(actor, Deed.RESPOND)
    incident = lock_readable(book, [incident_id], actor).get(incident_id)
    if incident is None:
        raise NotFound(f"There is no incident INC-{incident_id}.")
    if not incident.open:
        raise Conflict(f"INC-{incident_id} is {incident.state}.")
    text = role.strip()
    row = Role.objects.filter(Q(slug=text.lower()) | Q(name__iexact=text)).first()
    if row is None:
        names = ", ".join(Role.objects.values_list("slug", flat=True))
        raise Invalid("There is no such role.", {"role": f"one of {names}"})
    return incident, row


def _locked(book: Book, holder_id: int, actor: Actor) -> tuple[rules.State, RoleHolder]:
    holder = RoleHolder.objects.filter(pk=holder_id).first()
    incident = lock_readable(book, [holder.incident_id], actor).get(holder.incident_id) if holder else None
    if holder is None or incident is None:
        raise NotFound("Nobody was asked for this role, or the incident is gone.")
    # read again under the incident's lock, which all changes of its roles take
    return incident, RoleHolder.objects.select_related("role").get(pk=holder_id)


def _current(incident_id: int, role_id: int) -> dict[str, RoleHolder]:
    """Who holds the role and who was asked, by state."""
    rows = RoleHolder.objects.filter(incident_id=incident_id, role_id=role_id, state__in=command.HOLDING)
    return {row.state: row for row in rows}


def _confirm(book: Book, incident: rules.State, asked: RoleHolder, actor: Actor) -> RoleHolder:
    before = _current(incident.id, asked.role_id).get("held")
    if before is not None:
        _end(before, "ended", book.now)
    asked.state, asked.taken_at = "held", book.now
    asked.save(update_fields=["state", "taken_at"])
    told: dict[str, object] = {"role": asked.role.name} | ({"users": [before.user_id]} if before else {})
    book.write(incident, "role_taken", actor, told | ({"briefed": True} if asked.briefing else {}))
    return asked


def _end(holder: RoleHolder, state: str, now: datetime) -> None:
    holder.state, holder.ended_at = state, now
    holder.save(update_fields=["state", "ended_at"])


def _let_in(incident: rules.State, user_id: int) -> None:
    if incident.confidential:
        let_in([incident.id], [user_id], "has a role in it")
