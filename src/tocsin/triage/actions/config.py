"""Triage rules and maintenance windows: saved, switched, deleted. What cannot work is refused before it is saved."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from zoneinfo import available_timezones

from django.db import transaction
from django.db.models import F

from tocsin.catalogue.models import Service
from tocsin.catalogue.queries import service_named
from tocsin.incidents import actions as incidents
from tocsin.incidents.queries import readable
from tocsin.incidents.rules import LEVELS
from tocsin.people.rules import Deed, may, require
from tocsin.platform import audit, cel, clock, events
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Forbidden, Invalid, NotFound
from tocsin.triage import rules
from tocsin.triage.models import Alert, MaintenanceWindow, Rule


def _service(name: str, field: str, problems: dict[str, str]) -> Service | None:
    if not name:
        return None
    found = service_named(name)
    if found is None:
        problems[field] = f"there is no service {name!r}"
    return found


def _condition_problem(text: str) -> str:
    """What is wrong with a condition, or an empty text."""
    try:
        outcome = cel.check(text, rules.SAMPLE_VARIABLES)
    except cel.CelError as error:
        return str(error)
    return "" if outcome is None or isinstance(outcome, bool) else f"must give true or false, not {outcome!r}"


def save_rule(spec: rules.RuleSpec, *, actor: Actor, id: int | None = None) -> Rule:
    """Create a rule, or replace the one of this id. Raises Invalid with the field, NotFound, Forbidden."""
    problems: dict[str, str] = {}
    service = _service(spec.service, "service", problems)
    target = _service(spec.to_service, "to_service", problems)
    require(actor, Deed.CONFIGURE, service.team_id if service else None)
    if not spec.name.strip() or len(spec.name) > 120:
        problems["name"] = "must have 1 to 120 characters"
    elif Rule.objects.filter(name=spec.name).exclude(pk=id or 0).exists():
        problems["name"] = "another rule has this name"
    if spec.kind not in dict(Rule.KINDS):
        problems["kind"] = "must be route, severity or suppress"
    if problem := _condition_problem(spec.condition):
        problems["condition"] = problem
    if spec.kind == "route" and target is None:
        problems.setdefault("to_service", "a route needs the service that it leads to")
    if spec.kind == "severity":
        if not (spec.severity or spec.impact or spec.urgency):
            problems["severity"] = "a severity rule sets severity, impact or urgency"
        if spec.severity and spec.severity not in rules.SEVERITIES:
            problems["severity"] = f"must be one of {', '.join(rules.SEVERITIES)}"
        for name in ("impact", "urgency"):
            if getattr(spec, name) and getattr(spec, name) not in LEVELS:
                problems[name] = f"must be one of {', '.join(LEVELS)}"
    if problems:
        raise Invalid("The rule cannot work like this.", problems)
    with transaction.atomic():
        rule = Rule.objects.select_for_update().filter(pk=id).first() if id else Rule()
        if rule is None:
            raise NotFound(f"There is no rule {id}.")
        before = rule_facts(rule) if rule.pk else None
        rule.name, rule.kind, rule.position, rule.condition = spec.name, spec.kind, spec.position, spec.condition
        rule.service, rule.to_service, rule.enabled = service, target, spec.enabled
        rule.severity, rule.impact, rule.urgency = spec.severity, spec.impact, spec.urgency
        rule.version += 1 if rule.pk else 0
        rule.save()
        audit.record(actor, "changed" if before else "created", "rule", rule.pk, rule.name, before, rule_facts(rule))
    return rule


def rule_facts(rule: Rule) -> dict[str, object]:
    """The rule as its spec's fields; for audit and export."""
    return asdict(
        rules.RuleSpec(
            name=rule.name,
            kind=rule.kind,
            condition=rule.condition,
            position=rule.position,
            service=rule.service.slug if rule.service else "",
            to_service=rule.to_service.slug if rule.to_service else "",
            severity=rule.severity,
            impact=rule.impact,
            urgency=rule.urgency,
            enabled=rule.enabled,
        )
    )


def delete_rules(ids: Sequence[int], *, actor: Actor) -> int:
    """Delete rules; alerts keep the name of the rule that decided them. Returns how many there were."""
    require(actor, Deed.CONFIGURE)
    with transaction.atomic():
        found = list(Rule.objects.filter(pk__in=ids))
        for rule in found:
            audit.record(actor, "deleted", "rule", rule.pk, rule.name, rule_facts(rule), None)
        Rule.objects.filter(pk__in=[rule.pk for rule in found]).delete()
    return len(found)


def switch_rules(ids: Sequence[int], *, enabled: bool, actor: Actor) -> int:
    """Switch rules on or off."""
    require(actor, Deed.CONFIGURE)
    with transaction.atomic():
        found = list(Rule.objects.filter(pk__in=ids).exclude(enabled=enabled))
        Rule.objects.filter(pk__in=[rule.pk for rule in found]).update(enabled=enabled, version=F("version") + 1)
        for rule in found:
            audit.record(actor, "switched on" if enabled else "switched off", "rule", rule.pk, rule.name)
    return len(found)


def save_window(spec: rules.WindowSpec, *, actor: Actor, id: int | None = None) -> MaintenanceWindow:
    """Create a maintenance window, or replace the one of this id. Raises Invalid, NotFound, Forbidden."""
    problems: dict[str, str] = {}
    found = [_service(name, "services", problems) for name in spec.services]
    services = [service for service in found if service is not None]
    if not spec.services:
        problems["services"] = "must name at least one service"
    if not spec.name.strip() or len(spec.name) > 200:
        problems["name"] = "must have 1 to 200 characters"
    if not 60 <= spec.duration_s <= (31 if spec.rrule else 366) * 86_400:
        problems["duration_s"] = "must be 60 seconds to 31 days, or to 366 days when it does not repeat"
    if spec.starts_at.tzinfo is None:
        problems["starts_at"] = "must name its zone, like 2026-11-23T22:00:00+01:00"
    if spec.zone not in available_timezones():
        problems["zone"] = "must be an IANA zone like Europe/Berlin"
    if problem := rules.rrule_problem(spec.rrule):
        problems["rrule"] = problem
    if spec.mode not in ("hold", "drop"):
        problems["mode"] = "must be hold or drop"
    if spec.condition and (problem := _condition_problem(spec.condition)):
        problems["condition"] = problem
    if problems:
        raise Invalid("The maintenance window cannot work like this.", problems)
    for service in services:
        require(actor, Deed.CONFIGURE, service.team_id)
    return keep_window(spec, services, actor=actor, id=id)


def keep_window(
    spec: rules.WindowSpec, services: Sequence[Service], *, actor: Actor, id: int | None = None
) -> MaintenanceWindow:
    """Write a window whose spec and actor were checked. Raises NotFound."""
    with transaction.atomic():
        window = MaintenanceWindow.objects.select_for_update().filter(pk=id).first() if id else MaintenanceWindow()
        if window is None:
            raise NotFound(f"There is no maintenance window {id}.")
        before = window_facts(window) if window.pk else None
        window.name, window.starts_at, window.duration_s = spec.name, spec.starts_at, spec.duration_s
        window.rrule, window.zone, window.mode, window.note = spec.rrule, spec.zone, spec.mode, spec.note
        window.condition = spec.condition
        if not window.pk:
            window.created_at = clock.now()
            window.created_by_id = actor.user_id
        window.save()
        window.services.set(services)
        verb = "changed" if before else "created"
        audit.record(actor, verb, "maintenance window", window.pk, window.name, before, window_facts(window))
        events.wake("clock")
    return window


def window_facts(window: MaintenanceWindow) -> dict[str, object]:
    """The window as JSON-able fields of its spec; for audit and export."""
    return {
        "name": window.name,
        "services": sorted(window.services.values_list("slug", flat=True)),
        "starts_at": window.starts_at.isoformat(),
        "duration_s": window.duration_s,
        "rrule": window.rrule,
        "zone": window.zone,
        "mode": window.mode,
        "note": window.note,
        "condition": window.condition,
    }


def end_windows(ids: Sequence[int], *, actor: Actor, checked: bool = False) -> int:
    """End maintenance windows now and for good: what they hold may page. ``checked``: the caller did, that they may."""
    with transaction.atomic():
        found = list(MaintenanceWindow.objects.select_for_update().filter(pk__in=ids, ended_at__isnull=True))
        if not checked:
            _require_all(found, actor)
        _wake(found, actor)
        MaintenanceWindow.objects.filter(pk__in=[window.pk for window in found]).update(ended_at=clock.now())
        for window in found:
            audit.record(actor, "ended", "maintenance window", window.pk, window.name)
        events.wake("clock")
    return len(found)


def delete_windows(ids: Sequence[int], *, actor: Actor) -> int:
    """Delete maintenance windows; what they hold may page."""
    with transaction.atomic():
        found = list(MaintenanceWindow.objects.select_for_update().filter(pk__in=ids))
        _require_all(found, actor)
        for window in found:
            audit.record(actor, "deleted", "maintenance window", window.pk, window.name, window_facts(window), None)
        _wake([window for window in found if window.ended_at is None], actor)
        # an alert must not lose its hold without being looked at again: ``release`` finds it by this moment
        Alert.objects.filter(held_by__in=found, state="open").update(held_by=None, flapping_until=clock.now())
        MaintenanceWindow.objects.filter(pk__in=[window.pk for window in found]).delete()
        events.wake("clock")
    return len(found)


def ends_of(window: MaintenanceWindow) -> datetime:
    """When a window that does not repeat is over."""
    planned = window.starts_at + timedelta(seconds=window.duration_s)
    return min(window.ended_at, planned) if window.ended_at else planned


def _wake(windows: Sequence[MaintenanceWindow], actor: Actor) -> None:
    """Have incidents page again that silences put to sleep, which are ended before their time."""
    asleep: set[int] = set()
    now = clock.now()
    for window in windows:
        if hasattr(window, "silence") and ends_of(window) > now:
            rows = Alert.objects.filter(readable(actor, "incident_id"), state="open", service__in=window.services.all())
            ours = rows.filter(incident__snoozed_until=ends_of(window))
            asleep.update(ours.order_by().values_list("incident_id", flat=True).distinct())
    if asleep:
        incidents.unacknowledge(sorted(asleep), actor=actor, reason="the silence was ended")


def _require_all(windows: Sequence[MaintenanceWindow], actor: Actor) -> None:
    for window in windows:
        teams = list(window.services.values_list("team_id", flat=True))
        if not all(may(actor, Deed.CONFIGURE, team) for team in teams):
            raise Forbidden(f"{actor.name} may not change the maintenance of all services of {window.name}.")
