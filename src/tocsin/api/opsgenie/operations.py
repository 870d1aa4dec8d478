"""Every operation of Opsgenie's public API: whether it is served here, and what is different.

The list follows the vendor's OpenAPI description of 2021, with services and a few verbs on incidents that it lacks.
"""

import re
from functools import lru_cache

from tocsin.api.compatibility import Operation
from tocsin.api.compatibility import operations as _all

ALERT, SEARCH = "/v2/alerts/{identifier}", "/v2/alerts/saved-searches"
SCHEDULE, TEAM, USER = "/v2/schedules/{identifier}", "/v2/teams/{identifier}", "/v2/users/{identifier}"
ROTATION, OVERRIDE = SCHEDULE + "/rotations/{id}", SCHEDULE + "/overrides/{alias}"
ROLE, ROUTING = TEAM + "/roles/{teamRoleIdentifier}", TEAM + "/routing-rules"
CONTACT, RULE = USER + "/contacts/{contactId}", USER + "/notification-rules/{ruleId}"
STEP, BEAT = RULE + "/steps/{id}", "/v2/heartbeats/{name}"
INCIDENT, ESCALATION = "/v1/incidents/{identifier}", "/v2/escalations/{identifier}"

SEARCHES = "saved searches are not kept; give the query with each request"
PAGED = "who is paged follows the service's policy; add people from the incident's page"
FILES = "files are not kept; send a link in a note"
FORWARD = "there are no forwarding rules; make an override in each schedule, or write down an absence"
POLICIES = "write triage rules, and severity and suppression rules, instead"
WINDOWS = "make a maintenance window under Rules, or over Tocsin's own API"
SOURCES = "make a source on the page of a service, or over Tocsin's own API"
ROLES = "roles are fixed: administrator, manager, responder, observer"
RULES = "notification rules are changed by the person on their own page, or over Tocsin's own API"
ROUTES = "routing rules are triage rules here; an escalation is chosen for each service"
FEEDS = "make a calendar address on the schedule's page; calendars subscribe to that"
ROTATING = (
    "rotations run beside each other; only people take turns, under `participants`. A rotation by months is told as"
    " days, a group of people as its people one after the other, holidays and days of a month are not told"
)
REPLACING = "an override stands before every rotation: `rotations` may name all of them or none"
ESCALATING = (
    "`if-not-acked` only; one rule has the delay 0; notify types `default`, and for teams `all` and `admins`"
    " (their managers). `default` for a team pages everybody in it. Nothing is closed after all repeats"
)
READ_ESCALATION = "webhooks, owners and managers of people, which Opsgenie has no words for, are left out"
PEOPLE = "no Skype name, address, tags or details; locales are English; no invitation is sent"
BEATS = "a heartbeat is a source of kind heartbeat of a service: the only one of `ownerTeam`, or `service` by its slug"
DECLARED = (
    "an incident is about one service; tags and details stand with its description; no responders, no status page"
)


OPERATIONS: tuple[Operation, ...] = (
    *_all(
        "supported", "", "GET /v2/alerts/count", "GET /v2/alerts/requests/{requestId}", f"GET {ALERT}",
        f"POST {ALERT}/acknowledge", f"POST {ALERT}/close", f"GET {ALERT}/logs", f"GET {ALERT}/notes",
        f"POST {ALERT}/notes", f"PUT {ALERT}/message", f"PUT {ALERT}/priority", f"POST {ALERT}/unacknowledge",
    ),
    *_all("partial", "queries know status, alias, message, priority and tinyId, joined by AND", "GET /v2/alerts"),
    *_all(
        "partial", "responders are kept and page nobody: who is paged follows the service's policy", "POST /v2/alerts"
    ),
    *_all("partial", "the alert ends; its history stays", f"DELETE {ALERT}"),
    *_all("partial", "the incident is given to a person, who is paged; not to a team", f"POST {ALERT}/assign"),
    *_all("partial", "at most seven days", f"POST {ALERT}/snooze"),
    *_all(
        "partial", "becomes a note on the incident",
        f"PUT {ALERT}/description", f"POST {ALERT}/details", f"POST {ALERT}/tags",
    ),
    *_all("missing", "what was sent stays", f"DELETE {ALERT}/details", f"DELETE {ALERT}/tags"),
    *_all("missing", "there are no custom actions; a policy calls webhooks", f"POST {ALERT}/actions/{{actionName}}"),
    *_all("missing", PAGED, f"POST {ALERT}/escalate", f"POST {ALERT}/responders", f"POST {ALERT}/teams"),
    *_all("missing", "who was paged stands on the incident's page", f"GET {ALERT}/recipients"),
    *_all("missing", FILES, f"GET,POST {ALERT}/attachments", f"GET,DELETE {ALERT}/attachments/{{attachmentId}}"),
    *_all("missing", SEARCHES, f"GET,POST {SEARCH}", f"GET,PATCH,DELETE {SEARCH}/{{identifier}}"),
    #
    *_all("partial", "there is no plan: its `maxUserCount` is 0", "GET /v2/account"),
    #
    *_all(
        "supported", "", "GET,POST /v2/teams", f"GET,PATCH,DELETE {TEAM}", f"POST {TEAM}/members",
        f"DELETE {TEAM}/members/{{memberIdentifier}}",
    ),
    *_all("partial", "admin (a manager here) and user; rights are not listed", f"GET {TEAM}/roles", f"GET {ROLE}"),
    *_all("missing", ROLES, f"POST {TEAM}/roles", f"PATCH,DELETE {ROLE}"),
    *_all("missing", "who changed what stands in the audit", f"GET {TEAM}/logs"),
    *_all(
        "missing", ROUTES, f"GET,POST {ROUTING}", f"GET,PATCH,DELETE {ROUTING}/{{id}}",
        f"POST {ROUTING}/{{id}}/change-order",
    ),
    #
    *_all("partial", "queries know username, fullName and role, joined by AND", "GET /v2/users"),
    *_all("partial", PEOPLE, "POST /v2/users", f"PATCH {USER}"),
    *_all(
        "supported", "", f"GET,DELETE {USER}", f"GET {USER}/teams", f"GET {USER}/schedules", f"GET {USER}/escalations"
    ),
    *_all(
        "partial", "e-mail, SMS and calls, and devices as `mobile`; addresses of others are masked",
        f"GET {USER}/contacts", f"GET {CONTACT}",
    ),
    *_all(
        "partial", "e-mail, SMS and calls; the person sets up devices", f"POST {USER}/contacts", f"PATCH {CONTACT}"
    ),
    *_all("supported", "", f"DELETE {CONTACT}", f"POST {CONTACT}/disable", f"POST {CONTACT}/enable"),
    *_all(
        "partial", "one rule for urgent pages and one for those that can wait; no criteria and no hours",
        f"GET {USER}/notification-rules", f"GET {RULE}", f"GET {RULE}/steps", f"GET {STEP}",
    ),
    *_all(
        "missing", RULES, f"POST {USER}/notification-rules", f"PATCH,DELETE {RULE}", f"POST {RULE}/change-order",
        f"POST {RULE}/disable", f"POST {RULE}/enable", f"POST {RULE}/steps", f"PATCH,DELETE {STEP}",
        f"POST {STEP}/disable", f"POST {STEP}/enable",
    ),
    *_all("missing", FORWARD, f"GET {USER}/forwarding-rules", "GET,POST /v2/forwarding-rules"),
    *_all("missing", FORWARD, "GET,PUT,DELETE /v2/forwarding-rules/{identifier}"),
    #
    *_all("partial", f"{ROTATING}. Always enabled", "GET,POST /v2/schedules", f"GET,PATCH {SCHEDULE}"),
    *_all("supported", "", f"DELETE {SCHEDULE}", "GET /v2/schedules/on-calls", f"GET {SCHEDULE}/on-calls"),
    *_all("partial", "looks a hundred days ahead", f"GET {SCHEDULE}/next-on-calls"),
    *_all(
        "partial", "overrides stand by themselves; nothing is forwarded", f"GET {SCHEDULE}/timeline"
    ),
    *_all("missing", FEEDS, f"GET {SCHEDULE}.ics", "GET /v2/schedules/on-calls/{identifier}.ics"),
    *_all("partial", ROTATING, f"GET,POST {SCHEDULE}/rotations", f"GET,PATCH {ROTATION}"),
    *_all("supported", "", f"DELETE {ROTATION}", f"DELETE {OVERRIDE}"),
    *_all("partial", "those that are not over and replace everybody", f"GET {SCHEDULE}/overrides", f"GET {OVERRIDE}"),
    *_all("partial", REPLACING, f"POST {SCHEDULE}/overrides", f"PUT {OVERRIDE}"),
    #
    *_all("partial", READ_ESCALATION, "GET /v2/escalations", f"GET {ESCALATION}"),
    *_all("partial", ESCALATING, "POST /v2/escalations", f"PATCH {ESCALATION}"),
    *_all("supported", "", f"DELETE {ESCALATION}"),
    #
    *_all("supported", "", "GET /v2/heartbeats", f"GET,DELETE {BEAT}", f"POST {BEAT}/disable", f"POST {BEAT}/enable"),
    *_all("supported", "", f"GET {BEAT}/ping"),
    *_all("partial", BEATS, "POST /v2/heartbeats"),
    *_all("partial", "a heartbeat stays on its service", f"PATCH {BEAT}"),
    #
    *_all("partial", "queries know status, message, priority and tinyId, joined by AND", "GET /v1/incidents/"),
    *_all("partial", DECLARED, "POST /v1/incidents/create"),
    *_all("partial", "no tags and no extra properties", f"GET {INCIDENT}"),
    *_all("supported", "", "GET /v1/incidents/requests/{requestId}", f"POST {INCIDENT}/close"),
    *_all("supported", "", f"POST {INCIDENT}/notes", f"POST {INCIDENT}/reopen", f"POST {INCIDENT}/resolve"),
    *_all("missing", "incidents are a record; close it instead", f"DELETE {INCIDENT}"),
    *_all("partial", "no tags; only your own services", "GET,POST /v1/services", "GET,PATCH /v1/services/{id}"),
    *_all("supported", "", "DELETE /v1/services/{id}"),
    #
    *_all("missing", WINDOWS, "GET,POST /v1/maintenance", "GET,PUT,DELETE /v1/maintenance/{id}"),
    *_all("missing", WINDOWS, "POST /v1/maintenance/{id}/cancel"),
    *_all("missing", POLICIES, "GET,POST /v1/policies", "GET,PUT,DELETE /v1/policies/{policyId}"),
    *_all(
        "missing", POLICIES, "POST /v1/policies/{policyId}/change-order", "POST /v1/policies/{policyId}/disable",
        "POST /v1/policies/{policyId}/enable", "POST /v2/policies", "GET /v2/policies/alert",
        "GET /v2/policies/notification", "GET,PUT,DELETE /v2/policies/{policyId}",
        "POST /v2/policies/{policyId}/change-order", "POST /v2/policies/{policyId}/disable",
        "POST /v2/policies/{policyId}/enable",
    ),
    *_all(
        "missing", SOURCES, "GET,POST /v2/integrations", "POST /v2/integrations/authenticate",
        "GET,PUT,DELETE /v2/integrations/{id}", "GET,POST,PUT /v2/integrations/{id}/actions",
        "POST /v2/integrations/{id}/disable", "POST /v2/integrations/{id}/enable",
    ),
    *_all("missing", ROLES, "GET,POST /v2/roles", "GET,PUT,DELETE /v2/roles/{identifier}"),
)  # fmt: skip


def pattern_of(path: str) -> re.Pattern[str]:
    """What addresses of a template look like, without a slash at the end; a name may hold slashes."""
    pieces = re.split(r"\{\w+\}", path.rstrip("/"))
    return re.compile("([\\s\\S]+?)".join(map(re.escape, pieces)))


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[re.Pattern[str], Operation], ...]:
    return tuple((pattern_of(one.path), one) for one in OPERATIONS)


def operation_at(method: str, path: str) -> tuple[Operation | None, list[str], list[str]]:
    """The operation at an address (without a prefix), the names in the address, and the methods that it knows.

    Of several that fit, the one with the most fixed words.
    """
    fits: list[tuple[int, Operation, list[str]]] = []
    for pattern, one in _patterns():
        if (found := pattern.fullmatch(path.rstrip("/"))) is not None:
            fits.append((sum(map(len, found.groups())), one, list(found.groups())))
    known = sorted({one.method for _, one, _ in fits})
    own = [fit for fit in fits if fit[1].method == method]
    if not own:
        return None, [], known
    _, best, names = min(own, key=lambda fit: fit[0])
    return best, names, known
