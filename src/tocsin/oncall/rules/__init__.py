"""The pure heart of on call: who is responsible at a moment, and how a schedule is written down."""

from tocsin.oncall.rules.calculator import (
    ALL_DAYS,
    HORIZON,
    UNITS,
    Layer,
    Override,
    Restriction,
    Schedule,
    Shift,
    Unit,
    final_schedule,
    gaps,
    next_change,
    oncall_at,
    rendered,
)
from tocsin.oncall.rules.wallclock import known_zone

__all__ = [
    "ALL_DAYS",
    "HORIZON",
    "UNITS",
    "Layer",
    "Override",
    "Restriction",
    "Schedule",
    "Shift",
    "Unit",
    "final_schedule",
    "gaps",
    "known_zone",
    "next_change",
    "oncall_at",
    "rendered",
]
