"""What is served of PagerDuty's REST API v2 and Events API, operation by operation.

The list follows PagerDuty's published OpenAPI description of August 2026. The configuration side (services, escalation
policies, schedules, on-calls, users, teams, maintenance windows, tags, webhook subscriptions) has a list of its own.
"""

from tocsin.api.compatibility import Operation
from tocsin.api.compatibility import operations as _all
from tocsin.api.pagerduty.operations_config import OPERATIONS as CONFIGURATION

INCIDENT, EVENTS = "/incidents/{id}", "/event_orchestrations/{id}"
METRICS, RAW = "/analytics/metrics/incidents", "/analytics/raw/incidents"
PAGE, POST = "/status_pages/{id}", "/status_pages/{id}/posts/{post_id}"
SCHEDULE, ROTATION = "/v3/schedules/{id}", "/v3/schedules/{id}/rotations/{rotation_id}"
TRIGGER, GROUPING = "/incident_workflows/triggers/{id}", "/alert_grouping_settings/{id}"
BUSINESS = "/business_services/{id}"

SHAPE = (
    "The urgency is read off the priority: P1 to P3 are high. `include[]` gives short forms of services, users, teams "
    "and policies. There is no conference bridge, and one incident type."
)
LISTING = "Without dates: what was opened in the last month, and what is still open. " + SHAPE
WRITING = (
    "The escalation policy is that of the service. A priority outranks an urgency that was given with it. Conference "
    "bridge and incident type are not kept. " + SHAPE
)
UPDATING = WRITING + " `triggered` reopens what was resolved. An incident stays with its service."
ANALYTICS = (
    "Up to a year, and 20,000 incidents. Lines come in the order of time. Effort that people enter themselves is not "
    "known; custom fields and incident types neither."
)
NOTHING = "Always empty: incidents are not compared with each other."
TIMELINE = "The timeline is append-only and chained; write a further note."
GROUPED = "Grouping is part of a service; set it on its page or over Tocsin's own API."
WORKFLOWS = "There are no workflows; policies, webhooks and rules do what happens by itself."
ROUTING = "There are no orchestrations; rules route, change severities and suppress. Make them in Tocsin."
PAGES = "There are no status pages."
ADDING = "There are no business services; a service may depend on others."
DEPENDING = "Dependencies are part of a service; set them on its page or over Tocsin's own API."
NEWER = "Schedules have the form of `/schedules`."
SUBSCRIBING = "A status update stands on the timeline and is sent to nobody, so nobody can subscribe."


INCIDENTS = (
    Operation("GET", "/incidents", "partial", LISTING),
    Operation("POST", "/incidents", "partial", WRITING),
    Operation("PUT", "/incidents", "partial", "All or nothing. " + UPDATING),
    Operation("GET", INCIDENT, "partial", SHAPE),
    Operation("PUT", INCIDENT, "partial", UPDATING),
    Operation("PUT", f"{INCIDENT}/merge", "partial", "All or nothing; a confidential one only into another. " + SHAPE),
    Operation("POST", f"{INCIDENT}/snooze", "partial", SHAPE),
    *_all("supported", "", f"GET,POST {INCIDENT}/notes"),
    *_all("missing", TIMELINE, f"PUT,DELETE {INCIDENT}/notes/{{note_id}}"),
    *_all(
        "partial", "Without its first log entry. A resolved alert is not triggered again: a new event does that.",
        f"GET,PUT {INCIDENT}/alerts", f"GET,PUT {INCIDENT}/alerts/{{alert_id}}",
    ),
    *_all(
        "partial",
        "What PagerDuty has no kind for is an annotation. How somebody was reached is under `/notifications`.",
        f"GET {INCIDENT}/log_entries", "GET /log_entries", "GET /log_entries/{id}",
    ),
    Operation("PUT", "/log_entries/{id}/channel", "missing", TIMELINE),
    Operation(
        "POST", f"{INCIDENT}/responder_requests", "partial",
        "A policy stands for whom its first step finds now. Nobody declines: whoever was asked acknowledges, or not.",
    ),
    Operation(
        "PUT", f"{INCIDENT}/responder_requests/cancel", "partial",
        "Stops what has not gone out yet; a page that went out is not taken back, and the policy goes on.",
    ),
    Operation("POST", f"{INCIDENT}/status_updates", "partial", SUBSCRIBING + " `html_message` is not kept."),
    *_all(
        "missing", SUBSCRIBING, f"GET,POST {INCIDENT}/status_updates/subscribers",
        f"POST {INCIDENT}/status_updates/unsubscribe",
    ),
    Operation(
        "GET", f"{INCIDENT}/related_change_events", "partial",
        "Changes of its service and of what that needs, in the 24 hours before the incident.",
    ),
    *_all(
        "partial", NOTHING, f"GET {INCIDENT}/past_incidents", f"GET {INCIDENT}/related_incidents",
        f"GET {INCIDENT}/outlier_incident",
    ),
    Operation("GET", f"{INCIDENT}/custom_fields/values", "partial", "Always empty: there are no custom fields."),
    Operation("PUT", f"{INCIDENT}/custom_fields/values", "missing", "There are no custom fields."),
    *_all(
        "missing", ADDING, f"GET {INCIDENT}/business_services/impacts",
        f"PUT {INCIDENT}/business_services/{{business_service_id}}/impacts",
    ),
)  # fmt: skip

AROUND = (
    *_all("supported", "", "GET /abilities", "GET /abilities/{id}", "GET /priorities"),
    *_all(
        "partial", "A change does not know the integration that told of it; images are not kept.",
        "GET /change_events", "GET /change_events/{id}", "GET /services/{id}/change_events",
    ),
    Operation("POST", "/change_events", "missing", "Send changes to `/v2/change/enqueue`."),
    Operation("PUT", "/change_events/{id}", "missing", "What was told of a change stays."),
    Operation(
        "GET", "/notifications", "partial",
        "Over SMS, mail, phone and push. Addresses of others are masked, but for administrators.",
    ),
    *_all(
        "partial", ANALYTICS, f"POST {METRICS}/all", f"POST {METRICS}/services", f"POST {METRICS}/services/all",
        f"POST {METRICS}/teams", f"POST {METRICS}/teams/all", f"POST {METRICS}/escalation_policies",
        f"POST {METRICS}/escalation_policies/all", f"POST {RAW}", f"GET {RAW}/{{id}}",
    ),
    Operation("GET", f"{RAW}/{{id}}/responses", "partial", "Each person once, by the first page."),
)  # fmt: skip

SENDERS = (
    Operation("POST", "/v2/enqueue", "supported"),
    Operation("POST", "/v2/change/enqueue", "supported"),
    Operation("POST", "/generic/2010-04-15/create_event.json", "supported"),
    Operation("POST", "/nagios/2010-04-15/create_event", "supported"),
)

ELSEWHERE = (
    *_all("missing", GROUPED, "GET,POST /alert_grouping_settings", f"GET,PUT,DELETE {GROUPING}"),
    *_all("missing", ADDING, "GET,POST /business_services", f"GET,PUT,DELETE {BUSINESS}"),
    *_all(
        "missing", DEPENDING, "POST /service_dependencies/associate", "POST /service_dependencies/disassociate",
        "GET /service_dependencies/business_services/{id}", "GET /service_dependencies/technical_services/{id}",
    ),
    *_all(
        "missing", ROUTING, "GET,POST /event_orchestrations", f"GET,PUT,DELETE {EVENTS}", f"GET,PUT {EVENTS}/global",
        f"GET,POST {EVENTS}/integrations", f"GET,PUT {EVENTS}/router", f"GET,PUT {EVENTS}/unrouted",
    ),
    *_all(
        "missing", WORKFLOWS, "GET,POST /incident_workflows", "GET /incident_workflows/actions",
        "GET /incident_workflows/actions/{id}", "GET,POST /incident_workflows/triggers", f"GET,PUT,DELETE {TRIGGER}",
        f"POST {TRIGGER}/services", "DELETE /incident_workflows/triggers/{trigger_id}/services/{service_id}",
        "GET,PUT,DELETE /incident_workflows/{id}", "POST /incident_workflows/{id}/instances",
    ),
    *_all(
        "missing", PAGES, "GET /status_pages", f"GET {PAGE}/impacts", f"GET {PAGE}/impacts/{{impact_id}}",
        f"GET,POST {PAGE}/posts", f"GET,PUT,DELETE {POST}", f"GET,POST {POST}/post_updates",
        f"GET,PUT,DELETE {POST}/post_updates/{{post_update_id}}", f"GET,PUT,DELETE {POST}/postmortem",
        f"GET {PAGE}/services", f"GET {PAGE}/services/{{service_id}}", f"GET {PAGE}/severities",
        f"GET {PAGE}/severities/{{severity_id}}", f"GET {PAGE}/statuses", f"GET {PAGE}/statuses/{{status_id}}",
        f"GET,POST {PAGE}/subscriptions", f"GET,DELETE {PAGE}/subscriptions/{{subscription_id}}",
    ),
    *_all(
        "missing", NEWER, "GET,POST /v3/schedules", f"GET,PUT,DELETE {SCHEDULE}", f"GET,POST {SCHEDULE}/custom_shifts",
        f"GET,PUT,DELETE {SCHEDULE}/custom_shifts/{{custom_shift_id}}", f"GET,POST {SCHEDULE}/overrides",
        f"GET,PUT,DELETE {SCHEDULE}/overrides/{{override_id}}", f"GET,POST {SCHEDULE}/rotations",
        f"GET,DELETE {ROTATION}", f"GET,POST {ROTATION}/events", f"GET,PUT,DELETE {ROTATION}/events/{{event_id}}",
    ),
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = (*INCIDENTS, *AROUND, *SENDERS, *CONFIGURATION, *ELSEWHERE)

__all__ = ["OPERATIONS"]
