"""``tocsin service``, ``change``."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.crud import Kind, Limit, add_delete, add_list, add_save, add_show
from tocsin.cli.output import Noun
from tocsin.cli.remote import api
from tocsin.cli.told import json_object, moment, seconds

SERVICE = Kind("service", "/services", ("slug", "name", "tier", "team", "policy", "enabled"))

service = Noun("service", "What people depend on.")
change = Noun("change", "Deploys, flags, configuration changes.")
nouns = [service, change]

add_list(service, SERVICE)
add_show(service, SERVICE)
add_save(service, SERVICE)
add_delete(service, SERVICE)


@service.verb("create")
def create_service(
    name: Annotated[str, typer.Option(help="Name as others read it.")],
    slug: Annotated[
        str, typer.Option(help="Short name in files and commands; made from the name when not given.")
    ] = "",
    team: Annotated[str, typer.Option(help="Owning team.")] = "",
    policy: Annotated[str, typer.Option(help="Escalation policy.")] = "",
    tier: Annotated[int, typer.Option(min=1, max=4, help="1 is the most important.")] = 3,
    description: Annotated[str, typer.Option(help="What it does.")] = "",
    depends_on: Annotated[list[str] | None, typer.Option(help="A service it needs; may be repeated.")] = None,
    impact: Annotated[str, typer.Option(help="high, medium or low; by tier when not given.")] = "",
    runbook_url: Annotated[str, typer.Option(help="Where its runbook is.")] = "",
    grouping: Annotated[str, typer.Option(help='JSON, such as {"by": "service"}.')] = "{}",
    auto_resolve: Annotated[str, typer.Option(help="End incidents nobody touches after this, such as 2d.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone of its working hours; UTC when not given.")] = "",
    hours: Annotated[
        list[str] | None,
        typer.Option(help="Working hours: Mon-Fri 09:00-17:00; may be repeated. That is also what counts without."),
    ] = None,
    confidential: Annotated[
        bool, typer.Option("--confidential", help="Its incidents are for those only whom they concern.")
    ] = False,
) -> None:
    """Add a service."""
    spec: dict[str, Any] = {
        "name": name,
        "slug": slug,
        "team": team,
        "policy": policy,
        "tier": tier,
        "description": description,
        "depends_on": depends_on,
        "impact": impact,
        "runbook_url": runbook_url,
        "grouping": json_object(grouping),
        "auto_resolve_s": seconds(auto_resolve) if auto_resolve else None,
        "zone": zone,
        "hours": _hours(hours) if hours else [],
        "confidential": confidential,
    }
    with api() as server:
        output.emit(server.post("/services", spec), lambda value: output.say(f"Added service {value['slug']}."))


def _hours(lines: list[str]) -> list[dict[str, Any]]:
    # what reads hours knows the holidays of the world: not to be loaded for every command
    from tocsin.catalogue.rules import hours_of
    from tocsin.platform.errors import Invalid

    try:
        return [asdict(window) for window in hours_of("\n".join(lines))]
    except Invalid as error:
        raise typer.BadParameter(f"--hours: {error.problems['hours']}") from error


@change.verb("list")
def list_changes(service: Annotated[str, typer.Option(help="Only of this service.")] = "", limit: Limit = 100) -> None:
    """List changes, newest first."""
    with api() as server:
        output.items(server.items("/changes", limit, service=service), ("at", "service", "summary", "origin"))


@change.verb("create")
def create_change(
    summary: Annotated[str, typer.Argument(help="What was changed.")],
    service: Annotated[str, typer.Option(help="Of which service.")] = "",
    at: Annotated[str, typer.Option(help="When; now when not given.")] = "",
    origin: Annotated[str, typer.Option(help="Where this comes from: a pipeline, a person.")] = "",
    link: Annotated[list[str] | None, typer.Option(help="An address to look at; may be repeated.")] = None,
) -> None:
    """Keep a change, as evidence for later."""
    links = [{"href": address, "text": address} for address in link or []]
    body = {"service": service, "summary": summary, "at": moment(at) if at else None, "origin": origin, "links": links}
    with api() as server:
        output.emit(server.post("/changes", body), lambda value: output.say("Kept."))
