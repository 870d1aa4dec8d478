"""A stretch of time as lanes of bars, in per cent of its width, for pages that draw it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tocsin.oncall import rules

NAME = 7.5  # per cent of the width that a name needs
INITIALS = 2.5


@dataclass(frozen=True)
class Bar:
    """``x`` and ``width`` in per cent. ``kind``: shift, override, mine, gap, meant (a gap that is none)."""

    x: float
    width: float
    kind: str
    text: str
    title: str
    start: datetime
    end: datetime
    user_id: int | None = None

    @property
    def label(self) -> str:
        """As much of the name as fits."""
        if self.width >= NAME:
            return self.text
        if self.width < INITIALS or self.kind in ("gap", "meant"):
            return ""
        words = self.text.split()
        return (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper() if words else ""

    @property
    def spoken(self) -> str:
        """The whole title, beginning with what is to be seen, so that speech control finds it."""
        return self.title if self.title.startswith(self.label) else f"{self.label}: {self.title}"


@dataclass(frozen=True)
class Lane:
    """One line of a timeline."""

    name: str
    bars: Sequence[Bar]
    kind: str = "layer"
    note: str = ""
    href: str = ""


@dataclass(frozen=True)
class Tick:
    """A mark on the time axis; ``text`` empty: only a line."""

    x: float
    text: str
    strong: bool = False


@dataclass(frozen=True)
class View:
    """The stretch that is shown: ``days`` local days from ``first`` in ``zone``."""

    first: date
    days: int
    zone: str

    @property
    def start(self) -> datetime:
        return midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        return midnight(self.first + timedelta(days=self.days), self.zone)

    def x(self, moment: datetime) -> float:
        """Where a moment lies, 0 to 100."""
        return round(100 * ((moment - self.start) / (self.end - self.start)), 3)

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(self.zone))


def midnight(day: date, zone: str) -> datetime:
    """When a local day begins."""
    return rules.local_instant(zone, datetime.combine(day, time()))


def ticks(view: View) -> list[Tick]:
    """Marks of the axis: six-hour marks up to three days, days up to a month, weeks beyond."""
    found = []
    for offset in range(view.days):
        day = view.first + timedelta(days=offset)
        monday = day.weekday() == 0
        text = f"{day:%a} {day.day}" if view.days <= 21 else f"{day.day} {day:%b}" if monday else ""
        if offset == 0 or day.day == 1:
            text = f"{day:%a} {day.day} {day:%b}" if view.days <= 7 else text
        found.append(Tick(view.x(midnight(day, view.zone)), text, monday or view.days <= 7))
        if view.days <= 3:
            for hour in (6, 12, 18):
                moment = rules.local_instant(view.zone, datetime.combine(day, time(hour)))
                found.append(Tick(view.x(moment), f"{hour:02}"))
    return found


def lanes(
    view: View,
    name: str,
    shifts: Sequence[rules.Shift],
    names: dict[int, str],
    me: int | None = None,
    *,
    kind: str = "layer",
    note: str = "",
    href: str = "",
    gaps: Iterable[rules.Gap] = (),
) -> list[Lane]:
    """Shifts as one lane, or as more where several people are on call at once; gaps stand in the first."""
    rows: list[list[rules.Shift]] = []
    for shift in sorted(shifts, key=lambda one: (one.start, one.end)):
        row = next((row for row in rows if row[-1].end <= shift.start), None)
        if row is None:
            rows.append([shift])
        else:
            row.append(shift)
    first = bars(view, rows[0] if rows else [], names, me, gaps=gaps)
    return [
        Lane(name, first, kind, note, href),
        *(Lane("", bars(view, row, names, me), kind, "at the same time") for row in rows[1:]),
    ]


def bars(
    view: View,
    shifts: Iterable[rules.Shift],
    names: dict[int, str],
    me: int | None = None,
    *,
    gaps: Iterable[rules.Gap] = (),
) -> list[Bar]:
    """Shifts and gaps as bars, in order."""
    found = [_gap(view, gap) for gap in gaps]
    for shift in shifts:
        name = names.get(shift.user_id, "somebody who left") if shift.user_id else "Nobody"
        kind = "override" if shift.override else "shift"
        by = "by override" if shift.override else f"layer {shift.layer.name}" if shift.layer else ""
        if shift.override and shift.override.replaces:
            by += f" instead of {names.get(shift.override.replaces, 'somebody who left')}"
        elif shift.override and shift.override.kind != "instead":
            by = "on call as well" if shift.override.kind == "beside" else "comes along as a shadow"
        if shift.override and shift.override.reason:
            by += f" ({shift.override.reason})"
        found.append(
            _bar(view, shift.start, shift.end, f"{kind} mine" if shift.user_id == me else kind, name, by, shift.user_id)
        )
    return sorted(found, key=lambda bar: bar.start)


def _gap(view: View, gap: rules.Gap) -> Bar:
    if gap.meant:
        return _bar(view, gap.start, gap.end, "meant", "Nobody needed", "nobody is meant to be on call", None)
    return _bar(view, gap.start, gap.end, "gap", "Nobody", "nobody is on call", None)


def _bar(view: View, start: datetime, end: datetime, kind: str, name: str, by: str, user_id: int | None) -> Bar:
    low, high = max(start, view.start), min(end, view.end)
    title = f"{name}: {moment(view, start)} to {moment(view, end)}" + (f", {by}" if by else "")
    return Bar(view.x(low), round(view.x(high) - view.x(low), 3), kind, name, title, start, end, user_id)


def moment(view: View, at: datetime) -> str:
    """``Mon 23 Nov 09:00`` on the wall clock of the view's zone."""
    local = view.local(at)
    return f"{local:%a} {local.day} {local:%b %H:%M}"
