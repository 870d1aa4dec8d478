"""``tocsin incident``: list, show, declare, and every verb."""

from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.crud import Limit
from tocsin.cli.output import Noun
from tocsin.cli.remote import EXIT_FAILED, api, fail
from tocsin.cli.told import moment, part, seconds

incident = Noun("incident", "What people respond to.")
nouns = [incident]

Which = Annotated[str, typer.Argument(metavar="INCIDENT", help="Its number: 12 or INC-12.")]
Several = Annotated[list[str], typer.Argument(metavar="INCIDENT...", help="Their numbers: 12 or INC-12.")]
Reason = Annotated[str, typer.Option(help="Why; it stands on the timeline.")]
Code = Annotated[str, typer.Option("--reason", help="impact, complexity, departments, security, no_answer or other.")]
Words = Annotated[str, typer.Option("--note", help="Why, in words; other needs them.")]
SHOWN = ("number", "priority", "state", "service", "title", "assignees", "opened_at")


@incident.verb("list")
def list_incidents(
    state: Annotated[
        list[str] | None,
        typer.Option(help="open, triggered, acknowledged, mitigated, resolved, closed; may be repeated."),
    ] = None,
    priority: Annotated[list[str] | None, typer.Option(help="P1 to P5; may be repeated.")] = None,
    service: Annotated[list[str] | None, typer.Option(help="Of this service; may be repeated.")] = None,
    team: Annotated[list[str] | None, typer.Option(help="Of this team's services; may be repeated.")] = None,
    assignee: Annotated[str, typer.Option(help="E-mail address of somebody who has it.")] = "",
    query: Annotated[str, typer.Option("--query", "-q", help="Words of the title.")] = "",
    since: Annotated[str, typer.Option(help="Opened since then.")] = "",
    until: Annotated[str, typer.Option(help="Opened before then.")] = "",
    sort: Annotated[str, typer.Option(help="newest, oldest, priority or updated.")] = "newest",
    imported: Annotated[str, typer.Option(help="History from elsewhere: no, yes (besides ours) or only.")] = "no",
    limit: Limit = 100,
) -> None:
    """List incidents, newest first."""
    with api() as server:
        found = server.items(
            "/incidents",
            limit,
            state=state,
            priority=priority,
            service=service,
            team=team,
            assignee=assignee,
            q=query,
            since=moment(since) if since else "",
            until=moment(until) if until else "",
            sort=sort,
            imported=imported,
        )
    output.items(found, SHOWN)


@incident.verb("show")
def show_incident(which: Which) -> None:
    """Show one incident."""
    with api() as server:
        output.emit(server.get(f"/incidents/{part(which)}"))


@incident.verb("declare")
def declare(
    title: Annotated[str, typer.Option(help="What is wrong, in a sentence.")],
    service: Annotated[str, typer.Option(help="Service that is hurt.")],
    details: Annotated[str, typer.Option(help="What is known; Markdown.")] = "",
    impact: Annotated[str, typer.Option(help="high, medium or low; the service's when not given.")] = "",
    urgency: Annotated[str, typer.Option(help="high, medium or low; high when not given.")] = "",
    priority: Annotated[str, typer.Option(help="P1 to P5, against the matrix; needs --priority-reason.")] = "",
    priority_reason: Annotated[str, typer.Option(help="Why the matrix is wrong here.")] = "",
    confidential: Annotated[bool, typer.Option("--confidential", help="Only those who are called see it.")] = False,
    key: Annotated[str, typer.Option(help="A name of yours; only one open incident of a service can have it.")] = "",
    to: Annotated[list[str] | None, typer.Option(help="E-mail address of somebody it is given to at once.")] = None,
) -> None:
    """Open an incident by hand. Its service's policy pages at once."""
    body = {
        "title": title,
        "service": service,
        "details": details,
        "impact": impact,
        "urgency": urgency,
        "priority": priority,
        "priority_reason": priority_reason,
        "confidential": confidential,
        "key": key,
        "users": to or [],
    }
    with api() as server:
        output.emit(server.post("/incidents", body), _told)


def _told(row: dict[str, Any]) -> None:
    given, needed = len(row["acknowledgements"]), row["acks_needed"]
    so_far = f" ({given} of {needed} acknowledgements)" if needed > 1 else ""
    output.say(f"{row['number']} is {row['state']}{so_far}, {row['priority']}: {row['title']}")


def _do(verb: str, which: list[str], **told: Any) -> None:
    """One incident: answers with it. Several: with those that changed, and why the others did not."""
    body = {name: value for name, value in told.items() if value}
    with api() as server:
        if len(which) == 1:
            output.emit(server.post(f"/incidents/{part(which[0])}/{verb}", body), _told)
            return
        done = server.post(f"/incidents/bulk/{verb}", {"ids": which} | body)
    output.emit(done, _summed)
    if not done["changed"]:
        raise fail("Nothing changed.", EXIT_FAILED)


def _summed(done: dict[str, Any]) -> None:
    output.say(f"Changed: {', '.join(f'INC-{key}' for key in done['changed']) or 'none'}")
    for key, more in done.get("partly", {}).items():
        output.say(f"INC-{key}: {more}")
    for key, why in done["skipped"].items():
        output.say(f"Not INC-{key}: {why}")


@incident.verb("ack")
def ack(which: Several) -> None:
    """Answer for incidents: pages stop at once."""
    _do("acknowledge", which)


@incident.verb("unack")
def unack(which: Several, reason: Reason = "") -> None:
    """Take an acknowledgement back: the policy begins again."""
    _do("unacknowledge", which, reason=reason)


@incident.verb("mitigate")
def mitigate(which: Several) -> None:
    """Say that the harm is held off."""
    _do("mitigate", which)


@incident.verb("resolve")
def resolve(which: Several, note: Annotated[str, typer.Option(help="What ended it.")] = "") -> None:
    """End incidents."""
    _do("resolve", which, note=note)


@incident.verb("close")
def close(which: Several) -> None:
    """Close resolved incidents: nothing more is expected of anybody."""
    _do("close", which)


@incident.verb("reopen")
def reopen(which: Several, reason: Reason = "") -> None:
    """Say that incidents were not over: they page again."""
    _do("reopen", which, reason=reason)


@incident.verb("snooze")
def snooze(
    which: Several,
    for_: Annotated[str, typer.Option("--for", help="How long, such as 30m or 4h.")] = "",
    until: Annotated[str, typer.Option(help="Until when: ISO 8601.")] = "",
) -> None:
    """Acknowledge until a moment; then the incident pages again."""
    if bool(for_) == bool(until):
        raise typer.BadParameter("give --for or --until, one of the two")
    if for_:
        seconds(for_)
    _do("snooze", which, until=moment(f"+{for_}" if for_ else until))


@incident.verb("reassign")
def reassign(
    which: Several,
    to: Annotated[list[str], typer.Option("--to", "--user", help="E-mail address; may be repeated.")],
) -> None:
    """Give incidents to named people, who are paged now."""
    _do("reassign", which, users=to)


@incident.verb("merge")
def merge(
    into: Annotated[str, typer.Argument(metavar="INTO", help="The incident that stays.")],
    sources: Annotated[list[str], typer.Argument(metavar="INCIDENT...", help="Those whose alerts move into it.")],
) -> None:
    """Merge incidents into one: alerts move, the emptied ones are resolved."""
    _do("merge", [into], incidents=sources)


@incident.verb("confidential")
def make_confidential(which: Several, reason: Reason = "") -> None:
    """Keep what incidents are from everybody but those who are called for them, you and administrators."""
    _do("make-confidential", which, reason=reason)


@incident.verb("lift")
def lift_confidentiality(
    which: Several, reason: Annotated[str, typer.Option(help="Why everybody may see it; it stands on the timeline.")]
) -> None:
    """Let everybody see confidential incidents again."""
    _do("lift-confidentiality", which, reason=reason)


@incident.verb("let-in")
def let_in(
    which: Several,
    user: Annotated[list[str], typer.Option(help="E-mail address; may be repeated.")],
    reason: Reason = "",
) -> None:
    """Let people read confidential incidents."""
    _do("let-in", which, users=user, reason=reason)


@incident.verb("readers")
def readers(which: Which) -> None:
    """List who was let into a confidential incident, and why."""
    with api() as server:
        found = server.get(f"/incidents/{part(which)}/readers")["items"]
    output.items(found, ("user", "name", "at", "why"))


@incident.verb("note")
def note(which: Which, text: Annotated[str, typer.Argument(help="What to note; Markdown.")]) -> None:
    """Write a note on the timeline."""
    _do("note", [which], text=text)


@incident.verb("retitle")
def retitle(which: Which, title: Annotated[str, typer.Argument(help="A better title.")]) -> None:
    """Give an incident a better title."""
    _do("retitle", [which], title=title)


@incident.verb("priority")
def priority(
    which: Which,
    wanted: Annotated[
        str, typer.Argument(metavar="[PRIORITY]", help="P1 to P5, against the matrix; needs --reason.")
    ] = "",
    impact: Annotated[str, typer.Option(help="high, medium or low.")] = "",
    urgency: Annotated[str, typer.Option(help="high, medium or low.")] = "",
    reason: Reason = "",
) -> None:
    """Set impact and urgency, from which the priority follows, or a priority of its own with the reason."""
    _do("priority", [which], priority=wanted, impact=impact, urgency=urgency, reason=reason)


@incident.verb("escalate")
def escalate(
    which: Which,
    reason: Code,
    note: Words = "",
    up: Annotated[bool, typer.Option("--up", help="To the managers of those paged so far instead.")] = False,
    confidential: Annotated[
        bool, typer.Option("--confidential", help="Make it confidential first: only those who are called see it.")
    ] = False,
) -> None:
    """Run the policy's next step now, or page the managers above."""
    if up and confidential:
        raise typer.BadParameter("--confidential goes with the policy's next step, not with --up")
    body: dict[str, Any] = {"reason_code": reason, "reason": note} | ({"confidential": True} if confidential else {})
    with api() as server:
        output.emit(server.post(f"/incidents/{part(which)}/escalate{'-up' if up else ''}", body), _told)


@incident.verb("team")
def bring_team(
    which: Which,
    team: Annotated[str, typer.Argument(help="Its slug or name.")],
    reason: Code,
    note: Words = "",
) -> None:
    """Bring a team in: page whoever is on call in its schedules, or all its members."""
    body = {"team": team, "reason_code": reason, "reason": note}
    with api() as server:
        output.emit(server.post(f"/incidents/{part(which)}/page-team", body), _told)


@incident.verb("page")
def page(
    which: Which,
    user: Annotated[list[str], typer.Option(help="E-mail address; may be repeated.")],
    message: Annotated[str, typer.Option(help="What they should know.")] = "",
) -> None:
    """Page people by hand, whatever the policy says."""
    with api() as server:
        output.emit(server.post(f"/incidents/{part(which)}/page", {"users": user, "message": message}), _told)


@incident.verb("timeline")
def timeline(
    which: Which,
    kind: Annotated[str, typer.Option(help="Only entries of this kind.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most entries to list.")] = 1000,
) -> None:
    """List what happened, oldest first."""
    with api() as server:
        found = server.items(f"/incidents/{part(which)}/timeline", limit, kind=kind)
    flat = [row | {"by": row["actor"]["name"]} for row in found]
    output.emit({"items": found}, lambda value: output.table(flat, ("seq", "at", "kind", "by", "data")))


@incident.verb("pages")
def pages(which: Which, limit: Limit = 100) -> None:
    """List who was paged, why, and what became of it."""
    with api() as server:
        found = server.items(f"/incidents/{part(which)}/pages", limit)
    output.items(found, ("id", "at", "name", "step", "loop", "why", "answer"))


@incident.verb("deliveries")
def deliveries(which: Which) -> None:
    """List every message about an incident."""
    with api() as server:
        found = server.get(f"/incidents/{part(which)}/deliveries")["items"]
    output.items(found, ("id", "created_at", "user", "channel", "state", "reason"))


@incident.verb("runs")
def runs(which: Which) -> None:
    """List the policies at work for an incident."""
    with api() as server:
        found = server.get(f"/incidents/{part(which)}/runs")["items"]
    output.items(found, ("id", "generation", "policy", "purpose", "state", "step", "loop", "due_at", "reason"))
