"""A log of changes in the shape in which ServiceNow's audit of incidents is exported, of our own making.

Odd as the real ones: one column misspelt, one twice, D/M/YYYY, ``?`` where nothing is known, a row for every change.
"""

import csv
import io
import random
from datetime import UTC, datetime, timedelta

HEADER = [
    "number", "ident_state", "active", "reassignment_count", "reopen_count", "sys_mod_count", "caller_id", "opened_by",
    "opened_at", "sys_created_at", "sys_updated_by", "sys_updated_at", "category", "category", "cmdb_ci", "impact",
    "urgency", "priority", "assignment_group", "assigned_to", "knowledge", "u_priority_confirmation", "closed_code",
    "resolved_at", "closed_at",
]  # fmt: skip


def _written(at: datetime) -> str:
    return f"{at.day}/{at.month}/{at.year} {at:%H:%M}"


def service_desk(incidents: int, seed: int = 7) -> str:
    """A log with this many incidents, the same every time; some were never resolved before they were closed."""
    dice = random.Random(seed)
    rows: list[tuple[datetime, list[str]]] = []
    for number in range(1, incidents + 1):
        opened = datetime(2021, 1, 1, tzinfo=UTC) + timedelta(minutes=dice.randrange(150 * 1440))
        impact, urgency = dice.choice("1233"), dice.choice("1223")
        priority = str(min(5, int(impact) + int(urgency) - 1))
        states = ["New", "Active"] + ["Awaiting User Info"] * dice.randrange(2)
        again = dice.random() < 0.1
        states += ["Resolved", "Active"] * again + ["Resolved", "Closed"]
        took = timedelta(minutes=dice.randrange(5, 20_000))
        resolved, closed = opened + took, opened + took + timedelta(days=5)
        unknown = dice.random() < 0.05
        group, moved, reopened = dice.randrange(1, 9), 0, 0
        for place, state in enumerate(states):
            at = closed if place == len(states) - 1 else opened + took * place / (len(states) - 2)
            reopened += place > 0 and states[place - 1] == "Resolved" and state == "Active"
            if place and dice.random() < 0.25:
                group, moved = group % 8 + 1, moved + 1
            rows.append(
                (at, [
                    f"INC{number:07}", state, str(state != "Closed").lower(), str(moved), str(reopened), str(place),
                    f"{dice.randrange(900)}", "?", _written(opened), "?", str(dice.randrange(90)), _written(at),
                    str(number % 12 + 1), str(number % 30), "?", impact, urgency, priority, str(group),
                    "?" if place == 0 else str(dice.randrange(40)), "true", "false", "6",
                    "?" if unknown else _written(resolved), _written(closed),
                ])
            )  # fmt: skip
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    # in the order of the changes, so that the rows of one number lie apart
    writer.writerows(row for _, row in sorted(rows, key=lambda item: item[0]))
    return out.getvalue()
