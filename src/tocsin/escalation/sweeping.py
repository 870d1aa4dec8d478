"""A sweep: one policy through a year of imagined incidents, with the real schedules, people and devices.

Every hour (or so) an incident opens; people answer as chance has it, with the same chance each time the sweep is run.
What comes out are distributions: how long until somebody acknowledges, until each step is paged, how often it ends
without an answer, who is woken how often.

How people answer is a model, and stated: a page is acknowledged with ``chance`` (``chance_asleep`` in the person's
local night), after a time that is log-normally distributed around ``median_s`` with ``spread`` (the standard deviation
of its logarithm). Response times of people at pagers are skewed to the right like that; the defaults are to be
replaced by figures of one's own (``observed``).
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from tocsin.escalation import queries
from tocsin.escalation.foresight import Foresight
from tocsin.escalation.models import Page
from tocsin.escalation.rules import Facts, NotifyRule, PolicySnapshot, ServiceFacts, page_urgency
from tocsin.escalation.simulator import PRIORITIES, Answer, Simulation, rehearse
from tocsin.people.models import User
from tocsin.people.rules import Deed, require
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid

MAX_DAYS = 400
MAX_INCIDENTS = 20_000
NIGHT = (22, 7)
QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Model:
    """How people answer; see the module. ``seed``: another one is another year."""

    median_s: float = 120.0
    spread: float = 0.9
    chance: float = 0.9
    chance_asleep: float = 0.8
    seed: int = 1

    def problems(self) -> dict[str, str]:
        """What is wrong with it, by field."""
        wrong = {}
        if not 1 <= self.median_s <= 86_400:
            wrong["median_s"] = "1 to 86,400 seconds"
        if not 0 <= self.spread <= 3:
            wrong["spread"] = "0 to 3"
        for name in ("chance", "chance_asleep"):
            if not 0 <= getattr(self, name) <= 1:
                wrong[name] = "0 to 1"
        return wrong


@dataclass(frozen=True)
class Spread:
    """A distribution: how many of all, and the quantiles of ``QUANTILES`` in seconds; None where too few have it."""

    count: int
    of: int
    quantiles_s: Sequence[float | None]

    @classmethod
    def over(cls, values: Sequence[float], of: int, *, never: bool = True) -> "Spread":
        """Of seconds, some of ``of`` incidents having one; the others count as never, above all that have one.

        ``never`` False: the quantiles of those that have one, as for steps that few incidents come to.
        """
        ordered = sorted(values)
        places = [math.ceil(q * (of if never else len(ordered))) - 1 for q in QUANTILES]
        return cls(len(values), of, [ordered[place] if 0 <= place < len(ordered) else None for place in places])

    def to_json(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "of": self.of,
            **{f"p{int(q * 100)}_s": value for q, value in zip(QUANTILES, self.quantiles_s, strict=True)},
        }


@dataclass
class Load:
    """What the sweep asks of one person. ``nights``: local nights with at least one page."""

    pages: int = 0
    woken: int = 0
    nights: set[str] = field(default_factory=set)
    acknowledged: int = 0


@dataclass(frozen=True)
class Swept:
    """What came of a sweep. ``steps``: until each step was paged, by its name; ``dead_ends``: nobody acknowledged."""

    policy: str
    priority: str
    since: datetime
    until: datetime
    incidents: int
    acknowledged: Spread
    first_page: Spread
    steps: Mapping[str, Spread]
    dead_ends: Sequence[datetime]
    gaps: int
    people: Mapping[int, Load]
    names: Mapping[int, str]

    def to_json(self) -> dict[str, Any]:
        loads = sorted(self.people.items(), key=lambda item: (-item[1].woken, -item[1].pages))
        return {
            "policy": self.policy,
            "priority": self.priority,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "incidents": self.incidents,
            "acknowledged": self.acknowledged.to_json(),
            "first_page": self.first_page.to_json(),
            "steps": [{"step": name} | spread.to_json() for name, spread in self.steps.items()],
            "dead_ends": {"count": len(self.dead_ends), "first": [at.isoformat() for at in self.dead_ends[:10]]},
            "gaps": self.gaps,
            "people": [
                {
                    "user_id": key,
                    "name": self.names.get(key, f"user {key}"),
                    "pages": load.pages,
                    "woken": load.woken,
                    "nights": len(load.nights),
                    "acknowledged": load.acknowledged,
                }
                for key, load in loads
            ],
        }


def sweep(
    snapshot: PolicySnapshot,
    priority: str,
    since: datetime,
    *,
    actor: Actor,
    days: int = 365,
    every_s: int = 3600,
    model: Model | None = None,
    lasts_s: int = 4 * 3600,
    service_id: int | None = None,
) -> Swept:
    """Imagine an incident of ``priority`` under a policy every ``every_s`` seconds for ``days`` days.

    Each is followed for ``lasts_s`` seconds, on the service ``service_id`` where the policy asks. Writes nothing.
    Raises Forbidden, Invalid.
    """
    require(actor, Deed.READ)
    model = model or Model()
    problems = model.problems()
    if priority not in PRIORITIES:
        problems["priority"] = "one of " + ", ".join(PRIORITIES)
    if not 1 <= days <= MAX_DAYS:
        problems["days"] = f"1 to {MAX_DAYS}"
    elif every_s < 60 or days * 86_400 / every_s > MAX_INCIDENTS:
        problems["every_s"] = f"60 or more, and {MAX_INCIDENTS:,} incidents at most"
    if not 60 <= lasts_s <= 7 * 86_400:
        problems["lasts_s"] = "60 to 604,800 seconds"
    if problems:
        raise Invalid("This cannot be swept.", problems)
    until = since + timedelta(days=days)
    resolve = Foresight([snapshot], since, until + timedelta(seconds=lasts_s))
    known = queries.notify_rules(resolve.users)
    rows = User.objects.values_list("pk", "name", "zone")
    names = {key: name for key, name, _ in rows}
    zones = {key: ZoneInfo(zone) for key, _, zone in rows}
    service = queries.service_facts([service_id])[service_id] if service_id else ServiceFacts()
    facts = Facts(0, priority, "critical", service, queries.condition)
    return run(snapshot, priority, since, until, every_s, lasts_s, resolve, known, zones, names, model, facts)


def run(
    snapshot: PolicySnapshot,
    priority: str,
    since: datetime,
    until: datetime,
    every_s: int,
    lasts_s: int,
    resolve: Foresight,
    rules: Mapping[int, Sequence[NotifyRule]],
    zones: Mapping[int, ZoneInfo],
    names: Mapping[int, str],
    model: Model,
    facts: Facts | None = None,
) -> Swept:
    """The sweep itself, from what was loaded."""
    urgency = page_urgency(priority)
    dice = random.Random(model.seed)  # noqa: S311 - chance, not secrets
    utc = ZoneInfo("UTC")
    acknowledged: list[float] = []
    first: list[float] = []
    steps: dict[int, list[float]] = defaultdict(list)
    people: dict[int, Load] = defaultdict(Load)
    dead, gaps, count = [], 0, 0

    def asleep(user: int, at: datetime) -> bool:
        hour = at.astimezone(zones.get(user, utc)).hour
        return hour >= NIGHT[0] or hour < NIGHT[1]

    def reply(user: int, at: datetime) -> Answer | None:
        if dice.random() >= (model.chance_asleep if asleep(user, at) else model.chance):
            return None
        return Answer(0, max(1, round(model.median_s * math.exp(model.spread * dice.gauss(0, 1)))))

    at = since
    while at < until:
        count += 1
        # whose turn it is goes by the incident's number, so each has one of its own
        asked = replace(facts, incident_id=count, opened_at=at) if facts and snapshot.asks else None
        found = rehearse(
            snapshot, resolve, lambda user: rules.get(user, ()), urgency, at, lasts_s, reply=reply, facts=asked
        )
        answered = _answered(found)
        if answered is None:
            dead.append(at)
        else:
            acknowledged.append((answered[0] - at).total_seconds())
            people[answered[1]].acknowledged += 1
        seen: set[int] = set()
        for page in found.pages:
            if answered is not None and page.at > answered[0]:
                break  # the acknowledgement may time out later; the sweep asks about the first answer
            if page.user_id is None:
                gaps += page.gap
                continue
            if not page.deliveries:
                continue
            after = (page.at - at).total_seconds()
            if not seen:
                first.append(after)
            if page.step not in seen:
                seen.add(page.step)
                steps[page.step].append(after)
            load = people[page.user_id]
            load.pages += 1
            if asleep(page.user_id, page.at):
                load.woken += 1
                # a night belongs to the day on which it began
                local = page.at.astimezone(zones.get(page.user_id, utc)) - timedelta(hours=NIGHT[1])
                load.nights.add(local.date().isoformat())
        at += timedelta(seconds=every_s)
    return Swept(
        policy=snapshot.name,
        priority=priority,
        since=since,
        until=until,
        incidents=count,
        acknowledged=Spread.over(acknowledged, count),
        first_page=Spread.over(first, count),
        steps={
            _name(snapshot, step): Spread.over(values, count, never=False) for step, values in sorted(steps.items())
        },
        dead_ends=dead,
        gaps=gaps,
        people=dict(people),
        names=names,
    )


def _answered(found: Simulation) -> tuple[datetime, int] | None:
    """When it was acknowledged, by as many as have to, and by whom last."""
    for one in found.happenings:
        if one.user_id is not None and not one.partly:
            return one.at, one.user_id
    return None


def _name(snapshot: PolicySnapshot, step: int) -> str:
    if step > len(snapshot.steps):
        return "fallback"
    tier = getattr(snapshot.steps[step - 1], "tier", "")
    return f"step {step}" + (f" ({tier})" if tier else "")


def observed(days: int = 180) -> Model:
    """A model from how people here answered in the last days: the median, and how many pages were answered at all."""
    rows = list(
        Page.objects.filter(user__isnull=False).order_by("-id").values_list("at", "answered_at", "incident_id")[:20_000]
    )
    taken = [(answered - at).total_seconds() for at, answered, _ in rows if answered is not None and answered > at]
    if len(taken) < 20:
        return Model()
    logs = [math.log(max(value, 1.0)) for value in taken]
    middle = median(logs)
    spread = 1.4826 * median(abs(value - middle) for value in logs)  # robust: the median absolute deviation
    incidents = Counter(incident for *_, incident in rows)
    answered = len(taken) / len(incidents)
    return Model(
        median_s=math.exp(middle), spread=min(spread, 3.0), chance=min(answered, 1.0), chance_asleep=min(answered, 1.0)
    )
