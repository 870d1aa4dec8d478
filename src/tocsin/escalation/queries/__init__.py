"""What others may read of escalation."""

from tocsin.escalation.queries.policies import (
    URGENCIES,
    everybody,
    export_policies,
    names,
    notify_rules,
    policies,
    policy,
    resolver,
    resolver_for,
    snapshot,
)
from tocsin.escalation.queries.runs import (
    Next,
    pages,
    remembered_notify_rules,
    remembered_resolver,
    remembered_snapshots,
    runs,
    snapshots_of_services,
    what_next,
    why_page,
)

__all__ = [
    "URGENCIES",
    "Next",
    "everybody",
    "export_policies",
    "names",
    "notify_rules",
    "pages",
    "policies",
    "policy",
    "remembered_notify_rules",
    "remembered_resolver",
    "remembered_snapshots",
    "resolver",
    "resolver_for",
    "runs",
    "snapshot",
    "snapshots_of_services",
    "what_next",
    "why_page",
]
