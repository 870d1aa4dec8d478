"""Every write of on call."""

from tocsin.oncall.actions.overrides import MAX_OVERRIDE, add_override, delete_overrides, save_override
from tocsin.oncall.actions.schedules import delete_schedules, draft_schedule, kept_in_turn, save_schedule

__all__ = [
    "MAX_OVERRIDE",
    "add_override",
    "delete_overrides",
    "delete_schedules",
    "draft_schedule",
    "kept_in_turn",
    "save_override",
    "save_schedule",
]
