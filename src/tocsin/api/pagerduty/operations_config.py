"""What is served of PagerDuty's REST API v2 on the configuration side, operation by operation.

The list follows PagerDuty's published OpenAPI description of August 2026.
"""

from tocsin.api.compatibility import Operation
from tocsin.api.compatibility import operations as _all

USER, TEAM, SERVICE, SCHEDULE = "/users/{id}", "/teams/{id}", "/services/{id}", "/schedules/{id}"
HANDOFF = f"{USER}/oncall_handoff_notification_rules"
STATUS = f"{USER}/status_update_notification_rules"
WEBHOOK = "/webhook_subscriptions/{id}"
CLIENTS = "/webhook_subscriptions/oauth_clients"

TEAMS = "Teams stand beside each other: no parent, no default role."
USERS = (
    "Read-only users are observers; `owner` and `restricted_access` are refused. Not kept: job title, description, "
    "colour, picture, licence. A new user is a manager when no role is given, as in PagerDuty."
)
METHODS = (
    "E-mail, phone and SMS; WhatsApp is refused and a device that gets push registers itself. What Tocsin has besides "
    "(ntfy, webhooks, ...) is told as push. Addresses are whole for their person and administrators only."
)
RULES = "Delays are told in whole minutes; one of seconds stays as it is unless it is changed."
POLICIES = (
    "Targets of Tocsin's own (owner, manager, webhook) are not told, teams as `team_reference`; they stay, like "
    "conditions and tiers, while a rule keeps its id. Up to 20 loops. Hand-off notifications are not kept: whoever "
    "goes on call is reminded. A rule's id is its place."
)
SERVICES = (
    "Urgency comes of severity and impact: `incident_urgency_rule` is always told as severity based, and `low` and "
    "`use_support_hours` are refused. The acknowledgement time-out is the policy's: a service that shares its policy "
    "cannot change it. Without `auto_resolve_timeout` nothing resolves by itself. Alerts are grouped by time or by "
    "content. Refused: scheduled actions, response plays, pausing notifications, `create_incidents`."
)
KEPT = "Only of a service that never had an incident: past ones are a record. Disable others (`status`)."
INTEGRATIONS = (
    "Events API v2 and v1, CloudWatch, Nagios, and every vendor of `/vendors`; not mail. The key is told to who may "
    "configure the service; where to send to is in `integration_url`."
)
SCHEDULES = (
    "Turns of whole hours, days or weeks, restrictions of whole minutes. Layers that PagerDuty cannot say (months, "
    "groups, several abreast, hand-offs by weekday) are told as the nearest rotation, rendered as they are, and stay "
    "while they come back as they were told. A layer's id is its place. An edit takes effect now; the past stays "
    "true. Turns of hours with restrictions follow the clock on the wall. No calendar addresses."
)
OVERRIDES = "What puts nobody on call, and who only comes along, is left out. Times are whole, also without `overflow`."
ONCALLS = "Targets `owner` and `manager`, which depend on the incident, are left out. Times are those of whole shifts."
WINDOWS = (
    "What is still wrong at a window's end pages then. 31 days at most. Of one that repeats the next time is told. "
    "A title is made of the description."
)
VENDORS = "Vendors are the kinds of sources that Tocsin has."
EXTENDING = "Nothing is added by extensions; policies call webhooks."
FREE = "There are no licences."
REMINDED = "There are no such rules: whoever goes on call is reminded in the way they chose for low urgency."
TOLD = "There are no such rules: status updates stand on the timeline."
TAGLESS = "There are no tags; use teams."
CALLED = "Webhooks are called by policies, signed as PagerDuty's V3 webhooks; make them in Tocsin or over its own API."
SUBSCRIBING = "A status update stands on the timeline and is sent to nobody, so nobody can subscribe."
FIELDLESS = "There are no custom fields and no optional features of services."
RULED = "Rules of triage do this; make them in Tocsin or over its own API."


OPERATIONS: tuple[Operation, ...] = (
    *_all("partial", POLICIES, "GET,POST /escalation_policies", "GET,PUT /escalation_policies/{id}"),
    *_all("supported", "", "DELETE /escalation_policies/{id}"),
    *_all("partial", EXTENDING, "GET /extension_schemas", "GET /extensions"),
    *_all(
        "missing", EXTENDING, "GET /extension_schemas/{id}", "POST /extensions", "GET,PUT,DELETE /extensions/{id}",
        "POST /extensions/{id}/enable",
    ),
    *_all("partial", FREE, "GET /licenses", "GET /license_allocations"),
    *_all("missing", FREE, f"GET {USER}/license"),
    *_all("partial", WINDOWS, "GET,POST /maintenance_windows", "GET,PUT,DELETE /maintenance_windows/{id}"),
    *_all("partial", ONCALLS, "GET /oncalls"),
    *_all("partial", SCHEDULES, "GET,POST /schedules", "POST /schedules/preview", f"GET,PUT {SCHEDULE}"),
    *_all("supported", "", f"DELETE {SCHEDULE}", f"GET {SCHEDULE}/users"),
    *_all("partial", OVERRIDES, f"GET,POST {SCHEDULE}/overrides"),
    *_all("supported", "", f"DELETE {SCHEDULE}/overrides/{{override_id}}"),
    *_all("partial", SERVICES, "GET,POST /services", f"GET,PUT {SERVICE}"),
    *_all("partial", KEPT, f"DELETE {SERVICE}"),
    *_all(
        "partial", INTEGRATIONS, f"POST {SERVICE}/integrations", f"GET,PUT {SERVICE}/integrations/{{integration_id}}"
    ),
    *_all("missing", FIELDLESS, f"GET,PUT {SERVICE}/custom_fields/values", f"GET {SERVICE}/enablements",
           f"PUT {SERVICE}/enablements/{{feature_name}}"),
    *_all("missing", RULED, f"GET,POST {SERVICE}/rules", f"POST {SERVICE}/rules/convert",
           f"GET,PUT,DELETE {SERVICE}/rules/{{rule_id}}"),
    *_all("missing", TAGLESS, "GET,POST /tags", "GET,DELETE /tags/{id}", "GET /tags/{id}/{entity_type}",
          "GET /{entity_type}/{id}/tags", "POST /{entity_type}/{id}/change_tags"),
    *_all("partial", TEAMS, "GET,POST /teams", f"GET,PUT {TEAM}"),
    *_all("partial", "Not while it owns services; `reassignment_team` is refused.", f"DELETE {TEAM}"),
    *_all("supported", "", f"PUT,DELETE {TEAM}/escalation_policies/{{escalation_policy_id}}", f"GET {TEAM}/members",
           f"DELETE {TEAM}/users/{{user_id}}"),
    *_all("partial", "`observer` only for who is one by their own role.", f"PUT {TEAM}/users/{{user_id}}"),
    *_all("partial", USERS, "GET,POST /users", "GET /users/me", f"GET,PUT {USER}"),
    *_all("partial", "Not while a schedule, a policy or an open incident names them.", f"DELETE {USER}"),
    *_all("partial", METHODS, f"GET,POST {USER}/contact_methods",
           f"GET,PUT {USER}/contact_methods/{{contact_method_id}}"),
    *_all("supported", "", f"DELETE {USER}/contact_methods/{{contact_method_id}}"),
    *_all("partial", RULES, f"GET,POST {USER}/notification_rules",
           f"GET,PUT {USER}/notification_rules/{{notification_rule_id}}"),
    *_all("supported", "", f"DELETE {USER}/notification_rules/{{notification_rule_id}}"),
    *_all("partial", f"Always empty. {REMINDED}", f"GET {HANDOFF}"),
    *_all("missing", REMINDED, f"POST {HANDOFF}", f"GET,PUT,DELETE {HANDOFF}/{{oncall_handoff_notification_rule_id}}"),
    *_all("partial", f"Always empty. {TOLD}", f"GET {STATUS}"),
    *_all("missing", TOLD, f"POST {STATUS}", f"GET,PUT,DELETE {STATUS}/{{status_update_notification_rule_id}}"),
    *_all(
        "missing", SUBSCRIBING,
        *(f"{methods} {of}/notification_subscriptions{rest}" for of in (TEAM, USER)
          for methods, rest in (("GET,POST", ""), ("POST", "/unsubscribe"))),
    ),
    *_all("partial", VENDORS, "GET /vendors", "GET /vendors/{id}"),
    *_all(
        "missing", CALLED, "GET,POST /webhook_subscriptions", f"GET,PUT,DELETE {WEBHOOK}", f"POST {WEBHOOK}/enable",
        f"POST {WEBHOOK}/ping", f"GET,POST {CLIENTS}", f"GET,PUT,DELETE {CLIENTS}/{{id}}",
    ),
)  # fmt: skip

__all__ = ["OPERATIONS"]
