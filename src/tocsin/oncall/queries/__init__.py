"""What others may read of on call: schedules, who is on call, when, and what put them there."""

from tocsin.oncall.queries.loading import current_layers, export_schedules, load, override_of
from tocsin.oncall.queries.watching import (
    MAX_WINDOW,
    OnCall,
    coverage,
    everyone,
    final,
    gaps,
    ids_of,
    my_shifts,
    names,
    overrides,
    people,
    schedule,
    schedules,
    slugs,
    via,
    who,
)

__all__ = [
    "MAX_WINDOW",
    "OnCall",
    "coverage",
    "current_layers",
    "everyone",
    "export_schedules",
    "final",
    "gaps",
    "ids_of",
    "load",
    "my_shifts",
    "names",
    "override_of",
    "overrides",
    "people",
    "schedule",
    "schedules",
    "slugs",
    "via",
    "who",
]
