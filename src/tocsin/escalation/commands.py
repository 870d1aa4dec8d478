"""``tocsin policy``, ``simulate``."""

from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.crud import Kind, add_delete, add_list, add_save, add_show
from tocsin.cli.output import Noun, talks
from tocsin.cli.remote import api
from tocsin.cli.told import moment, seconds

POLICY = Kind("policy", "/policies", ("slug", "name", "team", "repeats", "version"))

policy = Noun("policy", "Escalation policies: who must know next, and when.")
nouns = [policy]

add_list(policy, POLICY)
add_show(policy, POLICY)
add_save(policy, POLICY)
add_delete(policy, POLICY)


@policy.verb("create")
def create_policy(
    name: Annotated[str, typer.Option(help="Name as others read it.")],
    step: Annotated[
        list[str],
        typer.Option(
            help="Targets, how long to wait, and what else: schedule:primary,owner=5m;tier=L1;when=working_hours;"
            "warn=30m;urgency=low;rotate;acks=2 (or acks=all). May be repeated."
        ),
    ],
    fallback: Annotated[
        list[str] | None, typer.Option(help="Who is paged when nobody is on call or answers; may be repeated.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=0, help="How often all steps run again.")] = 0,
    ack_timeout: Annotated[str, typer.Option(help="An acknowledged incident pages again after this.")] = "",
    team: Annotated[str, typer.Option(help="Team that it belongs to.")] = "",
    slug: Annotated[str, typer.Option(help="Short name; made from the name when not given.")] = "",
    executive: Annotated[
        list[str] | None, typer.Option(help="Who is told quietly of major incidents; may be repeated.")
    ] = None,
    executive_priority: Annotated[
        list[str] | None, typer.Option(help="Of which priorities; P1 when not given; may be repeated.")
    ] = None,
    tier: Annotated[
        list[str] | None,
        typer.Option(help='When an incident may enter a tier: executive=priority == "P1". May be repeated.'),
    ] = None,
    confidential: Annotated[str, typer.Option(help="The policy that confidential incidents follow instead.")] = "",
) -> None:
    """Add a policy; `policy save FILE` writes any."""
    steps = [_step(text) for text in step]
    spec: dict[str, Any] = {
        "name": name,
        "slug": slug,
        "team": team,
        "repeats": repeats,
        "ack_timeout_s": seconds(ack_timeout) if ack_timeout else None,
        "steps": steps,
        "fallback": fallback or [],
        "executives": executive or [],
        "executive_priorities": executive_priority or ["P1"],
        "tiers": [_tier(text) for text in tier or ()],
        "confidential": confidential,
    }
    with api() as server:
        output.emit(server.post("/policies", spec), lambda value: output.say(f"Added policy {value['slug']}."))


def _tier(text: str) -> dict[str, str]:
    """``executive=priority == "P1"`` as the API takes it."""
    name, equals, when = (part.strip() for part in text.partition("="))
    if not equals:
        raise typer.BadParameter(f"--tier: {text!r} is not a tier and its condition, as in L2=incident.minutes >= 30")
    return {"name": name, "when": when}


def _step(text: str) -> dict[str, Any]:
    """``schedule:primary,owner=5m;tier=L1;rotate`` as the API takes it."""
    head, *rest = (part.strip() for part in text.split(";"))
    targets, equals, wait = head.rpartition("=")
    targets, wait = (targets, wait) if equals else (head, "5m")
    found: dict[str, Any] = {"targets": [one.strip() for one in targets.split(",")], "wait_s": seconds(wait)}
    for option in rest:
        name, equals, value = (one.strip() for one in option.partition("="))
        if name == "rotate" and not equals:
            found["rotate"] = True
        elif name == "warn" and equals:
            found["warn_s"] = seconds(value)
        elif name == "acks" and equals:
            found["acks"] = int(value) if value.isdecimal() else value
        elif name in ("tier", "when", "urgency") and equals:
            found[name] = value
        elif option:
            raise typer.BadParameter(f"--step: {option!r} is none of tier=, when=, warn=, urgency=, acks=, rotate")
    return found


@policy.verb("escalations")
def escalations(
    since: Annotated[str, typer.Option(help="How far back, such as 30d.")] = "30d",
) -> None:
    """Count why people escalated by hand: by kind, reason, team and service."""
    with api() as server:
        found = server.get("/escalations/reasons", since=moment(f"-{since}"))
    output.emit(found, lambda value: output.table(value["items"], ("by", "key", "count")))


def simulate(app: typer.Typer, panel: str) -> None:
    """Add ``tocsin simulate`` to the root."""

    @app.command("simulate", rich_help_panel=panel)
    @talks
    def simulate_command(
        service: Annotated[str, typer.Option(help="Service on which an incident is imagined.")] = "",
        policy: Annotated[str, typer.Option(help="A policy instead of a service.")] = "",
        priority: Annotated[str, typer.Option(help="P1 to P5.")] = "P1",
        at: Annotated[str, typer.Option(help="When it opens: ISO 8601; now when not given.")] = "",
        for_: Annotated[str, typer.Option("--for", help="How long to look ahead, such as 4h.")] = "4h",
    ) -> None:
        """Foretell the pages that would go out: who, when, how and why. Nothing is sent or written."""
        body = {
            "service": service,
            "policy": policy,
            "priority": priority,
            "at": moment(at) if at else None,
            "for_s": seconds(for_),
        }
        with api() as server:
            output.emit(server.post("/simulate", body), _told)


def _told(found: dict[str, Any]) -> None:
    output.table(found["items"], ("at", "user", "channel", "label", "step", "why"))
    output.say(found["outcome"])
