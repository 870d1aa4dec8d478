"""Half a year of plausible history, the same on every installation: what broke, who was woken, what ended it.

Incidents go through the real rules: who was paged is what the policies and schedules say for that moment, priorities
come from the matrix, and every timeline is chained. Only the writing is done in bulk.
"""

import hashlib
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from tocsin.catalogue.models import Service
from tocsin.delivery.rules import rank_of
from tocsin.escalation import rules as escalation
from tocsin.escalation.queries import notify_rules, resolver_for, snapshots_of_services
from tocsin.incidents import rules as incidents
from tocsin.intake.models import Source
from tocsin.people.models import User
from tocsin.platform import bulk
from tocsin.project.demo import company, confidential
from tocsin.project.demo.conditions import CONDITIONS, Condition
from tocsin.project.demo.loading import PROMETHEUS

DAYS = 174  # signals are kept for 180 days
INCIDENTS = 700
SEED = "Kestrel Post"
REPEAT_S = 85  # how often a source says again that something is still wrong
SEVERITIES = incidents.SEVERITIES
# some services are known to be trouble
TROUBLE = {"postgres-parcels": 3.0, "depot-vpn": 3.0, "sorter-control": 2.5, "route-planner": 2.0, "tracking-api": 2.0}
NOTES = (
    "Looking.",
    "Not the deploy: it began before.",
    "Same as last month, see the runbook.",
    "Customers notice; support knows.",
    "Graphs go down again.",
    "Waiting for the provider.",
    "Asked the team that owns it to join.",
)
CHANGES = (
    "Deploy {version}",
    "Deploy {version}: smaller images",
    "Deploy {version}: fix of yesterday's alarm",
    "Flag new-pricing on for 10 %",
    "Raise replicas to 6",
    "Rotate certificates",
    "Upgrade base image",
)

SYSTEM = ("system", None, "Tocsin")
Who = tuple[str, int | None, str]


@dataclass
class Tables:
    """Rows to be written, by table, and the ids given out so far. Of ``incidents`` none is wasted: people read them."""

    incidents: int = 0

    rows: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)
    _ids: dict[str, Iterator[int]] = field(default_factory=dict)

    def id(self, table: str) -> int:
        """The next id of a table; taken in handfuls."""
        key = next(self._ids.get(table, iter(())), None)
        if key is None:
            self._ids[table] = iter(bulk.next_ids(table, self.incidents if table == "incidents_incident" else 1000))
            key = next(self._ids[table])
        return key

    def add(self, table: str, *row: object) -> None:
        self.rows.setdefault(table, []).append(row)

    def write(self) -> None:
        """Bring everything to the database, what others refer to first."""
        for table, columns in COLUMNS.items():
            bulk.copy_rows(table, columns.split(), self.rows.get(table, []))


STATE = [item.name for item in fields(incidents.State)]
COLUMNS = {
    "incidents_incident": " ".join(STATE),
    "incidents_reader": "incident_id user_id at why",
    "incidents_timeline_entry": "incident_id seq at kind actor_kind actor_id actor_name data previous hash",
    "triage_alert": "id source_id service_id incident_id dedup_key state severity title data count suppressed_by "
    "flips first_at last_at resolved_at first_signal_id last_signal_id",
    "triage_signal": "id source_id action dedup_key severity title data occurred_at received_at decided_at outcome "
    "rule reason service_id alert_id incident_id",
    "escalation_run": "id incident_id generation purpose policy_id snapshot state step loop started_at ended_at reason",
    "escalation_page": "id incident_id run_id generation user_id step loop urgency at reason answered_at answer",
    "delivery_delivery": "id key kind page_id incident_id generation user_id contact_method_id channel address "
    "rule_position state rank attempts provider_ref reason created_at ended_at",
    "delivery_attempt": "delivery_id number started_at ended_at outcome detail provider_ref",
    "catalogue_change": "service_id at summary origin links details",
}


@dataclass(frozen=True)
class Plot:
    """What is going to happen: where, when, how bad, with how many alerts, and how it stands in the end."""

    service: company.Service
    condition: Condition
    at: datetime
    alerts: int
    lasts: timedelta
    ends: str = "resolved"
    confidential: bool = False


class Teller:
    """Tells plots: turns each into rows."""

    def __init__(self, now: datetime, dice: random.Random) -> None:
        self.now = now
        self.dice = dice
        self.tables = Tables()
        self.services = {service.slug: service for service in Service.objects.all()}
        self.sources = {s.service_id: s for s in Source.objects.filter(name=PROMETHEUS)}
        self.users = {user.pk: user for user in User.objects.all()}
        self.policies = snapshots_of_services(service.pk for service in self.services.values())
        self.instead = snapshots_of_services(self.policies, confidential=True)
        self.resolve = resolver_for(
            [*self.policies.values(), *self.instead.values()], now - timedelta(days=DAYS + 2), now
        )
        self.ways = notify_rules(self.users)
        self.first_alert = 0
        self.dependants: dict[str, list[company.Service]] = {}
        for service in company.SERVICES:
            for slug in service.needs:
                self.dependants.setdefault(slug, []).append(service)

    # -- one incident

    def tell(self, plot: Plot) -> None:
        """One incident with everything that belongs to it."""
        row = self.services[plot.service.slug]
        severity = plot.condition.severity
        impact = row.impact or incidents.impact_of_tier(row.tier)
        urgency = incidents.URGENCY_OF_SEVERITY[severity]
        state = incidents.State(
            id=self.tables.id("incidents_incident"),
            service_id=row.pk,
            title="",
            state="triggered",
            impact=impact,
            urgency=urgency,
            priority=incidents.priority_of(impact, urgency),
            severity=severity,
            opened_at=plot.at,
            updated_at=plot.at,
            alert_count=plot.alerts,
            confidential=plot.confidential,
        )
        over = plot.at + plot.lasts
        entries: list[tuple[datetime, str, Who, dict[str, Any]]] = []
        self._alerts(plot, state, over, entries)
        answered, who = self._escalate(plot, state, over, entries)
        if answered and who:
            state.state, state.acknowledged_at, state.acknowledged_by_id = "acknowledged", answered, who[1]
            state.generation += 1
            via = "pocket" if self.dice.random() < 0.7 else "web"
            entries.append((answered, "acknowledged", who, {"via": via}))
            self._work(plot, who, answered, over, entries)
            if plot.confidential:
                entries.append(confidential.let_in(self.users.values(), who, answered))
        if plot.confidential:
            for reader in confidential.readers(entries):
                self.tables.add("incidents_reader", state.id, *reader)
        self._end(plot, state, over, who, entries)
        state.version = len(entries)
        for at, kind, actor, data in sorted(entries, key=lambda entry: entry[0]):
            entry = incidents.chained(state, at, kind, actor, data)
            self.tables.add(
                "incidents_timeline_entry", entry.incident_id, entry.seq, at, kind, *actor, json.dumps(data),
                entry.previous, entry.hash,
            )  # fmt: skip
            state.updated_at = max(state.updated_at, at)
        self.tables.add("incidents_incident", *(getattr(state, name) for name in STATE))

    def _work(self, plot: Plot, who: Who, since: datetime, over: datetime, entries: list[Any]) -> None:
        """What people write while they are at it."""
        left = (min(over, self.now) - since).total_seconds()
        for _ in range(self.dice.choice((0, 0, 1, 1, 2, 3))):
            at = since + timedelta(seconds=left * self.dice.uniform(0.1, 0.8))
            entries.append((at, "note", who, {"text": self.dice.choice(NOTES)}))
        if plot.ends == "mitigated" or (plot.ends == "resolved" and self.dice.random() < 0.2):
            entries.append((since + timedelta(seconds=left * 0.85), "mitigated", who, {}))

    def _end(self, plot: Plot, state: incidents.State, over: datetime, who: Who | None, entries: list[Any]) -> None:
        if plot.ends != "resolved":
            state.state, state.open_alert_count = plot.ends, plot.alerts
            return
        state.resolved_at = over
        state.generation += 1
        state.state = "closed" if self.now - over > timedelta(days=7) and self.dice.random() < 0.6 else "resolved"
        if who and self.dice.random() < 0.35:
            entries.append((over, "resolved", who, {"note": plot.condition.note, "via": "web"}))
        else:
            source = self.sources[state.service_id]
            actor = ("source", source.pk, source.name)
            note = "Its source says it is over."
            entries.append((over, "resolved", actor, {"note": note, "via": "alert", "alert": self.first_alert}))
            if who and self.dice.random() < 0.5:
                written = over + timedelta(minutes=self.dice.uniform(3, 50))
                if written < self.now:
                    entries.append((written, "note", who, {"text": plot.condition.note}))
        if state.state == "closed":
            entries.append((over + timedelta(hours=self.dice.uniform(2, 70)), "closed", who or SYSTEM, {}))

    # -- alerts and signals

    def _alerts(self, plot: Plot, state: incidents.State, over: datetime, entries: list[Any]) -> None:
        others = self.dependants.get(plot.service.slug, []) if plot.service.by == "dependency" else []
        open_still = plot.ends != "resolved"
        at = plot.at
        for number in range(plot.alerts):
            service, condition = plot.service, plot.condition
            if number and others and self.dice.random() < 0.55:
                service = self.dice.choice(others)
            if number and self.dice.random() < 0.5:
                worst = SEVERITIES.index(plot.condition.severity)
                milder = [c for c in CONDITIONS[service.nature] if SEVERITIES.index(c.severity) >= worst]
                condition = self.dice.choice(milder or [plot.condition])
            if number:
                share = (min(over, self.now) - plot.at).total_seconds() * 0.6
                at = plot.at + timedelta(seconds=share * self.dice.betavariate(1, 4))
            end = None if open_still else (over if number == 0 else at + (over - at) * self.dice.uniform(0.3, 0.98))
            self._alert(number, service, condition, state, at, end, entries)

    def _alert(
        self,
        number: int,
        service: company.Service,
        condition: Condition,
        state: incidents.State,
        at: datetime,
        end: datetime | None,
        entries: list[Any],
    ) -> None:
        row = self.services[service.slug]
        source = self.sources[row.pk]
        labels, title = described(service, condition, self.dice)
        key = fingerprint(labels | {"n": str(number)})
        data = signal_data(service, condition, labels)
        table, key_of = self.tables, self.tables.id("triage_alert")
        lasted = ((end or min(self.now, at + timedelta(hours=2))) - at).total_seconds()
        heard = max(self.dice.choice((1, 1, 1, 2, 3)), int(lasted / REPEAT_S))
        opened, rule = (
            ("opened", f"grouping by {service.by}") if number == 0 else ("grouped", f"grouping by {service.by}")
        )
        reason = f"A new condition on {service.name}; no open incident has its group."
        if number:
            reason = f"It joined INC-{state.id}, which is open for the same group."
        first = last = table.id("intake_inbox")
        where = (row.pk, key_of, state.id)
        head = (source.pk, "trigger", key, condition.severity, title, data)
        table.add("triage_signal", first, *head, at, at, at, opened, rule, reason, *where)
        until = end or min(self.now, at + timedelta(hours=2))
        for repeat in range(1, heard):
            moment = at + (until - at) * repeat / heard
            last = table.id("intake_inbox")
            reason = f"The same condition is open since {at:%Y-%m-%d %H:%M} UTC; heard {repeat + 1} times."
            table.add("triage_signal", last, *head, moment, moment, moment, "deduplicated", "same key", reason, *where)
        if end:
            last = table.id("intake_inbox")
            head = (source.pk, "resolve", key, condition.severity, title, data)
            why = "Its source says it is over."
            table.add("triage_signal", last, *head, end, end, end, "resolved", "resolve", why, *where)
        table.add(
            "triage_alert", key_of, source.pk, row.pk, state.id, key, "resolved" if end else "open", condition.severity,
            title, data, heard, "", "[]", at, end or until, end, first, last,
        )  # fmt: skip
        actor = ("source", source.pk, source.name)
        if number == 0:
            state.title, self.first_alert = title, key_of
            facts = {"how": "alert", "alert": key_of, "severity": condition.severity, "priority": state.priority,
                     "impact": state.impact, "urgency": state.urgency}  # fmt: skip
            entries.append((at, "opened", actor, facts))
        elif number < 100:
            facts = {"alert": key_of, "title": title, "severity": condition.severity}
            entries.append((at, "alert_joined", actor, facts))

    # -- pages

    def _escalate(
        self, plot: Plot, state: incidents.State, over: datetime, entries: list[Any]
    ) -> tuple[datetime | None, Who | None]:
        """Page step by step until somebody answers or it is over; who answered, and when."""
        policy = (self.instead if state.confidential else self.policies)[state.service_id]
        urgency = escalation.page_urgency(state.priority)
        run, at, place = self.tables.id("escalation_run"), plot.at + timedelta(milliseconds=20), escalation.RunState()
        patience = 4.6 if urgency == "high" else 6.6  # ln of a median of 100 s, of 12 min
        answers = plot.at + timedelta(seconds=5 + self.dice.lognormvariate(patience, 0.9))
        if plot.ends == "resolved" and answers >= over:
            answers = over  # it was over before anybody had their shoes on
        answered: datetime | None = None
        who: Who | None = None
        pages: list[tuple[Any, ...]] = []
        reason, ended = "the incident is over", over
        while True:
            plan = escalation.plan(policy, place, self.resolve, at)
            paged = [page.user_id for page in plan.pages if page.user_id is not None]
            gaps = [page.reason.why for page in plan.pages if page.user_id is None]
            facts = {"run": run, "policy": policy.name, "step": place.step + 1, "loop": place.loop + 1,
                     "note": plan.note, "users": paged, "gaps": gaps}  # fmt: skip
            entries.append((at, "paged" if paged else "nobody_paged", SYSTEM, facts))
            pages += [(page, place, at) for page in plan.pages]
            due = at + timedelta(seconds=plan.next_due_s or 0)
            # somebody woken at night takes longer, so that the next step is sometimes needed
            if paged and (plan.next is None or answers < due) and answers < over:
                person = self.users[self.dice.choice(paged)]
                local = answers.astimezone(ZoneInfo(person.zone)).hour
                late = timedelta(seconds=self.dice.uniform(20, 240)) if local < 7 and urgency == "high" else timedelta()
                if plan.next is None or answers + late < due:
                    answered, who = max(answers + late, at + timedelta(seconds=4)), ("user", person.pk, person.name)
                    ended, reason = answered, f"acknowledged by {person.name}"
                    break
                answers += late
            if plan.next is None or due >= over:
                break
            place, at = plan.next, due
        done = plan.next is None and answered is None
        self.tables.add(
            "escalation_run", run, state.id, 1, "escalate", policy.policy_id, json.dumps(policy.to_json()),
            "done" if done else "stopped", place.step, place.loop, plot.at, ended, plan.note if done else reason[:300],
        )  # fmt: skip
        for page, of, moment in pages:
            self._page(page, of, moment, run, state, urgency, ended, answered, who, reason)
        return answered, who

    def _page(
        self,
        page: escalation.PlannedPage,
        place: escalation.RunState,
        at: datetime,
        run: int,
        state: incidents.State,
        urgency: Any,
        ended: datetime,
        answered: datetime | None,
        who: Who | None,
        reason: str,
    ) -> None:
        key = self.tables.id("escalation_page")
        facts = page.reason.to_json()
        mine = who is not None and page.user_id == who[1]
        if page.user_id is not None:
            way = escalation.notifications(self.ways[page.user_id], urgency, at)
            facts["notes"] = list(way.notes)
            for planned in way:
                first = place == escalation.RunState() and planned.delay_s == 0
                self._delivery(
                    key, planned, state, page.user_id, at, ended, reason, rank_of(state.priority, first=first)
                )
        self.tables.add(
            "escalation_page", key, state.id, run, 1, page.user_id, place.step, place.loop, urgency, at,
            json.dumps(facts), answered if mine else None, "acknowledged" if mine else "",
        )  # fmt: skip

    def _delivery(
        self,
        page: int,
        planned: escalation.PlannedDelivery,
        state: incidents.State,
        user_id: int,
        at: datetime,
        ended: datetime,
        reason: str,
        rank: int,
    ) -> None:
        key = self.tables.id("delivery_delivery")
        due = at + timedelta(seconds=planned.delay_s)
        mail = planned.channel == "email"
        outcome, moment, tries = ("accepted" if mail else "delivered"), due, 0
        why = ""
        if due > ended:
            outcome, moment, why = "dropped", ended, reason
        else:
            slow = self.dice.random() < 0.03 and mail
            for number in range(1, 3 if slow else 2):
                last = number == (2 if slow else 1)
                begun = moment + timedelta(milliseconds=self.dice.uniform(4, 30))
                moment = begun + timedelta(
                    milliseconds=self.dice.uniform(2, 40) if not mail else self.dice.uniform(60, 900)
                )
                detail = "" if last else "451 4.7.1 Greylisted, please try again"
                tries += 1
                self.tables.add(
                    "delivery_attempt", key, number, begun, moment, outcome if last else "try_later", detail,
                    f"<{key}.{number}@{company.DOMAIN}>" if mail and last else "",
                )  # fmt: skip
                if not last:
                    moment += timedelta(seconds=5)
        self.tables.add(
            "delivery_delivery", key, f"page-{page}-{planned.contact_method_id}-{planned.position}", "page", page,
            state.id, 1, user_id, planned.contact_method_id, planned.channel, planned.address, planned.position,
            outcome, rank, tries, f"<{key}@{company.DOMAIN}>" if outcome == "accepted" else "", why, at, moment,
        )  # fmt: skip


# -- what a signal looks like; the storm uses it too


def described(service: company.Service, condition: Condition, dice: random.Random) -> tuple[dict[str, str], str]:
    """Labels of one occurrence of a condition, as Prometheus would send them, and its title."""
    labels = {name: dice.choice(values) for name, values in condition.labels.items()}
    title = condition.title.format(service=service.name, **labels)
    labels |= {"alertname": condition.alertname, "severity": condition.severity, "service": service.slug,
               "team": service.team}  # fmt: skip
    return labels, title


def fingerprint(labels: dict[str, str]) -> str:
    """A name for a set of labels, sixteen hexadecimal digits."""
    return hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()[:16]


def signal_data(service: company.Service, condition: Condition, labels: dict[str, str]) -> str:
    """The rest of a signal, as JSON text."""
    origin = f"https://prometheus.{company.DOMAIN}"
    return json.dumps(
        {
            "labels": labels,
            "details": {"annotations": {"runbook_url": f"https://runbooks.{company.DOMAIN}/{service.slug}"}},
            "links": [{"href": f"{origin}/graph?g0.expr={condition.alertname}", "text": "Graph"}],
            "remarks": [],
            "origin": origin,
            "client": "Prometheus",
        }
    )


# -- what happens when


def plots(now: datetime, dice: random.Random) -> list[Plot]:
    """What happens in half a year, in order: more by day than by night, more on Mondays, more before a holiday."""
    weights = [TROUBLE.get(s.slug, {1: 1.4, 2: 1.0, 3: 0.7, 4: 0.4}[s.tier]) for s in company.SERVICES]
    told = []
    for _ in range(INCIDENTS - 4):
        service = dice.choices(company.SERVICES, weights)[0]
        condition = dice.choice(CONDITIONS[service.nature])
        lasts = timedelta(minutes=4 + dice.lognormvariate(math.log(condition.minutes), 0.8))
        lasts = min(lasts, timedelta(hours=30))
        many = dice.choices((1, 2, 4, 9, 30, 110), (38, 22, 18, 13, 7, 2))[0]
        alerts = max(1, round(many * dice.uniform(0.7, 1.3)))
        told.append(Plot(service, condition, _moment(now, dice), alerts, lasts))
    told = [plot for plot in told if plot.at + plot.lasts < now - timedelta(hours=1)]
    by_slug = {service.slug: service for service in company.SERVICES}
    for slug, minutes, alerts, ends in (
        ("label-print", 1300, 1, "acknowledged"),
        ("depot-gateway", 190, 6, "mitigated"),
        ("driver-app", 24, 2, "acknowledged"),
    ):
        service, at = by_slug[slug], now - timedelta(minutes=minutes)
        told.append(Plot(service, CONDITIONS[service.nature][1], at, alerts, timedelta(days=1), ends))
    at = now - timedelta(minutes=52)
    told.append(
        Plot(by_slug["accounts"], confidential.SIGN_INS, at, 1, timedelta(days=1), "acknowledged", confidential=True)
    )
    return sorted(told, key=lambda plot: plot.at)


def _moment(now: datetime, dice: random.Random) -> datetime:
    while True:
        back = dice.uniform(0, DAYS)
        at = now - timedelta(days=back, hours=2)
        likely = 0.45 + 0.55 * max(0.0, math.sin((at.hour - 6) / 14 * math.pi))
        likely *= {0: 1.0, 5: 0.5, 6: 0.45}.get(at.weekday(), 0.85)
        likely *= 1.0 if back < 25 else 0.75
        if dice.random() < likely:
            return at.astimezone(UTC)


def write(now: datetime) -> dict[str, int]:
    """Write the history that led to ``now``; how many rows of what."""
    dice = random.Random(SEED)  # noqa: S311 - the same story every time
    with connection.cursor() as cursor:
        cursor.execute("SELECT triage_make_partitions(%s, %s)", [now - timedelta(days=DAYS + 2), now])
    teller = Teller(now, dice)
    told = plots(now, dice)
    teller.tables.incidents = len(told)
    for plot in told:
        teller.tell(plot)
    _changes(teller, now, dice)
    teller.tables.write()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE intake_source s SET last_signal_at = t.at"
            " FROM (SELECT source_id, max(received_at) AS at FROM triage_signal GROUP BY 1) t WHERE s.id = t.source_id"
        )
    rows = teller.tables.rows
    return {
        "incidents": len(rows["incidents_incident"]),
        "alerts": len(rows["triage_alert"]),
        "pages": len(rows["escalation_page"]),
    }


def _changes(teller: Teller, now: datetime, dice: random.Random) -> None:
    """Deploys and the like, on working days."""
    for day in range(DAYS, -1, -1):
        at = now - timedelta(days=day)
        for _ in range(dice.choice((1, 2, 3)) if at.weekday() < 5 else 0):
            service = dice.choice(company.SERVICES)
            moment = at.replace(hour=dice.randint(8, 16), minute=dice.randint(0, 59))
            if moment < now:
                summary = dice.choice(CHANGES).format(version=f"{dice.randint(3, 9)}.{dice.randint(0, 40)}.{day % 10}")
                origin = "build-pipeline"
                teller.tables.add(
                    "catalogue_change", teller.services[service.slug].pk, moment, f"{service.name}: {summary}", origin,
                    "[]", None,
                )  # fmt: skip
