"""``tocsin schedule``, ``oncall``, ``override``."""

from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.crud import Kind, Yes, add_delete, add_list, add_save, add_show, confirm
from tocsin.cli.output import Noun
from tocsin.cli.remote import api
from tocsin.cli.told import moment, part

SCHEDULE = Kind("schedule", "/schedules", ("slug", "name", "team", "zone"))

schedule = Noun("schedule", "Schedules: who is responsible when.")
oncall = Noun("oncall", "Who is on call.")
override = Noun("override", "Replacements.")
nouns = [oncall, schedule, override]

add_list(schedule, SCHEDULE)
add_show(schedule, SCHEDULE)
add_save(schedule, SCHEDULE)
add_delete(schedule, SCHEDULE)

Schedule = Annotated[str, typer.Option(help="Name or slug of the schedule.")]
From = Annotated[str, typer.Option("--from", help="ISO 8601, now or +2h; without an offset: the schedule's time.")]
To = Annotated[str, typer.Option("--to", help="ISO 8601 or +8h; without an offset: the schedule's time.")]


@schedule.verb("create")
def create_schedule(
    name: Annotated[str, typer.Option(help="Name as others read it.")],
    member: Annotated[list[str], typer.Option(help="E-mail address, in the order of turns; may be repeated.")],
    from_: Annotated[str, typer.Option("--from", help="When the first turn begins; its time of day is the hand-off.")],
    zone: Annotated[str, typer.Option(help="IANA zone of the hand-off.")] = "UTC",
    unit: Annotated[str, typer.Option(help="hour, day, week or month.")] = "week",
    length: Annotated[int, typer.Option(min=1, help="A turn is this many units.")] = 1,
    team: Annotated[str, typer.Option(help="Team that it belongs to.")] = "",
    slug: Annotated[str, typer.Option(help="Short name; made from the name when not given.")] = "",
) -> None:
    """Add a schedule with one rotation; `schedule save FILE` writes any."""
    layer = {
        "name": "Rotation",
        "unit": unit,
        "length": length,
        "anchor": moment(from_, local=False),
        "members": member,
    }
    spec: dict[str, Any] = {"name": name, "slug": slug, "team": team, "zone": zone, "layers": [layer]}
    with api() as server:
        output.emit(server.post("/schedules", spec), lambda value: output.say(f"Added schedule {value['slug']}."))


@schedule.verb("shifts")
def shifts(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name or slug of the schedule.")],
    since: Annotated[str, typer.Option(help="From when; now when not given.")] = "",
    until: Annotated[str, typer.Option(help="Until when; 14 days later when not given.")] = "",
) -> None:
    """List the final schedule: who is on call from when to when, and the gaps."""
    found = _final(name, since, until)
    rows = found["items"] + [{"name": "nobody", "layer": "gap"} | gap for gap in found["gaps"]]
    rows.sort(key=lambda row: row["from"])
    output.emit(found, lambda value: output.table(rows, ("from", "to", "name", "layer")))


def _final(name: str, since: str, until: str) -> dict[str, Any]:
    with api() as server:
        found: dict[str, Any] = server.get(
            f"/schedules/{part(name)}/shifts",
            since=moment(since) if since else "",
            until=moment(until) if until else "",
        )
    return found


Since = Annotated[str, typer.Option(help="From when; now when not given.")]
Until = Annotated[str, typer.Option(help="Until when; 14 days later when not given.")]


@oncall.verb("shifts")
def oncall_shifts(schedule: Schedule, since: Since = "", until: Until = "") -> None:
    """The same as `schedule shifts`."""
    shifts(schedule, since, until)


@oncall.verb("gaps")
def gaps(schedule: Schedule, since: Since = "", until: Until = "") -> None:
    """List when nobody is on call in a schedule."""
    found = _final(schedule, since, until)
    output.items(found["gaps"], ("from", "to"))


@oncall.verb("who")
def who(
    schedule: Schedule,
    at: Annotated[str, typer.Option(help="When: ISO 8601; now when not given.")] = "",
) -> None:
    """Say who is on call in a schedule. An empty list is a gap: nobody."""
    with api() as server:
        found = server.get(f"/schedules/{part(schedule)}/who", at=moment(at) if at else "")
    output.emit(found, _told)


def _told(found: dict[str, Any]) -> None:
    if not found["oncall"]:
        output.say(f"Nobody is on call in {found['schedule']}.")
        return
    output.table(found["oncall"], ("name", "email", "layer", "from", "to"))


@oncall.verb("list")
def everyone(at: Annotated[str, typer.Option(help="When: ISO 8601; now when not given.")] = "") -> None:
    """List who is on call in every schedule."""
    with api() as server:
        found = server.get("/on-call", at=moment(at) if at else "")
    rows = [{"schedule": row["schedule"]} | shift for row in found for shift in (row["oncall"] or [{"name": "nobody"}])]
    output.emit({"items": found}, lambda value: output.table(rows, ("schedule", "name", "email", "layer", "to")))


User = Annotated[str, typer.Option(help="E-mail address of who is on call then; left out: nobody, a gap by intent.")]
How = Annotated[str, typer.Option("--kind", help="instead, beside or shadow (comes along, is not on call).")]
Replaces = Annotated[str, typer.Option(help="E-mail address: instead of this person alone.")]
Reason = Annotated[str, typer.Option(help="Why.")]


def _override(schedule: str, user: str, from_: str, to: str, reason: str, kind: str, replaces: str) -> None:
    body = {
        "user": user,
        "from": moment(from_, local=False),
        "to": moment(to, local=False),
        "reason": reason,
        "kind": kind,
        "replaces": replaces,
    }
    with api() as server:
        made = server.post(f"/schedules/{part(schedule)}/overrides", body)
    who = made["user"] or "nobody"
    how = "comes along" if kind == "shadow" else "is on call"
    output.emit(made, lambda value: output.say(f"Override {value['id']}: {who} {how}."))


@oncall.verb("override")
def override_oncall(
    schedule: Schedule,
    to: To,
    user: User = "",
    from_: From = "now",
    reason: Reason = "",
    kind: How = "instead",
    replaces: Replaces = "",
) -> None:
    """Put a person on call for a while, instead of whoever the layers name."""
    _override(schedule, user, from_, to, reason, kind, replaces)


@override.verb("create")
def create_override(
    schedule: Schedule,
    to: To,
    user: User = "",
    from_: From = "now",
    reason: Reason = "",
    kind: How = "instead",
    replaces: Replaces = "",
) -> None:
    """The same as `oncall override`."""
    _override(schedule, user, from_, to, reason, kind, replaces)


@override.verb("list")
def list_overrides(
    schedule: Schedule,
    since: Annotated[str, typer.Option(help="From when; now when not given.")] = "",
    until: Annotated[str, typer.Option(help="Until when; a year later when not given.")] = "",
) -> None:
    """List the overrides of a schedule."""
    with api() as server:
        found = server.get(
            f"/schedules/{part(schedule)}/overrides",
            since=moment(since) if since else "",
            until=moment(until) if until else "",
        )
    output.items(found["items"], ("id", "kind", "user", "replaces", "from", "to", "reason", "created_by"))


@override.verb("delete")
def delete_overrides(ids: Annotated[list[int], typer.Argument(metavar="ID...")], yes: Yes = False) -> None:
    """Take overrides back; a running one ends now."""
    confirm(f"Take back override {', '.join(map(str, ids))}?", yes)
    with api() as server:
        count = sum(server.delete(f"/overrides/{number}")["count"] for number in ids)
    output.emit({"count": count}, lambda value: output.say(f"{value['count']} taken back."))
