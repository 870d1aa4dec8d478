"""What is served of PagerDuty's REST API v2 on the configuration side, operation by operation.

Services, escalation policies, schedules, on-calls, users, teams, maintenance windows, tags, webhook subscriptions and
what belongs to them. What has no counterpart here is refused by the name of the field, unless it is the default.
"""

from tocsin.api.compatibility import Operation
from tocsin.api.compatibility import operations as _all

SERVICE, POLICY, SCHEDULE = "/services/{id}", "/escalation_policies/{id}", "/schedules/{id}"
USER, TEAM, WINDOW = "/users/{id}", "/teams/{id}", "/maintenance_windows/{id}"
CONTACT, RULE = USER + "/contact_methods/{contact_method_id}", USER + "/notification_rules/{notification_rule_id}"
HANDOFF = USER + "/oncall_handoff_notification_rules/{oncall_handoff_notification_rule_id}"
STATUS = USER + "/status_update_notification_rules/{status_update_notification_rule_id}"
HOOK = "/webhook_subscriptions/{id}"

SERVICES = (
    "No scheduled actions and no response plays; alerts and incidents are both made. Grouping by content means all of "
    "the fields."
)
POLICIES = "What a step says beyond a rule (conditions, tiers, several acknowledgements) is kept, and not told."
SCHEDULES = (
    "Layers that PagerDuty cannot say (by months, groups of people) are told as the nearest rotation, and stay as they "
    "are when they come back unchanged; the rendered entries are right."
)
PEOPLE = "Roles are administrator, manager, responder and observer; nobody is invited by mail."
METHODS = "A device registers itself. An address that is changed has to be proved again."
TEAMS = "Teams stand beside each other. A team's policies are those of its services."
INTEGRATING = "An integration is a source; its key is the address. Mail is a source of its own kind in Tocsin."
EXTENSIONS = "There are no extensions; a step of a policy calls webhooks."
HOOKS = "There are no subscriptions to events; a step of a policy calls a webhook, in PagerDuty's format if you like."
TAGS = "There are no tags; teams and services are searched by name."
LICENCES = "Always empty: nobody needs a licence."
RULES = "Rules stand for all services; make them in Tocsin."
VALUES = "There are no custom fields."
FEATURES = "There is nothing to switch on or off for a service."
SUBSCRIBING = "Nobody subscribes to incidents; whoever is paged hears how they end."
HANDING = "Reminders of shifts go to everybody by their own rules."
TELLING = "Status updates stand on the timeline."

OPERATIONS: tuple[Operation, ...] = (
    *_all("partial", SERVICES, "GET,POST /services", f"GET,PUT {SERVICE}"),
    *_all("supported", "", f"DELETE {SERVICE}"),
    *_all(
        "partial", INTEGRATING, f"POST {SERVICE}/integrations", f"GET,PUT {SERVICE}/integrations/{{integration_id}}",
    ),
    *_all("missing", VALUES, f"GET,PUT {SERVICE}/custom_fields/values"),
    *_all("missing", FEATURES, f"GET {SERVICE}/enablements", f"PUT {SERVICE}/enablements/{{feature_name}}"),
    *_all(
        "missing", RULES, f"GET,POST {SERVICE}/rules", f"POST {SERVICE}/rules/convert",
        f"GET,PUT,DELETE {SERVICE}/rules/{{rule_id}}",
    ),
    *_all("partial", "The kinds of sources that Tocsin has.", "GET /vendors", "GET /vendors/{id}"),
    #
    *_all("partial", POLICIES, "GET,POST /escalation_policies", f"GET,PUT {POLICY}"),
    *_all("supported", "", f"DELETE {POLICY}"),
    #
    *_all("partial", SCHEDULES, "GET,POST /schedules", "POST /schedules/preview", f"GET,PUT {SCHEDULE}"),
    *_all(
        "supported", "", f"DELETE {SCHEDULE}", f"GET {SCHEDULE}/users", f"GET,POST {SCHEDULE}/overrides",
        f"DELETE {SCHEDULE}/overrides/{{override_id}}", "GET /oncalls",
    ),
    #
    *_all("partial", PEOPLE, "GET,POST /users", f"GET,PUT {USER}"),
    *_all("supported", "", "GET /users/me", f"DELETE {USER}"),
    *_all("partial", METHODS, f"GET,POST {USER}/contact_methods", f"GET,PUT {CONTACT}"),
    *_all("supported", "", f"DELETE {CONTACT}", f"GET,POST {USER}/notification_rules", f"GET,PUT,DELETE {RULE}"),
    *_all("partial", f"Always empty. {HANDING}", f"GET {USER}/oncall_handoff_notification_rules"),
    *_all("missing", HANDING, f"POST {USER}/oncall_handoff_notification_rules", f"GET,PUT,DELETE {HANDOFF}"),
    *_all("partial", f"Always empty. {TELLING}", f"GET {USER}/status_update_notification_rules"),
    *_all("missing", TELLING, f"POST {USER}/status_update_notification_rules", f"GET,PUT,DELETE {STATUS}"),
    *_all(
        "missing", SUBSCRIBING, f"GET,POST {USER}/notification_subscriptions",
        f"POST {USER}/notification_subscriptions/unsubscribe", f"GET,POST {TEAM}/notification_subscriptions",
        f"POST {TEAM}/notification_subscriptions/unsubscribe",
    ),
    *_all("partial", LICENCES, "GET /licenses", "GET /license_allocations"),
    *_all("missing", "Nobody needs a licence.", f"GET {USER}/license"),
    #
    *_all("partial", TEAMS, "GET,POST /teams", f"GET,PUT {TEAM}"),
    *_all("supported", "", f"DELETE {TEAM}", f"GET {TEAM}/members", f"PUT,DELETE {TEAM}/users/{{user_id}}"),
    *_all("partial", TEAMS, f"PUT,DELETE {TEAM}/escalation_policies/{{escalation_policy_id}}"),
    #
    *_all("supported", "", "GET,POST /maintenance_windows", f"GET,PUT,DELETE {WINDOW}"),
    #
    *_all("missing", TAGS, "GET,POST /tags", "GET,DELETE /tags/{id}", "GET /tags/{id}/{entity_type}"),
    *_all("missing", TAGS, "GET /{entity_type}/{id}/tags", "POST /{entity_type}/{id}/change_tags"),
    *_all("partial", f"Always empty. {EXTENSIONS}", "GET /extension_schemas", "GET /extensions"),
    *_all(
        "missing", EXTENSIONS, "GET /extension_schemas/{id}", "POST /extensions", "GET,PUT,DELETE /extensions/{id}",
        "POST /extensions/{id}/enable",
    ),
    *_all(
        "missing", HOOKS, "GET,POST /webhook_subscriptions", f"GET,PUT,DELETE {HOOK}", f"POST {HOOK}/enable",
        f"POST {HOOK}/ping", "GET,POST /webhook_subscriptions/oauth_clients",
        "GET,PUT,DELETE /webhook_subscriptions/oauth_clients/{id}",
    ),
)  # fmt: skip

__all__ = ["OPERATIONS"]
