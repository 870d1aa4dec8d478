"""Policies: the list, and one policy read as sentences, drawn as a ladder, with the simulator beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_GET

from tocsin.catalogue.models import Service
from tocsin.escalation import queries, rules, simulator
from tocsin.escalation.rules import PolicySnapshot, Target
from tocsin.oncall.rules import local_instant
from tocsin.people import queries as people
from tocsin.people.rules import Deed, may
from tocsin.platform.moments import absolute
from tocsin.web.context import now
from tocsin.web.fields import LocalMoment, choice
from tocsin.web.shortcuts import Request, attempt, export, page, signed_in

LENGTHS = ((3600, "1 hour"), (4 * 3600, "4 hours"), (12 * 3600, "12 hours"), (86400, "1 day"), (7 * 86400, "7 days"))
ANSWERS = (
    ("", "nobody answers"),
    ("2", "the first person acknowledges after 2 min"),
    ("10", "the first person acknowledges after 10 min"),
    ("30", "the first person acknowledges after 30 min"),
)
MOST = 200  # pages of a simulation that are shown
ICONS = {
    "user": "user",
    "schedule": "calendar-clock",
    "team": "users",
    "owner": "users",
    "manager": "arrow-big-up-dash",
    "webhook": "webhook",
}
HREFS = {"user": "/people/{}/", "schedule": "/on-call/{}/", "team": "/people/teams/{}/", "owner": "/services/",
         "webhook": "/settings/webhooks/{}/"}  # fmt: skip


@dataclass(frozen=True)
class Who:
    """A target as the ladder shows it: whom it would page at this moment."""

    name: str
    icon: str
    href: str
    kind: str
    now: Sequence[str]


@dataclass(frozen=True)
class Moment:
    """One moment of a simulation: a step with its pages, or (without ``key``) something that is no page."""

    key: tuple[object, ...]
    at: datetime
    after: float
    title: str
    why: str
    pages: list[tuple[simulator.SimulatedPage, list[tuple[simulator.SimulatedDelivery, float]]]]

    @property
    def gap(self) -> bool:
        return any(page.gap for page, _ in self.pages)


@dataclass(frozen=True)
class Rung:
    """A step on the ladder. ``after``: seconds since the beginning of the loop."""

    number: int
    after: int
    step: rules.Step
    targets: Sequence[Who]

    @property
    def wait_s(self) -> int:
        return self.step.wait_s


@require_GET
@signed_in
def policies(request: Request) -> HttpResponse:
    """All policies as sentences."""
    text, team = request.GET.get("q", "").strip()[:120], request.GET.get("team", "")
    teams = list(people.teams(request.actor))
    rows = queries.policies(request.actor, text, [one.pk for one in teams if one.slug == team])
    columns = [
        ("name", lambda row: row.name),
        ("slug", lambda row: row.slug),
        ("version", lambda row: row.version),
        ("team", lambda row: row.team.name if row.team else ""),
        ("steps", lambda row: row.steps.count()),
    ]
    if answer := export(request, "policies", columns, rows):
        return answer
    found = list(rows[:500])
    snapshots = queries.snapshot(row.pk for row in found)
    used: dict[int, list[str]] = {}
    for policy_id, name in Service.objects.filter(policy__in=found).order_by("name").values_list("policy_id", "name"):
        used.setdefault(policy_id, []).append(name)
    lines = [(row, rules.sentence(snapshots[row.pk]), used.get(row.pk, [])) for row in found if row.pk in snapshots]
    return page(
        request,
        "escalation/policies.html",
        {
            "title": "Policies",
            "lines": lines,
            "teams": teams,
            "team": team,
            "q": text,
            "may_configure": may(request.actor, Deed.CONFIGURE) or bool(request.actor.managed),
        },
    )


class SimulatorForm(forms.Form):
    """ "Sunday 03:10, P1 on Checkout: who is called, when, how; and if nobody answers?" """

    service = forms.ChoiceField(label="On", required=False)
    priority = forms.ChoiceField(label="Priority", choices=[(name, name) for name in simulator.PRIORITIES])
    at = LocalMoment(label="It begins")
    length = forms.ChoiceField(label="Look ahead", choices=[(str(value), text) for value, text in LENGTHS])
    answer = forms.ChoiceField(label="And", required=False, choices=ANSWERS)


@require_GET
@signed_in
def policy(request: Request, policy_id: int) -> HttpResponse:
    """One policy: sentences, ladder, simulator."""
    row = queries.policy(request.actor, policy_id)
    snapshot = queries.snapshot([row.pk])[row.pk]
    moment = now(request)
    services = list(row.services.order_by("name"))
    zone = request.user.zone or "UTC"
    local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, second=0, microsecond=0)
    initial = {"service": str(services[0].pk) if services else "", "priority": "P1", "at": local, "length": "14400"}
    asked = "at" in request.GET
    form = SimulatorForm({**initial, **request.GET.dict()} if asked else None, initial=initial)
    cast(forms.ChoiceField, form.fields["service"]).choices = choice(
        ((one.pk, one.name) for one in services), "a service with this policy"
    )
    form.fields["at"].help_text = f"Local time in {zone}."
    shown: dict[str, Any] = {"simulation": None}
    if form.is_bound and form.is_valid():
        data = form.cleaned_data
        shown = (
            attempt(
                form,
                lambda: _simulate(
                    request,
                    snapshot,
                    data["priority"],
                    local_instant(zone, data["at"]),
                    int(data["length"]),
                    data["answer"],
                    int(data["service"]) if data["service"] else None,
                ),
            )
            or shown
        )
    else:
        shown = _simulate(request, snapshot, "P1", moment, 14400, "", services[0].pk if services else None)
    return page(
        request,
        "escalation/policy.html",
        {
            "title": row.name,
            "policy": row,
            "sentences": rules.sentence(snapshot),
            "services": services,
            "stands_in_for": list(row.stands_in_for.order_by("name")),
            "rungs": _ladder(snapshot, moment),
            "fallback": _targets(snapshot, snapshot.fallback, moment),
            "executives": _targets(snapshot, snapshot.executives, moment),
            "last_wait": snapshot.steps[-1].wait_s if snapshot.steps else 0,
            "form": form,
            "may_configure": may(request.actor, Deed.CONFIGURE, row.team_id),
            **shown,
        },
    )


def _simulate(
    request: Request,
    snapshot: PolicySnapshot,
    priority: str,
    at: datetime,
    length: int,
    answer: str,
    service_id: int | None,
) -> dict[str, Any]:
    answers = [simulator.Answer(1, int(answer) * 60)] if answer else []
    like = simulator.Like(service_id=service_id)
    found = simulator.simulate(snapshot, priority, at, length, actor=request.actor, answers=answers, like=like)
    moments: list[Moment] = []
    for one in found.pages[:MOST]:
        key = (one.at, one.step, one.loop, one.reason.kind)
        if not moments or moments[-1].key != key:
            reason = one.reason
            title = f"Step {reason.step}" if reason.step <= reason.steps else "Last word"
            title += f" ({reason.tier})" if reason.tier else ""
            title += (
                f", loop {reason.loop} of {reason.loops}" if reason.loops > 1 and reason.step <= reason.steps else ""
            )
            moments.append(Moment(key, one.at, (one.at - at).total_seconds(), title, _why(reason, request), []))
        moments[-1].pages.append((one, [(line, (line.at - one.at).total_seconds()) for line in one.deliveries]))
    moments += [Moment((), one.at, (one.at - at).total_seconds(), one.text, "", []) for one in found.happenings]
    moments.sort(key=lambda moment: (moment.at, not moment.key))
    return {
        "simulation": found,
        "moments": moments,
        "more": max(0, len(found.pages) - MOST),
        "begins": at,
        "gap_count": len(found.gaps),
        "unanswered": not answer,
    }


def _why(reason: rules.PageReason, request: Request) -> str:
    """The reason without what the heading says already, its moments on the person's wall clock."""
    via = {name: value for name, value in reason.via.items() if name not in ("from", "to")}
    how = rules.via_words(reason.target, via)
    how += f", {reason.turn}" if reason.turn else ""
    if until := reason.via.get("to"):
        how += f", until {absolute(datetime.fromisoformat(until), request.user.zone, now(request), seconds=False)}"
    if reason.kind in ("gap", "webhook"):
        return reason.why
    return how if reason.kind == "step" else f"{reason.why}, so the fallback: {how}"


def _called(target: Target) -> str:
    if target.kind in ("owner", "manager"):
        return (
            target.words().removeprefix("everybody in ")[:1].upper() + target.words().removeprefix("everybody in ")[1:]
        )
    return target.name or f"{target.kind} {target.id}"


def _ladder(snapshot: PolicySnapshot, moment: datetime) -> list[Rung]:
    rungs, after = [], 0
    for number, step in enumerate(snapshot.steps, 1):
        rungs.append(Rung(number, after, step, _targets(snapshot, step.targets, moment)))
        after += step.wait_s
    return rungs


def _targets(snapshot: PolicySnapshot, targets: Sequence[Target], moment: datetime) -> list[Who]:
    resolve = queries.resolver_for([snapshot], moment, moment + timedelta(minutes=1))
    found = [(target, [one.user_id for one in resolve(target, moment)]) for target in targets]
    names = people.names(user_id for _, ids in found for user_id in ids)
    return [
        Who(
            _called(target),
            ICONS[target.kind],
            HREFS[target.subject[0]].format(target.id),
            target.kind,
            [names[user_id] for user_id in ids if user_id in names],
        )
        for target, ids in found
    ]
