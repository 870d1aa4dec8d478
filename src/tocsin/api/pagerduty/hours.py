"""Support hours of a service, which are one window of local time, and our working hours, which may be many."""

from dataclasses import replace
from typing import Any

from tocsin.api.pagerduty import fields
from tocsin.catalogue import queries as catalogue
from tocsin.catalogue.rules import ServiceSpec
from tocsin.oncall.rules import RestrictionSpec


def shown(row: Any) -> dict[str, Any] | None:
    """The support hours of a service; None when it has none of its own, or such that PagerDuty cannot say."""
    windows = catalogue.hours_of(row)
    if len(windows) != 1 or windows[0].month_days or windows[0].months or windows[0].holidays:
        return None
    window = windows[0]
    end = "23:59:59" if window.end == "24:00" else f"{window.end}:00"
    return {
        "type": "fixed_time_per_day",
        "time_zone": row.zone or "UTC",
        "days_of_week": sorted(window.days),
        "start_time": f"{window.start}:00",
        "end_time": end,
    }


def _clock(given: fields.Given, name: str) -> str:
    """``09:00:00`` -> ``09:00``; the last second of a day is its end. Raises Refused."""
    value = fields.needed(given, name, 8)
    parts = value.split(":")
    if not all(len(part) == 2 and part.isascii() and part.isdigit() for part in parts) or not 2 <= len(parts) <= 3:
        raise fields.wrong(f"support_hours.{name}", "a local time such as 09:00:00")
    if name == "end_time" and value in ("23:59:59", "24:00:00"):
        return "24:00"
    if len(parts) == 3 and parts[2] != "00":
        raise fields.wrong(f"support_hours.{name}", "whole minutes")
    return ":".join(parts[:2])


def taken(given: fields.Given, spec: ServiceSpec) -> ServiceSpec:
    """A service with the support hours that a body names. Raises Refused."""
    if "support_hours" not in given:
        return spec
    wanted = given["support_hours"]
    if wanted is None:
        return replace(spec, hours=[], zone="") if shown_of(spec) else spec
    if not isinstance(wanted, dict):
        raise fields.wrong("support_hours", "an object, or null")
    fields.usual(wanted, "type", "fixed_time_per_day", instead="fixed_time_per_day")
    days = wanted.get("days_of_week")
    if not isinstance(days, list) or not days or not all(type(day) is int and 1 <= day <= 7 for day in days):
        raise fields.wrong("support_hours.days_of_week", "numbers from 1 (Monday) to 7 (Sunday)")
    window = RestrictionSpec(sorted(set(days)), _clock(wanted, "start_time"), _clock(wanted, "end_time"))
    return replace(spec, hours=[window], zone=fields.text(wanted, "time_zone", 60, "UTC"))


def shown_of(spec: ServiceSpec) -> bool:
    """Whether PagerDuty can say the hours of a service: null must not remove what was never shown."""
    one = spec.hours[0] if len(spec.hours) == 1 else None
    return one is not None and not (one.month_days or one.months or one.holidays)
