"""PagerDuty (REST API v2) -> configuration of ours.

Layers come with the highest precedence first and are written here from the lowest up. Turns count from
``rotation_virtual_start``; turns of whole days keep their hour over a change of clocks, as here.
"""

from collections import defaultdict
from datetime import datetime
from typing import Any

from tocsin.project.importing.shapes import Export, Override, Thing, Translation, clean, clean_lines, ref
from tocsin.project.importing.translating import comparing
from tocsin.project.importing.translating.common import (
    DAY,
    Names,
    hourly,
    iso,
    items,
    mapping,
    moment,
    phone,
    reach,
    turn,
    week_windows,
    whole,
    words,
    zone_of,
)

ROLES = {
    "owner": "manager", "admin": "manager", "user": "responder", "limited_user": "responder",
    "observer": "observer", "restricted_access": "responder", "read_only_user": "observer",
    "read_only_limited_user": "observer",
}  # fmt: skip
EVENTS = ("events_api_v2_inbound_integration", "generic_events_api_inbound_integration")


def translate(export: Export) -> Translation:
    """What an export of PagerDuty becomes here."""
    into = Translation("pagerduty")
    data = export.data
    for user in items(data.get("users")):
        _user(user, into)
    names = {ref("people", str(one.get("id"))): clean(one.get("name")) for one in items(data.get("users"))}
    for team in items(data.get("teams")):
        _team(team, into)
    for schedule in items(data.get("schedules")):
        _schedule(schedule, export.read_at, names, into)
    timeouts = defaultdict[str, set[int | None]](set)
    for service in items(data.get("services")):
        followed = str(mapping(service.get("escalation_policy")).get("id", ""))
        timeouts[followed].add(whole(service.get("acknowledgement_timeout")) or None)
    for policy in items(data.get("escalation_policies")):
        _policy(policy, timeouts[str(policy.get("id"))], into)
    for service in items(data.get("services")):
        _service(service, into)
    for window in items(data.get("maintenance_windows")):
        _window(window, export.read_at, into)
    for section, reason in (
        ("rulesets", "event rules run before an alert is made: write them as triage rules"),
        ("event_orchestrations", "orchestrations run before an alert is made: write them as triage rules"),
        ("webhook_subscriptions", "their secret cannot be read: make a webhook under Settings and tell its receiver"),
        ("extensions", "extensions lead out of PagerDuty: make a webhook under Settings"),
        ("business_services", "business services are not read: write them as services that depend on others"),
    ):
        for one in items(data.get(section)):
            kind = section.removesuffix("s").replace("_", " ")
            into.note("impossible", kind, str(one.get("name") or one.get("summary") or ""), str(one.get("id")), reason)
    return into


def _user(user: dict[str, Any], into: Translation) -> None:
    id, name = str(user.get("id")), clean(user.get("name"), 150)
    email = clean(user.get("email"), 254).lower()
    about = ("user", name or email, id)
    role = str(user.get("role") or "user")
    if role in ("owner", "admin"):
        into.note("approximated", *about, f"{role} there, manager here: administrators are named by administrators")
    methods: list[tuple[str, str]] = []
    addresses: dict[str, tuple[str, str]] = {}
    for method in items(user.get("contact_methods")):
        kind, where = str(method.get("type", "")), str(method.get("id"))
        number = phone(method.get("country_code") or 1, method.get("address"))
        if kind.startswith("email"):
            addresses[where] = ("email", clean(method.get("address"), 254).lower())
        elif kind.startswith("phone"):
            addresses[where] = ("voice", number)
        elif kind.startswith("sms"):
            addresses[where] = ("sms", number)
        else:
            word = "WhatsApp" if "whats" in kind else "the app of PagerDuty" if "push" in kind else kind or "unknown"
            into.note(
                "impossible", "contact method", f"{name}: {word}", where,
                "it cannot reach anybody from here: take the pocket phone or another channel",
            )  # fmt: skip
            continue
        methods.append(addresses[where])
    rules: list[tuple[str, str, str, int]] = []
    for rule in items(user.get("notification_rules")):
        used = str(mapping(rule.get("contact_method")).get("id", ""))
        if used in addresses:
            urgency = "low" if rule.get("urgency") == "low" else "high"
            rules.append((urgency, *addresses[used], whole(rule.get("start_delay_in_minutes")) * 60))
    if not methods:
        methods.append(("email", email))
    written, ruled = reach(methods, rules)
    spec: dict[str, Any] = {
        "email": email,
        "name": name or email,
        "zone": zone_of(user.get("time_zone"), into, *about),
        "role": ROLES.get(role, "responder"),
        "contact_methods": written,
    }
    if ruled:
        spec["rules"] = ruled
    into.add("people", id, "user", name or email, spec)


def _team(team: dict[str, Any], into: Translation) -> None:
    id, name = str(team.get("id")), clean(team.get("name"), 100)
    members = {
        ref("people", str(mapping(one.get("user")).get("id"))): "manager" if one.get("role") == "manager" else "member"
        for one in items(team.get("members"))
    }
    if team.get("parent"):
        into.note(
            "approximated", "team", name, id, "its place below another team is not kept: teams stand side by side"
        )
    spec = {"name": name, "description": clean_lines(team.get("description")), "members": members}
    into.add("teams", id, "team", name, spec)


def _minute(text: Any) -> tuple[int, bool]:
    """(minute of the day, whether seconds were cut) of ``HH:MM:SS``."""
    parts = [whole(part) for part in str(text or "00:00:00").split(":")] + [0, 0]
    return (parts[0] * 60 + parts[1]) % DAY, bool(parts[2])


def _restrictions(layer: dict[str, Any], into: Translation, about: tuple[str, str, str]) -> list[dict[str, Any]]:
    spans: list[tuple[int, int]] = []
    whole_time = False
    for one in items(layer.get("restrictions")):
        minute, cut = _minute(one.get("start_time_of_day"))
        seconds = whole(one.get("duration_seconds"))
        # PagerDuty's own pages write a window up to midnight as one that ends a second before it
        length = -(-seconds // 60)
        if cut or (seconds % 60 and seconds % 3600 != 3599):
            into.note("approximated", *about, "restrictions begin and end at whole minutes here")
        if one.get("type") == "weekly_restriction":
            day = (whole(one.get("start_day_of_week"), 1) - 1) % 7
            spans.append((day * DAY + minute, day * DAY + minute + length))
            whole_time = whole_time or length >= 7 * DAY
        else:
            if length >= DAY:
                whole_time = True
            spans += [(day * DAY + minute, day * DAY + minute + length) for day in range(7)]
    return [] if whole_time or not spans else week_windows(spans)


def _layer(layer: dict[str, Any], zone: str, into: Translation, about: tuple[str, str, str]) -> dict[str, Any] | None:
    name = clean(layer.get("name")) or "Layer"
    members = [ref("people", str(mapping(mapping(one).get("user")).get("id"))) for one in items(layer.get("users"))]
    length = turn(whole(layer.get("rotation_turn_length_seconds")))
    anchor = moment(layer.get("rotation_virtual_start")) or moment(layer.get("start"))
    if not members or anchor is None:
        into.note("approximated", *about, f"the layer {name!r} names nobody and is left out")
        return None
    if length is None and len(members) > 1:
        seconds = whole(layer.get("rotation_turn_length_seconds"))
        into.note(
            "impossible", *about, f"the layer {name!r} has turns of {seconds} seconds; here whole hours, days, weeks"
        )
        return None
    unit, count = length or ("week", 1)
    found: dict[str, Any] = {
        "name": name,
        "unit": unit,
        "length": count,
        "anchor": iso(anchor),
        "members": members,
        "starts_at": iso(moment(layer.get("start"))),
        "ends_at": iso(moment(layer.get("end"))),
        "restrictions": _restrictions(layer, into, about),
    }
    hourly(found, zone, into, about)
    return found


def _schedule(schedule: dict[str, Any], now: datetime, names: dict[str, str], into: Translation) -> None:
    id, name = str(schedule.get("id")), clean(schedule.get("name") or schedule.get("summary"))
    about = ("schedule", name, id)
    zone = zone_of(schedule.get("time_zone"), into, *about)
    layers = []
    # the highest precedence comes first there, and last here
    for layer in reversed(items(schedule.get("schedule_layers"))):
        ended = moment(layer.get("end"))
        if (ended is None or ended > now) and (found := _layer(layer, zone, into, about)):
            layers.append(found)
    if not layers:
        into.note("approximated", *about, "no layer of it is in effect: nobody is on call")
    spec = {
        "name": name,
        "zone": zone,
        "team": _team_of(schedule),
        "description": clean_lines(schedule.get("description")),
        "layers": layers,
    }
    thing = into.add("schedules", id, "schedule", name, spec)
    for override in items(schedule.get("overrides")):
        start, end = moment(override.get("start")), moment(override.get("end"))
        user = mapping(override.get("user")).get("id")
        if start and end and end > now and user:
            key = str(override.get("id") or f"{id}:{override.get('start')}:{user}")
            thing.overrides.append(Override(key, ref("people", str(user)), start, end))
    _compared(schedule, thing, now, names, into)


def _compared(schedule: dict[str, Any], thing: Thing, now: datetime, names: dict[str, str], into: Translation) -> None:
    final = mapping(schedule.get("final_schedule"))
    since, until = moment(schedule.get("rendered_since")), moment(schedule.get("rendered_until"))
    if "rendered_schedule_entries" not in final or since is None or until is None or since >= until:
        return
    theirs = comparing.entries(
        items(final["rendered_schedule_entries"]),
        "start",
        "end",
        lambda row: ref("people", str(mapping(row.get("user")).get("id", ""))),
    )
    if text := comparing.differs(thing, theirs, (max(since, now), until), names):
        into.note("approximated", "schedule", thing.name, thing.id, text)


def _team_of(thing: dict[str, Any]) -> str:
    teams = items(thing.get("teams"))
    return ref("teams", str(teams[0].get("id"))) if teams else ""


def _policy(policy: dict[str, Any], timeouts: set[int | None], into: Translation) -> None:
    id, name = str(policy.get("id")), clean(policy.get("name") or policy.get("summary"))
    about = ("escalation policy", name, id)
    steps = []
    for rule in items(policy.get("escalation_rules")):
        targets = []
        for target in items(rule.get("targets")):
            kind = str(target.get("type", "")).removesuffix("_reference")
            key = str(target.get("id"))
            if kind == "user":
                targets.append(f"user:{ref('people', key)}")
            elif kind == "schedule":
                targets.append(f"schedule:{ref('schedules', key)}")
            else:
                into.note("impossible", *about, f"a target of the kind {clean(kind, 40)!r} is not known here")
        step: dict[str, Any] = {
            "targets": list(dict.fromkeys(targets)),
            "wait_s": max(whole(rule.get("escalation_delay_in_minutes"), 30), 1) * 60,
        }
        strategy = rule.get("escalation_rule_assignment_strategy")
        if (mapping(strategy).get("type") or strategy) == "round_robin":
            step["rotate"] = True
            reason = (
                "round robin: the turn goes on from incident to incident, and when nobody answers the next step follows"
            )
            into.note("approximated", *about, reason)
        steps.append(step)
    known = {value for value in timeouts if value}
    if len(timeouts) > 1:
        reason = "its services wait differently long after an acknowledgement; the policy says it here: the shortest"
        into.note("approximated", *about, reason)
    loops = whole(policy.get("num_loops"))
    if loops > 20:
        into.note("approximated", *about, f"it repeats {loops} times there, 20 times here")
    into.add("policies", id, "escalation policy", name, {
        "name": name,
        "team": _team_of(policy),
        "description": clean_lines(policy.get("description")),
        "steps": steps,
        "repeats": min(max(loops, 0), 20),
        "ack_timeout_s": max(min(known), 60) if known else None,
    })  # fmt: skip


def _service(service: dict[str, Any], into: Translation) -> None:
    id, name = str(service.get("id")), clean(service.get("name") or service.get("summary"))
    about = ("service", name, id)
    policy = mapping(service.get("escalation_policy")).get("id")
    resolve = whole(service.get("auto_resolve_timeout"))
    urgency = mapping(service.get("incident_urgency_rule"))
    spec: dict[str, Any] = {
        "name": name,
        "description": clean_lines(service.get("description")),
        "team": _team_of(service),
        "policy": ref("policies", str(policy)) if policy else "",
        "auto_resolve_s": max(resolve, 60) if resolve else None,
        "enabled": service.get("status") != "disabled",
    }
    if urgency.get("type", "constant") != "constant":
        into.note("approximated", *about, "its urgency by support hours is not kept: write triage rules or priorities")
    elif urgency.get("urgency") == "low":
        spec["impact"] = "low"
        into.note("approximated", *about, "its low urgency became a low impact, which gives a low priority")
    elif urgency.get("urgency") == "severity_based":
        pass  # as here: the severity of a signal gives the urgency
    hours = mapping(service.get("support_hours"))
    if hours:
        (start, _), (end, _) = _minute(hours.get("start_time")), _minute(hours.get("end_time"))
        days = [whole(day) for day in words(hours.get("days_of_week")) if 1 <= whole(day) <= 7]
        spec["zone"] = zone_of(hours.get("time_zone"), into, *about)
        length = (end - start) % DAY or DAY
        spec["hours"] = week_windows([((d - 1) * DAY + start, (d - 1) * DAY + start + length) for d in days])
    if mapping(service.get("alert_grouping_parameters")).get("type"):
        into.note("approximated", *about, "its grouping of alerts is not kept: look at the service's grouping here")
    into.add("services", id, "service", name, spec)
    names = Names()
    for integration in items(service.get("integrations")):
        _integration(integration, id, names, into)


def _integration(integration: dict[str, Any], service: str, names: Names, into: Translation) -> None:
    id, kind = str(integration.get("id")), str(integration.get("type", ""))
    name = names.free(str(integration.get("name") or integration.get("summary") or "Integration"))
    about = ("integration", name, id)
    key = str(integration.get("integration_key") or "")
    if "email" in kind:
        into.note(
            "impossible", *about, "it takes mail at an address of PagerDuty: give the service a mail address here"
        )
        return
    if kind.removesuffix("_reference") not in EVENTS:
        into.note(
            "approximated", *about, "it became one for events: a sender with a format of its own needs its own source"
        )
    if not key:
        into.note(
            "approximated", *about, "its key could not be read: it gets a new one, which its senders must be given"
        )
    config: dict[str, Any] = {}
    spec = {"name": name, "service": ref("services", service), "kind": "pagerduty", "config": config}
    into.add("sources", id, "integration", name, spec, key=key)


def _window(window: dict[str, Any], now: datetime, into: Translation) -> None:
    id = str(window.get("id"))
    start, end = moment(window.get("start_time")), moment(window.get("end_time"))
    name = clean(window.get("description") or window.get("summary"), 150) or f"Maintenance {id}"
    if start is None or end is None or end <= now:
        return
    seconds = int((end - start).total_seconds())
    if seconds > 31 * 86_400:
        into.note("approximated", "maintenance window", name, id, "it lasts 31 days at most here")
    services = [ref("services", str(one.get("id"))) for one in items(window.get("services"))]
    into.add("maintenance_windows", id, "maintenance window", name, {
        "name": f"{name} ({id})",
        "services": services,
        "starts_at": iso(start),
        "duration_s": max(60, min(seconds, 31 * 86_400)),
        "mode": "drop",
    })  # fmt: skip
