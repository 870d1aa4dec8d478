"""What others may read of escalation."""

from tocsin.escalation.queries.policies import (
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

__all__ = [
    "everybody",
    "export_policies",
    "names",
    "notify_rules",
    "policies",
    "policy",
    "resolver",
    "resolver_for",
    "snapshot",
]
