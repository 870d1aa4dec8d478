"""Every write of escalation: ``policies`` (what should happen), ``runs`` (what does), ``hands`` (what people do)."""

from tocsin.escalation.actions.hands import call_off, escalate_now, escalate_up, page_team, page_users
from tocsin.escalation.actions.policies import delete_policies, save_policy

__all__ = ["call_off", "delete_policies", "escalate_now", "escalate_up", "page_team", "page_users", "save_policy"]
