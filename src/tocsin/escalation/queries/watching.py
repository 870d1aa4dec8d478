"""What people watch while a policy is at work: what happens next, who was paged and what became of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Prefetch, QuerySet

from tocsin.delivery.models import Attempt, Delivery
from tocsin.escalation import rules
from tocsin.escalation.models import Page, Run
from tocsin.escalation.queries.policies import Resolver, resolver_for
from tocsin.escalation.queries.runs import answers, facts_for
from tocsin.incidents import queries as incidents
from tocsin.incidents.queries import readable
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform.actor import Actor


@dataclass(frozen=True, slots=True)
class Coming:
    """One step ahead: when, which, whom it names, and who that is as things stand now."""

    at: datetime
    step: int
    loop: int
    last: bool
    targets: tuple[str, ...]
    users: tuple[User, ...]
    tier: str = ""
    webhooks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a waiting run does next. ``purpose``: escalate, ack_timeout or snooze; ``due_at``: when."""

    run: Run
    policy: str
    version: int
    steps: int
    loops: int
    due_at: datetime
    coming: tuple[Coming, ...]

    @property
    def purpose(self) -> str:
        return self.run.purpose


def ahead(actor: Actor, incident_id: int, now: datetime, limit: int = 4) -> Ahead | None:
    """What happens next with an incident if nobody does anything; None: nothing, no run is waiting."""
    require(actor, Deed.READ)
    run = Run.objects.filter(readable(actor, "incident_id"), incident_id=incident_id, state="waiting").first()
    if run is None or run.due_at is None:
        return None
    snapshot = rules.PolicySnapshot.from_json(run.snapshot)
    coming: list[Coming] = []
    if run.purpose == "escalate":
        resolve = resolver_for([snapshot], now)
        due_in = max(0, round((run.due_at - now).total_seconds()))
        facts = facts_for(actor, incident_id, snapshot) if snapshot.asks else None
        steps = rules.preview(snapshot, rules.RunState(run.step, run.loop), due_in, limit, now, facts)
        given = answers([incidents.incident(actor, incident_id)]).get(incident_id, rules.NO_ANSWER)
        found = [list(_people(snapshot, step, resolve, now, facts, given.by)) for step in steps]
        users = User.objects.in_bulk({key for keys in found for key in keys})
        for step, keys in zip(steps, found, strict=True):
            coming.append(
                Coming(
                    at=now + timedelta(seconds=step.in_s),
                    step=step.step,
                    loop=step.loop,
                    last=step.last,
                    targets=tuple(target.words() for target in step.targets if target.kind != "webhook"),
                    users=tuple(users[key] for key in keys if key in users),
                    tier=step.tier,
                    webhooks=tuple(target.name for target in step.targets if target.kind == "webhook"),
                )
            )
    return Ahead(
        run=run,
        policy=snapshot.name,
        version=snapshot.version,
        steps=len(snapshot.steps),
        loops=snapshot.repeats + 1,
        due_at=run.due_at,
        coming=tuple(coming),
    )


def _people(
    snapshot: rules.PolicySnapshot,
    ahead: rules.Ahead,
    resolve: Resolver,
    now: datetime,
    facts: rules.Facts | None,
    answered: frozenset[int],
) -> Iterable[int]:
    """Whom a step that lies ahead would page as things stand."""
    last = ahead.step > len(snapshot.steps)
    step = rules.Step(snapshot.fallback, 0) if last else snapshot.steps[ahead.step - 1]
    return rules.finds(step, rules.RunState(ahead.step - 1, ahead.loop - 1), resolve, now, facts, answered).people


def last_run(actor: Actor, incident_id: int) -> Run | None:
    """The newest run of an incident, waiting or not."""
    require(actor, Deed.READ)
    return Run.objects.filter(readable(actor, "incident_id"), incident_id=incident_id).order_by("-id").first()


def _with_fate(actor: Actor, pages: QuerySet[Page]) -> QuerySet[Page]:
    attempts = Prefetch("attempt_rows", Attempt.objects.order_by("id"))
    deliveries = Delivery.objects.select_related("contact_method").order_by("id").prefetch_related(attempts)
    found = pages.select_related("user", "incident", "incident__service").filter(readable(actor, "incident_id"))
    return found.prefetch_related(Prefetch("deliveries", deliveries))


def pages_of(actor: Actor, incident_id: int, limit: int = 200) -> list[Page]:
    """Pages of an incident, newest first, each with its deliveries and their attempts."""
    require(actor, Deed.READ)
    return list(_with_fate(actor, Page.objects.filter(incident_id=incident_id)).order_by("-id")[:limit])


def pages_since(actor: Actor, since: datetime, limit: int = 50) -> Sequence[Page]:
    """Pages sent since a moment, newest first, each with its deliveries and their attempts."""
    require(actor, Deed.READ)
    # by id, which grows with time: there is no index on the moment, and none is needed for the newest few
    newest = _with_fate(actor, Page.objects.all()).order_by("-id")[:limit]
    return [one for one in newest if one.at >= since]


def page(actor: Actor, page_id: int) -> Page | None:
    """One page with its run, deliveries and attempts."""
    require(actor, Deed.READ)
    return _with_fate(actor, Page.objects.filter(pk=page_id)).select_related("run").first()


def fate(page: Page) -> tuple[str, str]:
    """What became of a page: its tone (good, warn, bad, quiet) and a sentence."""
    webhook = page.reason.get("kind") == "webhook"
    if page.user_id is None and not webhook:
        return "bad", "nobody to page"
    if page.answered_at:
        return "good", f"answered: {page.answer or 'acknowledged'}"
    deliveries = list(page.deliveries.all())
    states = {delivery.state for delivery in deliveries}
    if not deliveries:
        return "bad", "no way to reach them"
    if webhook and states & {"accepted", "delivered"}:
        return "good", "called"
    if "delivered" in states:
        return "warn", "reached, no answer yet"
    if "accepted" in states:
        return "warn", "handed over, no answer yet"
    if states & {"pending", "sending"}:
        return "warn", "on its way"
    if states == {"dropped"}:
        return "quiet", "dropped: no longer needed"
    return "bad", "could not be delivered"
