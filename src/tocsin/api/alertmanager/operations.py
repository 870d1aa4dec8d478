"""What is served of Alertmanager's API v2, operation by operation (``api/v2/openapi.yaml`` of Alertmanager 0.25)."""

from tocsin.api.compatibility import Operation

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "/status",
        "partial",
        "No cluster and no peers; the configuration names services as receivers, and nothing else of it is ours.",
    ),
    Operation("GET", "/receivers", "supported"),
    Operation("GET", "/silences", "supported"),
    Operation(
        "POST",
        "/silences",
        "partial",
        "Silences last up to 366 days. Regular expressions cannot use \\C and \\Q...\\E. A source's key silences its "
        "own service; a person's token, the services that the person may configure.",
    ),
    Operation("GET", "/silence/{silenceID}", "supported"),
    Operation("DELETE", "/silence/{silenceID}", "supported"),
    Operation(
        "GET",
        "/alerts",
        "partial",
        "Open alerts, once an engine has decided them; so none is ever unprocessed, and none inhibited. "
        "The newest 10,000.",
    ),
    Operation("POST", "/alerts", "partial", "With the key of a source; a person's token cannot say whose alerts."),
    Operation("GET", "/alerts/groups", "partial", "A group is an incident, not a set of labels of a route."),
)

__all__ = ["OPERATIONS"]
