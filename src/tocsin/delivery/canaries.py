"""What delivery knows of canaries (see ``project.canary``): the sink they come to, how they are set, how they go."""

from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from tocsin.delivery import queries
from tocsin.delivery.contract import Channel, Context, Delivered, Descriptor, Field, Message, Method, Result
from tocsin.delivery.models import Canary, Webhook
from tocsin.platform import clock
from tocsin.platform.canary import SINK
from tocsin.platform.models import Setting

SETTING = "canary"
DAY = timedelta(days=1)
EVERY_MINUTES = (1, 1440)
LATE_AFTER_S = (10, 3600)


class Sink(Channel):
    """A way out that leads nowhere. Nobody can choose it: it is no plug-in, and stands in no form."""

    descriptor = Descriptor(
        kind=SINK,
        label="Canary",
        summary="Where canaries arrive.",
        address=Field("address", "Address"),
        concurrency=1,
        resolved=False,
    )

    async def send(self, message: Message, method: Method, context: Context) -> Result:
        """It has arrived."""
        return Delivered(ref=message.key)


def ways_out() -> dict[str, Channel]:
    """Everything that deliveries leave by: the channels that are installed, and the sink."""
    return queries.channels() | {SINK: Sink()}


@dataclass(frozen=True, slots=True)
class Config:
    """How canaries are set.

    every_minutes  from one to the next
    late_after_s   administrators are told of one that has not arrived after so long
    webhook        id of the webhook that they go to; None: the sink
    door           they come in by HTTP, through the address of this installation; otherwise straight into the inbox
    """

    enabled: bool = False
    every_minutes: int = 5
    late_after_s: int = 60
    webhook: int | None = None
    door: bool = False

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)


def config() -> Config:
    """How canaries are set; switched off where nobody has decided."""
    row = Setting.objects.filter(name=SETTING).first()
    known = {one.name for one in fields(Config)}
    return Config(**{name: value for name, value in row.value.items() if name in known}) if row else Config()


def webhook() -> Webhook | None:
    """The webhook that canaries are sent to, if one was chosen and is still there."""
    chosen = config().webhook
    return Webhook.objects.filter(pk=chosen).first() if chosen else None


@dataclass(frozen=True, slots=True)
class Status:
    """How canaries go. ``state``: off, waiting (none has arrived yet), well or late.

    ``late_s``: for how long the oldest one that came after the last arrival has been on its way, where that is longer
    than it may be; otherwise 0. ``took_s``, ``p50_s``, ``p99_s``: seconds from the door to the provider's word, of the
    last that arrived and of the last day. ``lost``: of the last day, those that had their time and did not arrive.
    """

    state: str
    late_s: float
    sent_at: datetime | None
    arrived_at: datetime | None
    took_s: float | None
    sent: int
    arrived: int
    lost: int
    p50_s: float | None
    p99_s: float | None


_DAY = """
SELECT count(*), count(arrived_at),
       count(*) FILTER (WHERE arrived_at IS NULL AND sent_at < %(late)s),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM arrived_at - sent_at)),
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM arrived_at - sent_at))
FROM delivery_canary WHERE sent_at >= %(since)s
"""


def late_s(set_to: Config, now: datetime) -> float:
    """``Status.late_s``; 0 while canaries are switched off. One that was lost a day ago says nothing any more."""
    if not set_to.enabled:
        return 0.0
    last = Canary.objects.filter(arrived_at__isnull=False).order_by("-id").values_list("id", flat=True).first() or 0
    sent = Canary.objects.filter(pk__gt=last, cleared=False).order_by("id").values_list("sent_at", flat=True).first()
    waited = (now - sent).total_seconds() if sent else 0.0
    return waited if waited > set_to.late_after_s else 0.0


def status() -> Status:
    """How canaries go now."""
    now, set_to = clock.now(), config()
    late = late_s(set_to, now)
    with connection.cursor() as cursor:
        cursor.execute(_DAY, {"since": now - DAY, "late": now - timedelta(seconds=set_to.late_after_s)})
        sent, arrived, lost, p50, p99 = cursor.fetchone()
    newest = Canary.objects.order_by("-id").first()
    last = Canary.objects.filter(arrived_at__isnull=False).order_by("-id").first()
    state = "off" if not set_to.enabled else "late" if late else "well" if last else "waiting"
    return Status(
        state=state,
        late_s=late,
        sent_at=newest.sent_at if newest else None,
        arrived_at=last.arrived_at if last else None,
        took_s=(last.arrived_at - last.sent_at).total_seconds() if last and last.arrived_at else None,
        sent=sent,
        arrived=arrived,
        lost=lost,
        p50_s=None if p50 is None else float(p50),
        p99_s=None if p99 is None else float(p99),
    )
