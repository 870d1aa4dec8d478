"""Every write of triage."""

from tocsin.triage.actions.absorb import absorb
from tocsin.triage.actions.config import (
    delete_rules,
    delete_windows,
    end_windows,
    rule_facts,
    save_rule,
    save_window,
    switch_rules,
    window_facts,
)
from tocsin.triage.actions.hands import end_alerts, give_alerts
from tocsin.triage.actions.silences import end_silence, save_silence
from tocsin.triage.actions.timers import expire, move_alerts, next_due, release, resolve_alerts_of

__all__ = [
    "absorb",
    "delete_rules",
    "delete_windows",
    "end_alerts",
    "end_silence",
    "end_windows",
    "expire",
    "give_alerts",
    "move_alerts",
    "next_due",
    "release",
    "resolve_alerts_of",
    "rule_facts",
    "save_rule",
    "save_silence",
    "save_window",
    "switch_rules",
    "window_facts",
]
