"""What several actions of on call need."""

from collections.abc import Iterable

from tocsin.oncall import models
from tocsin.platform import clock, events
from tocsin.platform.errors import NotFound


def lock(schedule_id: int) -> models.Schedule:
    """A schedule, locked. Raises NotFound."""
    row = models.Schedule.objects.select_for_update(of=("self",)).filter(pk=schedule_id).first()
    if row is None:
        raise NotFound("There is no such schedule.")
    return row


def tell(schedule_ids: Iterable[int]) -> None:
    """Let every page that shows these schedules know that they changed."""
    version = int(clock.now().timestamp() * 1000)
    events.changed("oncall", dict.fromkeys(schedule_ids, version))


def plain(text: str, most: int) -> str:
    """Text of others for a column of ``most`` characters, without what PostgreSQL cannot store."""
    return text.replace("\x00", "").strip()[:most]
