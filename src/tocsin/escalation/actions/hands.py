"""What people do by hand beside a policy: its next step now, named people, a team, the managers above.

Each but paging people needs its reason as a code (``rules.REASONS``), which stands on the timeline and can be counted.
"""

from collections.abc import Sequence
from typing import Any

from tocsin.delivery import actions as delivery
from tocsin.escalation import queries, rules
from tocsin.escalation.actions.runs import arm, drop, page_by_hand
from tocsin.escalation.models import Page, Run
from tocsin.incidents import rules as incident_rules
from tocsin.incidents.actions import Book, lock_readable, make_confidential, use_book
from tocsin.oncall import queries as oncall
from tocsin.people import queries as people
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Conflict, Invalid, NotFound


def escalate_now(
    incident_id: int,
    *,
    actor: Actor,
    reason_code: str,
    reason: str = "",
    confidential: bool = False,
    via: str = "",
    step: int | None = None,
) -> None:
    """Page the next step now, whatever the waiting time; an acknowledged incident is triggered again by it.

    ``step``: that step of its policy instead of the next, from 0.
    ``confidential``: the incident is made so first, and the policy for confidential incidents pages from its first step
    instead. ``via``: from where, when not from a page: sms, voice ... Raises NotFound, Conflict (it is over), Invalid
    (``reason_code``, ``reason``, ``step``), Forbidden.
    """
    _allowed(actor, reason_code, reason)
    with use_book() as book:
        state = _open(book, incident_id, actor)
        last = Run.objects.filter(incident_id=incident_id, purpose="escalate").order_by("-started_at", "-id").first()
        at = rules.RunState(last.step, last.loop) if last and last.state != "done" else rules.RunState()
        if step is not None:
            steps = len(queries.policies_of([state], book.config)[state.id].steps)
            if not 0 <= step < steps:
                raise Invalid("Its policy has no such step.", {"step": f"there are {steps}"})
            at = rules.RunState(step)
        if moved := confidential and not state.confidential and bool(queries.apart([state.service_id])):
            at = rules.RunState()
        book.write(
            state, "escalated", actor, _why(reason_code, reason) | {"step": at.step + 1} | ({"via": via} if via else {})
        )
        triggered = state.state == "triggered"
        if confidential and not state.confidential:
            make_confidential([incident_id], actor=actor, why=_words(reason_code, reason))
        if moved and triggered:
            return  # it pages by the policy for confidential incidents already
        if state.state != "triggered":
            incident_rules.unacknowledge(state)
            drop([incident_id], "escalated")
        arm([incident_id], start=lambda _: at)


def page_users(incident_id: int, *, user_ids: Sequence[int], actor: Actor, message: str = "") -> None:
    """Page people by hand, beside the policy. Raises NotFound, Conflict (it is over), Invalid, Forbidden."""
    require(actor, Deed.RESPOND)
    names = people.names(user_ids)
    if not user_ids or len(names) < len(set(user_ids)):
        raise Invalid("Nobody to page.", {"user_ids": "must be ids of active people"})
    with use_book() as book:
        state = _open(book, incident_id, actor)
        why = f"{actor.name} asked for them" + (f": {message}" if message else "")
        facts = {"users": list(user_ids), "names": list(names.values()), "message": message}
        book.write(state, "paged_by_hand", actor, facts)
        page_by_hand(state, {user: names[user] for user in dict.fromkeys(user_ids)}, why)


def call_off(incident_id: int, *, user_ids: Sequence[int], actor: Actor) -> list[int]:
    """Stop what was not handed out yet of pages by hand to these people; who of them had been asked by hand.

    What went out is not taken back, and the policy's own pages go on. Raises NotFound, Conflict (it is over),
    Forbidden.
    """
    require(actor, Deed.RESPOND)
    with use_book() as book:
        state = _open(book, incident_id, actor)
        pages = Page.objects.filter(incident_id=incident_id, run=None, user_id__in=list(user_ids))
        names = dict(pages.order_by("user_id").distinct().values_list("user_id", "user__name"))
        asked = [user for user in dict.fromkeys(user_ids) if user in names]
        if asked:
            dropped = sum(delivery.drop_of([incident_id], user, "called off", by_hand=True) for user in asked)
            told = {"users": asked, "names": [names[user] for user in asked], "dropped": dropped}
            book.write(state, "called_off", actor, told)
    return asked


def page_team(incident_id: int, team_id: int, *, actor: Actor, reason_code: str, reason: str = "") -> int:
    """Bring a team in: page everybody who is on call in its schedules; how many people.

    Where it has no schedule, or nobody is on call in any, all its members. Raises NotFound, Conflict (it is over, or
    the team has nobody), Invalid (``reason_code``, ``reason``), Forbidden.
    """
    _allowed(actor, reason_code, reason)
    team = people.team(actor, team_id)
    with use_book() as book:
        state = _open(book, incident_id, actor)
        targets = [rules.Target("schedule", row.pk, row.name) for row in oncall.schedules(SYSTEM, team_ids=[team.pk])]
        resolve = queries.resolver((target.id for target in targets), [team.pk], book.now)
        users = [one.user_id for target in targets for one in resolve(target, book.now)]
        users = users or [one.user_id for one in resolve(rules.Target("team", team.pk), book.now)]
        if not users:
            raise Conflict(f"The team {team.name} has nobody who can be paged.", {"team": "one that has members"})
        names = people.names(users)
        facts = _why(reason_code, reason) | {"users": list(dict.fromkeys(users)), "names": list(names.values())}
        book.write(state, "team_called", actor, facts | {"team": team.name, "team_id": team.pk})
        why = f"{actor.name} brought in the team {team.name}: {_words(reason_code, reason)}"
        page_by_hand(state, {user: names[user] for user in dict.fromkeys(users)}, why)
    return len(names)


def escalate_up(incident_id: int, *, actor: Actor, reason_code: str, reason: str = "") -> int:
    """Page the managers of those who were paged so far, one level up each time; how many people.

    Raises NotFound, Conflict (it is over, or there is no manager above), Invalid (``reason_code``, ``reason``),
    Forbidden.
    """
    _allowed(actor, reason_code, reason)
    with use_book() as book:
        state = _open(book, incident_id, actor)
        paged = set(Page.objects.filter(incident_id=incident_id, user__isnull=False).values_list("user_id", flat=True))
        above = User.objects.filter(reports__in=paged, is_active=True).exclude(pk__in=paged).order_by("id").distinct()
        names = dict(above.values_list("pk", "name"))
        if not names:
            raise Conflict(
                "Nobody who was paged so far has a manager who was not paged yet; page somebody by name instead."
            )
        facts = _why(reason_code, reason) | {"users": list(names), "names": list(names.values())}
        book.write(state, "managers_called", actor, facts)
        why = f"{actor.name} escalated it to the managers of those paged so far: {_words(reason_code, reason)}"
        page_by_hand(state, names, why)
    return len(names)


def _allowed(actor: Actor, code: str, text: str) -> None:
    require(actor, Deed.RESPOND)
    if problems := rules.reason_problems(code, text):
        raise Invalid("An escalation needs its reason.", problems)


def _open(book: Book, incident_id: int, actor: Actor) -> incident_rules.State:
    state = lock_readable(book, [incident_id], actor).get(incident_id)
    if state is None:
        raise NotFound(f"There is no incident INC-{incident_id}.")
    if not state.open:
        raise Conflict(f"INC-{incident_id} is {state.state}; nobody is paged for it any more.")
    return state


def _why(code: str, text: str) -> dict[str, Any]:
    return {"reason_code": code, "reason": text.strip()}


def _words(code: str, text: str) -> str:
    return rules.REASONS[code] + (f" ({text.strip()})" if text.strip() else "") if code != "other" else text.strip()
