"""Background entry points of on call, for the engine: reading calendars, and asking those who are away."""

from collections.abc import Callable
from datetime import timedelta

from django.db import transaction

from tocsin.delivery.actions.notices import notify
from tocsin.oncall import actions, queries
from tocsin.people.models import Membership
from tocsin.platform import clock, moments
from tocsin.platform.models import Setting

HOURLY = timedelta(hours=1)
ASKED_AHEAD = timedelta(days=28)
MANAGERS_AHEAD = timedelta(days=3)
OFTEN = timedelta(minutes=5)
_LAST = "oncall.asked"
_REMINDED = "oncall.reminded"


def read_due() -> int:
    """Read one calendar that is due; how many were read: call again while it is one."""
    return actions.read_due()


def ask_due() -> int:
    """Ask about shifts whose person is away, if nobody did within the last hour; how many messages that makes."""
    return _now_and_then(_LAST, HOURLY, ask)


def remind_due() -> int:
    """Remind of shifts, hand-off notes and ends of swaps, if nobody did within five minutes; how many there were."""
    return _now_and_then(_REMINDED, OFTEN, lambda: actions.expire_swaps() + actions.remind())


def _now_and_then(name: str, every: timedelta, do: Callable[[], int]) -> int:
    """Do something that one process alone does every so often; 0 when it is not its time."""
    with transaction.atomic():
        now = clock.now()
        row, _ = Setting.objects.get_or_create(name=name, defaults={"value": ""})
        last = Setting.objects.select_for_update(skip_locked=True).filter(pk=row.pk).first()
        if last is None or (last.value and last.value > (now - every).isoformat()):
            return 0
        last.value = now.isoformat()
        last.save(update_fields=["value"])
        return do()


def ask() -> int:
    """Ask everybody who is away during a shift of the next four weeks for a replacement, once for each shift.

    Managers of the schedule's team are told too when it begins within three days. Returns how many messages that makes.
    """
    now = clock.now()
    count = 0
    for one in queries.uncovered_absences(now, now + ASKED_AHEAD):
        zone = one.user.zone
        when = f"{moments.absolute(one.start, zone, now, seconds=False)}"
        path = f"/on-call/{one.schedule.id}/"
        count += notify(
            [one.user.pk],
            key=f"away:{one.key}",
            title=f"You are on call in {one.schedule.name} while you are away",
            body=f"From {when} you are on call in {one.schedule.name}, and away. Give the shift to somebody else.",
            path=path,
        )
        if one.start <= now + MANAGERS_AHEAD and one.schedule.team_id is not None:
            managers = Membership.objects.filter(team_id=one.schedule.team_id, role="manager")
            count += notify(
                set(managers.values_list("user_id", flat=True)) - {one.user.pk},
                key=f"away-manager:{one.key}",
                title=f"{one.user.name} is on call in {one.schedule.name} while away",
                body=f"From {when} ({zone}) {one.user.name} is on call in {one.schedule.name}, and away. "
                "Put somebody else on call then.",
                path=path,
            )
    return count
