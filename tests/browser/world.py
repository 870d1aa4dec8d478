"""A small company with something going on, for pages to show. Rows are written straight into the tables."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from tocsin.catalogue.models import Dependency, Service
from tocsin.delivery import queries as delivery
from tocsin.delivery.actions.providers import save_provider
from tocsin.delivery.models import Attempt, Delivery, PocketMessage, ProviderHealth
from tocsin.delivery.rules import LINK_TEXT, LINK_VERBS
from tocsin.delivery.rules.providers import ProviderSpec
from tocsin.escalation.models import Page, Policy, PolicyStep, Run
from tocsin.incidents import actions as incidents
from tocsin.incidents.models import Incident
from tocsin.intake.models import Source
from tocsin.oncall import actions as oncall
from tocsin.oncall import queries as on_call
from tocsin.oncall.models import Layer, LayerMember, Override, Schedule
from tocsin.people import queries as people
from tocsin.people.models import ContactMethod, Membership, NotificationRule, Team, User
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.project.history import runs, working
from tocsin.project.history.options import Options
from tocsin.project.history.tests.logs import service_desk
from tocsin.triage.models import Alert

NAMES = ["Dana Reyes", "Ines Okafor", "Marek Novák", "Yuki Tanaka", "Tom Åberg", "Priya Raman"]
SERVICES = ["Checkout", "Payments API", "Search", "Identity provider", "Warehouse sync", "Data platform ingestion"]
TITLES = [
    "Checkout error rate above 5 % for 10 minutes",
    "Payment confirmations are delayed: queue depth 48,213 and growing",
    "Search latency p99 2.4 s (threshold 800 ms) in eu-central-1, all shards, since the index rollover",
    "Disk will be full in 4 hours on db-7",
    "Certificate of login.example.org expires in 3 days",
    "Nightly export did not finish",
]
PASSWORD = "correct horse battery staple"


def person(name: str, now: datetime, role: str = "responder") -> User:
    """A person with e-mail and pocket as contact methods."""
    user = User.objects.create_user(
        email=name.lower().replace(" ", ".").encode("ascii", "ignore").decode() + "@example.org",
        password=PASSWORD, name=name, zone="Europe/Berlin", role=role, created_at=now,
    )  # fmt: skip
    mail = ContactMethod.objects.create(user=user, channel="email", address=user.email, verified_at=now)
    pocket = ContactMethod.objects.create(user=user, channel="pocket", address=user.email, verified_at=now)
    for position, method in enumerate([pocket, mail]):
        NotificationRule.objects.create(
            user=user, urgency="high", position=position, delay_s=position * 120, contact_method=method
        )
    return user


def signal(
    number: int, source: Source, alert: Alert, outcome: str, reason: str, at: datetime, action: str = "trigger"
) -> int:
    """A decided signal."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) + 1 FROM triage_signal")
        key: int = cursor.fetchone()[0]
        cursor.execute(
            "INSERT INTO triage_signal (id, source_id, action, dedup_key, severity, title, data, occurred_at,"
            " received_at, decided_at, outcome, rule, reason, service_id, alert_id, incident_id)"
            " VALUES (%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s)",
            [key, source.pk, action, alert.dedup_key, alert.severity, alert.title, json.dumps(alert.data), at, at, at,
             outcome, "grouping: by alert", reason, alert.service_id, alert.pk, alert.incident_id],
        )  # fmt: skip
    return key


def company(now: datetime) -> dict[str, Any]:
    """People, teams, services, schedule, policy; nothing has happened yet."""
    users = [person(name, now, "admin" if index == 0 else "responder") for index, name in enumerate(NAMES)]
    team = Team.objects.create(name="Shop", slug="shop")
    for user in users[:4]:
        Membership.objects.create(team=team, user=user)
    schedule = Schedule.objects.create(name="Shop primary", slug="shop-primary", team=team, zone="Europe/Berlin")
    layer = Layer.objects.create(
        schedule=schedule, position=1, name="Weekly", unit="week", length=1, anchor=now - timedelta(days=3)
    )
    for position, user in enumerate(users[:3]):
        LayerMember.objects.create(layer=layer, position=position, user=user)
    night = Schedule.objects.create(name="Data nights", slug="data-nights", team=team, zone="Asia/Tokyo")
    hours = Layer.objects.create(
        schedule=night, position=1, name="Nights", unit="day", length=1, anchor=now - timedelta(days=2),
        restrictions=[{"days": [1, 2, 3, 4, 5], "from": "22:00", "to": "06:00"}],
    )  # fmt: skip
    LayerMember.objects.create(layer=hours, position=0, user=users[3])
    Override.objects.create(
        schedule=schedule, user=users[4], starts_at=now + timedelta(days=2), ends_at=now + timedelta(days=3),
        reason="Dana is away", created_at=now,
    )  # fmt: skip
    policy = Policy.objects.create(
        name="Shop", slug="shop", team=team, repeats=1, fallback=[{"kind": "user", "id": users[5].pk}]
    )
    PolicyStep.objects.create(policy=policy, position=0, wait_s=300, targets=[{"kind": "schedule", "id": schedule.pk}])
    PolicyStep.objects.create(policy=policy, position=1, wait_s=600, targets=[{"kind": "team", "id": team.pk}])
    services = [
        Service.objects.create(
            name=name, slug=name.lower().replace(" ", "-"), team=team, policy=policy, tier=1 + index % 4, created_at=now
        )
        for index, name in enumerate(SERVICES)
    ]
    Dependency.objects.create(service=services[0], needs=services[1])
    sources = [
        Source.objects.create(
            name="Prometheus",
            kind="alertmanager",
            service=service,
            key_digest=f"{service.pk:064d}",
            key_secret="",
            created_at=now,
            last_signal_at=now,
        )
        for service in services
    ]
    return {
        "users": users,
        "team": team,
        "schedule": schedule,
        "policy": policy,
        "services": services,
        "sources": sources,
    }


def trouble(world: dict[str, Any], count: int = 40) -> list[Incident]:
    """Incidents of every state and priority, with alerts, a run, pages and deliveries."""
    now = clock.now()
    users, services, sources = world["users"], world["services"], world["sources"]
    actors = [people.actor_of(user) for user in users]
    made = []
    for index in range(count):
        title = TITLES[index % len(TITLES)]
        priority = ["P1", "P3", "P2", "P4", "P5"][index % 5]
        incident = incidents.declare(
            title if index < len(TITLES) else f"{title} ({index})", services[index % len(services)].pk,
            actor=actors[index % 3], priority=priority, priority_reason="as declared by the shift",
        )  # fmt: skip
        made.append(incident)
        alert = Alert.objects.create(
            source=sources[index % len(sources)], service=incident.service, incident=incident,
            dedup_key=f"key-{index}", severity=["critical", "error", "warning", "info"][index % 4], title=title,
            data={"labels": {"alertname": "HighErrorRate", "cluster": "eu-1"}, "details": {"value": 0.07},
                  "links": [{"href": "https://grafana.example.org/d/1", "text": "Dashboard"}]},
            count=index * 3 + 1, first_at=now - timedelta(minutes=30), last_at=now - timedelta(minutes=index),
            first_signal_id=0, last_signal_id=0,
        )  # fmt: skip
        first = signal(1, alert.source, alert, "opened", f"A new alert that opened INC-{incident.pk}.", alert.first_at)
        last = signal(2, alert.source, alert, "deduplicated", "Heard of before.", alert.last_at)
        alert.first_signal_id, alert.last_signal_id = first, last
        alert.save(update_fields=["first_signal_id", "last_signal_id"])
        Incident.objects.filter(pk=incident.pk).update(
            alert_count=1, open_alert_count=1, opened_at=now - timedelta(minutes=7 * (count - index) + 3)
        )
    ids = [incident.pk for incident in made]
    for offset, key in enumerate(ids):
        actor = actors[offset % 3]
        if offset % 4 == 1:
            incidents.acknowledge([key], actor=actor)
        if offset % 8 == 2:
            incidents.acknowledge([key], actor=actor)
            incidents.mitigate([key], actor=actor)
        if offset % 4 == 3:
            incidents.resolve([key], actor=actor, note="Rolled back the deploy of 14:05.")
    _pages(world, made[0], now)
    incidents.add_note(
        ids[:1], text="Error rate rose right after the deploy of 14:05. Looking at the **payment gateway** first.",
        actor=actors[1],
    )  # fmt: skip
    return made


def _pages(world: dict[str, Any], incident: Incident, now: datetime) -> None:
    users, policy, schedule = world["users"], world["policy"], world["schedule"]
    from tocsin.escalation import queries as escalation

    snapshot = escalation.snapshot([policy.pk])[policy.pk]
    Run.objects.filter(incident=incident).delete()
    run = Run.objects.create(
        incident=incident, generation=incident.generation, policy=policy, snapshot=snapshot.to_json(), step=1,
        started_at=now - timedelta(minutes=4), due_at=now + timedelta(minutes=4, seconds=20),
    )  # fmt: skip
    reason = {
        "kind": "step", "policy": {"id": policy.pk, "name": policy.name, "version": 1}, "step": 1, "steps": 2,
        "loop": 1, "loops": 2, "target": {"kind": "schedule", "id": schedule.pk, "name": schedule.name},
        "via": {"kind": "schedule", "schedule_id": schedule.pk, "schedule": schedule.name, "zone": schedule.zone,
                "layer": "Weekly", "from": (now - timedelta(days=3)).isoformat(),
                "to": (now + timedelta(days=4)).isoformat()},
        "also": [], "asked": [], "why": "",
        "text": "Shop, version 1, step 1 of 2, loop 1 of 2: on call in Shop primary, layer Weekly.",
    }  # fmt: skip
    page = Page.objects.create(
        incident=incident, run=run, generation=incident.generation, user=users[0], step=0, loop=0, urgency="high",
        at=now - timedelta(minutes=4), reason=reason,
    )  # fmt: skip
    Page.objects.create(
        incident=incident, run=run, generation=incident.generation, user=None, step=0, loop=0, urgency="high",
        at=now - timedelta(minutes=3),
        reason=reason | {"kind": "gap", "target": None, "via": {}, "why": "nobody is on call in Data nights",
                         "text": "Shop, version 1, step 1 of 2: nobody is on call in Data nights."},
    )  # fmt: skip
    for index, method in enumerate(users[0].contact_methods.order_by("-channel")):
        delivery = Delivery.objects.create(
            key=f"d{page.pk}-{index}", kind="page", page=page, incident=incident, generation=incident.generation,
            user=users[0], contact_method=method, channel=method.channel, address=method.address, rule_position=index,
            state="delivered" if index == 0 else "pending", attempts=1 - index,
            next_at=None if index == 0 else now + timedelta(minutes=1),
            created_at=page.at, ended_at=page.at + timedelta(seconds=1) if index == 0 else None,
        )  # fmt: skip
        if index == 0:
            Attempt.objects.create(
                delivery=delivery, number=1, started_at=page.at, ended_at=page.at, outcome="delivered", detail="shown"
            )


def world_shift(world: dict[str, Any], now: datetime) -> datetime:
    """When the third person's next shift in the schedule begins."""
    shifts = on_call.final(world["schedule"].pk, now, now + timedelta(days=60))
    return next(shift.start for shift in shifts if shift.user_id == world["users"][2].pk)


def away(world: dict[str, Any]) -> None:
    """Absences, one during a shift; calendars read and to subscribe to; what on call is paid; a bad night."""
    now, users = clock.now(), world["users"]
    admin = people.actor_of(users[0])
    oncall.save_absence(users[0].pk, now + timedelta(days=9), now + timedelta(days=30), actor=admin, kind="vacation")
    for user in users[1:4]:
        oncall.save_absence(user.pk, now, now + timedelta(days=5), actor=admin, kind="sick", note="back on Monday")
    text = ["BEGIN:VCALENDAR"]
    for number, name in enumerate(["Priya Raman", "Zoe Unknown", "On call: somebody whose name nobody here has heard"]):
        begin = now + timedelta(days=5, hours=number * 2)
        text += ["BEGIN:VEVENT", f"UID:{number}", f"DTSTART:{begin:%Y%m%dT%H%M%SZ}", "DURATION:PT3H",
                 f"SUMMARY:{name}", "END:VEVENT"]  # fmt: skip
    body = "\r\n".join([*text, "END:VCALENDAR", ""])
    oncall.create_calendar_source(world["schedule"].pk, "PagerDuty", actor=admin, body=body)
    oncall.create_calendar_source(world["schedule"].pk, "Google", actor=admin, url="https://calendar.example.org/1.ics")
    oncall.save_absence_feed(users[0].pk, "https://calendar.example.org/2.ics", actor=admin)
    for more in ({}, {"schedule": world["schedule"].slug}, {"team": world["team"].slug}):
        oncall.create_calendar_feed(actor=admin, **more)
    begin = world_shift(world, now)
    asked = oncall.ask_cover(
        world["schedule"].pk, begin, begin + timedelta(hours=2), actor=SYSTEM, requester_id=users[2].pk, note="Dentist"
    )
    oncall.write_note(world["schedule"].pk, "The queue is slow since Thursday.\nDo not restart it.", actor=admin)
    assert asked.pk
    oncall.save_pay_rates({"currency": "EUR", "standby": {"night": "8.50"}, "callout": {"night": "40"}}, actor=admin)


def phone(user: User, incidents_: list[Incident]) -> list[PocketMessage]:
    """A page about each of these incidents on the person's pocket phone, with links that work."""
    now = clock.now()
    method = user.contact_methods.get(channel="pocket")
    made = []
    for incident in incidents_:
        sent = Delivery.objects.create(
            key=f"phone-{incident.pk}", kind="page", incident=incident, generation=incident.generation, user=user,
            contact_method=method, channel="pocket", address=method.address, state="delivered", attempts=1,
            created_at=now, ended_at=now,
        )  # fmt: skip
        links = [{"verb": "view", "text": LINK_TEXT["view"], "href": f"http://elsewhere/incidents/{incident.pk}/"}]
        links += [
            {
                "verb": verb, "text": LINK_TEXT[verb],
                "href": delivery.action_url(incident.pk, user.pk, verb, sent.pk, now + timedelta(hours=24)),
            }
            for verb in LINK_VERBS
        ]  # fmt: skip
        made.append(
            PocketMessage.objects.create(
                user=user, delivery=sent, incident=incident, links=links, at=now,
                title=f"{incident.priority} {incident.service.name}: {incident.title} (INC-{incident.pk})"[:150],
                body=f"{incident.title}\n{incident.priority} on {incident.service.name}, since 03:10 UTC.\n"
                "You are paged because: Shop, version 1, step 1 of 2: on call in Shop primary, layer Weekly.",
            )
        )  # fmt: skip
    return made


def providers() -> None:
    """Accounts for SMS and calls: one that works, one that rests after failures, one that is switched off."""
    config = {"account_sid": "AC0123456789abcdef", "sender": "+41 79 807 12 34", "caller": "+41798071234"}
    for position, name in enumerate(("Main line", "Second line with quite a long name", "Old contract")):
        spec = ProviderSpec(
            name, "twilio", config=config, secret="a-token", position=position, enabled=position < 2,
            countries=["+41", "+49", "+43"] if position else [],
        )  # fmt: skip
        row = save_provider(spec, actor=SYSTEM)
        if position == 1:
            now = clock.now()
            ProviderHealth.objects.create(
                provider=row, failures=5, open_until=now + timedelta(minutes=2), refused=3, refused_at=now,
                reason="HTTP 503 Service Unavailable: upstream connect error or disconnect/reset before headers",
            )  # fmt: skip


def imports() -> None:
    """Two imports of past incidents on their way: one that waits for its plan, one that is planned."""
    for wanted in ("ready", "planned"):
        run = runs.upload("servicenow", f"{wanted}.csv", [service_desk(30).encode()], actor=SYSTEM)
        working.task({"run": run.pk}, SYSTEM)
        if wanted == "planned":
            runs.set_options(run.pk, Options(zone="UTC"), actor=SYSTEM)
            runs.ask_plan(run.pk, actor=SYSTEM)
            working.task({"run": run.pk}, SYSTEM)
