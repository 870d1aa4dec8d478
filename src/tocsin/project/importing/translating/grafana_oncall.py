"""Grafana OnCall (API v1) -> configuration of ours.

A chain's steps wait in steps of their own there; here each step says how long it waits. The rules "default" of a person
become those of low urgency, "important" those of high urgency.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tocsin.project.importing.shapes import Export, Override, Thing, Translation, clean, ref
from tocsin.project.importing.translating import comparing
from tocsin.project.importing.translating.common import (
    DAY,
    SHORT_DAYS,
    Names,
    hourly,
    iso,
    items,
    mapping,
    moment,
    reach,
    week_windows,
    whole,
    words,
    zone_of,
)

ROLES = {"admin": "manager", "editor": "responder", "user": "responder", "viewer": "observer"}
UNITS = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month"}
KINDS = {
    "alertmanager": "alertmanager",
    "grafana_alerting": "grafana",
    "grafana": "grafana",
    "legacy_grafana_alerting": "grafana",
    "formatted_webhook": "grafana-oncall",
    "heartbeat": "heartbeat",
    "zabbix": "zabbix",
    "sentry": "sentry",
    "sentry_platform": "sentry",
    "datadog": "datadog",
    "amazon_sns": "aws-sns",
    "uptimerobot": "generic",
    "kapacitor": "generic",
    "newrelic": "new-relic",
    "pagerduty": "pagerduty",
    "webhook": "generic",
    "stackdriver": "google-cloud-monitoring",
}
IMPOSSIBLE = {
    "notify_user_group": "a group of Slack is not known here",
    "notify_whole_channel": "a channel of chat is not paged: give the policy a webhook",
    "trigger_webhook": "make a webhook under Settings and name it in the policy",
    "resolve": "an incident stays open here until somebody or its sender ends it",
    "declare_incident": "every alert that pages opens an incident here",
    "notify_if_time_from_to": "a step by the time of day: give the following steps a condition such as working_hours",
    "notify_if_num_alerts_in_window": "a step by the number of alerts is not known here",
}


def translate(export: Export) -> Translation:
    """What an export of Grafana OnCall becomes here."""
    into = Translation("grafana-oncall")
    data = export.data
    personal = defaultdict[str, list[dict[str, Any]]](list)
    for rule in items(data.get("personal_notification_rules")):
        personal[str(rule.get("user_id"))].append(rule)
    teams = defaultdict[str, list[str]](list)
    for user in items(data.get("users")):
        _user(user, personal[str(user.get("id"))], teams, into)
    for team in items(data.get("teams")):
        id, name = str(team.get("id")), clean(team.get("name"), 100)
        members = dict.fromkeys(teams[id], "member")
        into.add("teams", id, "team", name, {"name": name, "members": members})
        into.note(
            "approximated", "team", name, id, "who manages it is said in Grafana and not read: everybody is a member"
        )
    shifts = {str(one.get("id")): one for one in items(data.get("on_call_shifts"))}
    names = {ref("people", str(one.get("id"))): clean(one.get("email")) for one in items(data.get("users"))}
    for schedule in items(data.get("schedules")):
        _schedule(schedule, shifts, export.read_at, names, into)
    steps = defaultdict[str, list[dict[str, Any]]](list)
    for step in items(data.get("escalation_policies")):
        steps[str(step.get("escalation_chain_id"))].append(step)
    for chain in items(data.get("escalation_chains")):
        _chain(chain, sorted(steps[str(chain.get("id"))], key=lambda one: whole(one.get("position"))), into)
    routes = defaultdict[str, list[dict[str, Any]]](list)
    for route in items(data.get("routes")):
        routes[str(route.get("integration_id"))].append(route)
    taken = Names()
    for integration in items(data.get("integrations")):
        _integration(integration, routes[str(integration.get("id"))], taken, into)
    for webhook in items(data.get("webhooks")):
        reason = "its template and its secret are not kept: make a webhook under Settings"
        into.note("impossible", "webhook", str(webhook.get("name")), str(webhook.get("id")), reason)
    return into


def _user(user: dict[str, Any], personal: list[dict[str, Any]], teams: dict[str, list[str]], into: Translation) -> None:
    id, email = str(user.get("id")), clean(user.get("email"), 254).lower()
    name = clean(user.get("name") or user.get("username"), 150) or email
    about = ("user", name, id)
    if not email:
        into.note("impossible", *about, "has no e-mail address, by which people are known here")
        return
    for team in words(user.get("teams")):
        teams[team].append(ref("people", id))
    role = str(user.get("role") or "user").lower()
    if role == "admin":
        into.note("approximated", *about, "admin there, manager here: administrators are named by administrators")
    rules: dict[bool, list[int]] = {True: [], False: []}
    for important in (True, False):
        after = 0
        mine = [one for one in personal if bool(one.get("important")) is important]
        for rule in sorted(mine, key=lambda one: whole(one.get("position"))):
            kind = str(rule.get("type"))
            if kind == "wait":
                after += whole(rule.get("duration"))
            elif kind == "notify_by_email":
                rules[important].append(after)
            else:
                word = kind.removeprefix("notify_by_").removeprefix("notify_").replace("_", " ")
                reason = (
                    "OnCall tells nobody the number: the person enters it here"
                    if word in ("sms", "phone call")
                    else "it cannot reach anybody from here: take the pocket phone or another channel"
                )
                into.note("impossible", "contact method", f"{name}: {clean(word, 40)}", id, reason)
    high, low = rules[True] or rules[False], rules[False] or rules[True]
    written, ruled = reach(
        [("email", email)],
        [("high", "email", email, after) for after in high] + [("low", "email", email, after) for after in low],
    )
    spec: dict[str, Any] = {
        "email": email,
        "name": name,
        "zone": zone_of(user.get("timezone"), into, *about),
        "role": ROLES.get(role, "responder"),
        "contact_methods": written,
    }
    if ruled:
        spec["rules"] = ruled
    into.add("people", id, "user", name, spec)


def _local(text: Any, zone: str) -> datetime | None:
    """OnCall writes local times without an offset."""
    at = moment(text)
    if at is None or (isinstance(text, str) and (text.endswith("Z") or "+" in text)):
        return at
    return at.replace(tzinfo=ZoneInfo(zone))


def _schedule(
    schedule: dict[str, Any],
    shifts: dict[str, dict[str, Any]],
    now: datetime,
    names: dict[str, str],
    into: Translation,
) -> None:
    id, name = str(schedule.get("id")), clean(schedule.get("name"))
    about = ("schedule", name, id)
    zone = zone_of(schedule.get("time_zone"), into, *about)
    if schedule.get("type") == "ical" or schedule.get("ical_url_primary") or schedule.get("ical_url_overrides"):
        reason = "it is read from a calendar: add the calendar's address on the schedule's page"
        into.note("impossible" if schedule.get("type") == "ical" else "approximated", *about, reason)
    levels: dict[int, list[dict[str, Any]]] = defaultdict(list)
    overrides: list[Override] = []
    for key in words(schedule.get("shifts")):
        shift = shifts.get(key)
        if shift is None:
            into.note("approximated", *about, f"its shift {clean(key, 40)} is not in the export")
            continue
        own = zone_of(shift.get("time_zone"), into, *about) if shift.get("time_zone") else zone
        if shift.get("type") in ("single_event", "override"):
            overrides += _single(shift, own, now, into)
        elif layer := _shift(shift, own, zone, into, about):
            ended = moment(layer["ends_at"])
            if ended is None or ended > now:
                levels[whole(shift.get("level"))].append(layer)
    layers = []
    for level in sorted(levels):
        layers += [layer | {"beside": number > 0} for number, layer in enumerate(levels[level])]
    thing = into.add(
        "schedules",
        id,
        "schedule",
        name,
        {
            "name": name,
            "zone": zone,
            "team": ref("teams", str(schedule["team_id"])) if schedule.get("team_id") else "",
            "layers": layers,
        },
        overrides=overrides,
    )
    _compared(schedule, thing, now, names, into)


def _groups(shift: dict[str, Any]) -> list[list[str]]:
    """The groups that take turns, without empty ones."""
    found = shift.get("rolling_users")
    return [group for one in (found if isinstance(found, list) else []) if (group := words(one))]


def _single(shift: dict[str, Any], zone: str, now: datetime, into: Translation) -> list[Override]:
    """A single event: an override, for one person each."""
    start, length = _local(shift.get("start"), zone), whole(shift.get("duration"))
    users = words(shift.get("users")) + [user for group in _groups(shift) for user in group]
    if start is None or length <= 0 or start + timedelta(seconds=length) <= now or not users:
        return []
    about = ("shift", clean(shift.get("name")), str(shift.get("id")))
    if shift.get("type") == "single_event":
        into.note("approximated", *about, "a single event became an override: it goes before all rotations")
    if len(users) > 1:
        into.note("approximated", *about, "an override is for one person here: the first of several")
    return [Override(str(shift.get("id")), ref("people", str(users[0])), start, start + timedelta(seconds=length))]


def _shift(
    shift: dict[str, Any], own: str, zone: str, into: Translation, about: tuple[str, str, str]
) -> dict[str, Any] | None:
    name = clean(shift.get("name")) or "Shift"
    start = _local(shift.get("start"), own)
    since = _local(shift.get("rotation_start"), own) or start
    minutes, unit = whole(shift.get("duration")) // 60, UNITS.get(str(shift.get("frequency") or "daily"), "")
    interval = max(whole(shift.get("interval"), 1), 1)
    if shift.get("type") == "rolling_users":
        groups = [[ref("people", user) for user in group] for group in _groups(shift)]
        by = whole(shift.get("start_rotation_from_user_index")) % max(len(groups), 1)
        groups = groups[by:] + groups[:by]
    else:
        groups = [[ref("people", user) for user in words(shift.get("users"))]]
    groups = [group[:20] for group in groups if group]
    if start is None or since is None or minutes < 1 or not unit or not groups:
        into.note("approximated", *about, f"the shift {name!r} names nobody or no time: a gap")
        return None
    for field in ("by_month", "by_monthday"):
        if shift.get(field):
            into.note("approximated", *about, f"the shift {name!r} is narrowed by {field[3:]} there and not here")
    layer: dict[str, Any] = {
        "name": name,
        "unit": unit,
        "length": interval,
        "anchor": iso(start),
        "members": [group[0] if len(group) == 1 else group for group in groups],
        "starts_at": iso(max(since, start)) if since > start else None,
        "ends_at": iso(_local(shift.get("until"), own)),
        "restrictions": [],
        "zone": own if own != zone else "",
    }
    days = [SHORT_DAYS[day] for day in words(shift.get("by_day")) if day in SHORT_DAYS]
    local = start.astimezone(ZoneInfo(own))
    if unit in ("day", "week") and days:
        minute = local.hour * 60 + local.minute
        if minutes > DAY:
            into.note("approximated", *about, f"the shift {name!r} lasts longer than a day on several days a week")
        layer["restrictions"] = week_windows(
            ((day - 1) * DAY + minute, (day - 1) * DAY + minute + minutes) for day in days
        )
        first = SHORT_DAYS.get(str(shift.get("week_start") or "MO"), 1)
        if unit == "week":
            # turns of weeks begin with the week, whatever the day of the first event
            back = (local.isoweekday() - first) % 7
            layer["anchor"] = iso(
                local.replace(hour=0, minute=0, tzinfo=None).replace(tzinfo=ZoneInfo(own)) - timedelta(days=back)
            )
            layer["starts_at"] = iso(max(since, start))
            if any(start % DAY + minutes > DAY for start in [minute]):
                into.note("approximated", *about, f"the last shift of a turn of {name!r} changes hands at midnight")
    else:
        length = {"hour": 60, "day": DAY, "week": 7 * DAY, "month": 28 * DAY}[unit] * interval
        if minutes < length or unit == "month":
            layer["shift_minutes"] = minutes
        elif minutes > length:
            into.note(
                "approximated", *about, f"the shifts of {name!r} overlap there; a turn ends where the next begins here"
            )
    if unit == "hour" and not layer["zone"]:
        hourly(layer, zone, into, about)
    return layer


def _compared(schedule: dict[str, Any], thing: Thing, now: datetime, names: dict[str, str], into: Translation) -> None:
    since, until = moment(schedule.get("rendered_since")), moment(schedule.get("rendered_until"))
    if "final_shifts" not in schedule or since is None or until is None or max(since, now) >= until:
        return
    theirs = comparing.entries(
        items(schedule["final_shifts"]),
        "shift_start",
        "shift_end",
        lambda row: ref("people", str(row.get("user_pk") or row.get("user_id") or "")),
    )
    if text := comparing.differs(thing, theirs, (max(since, now), until), names):
        into.note("approximated", "schedule", thing.name, thing.id, text)


def _chain(chain: dict[str, Any], found: list[dict[str, Any]], into: Translation) -> None:
    id, name = str(chain.get("id")), clean(chain.get("name"))
    about = ("escalation chain", name, id)
    steps: list[dict[str, Any]] = []
    repeats = 0
    for step in found:
        kind = str(step.get("type"))
        targets: list[str] = []
        if kind == "wait":
            if steps:
                steps[-1]["wait_s"] = min(steps[-1]["wait_s"] + whole(step.get("duration"), 300), 7 * 86_400)
            else:
                into.note("approximated", *about, "it begins by waiting there; the first step pages at once here")
            continue
        if kind == "repeat_escalation":
            repeats = 5
            continue
        if kind in ("notify_persons", "notify_person_next_each_time"):
            people = words(step.get("persons_to_notify")) or words(step.get("persons_to_notify_next_each_time"))
            targets = [f"user:{ref('people', person)}" for person in people]
        elif kind == "notify_on_call_from_schedule":
            targets = [f"schedule:{ref('schedules', str(step.get('notify_on_call_from_schedule')))}"]
        elif kind == "notify_team_members":
            targets = [f"team:{ref('teams', str(step.get('notify_to_team_members')))}"]
        else:
            reason = IMPOSSIBLE.get(kind, f"a step of the kind {clean(kind, 40)!r} is not known here")
            into.note("impossible", *about, f"step {whole(step.get('position')) + 1} is left out: {reason}")
            continue
        spec: dict[str, Any] = {"targets": list(dict.fromkeys(targets)), "wait_s": 0}
        if step.get("important"):
            spec["urgency"] = "high"
        if kind == "notify_person_next_each_time":
            spec["rotate"] = True
        steps.append(spec)
    if steps and not steps[-1]["wait_s"]:
        steps[-1]["wait_s"] = 300
    into.add(
        "policies",
        id,
        "escalation chain",
        name,
        {
            "name": name,
            "team": ref("teams", str(chain["team_id"])) if chain.get("team_id") else "",
            "steps": steps,
            "repeats": repeats,
        },
    )


def _integration(one: dict[str, Any], routes: list[dict[str, Any]], taken: Names, into: Translation) -> None:
    id, kind = str(one.get("id")), str(one.get("type") or "webhook")
    name = clean(one.get("name")) or kind
    about = ("integration", name, id)
    default = mapping(one.get("default_route"))
    if not default:
        default = next((route for route in routes if route.get("is_the_last_route")), {})
    chain = default.get("escalation_chain_id")
    for route in routes:
        if not route.get("is_the_last_route") and route.get("id") != default.get("id"):
            into.note(
                "impossible",
                "route",
                f"{name}: {clean(route.get('routing_regex'), 80)}",
                str(route.get("id")),
                "it routes by the content of an alert: write a triage rule that routes to another service",
            )
    into.add(
        "services",
        id,
        "integration",
        name,
        {
            "name": taken.free(name),
            "team": ref("teams", str(one["team_id"])) if one.get("team_id") else "",
            "policy": ref("policies", str(chain)) if chain else "",
        },
    )
    if not chain:
        into.note("approximated", *about, "its default route has no escalation chain: its service has no policy")
    if kind in ("inbound_email", "direct_paging"):
        reason = (
            "it takes mail: give the service a mail address here" if "email" in kind else "people page each other here"
        )
        into.note("impossible", *about, reason)
        return
    chosen = KINDS.get(kind, "generic")
    into.note("approximated", *about, "its address changes: give its senders the address of the source")
    templates = mapping(one.get("templates"))
    if any(templates.get(part) for part in ("grouping_key", "resolve_signal", "acknowledge_signal")):
        into.note("approximated", *about, "its templates are not kept: look at the service's grouping here")
    config = {"interval_s": 3600, "grace_s": 60} if chosen == "heartbeat" else {}
    spec = {"name": name, "service": ref("services", id), "kind": chosen, "config": config}
    into.add("sources", id, "integration", name, spec)
