"""Turns the company's plain data into specs and saves them through the rooms' own actions."""

import hashlib
import hmac
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from tocsin.catalogue.actions import link_services, save_service
from tocsin.catalogue.models import Service
from tocsin.catalogue.rules import ServiceSpec
from tocsin.escalation import queries as escalation
from tocsin.escalation.actions.policies import save_policy
from tocsin.escalation.models import Policy
from tocsin.escalation.rules import PolicySpec, StepSpec, TierSpec
from tocsin.intake.actions import save_source
from tocsin.intake.rules import SourceSpec
from tocsin.oncall import queries
from tocsin.oncall.actions import ask_cover, save_absence, save_override, save_schedule, write_note
from tocsin.oncall.rules import LayerSpec, OverrideSpec, RestrictionSpec, ScheduleSpec
from tocsin.people.actions import save_team, save_user, verify_contact_methods
from tocsin.people.models import ContactMethod
from tocsin.people.rules import ContactMethodSpec, NotificationRuleSpec, TeamSpec, UserSpec
from tocsin.platform.actor import SYSTEM
from tocsin.project.demo import company
from tocsin.triage.actions.config import save_rule, save_window
from tocsin.triage.rules import RuleSpec, WindowSpec

PROMETHEUS = "Prometheus"
POCKET = "pocket"
GROUPING: dict[str, dict[str, object]] = {
    "service": {"by": "service", "window_s": 3600, "reopen_s": 300},
    "dependency": {"by": "dependency", "window_s": 900},
    "fields": {"by": "fields", "fields": ["alertname"], "window_s": 1800},
}


def source_key(service: str, name: str) -> str:
    """The key of a demo source: always the same on one installation, different on every other."""
    text = f"tocsin demo source {service}/{name}"
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def save_people() -> None:
    """People with a pocket phone and mail each, and their teams."""
    for person in company.PEOPLE:
        save_user(_user(person), actor=SYSTEM)
    verify_contact_methods(ContactMethod.objects.values_list("id", flat=True), actor=SYSTEM)
    for team in company.TEAMS:
        members = {f"{key}@{company.DOMAIN}": "manager" if key == team.lead else "member" for key in team.everybody}
        save_team(TeamSpec(team.name, team.slug, team.about, members), actor=SYSTEM)


def _user(person: company.Person) -> UserSpec:
    return UserSpec(
        email=person.email,
        name=person.name,
        zone=person.zone,
        role=person.role,
        contact_methods=[
            ContactMethodSpec(POCKET, POCKET, "Pocket phone"),
            ContactMethodSpec("email", person.email, "Mail"),
        ],
        rules=[
            NotificationRuleSpec("high", POCKET, POCKET, 0),
            NotificationRuleSpec("high", "email", person.email, 120),
            NotificationRuleSpec("low", POCKET, POCKET, 0),
        ],
    )


OUTSIDE_OFFICE = [
    RestrictionSpec([1, 2, 3, 4, 5], "18:00", "24:00"),
    RestrictionSpec([1, 2, 3, 4, 5], "00:00", "08:00"),
    RestrictionSpec([6, 7]),
]


def save_schedules(now: datetime) -> None:
    """Schedules whose rotations began half a year ago, and the administrator on call for a day, to be shown around."""
    for schedule in company.SCHEDULES:
        zone = ZoneInfo(schedule.zone)
        monday = now.astimezone(zone).date() - timedelta(weeks=27)
        monday -= timedelta(days=monday.weekday())
        layers = []
        for rotation in schedule.rotations:
            anchor = datetime.combine(monday, time.fromisoformat(rotation.hand_off), zone)
            restrictions = []
            if rotation.hours:
                restrictions = [RestrictionSpec(list(rotation.days), *rotation.hours)]
            members: list[str | list[str]] = [f"{key}@{company.DOMAIN}" for key in rotation.people]
            layers.append(LayerSpec(rotation.name, anchor, members, rotation.unit, rotation.length, restrictions))
        uncovered = OUTSIDE_OFFICE if schedule.slug == "storefront-hours" else []
        spec = ScheduleSpec(
            schedule.name, schedule.slug, schedule.team, schedule.zone, schedule.about, layers, uncovered
        )
        save_schedule(spec, actor=SYSTEM)
    for slug in ("platform-sun", "tracking-primary"):
        save_override(
            OverrideSpec(
                slug,
                f"{company.ADMINISTRATOR}@{company.DOMAIN}",
                now - timedelta(hours=1),
                now + timedelta(hours=24),
                "Shows a visitor around",
            ),
            actor=SYSTEM,
        )


def save_exchange(now: datetime) -> None:
    """What goes on among people on call: somebody away on a shift, a request for cover, a shadow, a hand-off note."""
    by_slug = {row.slug: row for row in queries.schedules(SYSTEM)}
    coming = queries.final(by_slug["payments-primary"].pk, now + timedelta(days=14), now + timedelta(days=45))[1]
    away = coming.start + timedelta(days=2)
    save_absence(coming.user_id, away, away + timedelta(days=3), kind="vacation", actor=SYSTEM)
    routing = by_slug["routing-primary"]
    shift = queries.final(routing.pk, now + timedelta(days=8), now + timedelta(days=20))[0]
    start = (shift.start + timedelta(days=1)).replace(hour=15, minute=0)
    ask_cover(
        routing.pk, start, start + timedelta(hours=4), requester_id=shift.user_id, note="School play.", actor=SYSTEM
    )
    learner = f"oskar.lindqvist@{company.DOMAIN}"
    shadow = OverrideSpec("platform-sun", learner, now, now + timedelta(days=5), "Learning the platform", kind="shadow")
    save_override(shadow, actor=SYSTEM)
    write_note(by_slug["data-primary"].pk, company.HANDOFF_NOTE, actor=SYSTEM)


def save_policies() -> None:
    """Who must know next, for each team."""
    for policy in company.POLICIES:
        spec = PolicySpec(
            name=policy.name,
            slug=policy.slug,
            team=policy.team,
            description=policy.about,
            repeats=policy.repeats,
            ack_timeout_s=policy.ack_timeout_s,
            steps=[
                StepSpec(
                    [_target(target) for target in targets],
                    wait_s,
                    tier=policy.tiers[number] if policy.tiers else "",
                )
                for number, (wait_s, targets) in enumerate(policy.steps)
            ],
            fallback=[_target(target) for target in policy.fallback],
            tiers=[TierSpec(name, when) for name, when in policy.entries],
            confidential=policy.confidential,
        )
        save_policy(spec, actor=SYSTEM)


def learn_from_history() -> None:
    """What was changed since: after the stolen session both of the people for security have to acknowledge."""
    row = Policy.objects.get(slug="security")
    (spec,) = escalation.export_policies([row.pk])
    spec.steps[0].acks = "all"
    spec.description += " Since the stolen session both have to acknowledge."
    save_policy(spec, actor=SYSTEM, id=row.pk)


def _target(text: str) -> str:
    return f"{text}@{company.DOMAIN}" if text.startswith("user:") else text


def save_services() -> None:
    """Services after those that they need, each with its sources."""
    for service in company.SERVICES:
        spec = ServiceSpec(
            name=service.name,
            slug=service.slug,
            description=service.about,
            team=service.team,
            policy=service.team,
            tier=service.tier,
            grouping=GROUPING[service.by],
            runbook_url=f"https://runbooks.{company.DOMAIN}/{service.slug}",
        )
        save_service(spec, actor=SYSTEM)
    ids = dict(Service.objects.values_list("slug", "id"))
    link_services(
        {ids[service.slug]: [ids[slug] for slug in service.needs] for service in company.SERVICES}, actor=SYSTEM
    )
    for service in company.SERVICES:
        spec_of_source = SourceSpec(PROMETHEUS, service.slug, "alertmanager")
        save_source(spec_of_source, actor=SYSTEM, key=source_key(service.slug, PROMETHEUS))
    for source in company.SOURCES:
        spec_of_source = SourceSpec(source.name, source.service, source.kind, source.config)
        save_source(spec_of_source, actor=SYSTEM, key=source_key(source.service, source.name))


def save_triage(now: datetime) -> None:
    """Rules and maintenance windows."""
    for place, (name, kind, condition, what) in enumerate(company.RULES, start=1):
        save_rule(RuleSpec(name, kind, condition, position=place * 10, **what), actor=SYSTEM)
    sunday = now - timedelta(days=now.weekday() + 1)
    save_window(
        WindowSpec(
            "Patching of the databases",
            ["postgres-parcels", "postgres-accounts"],
            sunday.replace(hour=2, minute=0, second=0, microsecond=0),
            2 * 3600,
            rrule="FREQ=WEEKLY;BYDAY=SU",
            zone="Europe/Oslo",
            mode="hold",
            note="What is still open at its end pages then.",
        ),
        actor=SYSTEM,
    )
    save_window(
        WindowSpec(
            "New belts in Poznań",
            ["sorter-control"],
            (now + timedelta(days=3)).replace(hour=20, minute=0, second=0, microsecond=0),
            6 * 3600,
            zone="Europe/Warsaw",
            mode="drop",
            note="The sorter will complain all night; nobody needs to know.",
        ),
        actor=SYSTEM,
    )
