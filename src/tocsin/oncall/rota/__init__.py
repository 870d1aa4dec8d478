"""Makes a fair rota: who has which shift over weeks to come, with reasons, or why there can be none. Pure.

``generate`` needs the optional solver (``pip install 'tocsin[rota]'``); everything else here does not.
"""

from tocsin.oncall.rota.fairness import gini, naive
from tocsin.oncall.rota.generate import Row, generate, to_overrides
from tocsin.oncall.rota.shapes import (
    RULES,
    Absence,
    Assignment,
    Fairness,
    Impossible,
    Person,
    Rota,
    RotaError,
    RotaSpec,
    Rule,
    Rules,
    Share,
    ShiftKind,
    Slot,
    SolverMissing,
    Undecided,
)
from tocsin.oncall.rota.table import slots
from tocsin.oncall.rota.writing import problems

__all__ = [
    "RULES",
    "Absence",
    "Assignment",
    "Fairness",
    "Impossible",
    "Person",
    "Rota",
    "RotaError",
    "RotaSpec",
    "Row",
    "Rule",
    "Rules",
    "Share",
    "ShiftKind",
    "Slot",
    "SolverMissing",
    "Undecided",
    "generate",
    "gini",
    "naive",
    "problems",
    "slots",
    "to_overrides",
]
