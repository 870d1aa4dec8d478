"""Every write of on call."""

from tocsin.oncall.actions.absences import (
    Imported,
    delete_absences,
    import_absences,
    require_absences,
    save_absence,
)
from tocsin.oncall.actions.feeds import create_calendar_feed, may_revoke, revoke_calendar_feeds, what
from tocsin.oncall.actions.habits import HabitsSpec, save_habits, save_night_budget, save_pay_rates
from tocsin.oncall.actions.handoffs import open_note, remind, write_note
from tocsin.oncall.actions.imports import (
    create_calendar_source,
    delete_absence_feed,
    delete_calendar_sources,
    read_again,
    read_due,
    save_absence_feed,
    settle,
)
from tocsin.oncall.actions.overrides import (
    MAX_OVERRIDE,
    add_override,
    delete_overrides,
    replace_override,
    save_override,
)
from tocsin.oncall.actions.rotas import generated, keep_rota
from tocsin.oncall.actions.schedules import delete_schedules, draft_schedule, kept_in_turn, save_schedule
from tocsin.oncall.actions.swaps import accept_offer, ask_cover, decide, expire_swaps, offer, take, withdraw

__all__ = [
    "MAX_OVERRIDE",
    "HabitsSpec",
    "Imported",
    "accept_offer",
    "add_override",
    "ask_cover",
    "create_calendar_feed",
    "create_calendar_source",
    "decide",
    "delete_absence_feed",
    "delete_absences",
    "delete_calendar_sources",
    "delete_overrides",
    "delete_schedules",
    "draft_schedule",
    "expire_swaps",
    "generated",
    "import_absences",
    "keep_rota",
    "kept_in_turn",
    "may_revoke",
    "offer",
    "open_note",
    "read_again",
    "read_due",
    "remind",
    "replace_override",
    "require_absences",
    "revoke_calendar_feeds",
    "save_absence",
    "save_absence_feed",
    "save_habits",
    "save_night_budget",
    "save_override",
    "save_pay_rates",
    "save_schedule",
    "settle",
    "take",
    "what",
    "withdraw",
    "write_note",
]
