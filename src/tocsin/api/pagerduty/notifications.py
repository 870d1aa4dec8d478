"""Notifications: deliveries to people, as far as PagerDuty has a name for their channel."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tocsin.api.pagerduty import ids, references
from tocsin.api.pagerduty.asking import Answer, Asked
from tocsin.api.pagerduty.errors import Refused
from tocsin.api.pagerduty.references import Teller, Thing
from tocsin.delivery import queries

LONGEST = timedelta(days=93)
TYPES = {
    "sms": "sms_notification", "email": "email_notification", "voice": "phone_notification",
    "webpush": "push_notification", "unifiedpush": "push_notification", "ntfy": "push_notification",
    "pocket": "push_notification",
}  # fmt: skip
STATES = {"delivered": "success", "accepted": "success", "failed": "failed", "dropped": "cancelled"}


class Notifications:
    """Shapes deliveries for one request."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.tell = Teller(asked)

    def __call__(self, rows: Sequence[Any]) -> list[Thing]:
        """Notifications, whole."""
        whole = self.asked.includes("users")
        return [
            {
                "id": ids.write("notification", row.pk),
                "type": TYPES[row.channel],
                "started_at": self.tell(row.created_at),
                "address": queries.shown_address(self.asked.actor, row),
                "user": references.user(self.asked, row.user_id, row.user.name, more=row.user if whole else None),
                "conferenceAddress": None,
                "status": STATES.get(row.state, "in_progress"),
            }
            for row in rows
        ]


def listed(asked: Asked) -> Answer:
    """``GET /notifications``: newest first; ``since`` and ``until`` are needed, three months apart at most."""
    since, until = asked.moment("since"), asked.moment("until")
    if since is None or until is None:
        raise Refused(400, ["since and until are required"], code=2003)
    if since >= until or until - since > LONGEST:
        raise Refused(400, ["since must be before until, and less than three months before"], code=2005)
    wanted = asked.query.get("filter", "")
    if wanted and wanted not in TYPES.values():
        raise Refused(400, [f"filter must be one of {', '.join(dict.fromkeys(TYPES.values()))}"])
    channels = [channel for channel, kind in TYPES.items() if not wanted or kind == wanted]
    return asked.listed(
        "notifications", queries.sent_between(asked.actor, since, until, channels), Notifications(asked)
    )
