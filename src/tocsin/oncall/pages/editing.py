"""What the editor's form holds of a schedule's layers: read from a request, from a spec, and written back to one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from dataclasses import field as made_of
from datetime import datetime
from zoneinfo import ZoneInfo

from django.http import QueryDict

from tocsin.oncall.rules import HandoffSpec, LayerSpec, RestrictionSpec, ScheduleSpec

MOST = 20
DAYS = ((1, "Mon"), (2, "Tue"), (3, "Wed"), (4, "Thu"), (5, "Fri"), (6, "Sat"), (7, "Sun"))
UNITS = (("hour", "hours"), ("day", "days"), ("week", "weeks"), ("month", "months"))


@dataclass
class Window:
    """Hours of a layer as they stand in the form."""

    days: list[int] = made_of(default_factory=list)
    start: str = ""
    end: str = ""
    month_days: str = ""
    months: str = ""
    holidays: str = ""
    region: str = ""

    @property
    def narrowed(self) -> bool:
        """Whether more than weekdays and hours is asked for."""
        return bool(self.month_days or self.months or self.holidays)

    @classmethod
    def of(cls, spec: RestrictionSpec) -> "Window":
        """A stored window as text."""
        month_days, months = (", ".join(map(str, one)) for one in (spec.month_days, spec.months))
        return cls(list(spec.days), spec.start, spec.end, month_days, months, spec.holidays, spec.region)

    def to_spec(self) -> RestrictionSpec:
        """Raises ValueError."""
        return RestrictionSpec(
            self.days,
            self.start or "00:00",
            self.end or "24:00",
            _numbers(self.month_days),
            _numbers(self.months),
            self.holidays,
            self.region.strip().upper() if self.holidays else "",
        )


def _numbers(text: str) -> list[int]:
    """``1, 15, -1`` -> [1, 15, -1]. Raises ValueError."""
    return [int(part) for part in text.replace(",", " ").split()]


@dataclass
class Layer:
    """A layer as it stands in the form; ``was`` is its place in what was stored.

    ``together``: whether each member has the turn together with the one before.
    """

    name: str = ""
    unit: str = "week"
    length: str = "1"
    anchor: str = ""
    members: list[str] = made_of(default_factory=list)
    together: list[bool] = made_of(default_factory=list)
    windows: list[Window] = made_of(default_factory=list)
    was: str = ""
    zone: str = ""
    beside: bool = False
    weekdays: list[int] = made_of(default_factory=list)
    handoffs: list[tuple[str, str]] = made_of(default_factory=list)
    shift: str = ""
    problems: list[str] = made_of(default_factory=list)

    @property
    def places(self) -> list[tuple[str, bool]]:
        """Those chosen and whether each joins the one before, and an empty place."""
        return [*zip(self.members, self.together, strict=True), ("", False)]

    @property
    def more(self) -> bool:
        """Whether anything rarely asked for is set."""
        return bool(self.zone or self.beside or self.weekdays or self.handoffs or self.shift)

    @property
    def groups(self) -> list[str | list[str]]:
        """The members as a spec has them."""
        found: list[list[str]] = []
        for email, joins in zip(self.members, self.together, strict=True):
            if joins and found:
                found[-1].append(email)
            else:
                found.append([email])
        return [group[0] if len(group) == 1 else group for group in found]


def windows_of(data: QueryDict, name: str) -> list[Window]:
    """The hours that a form holds under a name; a line without days is dropped."""

    def one(field: str, number: int) -> str:
        values = data.getlist(f"{field}-{name}")
        return values[number][:120] if number < len(values) else ""

    found = [
        Window(
            [int(day) for day in data.getlist(f"days-{name}-{number}") if day in "1234567" and day],
            one("start", number),
            one("end", number),
            one("monthdays", number),
            one("months", number),
            one("holidays", number),
            one("region", number),
        )
        for number in range(len(data.getlist(f"start-{name}")[:MOST]))
    ]
    return [window for window in found if window.days]


def layers_of(data: QueryDict) -> list[Layer]:
    """The layers that a form holds."""
    found = []
    for index, name in enumerate(data.getlist("layer")[:MOST]):

        def one(field: str, index: int = index) -> str:
            values = data.getlist(field)
            return values[index][:120] if index < len(values) else ""

        chosen = data.getlist(f"members-{index}")[:200]
        joins = set(data.getlist(f"with-{index}"))
        places = [(email, str(number) in joins) for number, email in enumerate(chosen) if email]
        days, times = data.getlist(f"handoff-day-{index}"), data.getlist(f"handoff-time-{index}")
        found.append(
            Layer(
                name,
                one("unit"),
                one("length"),
                one("anchor"),
                [email for email, _ in places],
                [joined and number > 0 for number, (_, joined) in enumerate(places)],
                windows_of(data, str(index)),
                one("was"),
                one("layer-zone").strip(),
                f"beside-{index}" in data,
                [int(day) for day in data.getlist(f"weekdays-{index}") if day in "1234567" and day],
                [(day, time) for day, time in zip(days[:MOST], times[:MOST], strict=False) if day],
                one("shift").strip(),
            )
        )
    return found


def of_spec(spec: ScheduleSpec) -> list[Layer]:
    """The layers of a stored schedule as text."""
    found = []
    for index, layer in enumerate(spec.layers):
        zone = ZoneInfo(layer.zone or spec.zone)
        found.append(
            Layer(
                layer.name,
                layer.unit,
                str(layer.length),
                layer.anchor.astimezone(zone).strftime("%Y-%m-%dT%H:%M"),
                [email for group in layer.groups for email in group],
                [place > 0 for group in layer.groups for place in range(len(group))],
                [Window.of(one) for one in layer.restrictions],
                str(index),
                layer.zone,
                layer.beside,
                list(layer.weekdays),
                [(str(one.day), one.time) for one in layer.handoffs],
                f"{layer.shift_minutes / 60:g}" if layer.shift_minutes else "",
            )
        )
    return found


def to_spec(layer: Layer, stored: Sequence[LayerSpec]) -> LayerSpec:
    """The layer as it will be kept; what the form does not show stays as it was. Raises ValueError."""
    made = LayerSpec(
        name=layer.name,
        anchor=datetime.fromisoformat(layer.anchor),
        members=layer.groups,
        unit=layer.unit,
        length=int(layer.length),
        restrictions=[window.to_spec() for window in layer.windows],
        weekdays=layer.weekdays if layer.unit == "day" else [],
        handoffs=[HandoffSpec(int(day), time) for day, time in layer.handoffs] if layer.unit == "week" else [],
        shift_minutes=round(float(layer.shift) * 60) if layer.shift else None,
        beside=layer.beside,
        zone=layer.zone,
    )
    if layer.was.isdigit() and int(layer.was) < len(stored):
        old = stored[int(layer.was)]
        made = replace(made, starts_at=old.starts_at, ends_at=old.ends_at)
        # the form holds minutes: an anchor that was not touched keeps its seconds
        if old.anchor.replace(second=0, microsecond=0, tzinfo=None) == made.anchor and old.zone == made.zone:
            made = replace(made, anchor=old.anchor)
    return made


def moved(layers: list[Layer], do: str) -> None:
    """Carry out a button of the form on its layers."""
    verb, _, raw = do.partition("-")
    index = int(raw) if raw.isascii() and raw.isdigit() and int(raw) < len(layers) else -1
    if do == "add" and len(layers) < MOST:
        layers.append(Layer(anchor=layers[-1].anchor if layers else ""))
    elif verb == "remove" and index >= 0:
        layers.pop(index)
    elif verb == "up" and index > 0:
        layers[index - 1], layers[index] = layers[index], layers[index - 1]
    elif verb == "hours" and index >= 0:
        layers[index].windows.append(Window([1, 2, 3, 4, 5], "09:00", "17:00"))
    elif verb == "narrow" and index >= 0:
        layers[index].windows.append(Window([1, 2, 3, 4, 5, 6, 7], "00:00", "24:00", holidays="except"))
    elif verb == "handoff" and index >= 0:
        layers[index].unit = "week"
        layers[index].handoffs.append(("4" if layers[index].handoffs else "1", "09:00"))
