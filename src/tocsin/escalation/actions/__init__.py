"""Every write of escalation: ``policies`` (what should happen) and ``runs`` (what does)."""

from tocsin.escalation.actions.policies import delete_policies, save_policy
from tocsin.escalation.actions.runs import escalate_now, page_users

__all__ = ["delete_policies", "escalate_now", "page_users", "save_policy"]
