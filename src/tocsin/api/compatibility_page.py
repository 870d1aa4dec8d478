"""Writes the table of what is served of other products' APIs, from the lists beside the doors."""

from collections import Counter
from collections.abc import Sequence

from tocsin.api.alertmanager.operations import OPERATIONS as ALERTMANAGER
from tocsin.api.compatibility import Operation
from tocsin.api.opsgenie.operations import OPERATIONS as OPSGENIE
from tocsin.api.pagerduty.operations import OPERATIONS as PAGERDUTY

HEAD = """\
# Compatibility

What Tocsin serves of other products' APIs, operation by operation. *Supported*: as the original. *Partial*: the note
says what is different. *Missing*: refused, and the note says what to use instead. The lists stand in the code beside
what answers; a test asks every address and compares.

"""
DOORS: tuple[tuple[str, str, Sequence[Operation]], ...] = (
    (
        "PagerDuty: REST API v2 and Events API",
        "Below `/pd`, and at the root for requests that carry a key; see"
        " [from PagerDuty](../how-to/from-pagerduty.md).",
        PAGERDUTY,
    ),
    (
        "Opsgenie",
        "At the root and below `/opsgenie`; alerts and heartbeats below `/jsm/ops/integration` too; see"
        " [from Opsgenie](../how-to/from-opsgenie.md).",
        OPSGENIE,
    ),
    (
        "Alertmanager: API v2",
        "Below `/api/v2` and `/alertmanager/api/v2`; see [from Alertmanager](../how-to/from-alertmanager.md).",
        ALERTMANAGER,
    ),
)


def page() -> str:
    """``docs/reference/compatibility.md``."""
    parts = [HEAD, "| API | operations | supported | partial | missing |\n| --- | ---: | ---: | ---: | ---: |\n"]
    for title, _, operations in DOORS:
        counts = Counter(one.support for one in operations)
        told = " | ".join(str(counts[support]) for support in ("supported", "partial", "missing"))
        parts.append(f"| {title} | {len(operations)} | {told} |\n")
    for title, where, operations in DOORS:
        parts.append(f"\n## {title}\n\n{where}\n\n| operation | | note |\n| --- | --- | --- |\n")
        parts.extend(
            f"| `{one.method} {one.path}` | {one.support} | {one.note.replace('|', chr(92) + '|')} |\n"
            for one in sorted(operations, key=lambda one: (one.path, one.method))
        )
    return "".join(parts)
