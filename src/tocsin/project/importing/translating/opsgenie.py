"""Opsgenie (API v2, or the folder of its configuration backup) -> configuration of ours.

All rotations of a schedule run beside each other. The delays of an escalation count from the alert, those of a policy
from the step before. Alerts belong to teams there and to services here: each team becomes a service too, with the
policy that its default routing rule names, and its integrations are sources of that service.
"""

from datetime import datetime
from itertools import zip_longest
from typing import Any

from tocsin.project.importing.shapes import Export, Translation, clean, clean_lines, ref
from tocsin.project.importing.translating.common import Names, iso, items, mapping, moment, phone, reach, whole, zone_of
from tocsin.project.importing.translating.opsgenie_schedules import schedules

ROLES = {"owner": "manager", "admin": "manager", "user": "responder", "observer": "observer", "stakeholder": "observer"}
CHANNELS = {"email": "email", "sms": "sms", "voice": "voice"}
UNITS = {"minutes": 60, "hours": 3600, "days": 86_400, "minute": 60, "hour": 3600, "day": 86_400}
NO_TEAM = "-"
# tools that talk Opsgenie's own API, with the integration's key
SPEAKING = {
    "api",
    "prometheus",
    "grafana",
    "zabbix",
    "nagios",
    "nagiosxi",
    "icinga",
    "icinga2",
    "oec",
    "kibana",
    "checkmk",
}
KINDS = {
    "datadog": "datadog", "amazonsns": "aws-sns", "cloudwatch": "aws-sns", "amazoncloudwatch": "aws-sns",
    "sentry": "sentry", "newrelic": "new-relic", "newrelicv2": "new-relic", "azure": "azure-monitor",
    "uptimekuma": "uptime-kuma", "googlestackdriver": "google-cloud-monitoring", "github": "github", "gitlab": "gitlab",
}  # fmt: skip
OUTWARD = {
    "slack", "slackapp", "webhook", "msteams", "microsoftteams", "jira", "jiraservicedesk", "servicenow", "statuspage",
    "zendesk", "hipchat", "mattermost", "oecoutgoing", "confluence", "marid",
}  # fmt: skip


def translate(export: Export) -> Translation:
    """What an export of Opsgenie becomes here."""
    into = Translation("opsgenie")
    data = export.data
    people: dict[str, str] = {}
    for one in items(data.get("users")):
        _user(one, people, into)
    teams = {str(mapping(one.get("team")).get("id")): one for one in items(data.get("teams"))}
    members = {key: _team(one, people, into) for key, one in teams.items()}
    schedules(items(data.get("schedules")), export.read_at, people, members, into)
    for one in items(data.get("escalations")):
        _escalation(mapping(one.get("escalation")) or one, people, teams, into)
    names = Names()
    kept = {key: _team_service(key, one, names, into) for key, one in teams.items()}
    _services(items(data.get("services")), teams, names, into)
    sources: dict[str, Names] = {}
    for one in items(data.get("integrations")):
        _integration(mapping(one.get("integration")) or one, kept, sources, names, into)
    for one in items(data.get("heartbeats")):
        _heartbeat(one, kept, sources, names, into)
    for one in items(data.get("maintenance")):
        _maintenance(one, export.read_at, kept, into)
    for section, kind, words in (
        ("policies", "alert policy", "it changes or holds alerts before they page: write it as a triage rule"),
        ("policiesV2", "alert policy", "it changes or holds alerts before they page: write it as a triage rule"),
        ("forwardings", "forwarding rule", "pages of one person to another: add an override or a swap instead"),
        (
            "customUserRoles",
            "custom user role",
            "roles are the four of Tocsin: administrator, manager, responder, observer",
        ),
    ):
        for one in items(data.get(section)):
            thing = mapping(one.get("policy")) or one
            into.note("impossible", kind, str(thing.get("name") or ""), str(thing.get("id")), words)
    return into


def _user(one: dict[str, Any], people: dict[str, str], into: Translation) -> None:
    user = mapping(one.get("user")) or one
    id, email = str(user.get("id")), clean(user.get("username"), 254).lower()
    name = clean(user.get("fullName"), 150) or email
    about = ("user", name, id)
    people[id] = people[email] = ref("people", id)
    role = str(mapping(user.get("role")).get("name") or user.get("role") or "User").lower()
    if role in ("owner", "admin"):
        into.note("approximated", *about, f"{role} there, manager here: administrators are named by administrators")
    elif role not in ROLES:
        into.note("approximated", *about, f"the role {clean(role, 60)!r} is not known here: responder")
    methods: list[tuple[str, str]] = []

    def method(kind: Any, to: Any, enabled: bool = True) -> tuple[str, str] | None:
        channel = CHANNELS.get(str(kind).lower())
        if channel is None:
            word = "the app of Opsgenie" if kind == "mobile" else clean(kind, 40)
            reason = "it cannot reach anybody from here: take the pocket phone or another channel"
            into.note("impossible", "contact method", f"{name}: {word}", id, reason)
            return None
        country, dash, number = str(to or "").partition("-")
        address = clean(to, 254).lower() if channel == "email" else phone(country, number) if dash else phone("", to)
        found = (channel, address)
        if enabled and address:
            methods.append(found)
        return found

    contacts = items(one.get("contacts")) or items(user.get("userContacts"))
    for contact in contacts:
        status = mapping(contact.get("status"))
        kind = contact.get("contactMethod") or contact.get("method")
        method(kind, contact.get("to"), status.get("enabled", contact.get("enabled", True)) is not False)
    rules = _rules(one, about, method, into)
    if not methods:
        methods.append(("email", email))
    written, ruled = reach(methods, rules)
    spec: dict[str, Any] = {
        "email": email,
        "name": name,
        "zone": zone_of(user.get("timeZone"), into, *about),
        "role": ROLES.get(role, "responder"),
        "contact_methods": written,
    }
    if ruled:
        spec["rules"] = ruled
    if user.get("blocked") is True:
        spec["active"] = False
    into.add("people", id, "user", name, spec)


def _rules(one: dict[str, Any], about: tuple[str, str, str], method: Any, into: Translation) -> list[Any]:
    found, others = [], set[str]()
    for rule in items(one.get("notificationRuleList") or one.get("notificationRules")):
        if rule.get("enabled") is False:
            continue
        if rule.get("actionType") != "create-alert":
            others.add(str(rule.get("actionType")))
            continue
        if mapping(rule.get("timeRestriction")) or mapping(rule.get("criteria")).get("conditions"):
            reason = f"the notification rule {clean(rule.get('name'), 60)!r} holds at all times and for all alerts here"
            into.note("approximated", *about, reason)
        if mapping(rule.get("repeat")).get("enabled", bool(mapping(rule.get("repeat")).get("loopAfter"))):
            into.note("approximated", *about, "its notifications repeat there; here the policy repeats")
        for step in items(rule.get("steps")):
            contact, after = mapping(step.get("contact")), mapping(step.get("sendAfter"))
            kept = method(contact.get("method"), contact.get("to")) if step.get("enabled") is not False else None
            if kept is not None:
                delay = whole(after.get("timeAmount")) * UNITS.get(str(after.get("timeUnit") or "minutes").lower(), 60)
                found += [("high", *kept, delay), ("low", *kept, delay)]
    for other in sorted(others):
        # everybody has some of them from the start: one finding each would bury the others
        reason = "notification rules on other events than a new alert are not kept"
        into.note("impossible", "notification rules", clean(other, 60), clean(other, 60), reason)
    return found


def _team(one: dict[str, Any], people: dict[str, str], into: Translation) -> list[str]:
    """The team's people, as references."""
    team = mapping(one.get("team"))
    id, name = str(team.get("id")), clean(team.get("name"), 100)
    members = {}
    for member in items(team.get("members")):
        user = mapping(member.get("user"))
        key = people.get(str(user.get("id"))) or people.get(str(user.get("username", "")).lower())
        if key is None:
            into.note(
                "approximated", "team", name, id, f"its member {clean(user.get('username'))!r} is not in the export"
            )
            continue
        members[key] = "manager" if str(member.get("role")).lower() == "admin" else "member"
        if str(member.get("role")).lower() not in ("admin", "user"):
            into.note("approximated", "team", name, id, "roles of its own became member")
    spec = {"name": name, "description": clean_lines(team.get("description")), "members": members}
    into.add("teams", id, "team", name, spec)
    return list(members)


def _owner(thing: dict[str, Any], teams: Any) -> str:
    owner = mapping(thing.get("ownerTeam"))
    key = str(owner.get("id") or thing.get("teamId") or "")
    return ref("teams", key) if key in teams else ""


def _routing(one: dict[str, Any]) -> dict[str, Any]:
    """What the team's default routing rule notifies."""
    rules = items(one.get("teamRoutingRules"))
    default = next((rule for rule in rules if rule.get("isDefault")), rules[-1] if rules else {})
    return mapping(default.get("notify"))


def _target(recipient: dict[str, Any], notify: str, people: dict[str, str], teams: Any, note: Any) -> str:
    """A target of a step, or empty."""
    kind, key = str(recipient.get("type", "")), str(recipient.get("id") or "")
    if kind == "user":
        found = people.get(key) or people.get(str(recipient.get("username", "")).lower())
        return f"user:{found}" if found else ""
    if kind == "schedule":
        if notify in ("next", "previous"):
            note(f"whoever is on call {notify} is notified there, whoever is on call now is paged here")
        return f"schedule:{ref('schedules', key)}"
    if kind == "team":
        if notify == "admins":
            return f"manager:team:{ref('teams', key)}"
        if notify == "users":
            note("the team's users without its admins are notified there, everybody in the team is paged here")
        elif notify == "default" and key in teams:
            routed = _routing(teams[key])
            if routed.get("type") == "schedule":
                return f"schedule:{ref('schedules', str(routed.get('id')))}"
            note("the team's routing rules decide there, everybody in the team is paged here")
        return f"team:{ref('teams', key)}"
    note(f"a recipient of the kind {clean(kind, 40)!r} is not known here")
    return ""


def _escalation(one: dict[str, Any], people: dict[str, str], teams: Any, into: Translation) -> None:
    id, name = str(one.get("id")), clean(one.get("name"))

    def note(reason: str) -> None:
        into.note("approximated", "escalation", name, id, reason)

    by_delay: dict[int, dict[str, Any]] = {}
    for rule in items(one.get("rules")):
        delay = mapping(rule.get("delay"))
        at = whole(delay.get("timeAmount")) * UNITS.get(str(delay.get("timeUnit") or "minutes").lower(), 60)
        notify = str(rule.get("notifyType") or "default")
        if str(rule.get("condition")) == "if-not-closed":
            note("a rule goes on until the alert is closed there; an acknowledgement ends it here")
        target = _target(mapping(rule.get("recipient")), notify, people, teams, note)
        step = by_delay.setdefault(at, {"targets": []})
        if target and target not in step["targets"]:
            step["targets"].append(target)
        if notify == "random":
            step["rotate"] = True
            note("one person at random is notified there, one in turn from incident to incident here")
    delays = sorted(by_delay)
    repeat = mapping(one.get("repeat"))
    loops, wait = whole(repeat.get("count")), whole(repeat.get("waitInterval")) * 60
    if delays and delays[0] > 0:
        note(f"its first rule waits {delays[0] // 60} minutes there; the first step pages at once here")
    if repeat.get("closeAlertAfterAll"):
        note("it closes the alert after the last repetition there; an incident stays open here until somebody ends it")
    steps = []
    for at, following in zip_longest(delays, delays[1:]):
        after = following - at if following is not None else (wait or 300)
        steps.append(by_delay[at] | {"wait_s": min(after, 7 * 86_400)})
    into.add("policies", id, "escalation", name, {
        "name": name,
        "team": _owner(one, teams),
        "description": clean_lines(one.get("description")),
        "steps": steps,
        "repeats": min(max(loops, 0), 20),
    })  # fmt: skip


def _team_service(key: str, one: dict[str, Any], names: Names, into: Translation) -> str:
    """The service that stands for a team; its reference."""
    team = mapping(one.get("team"))
    name = clean(team.get("name"), 100)
    about = ("team", name, key)
    for rule in items(one.get("teamRoutingRules")):
        if not rule.get("isDefault"):
            into.note(
                "impossible", "routing rule", f"{name}: {clean(rule.get('name'), 80)}", str(rule.get("id")),
                "it routes by conditions or by time of the day: write a triage rule that routes to another service",
            )  # fmt: skip
    routed = _routing(one)
    policy = ""
    if routed.get("type") == "escalation":
        policy = ref("policies", str(routed.get("id")))
    elif routed.get("type") == "schedule":
        policy = ref("policies", f"route:{key}")
        into.add("policies", f"route:{key}", "routing rule", f"{name} routing", {
            "name": f"{name} routing",
            "team": ref("teams", key),
            "steps": [{"targets": [f"schedule:{ref('schedules', str(routed.get('id')))}"], "wait_s": 300}],
        })  # fmt: skip
    else:
        into.note("approximated", *about, "its default routing rule notifies nobody: its service has no policy")
    service = f"team:{key}"
    into.add("services", service, "team", name, {
        "name": names.free(name),
        "description": "What the team's integrations report.",
        "team": ref("teams", key),
        "policy": policy,
    })  # fmt: skip
    return ref("services", service)


def _services(found: list[dict[str, Any]], teams: Any, names: Names, into: Translation) -> None:
    for one in found:
        key = str(one.get("teamId") or "")
        routed = _routing(teams[key]) if key in teams else {}
        policy = ref("policies", str(routed.get("id"))) if routed.get("type") == "escalation" else ""
        policy = policy or (ref("policies", f"route:{key}") if routed.get("type") == "schedule" else "")
        name = clean(one.get("name"))
        into.add("services", str(one.get("id")), "service", name, {
            "name": names.free(name),
            "description": clean_lines(one.get("description")),
            "team": ref("teams", key) if key in teams else "",
            "policy": policy,
        })  # fmt: skip


def _of_team(thing: dict[str, Any], kept: dict[str, str], names: Names, into: Translation) -> str:
    """The service that a thing of a team belongs to; one for all that belong to no team."""
    owner = mapping(thing.get("ownerTeam"))
    key = str(owner.get("id") or "")
    if key in kept:
        return kept[key]
    if NO_TEAM not in kept:
        into.add("services", "no-team", "account", "Opsgenie", {
            "name": names.free("Opsgenie"),
            "description": "What integrations report that belong to no team.",
        })  # fmt: skip
        into.note(
            "approximated", "account", "Opsgenie", "no-team", "integrations of no team: their service has no policy"
        )
        kept[NO_TEAM] = ref("services", "no-team")
    return kept[NO_TEAM]


def _integration(
    one: dict[str, Any], kept: dict[str, str], sources: dict[str, Names], names: Names, into: Translation
) -> None:
    id, kind = str(one.get("id")), str(one.get("type") or "API")
    word = kind.lower().replace("-", "").replace("_", "").replace(" ", "")
    about = ("integration", clean(one.get("name")), id)
    if word in OUTWARD:
        into.note("impossible", *about, f"{clean(kind, 40)} leads out of Opsgenie: make a channel or a webhook for it")
        return
    if "email" in word:
        into.note("impossible", *about, "it takes mail at an address of Opsgenie: give the service a mail address here")
        return
    key = str(one.get("apiKey") or "")
    if word in SPEAKING:
        chosen = "opsgenie"
        if not key:
            into.note(
                "approximated", *about, "its key is not in the export: it gets a new one, to be given to its senders"
            )
    else:
        chosen, key = KINDS.get(word, "generic"), ""
        into.note(
            "approximated", *about, f"{clean(kind, 40)} posts to an address of its own: give it the source's address"
        )
    service = _of_team(one, kept, names, into)
    into.add("sources", id, "integration", about[1], {
        "name": sources.setdefault(service, Names()).free(about[1] or kind),
        "service": service,
        "kind": chosen,
        "enabled": one.get("enabled") is not False,
    }, key=key.replace("-", ""))  # fmt: skip


def _heartbeat(
    one: dict[str, Any], kept: dict[str, str], sources: dict[str, Names], names: Names, into: Translation
) -> None:
    name = clean(one.get("name"))
    interval = whole(one.get("interval"), 10) * UNITS.get(str(one.get("intervalUnit") or "minutes").lower(), 60)
    service = _of_team(one, kept, names, into)
    into.note(
        "approximated",
        "heartbeat",
        name,
        name,
        "its pings need the key of an Opsgenie source of the same service, or its own address here",
    )
    into.add("sources", f"heartbeat:{name}", "heartbeat", name, {
        "name": sources.setdefault(service, Names()).free(name),
        "service": service,
        "kind": "heartbeat",
        "config": {"interval_s": max(10, min(interval, 366 * 86_400)), "grace_s": 0},
        "enabled": one.get("enabled") is not False,
    })  # fmt: skip


def _maintenance(one: dict[str, Any], now: datetime, kept: dict[str, str], into: Translation) -> None:
    id, time = str(one.get("id")), mapping(one.get("time"))
    name = clean(one.get("description"), 100) or "Maintenance"
    start, end = moment(time.get("startDate")), moment(time.get("endDate"))
    if str(one.get("status")) in ("past", "cancelled") or start is None or end is None or end <= now:
        return
    services = []
    for rule in items(one.get("rules")):
        entity = mapping(rule.get("entity"))
        team = str(mapping(entity.get("ownerTeam")).get("id") or entity.get("teamId") or "")
        if team in kept and str(rule.get("state")) == "disabled":
            services.append(kept[team])
    if not services:
        into.note("impossible", "maintenance", name, id, "it switches single integrations or policies, not services")
        return
    into.note("approximated", "maintenance", name, id, "it covers the team's service, not single integrations")
    into.add("maintenance_windows", id, "maintenance", name, {
        "name": f"{name} ({id})",
        "services": sorted(set(services)),
        "starts_at": iso(start),
        "duration_s": max(60, min(int((end - start).total_seconds()), 31 * 86_400)),
        "mode": "drop",
    })  # fmt: skip
