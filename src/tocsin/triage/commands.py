"""``tocsin alert``, ``signal``, ``rule``, ``window``, ``why``."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.crud import Kind, Limit, Ref, add_delete, add_list, add_save, add_show
from tocsin.cli.output import Noun, talks
from tocsin.cli.remote import api
from tocsin.cli.told import moment, part, seconds

RULE = Kind("rule", "/rules", ("position", "kind", "name", "condition", "enabled"), keys=("name",))
WINDOW = Kind("window", "/windows", ("id", "name", "services", "going_on", "next_starts_at", "mode"), keys=("name",))

alert = Noun("alert", "Deduplicated conditions.")
signal = Noun("signal", "What arrived, and what became of it.")
rule = Noun("rule", "Triage rules: route, severity, suppress.")
window = Noun("window", "Maintenance windows.")
nouns = [alert, signal, rule, window]

add_list(rule, RULE)
add_show(rule, RULE)
add_save(rule, RULE)
add_delete(rule, RULE)
add_list(window, WINDOW)
add_show(window, WINDOW)
add_save(window, WINDOW)
add_delete(window, WINDOW)


@alert.verb("list")
def list_alerts(
    state: Annotated[list[str] | None, typer.Option(help="open or resolved; may be repeated.")] = None,
    severity: Annotated[list[str] | None, typer.Option(help="critical, error, warning, info; may be repeated.")] = None,
    service: Annotated[list[str] | None, typer.Option(help="Of this service; may be repeated.")] = None,
    incident: Annotated[int | None, typer.Option(help="Of this incident.")] = None,
    query: Annotated[str, typer.Option("--query", "-q", help="Words of the title.")] = "",
    limit: Limit = 100,
) -> None:
    """List alerts, newest first."""
    with api() as server:
        found = server.items(
            "/alerts", limit, state=state, severity=severity, service=service, incident=incident, q=query
        )
    output.items(found, ("id", "severity", "state", "service", "title", "count", "incident", "last_at"))


@alert.verb("show")
def show_alert(which: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """Show one alert with what its last signal said."""
    with api() as server:
        output.emit(server.get(f"/alerts/{which}"))


@signal.verb("list")
def list_signals(
    alert: Annotated[int | None, typer.Option(help="Of this alert.")] = None,
    source: Annotated[int | None, typer.Option(help="Of this source (id).")] = None,
    outcome: Annotated[str, typer.Option(help="Only with this outcome.")] = "",
    limit: Limit = 100,
) -> None:
    """List decided signals, newest first, each with its outcome and the reason."""
    with api() as server:
        found = server.items("/signals", limit, alert=alert, source=source, outcome=outcome)
    output.items(found, ("id", "received_at", "action", "title", "outcome", "rule", "reason", "incident"))


@rule.verb("create")
def create_rule(
    name: Annotated[str, typer.Option(help="Its name.")],
    kind: Annotated[str, typer.Option(help="route, severity or suppress.")],
    condition: Annotated[str, typer.Option(help="CEL over signal, source and service.")],
    service: Annotated[str, typer.Option(help="Only for signals of this service's sources.")] = "",
    to_service: Annotated[str, typer.Option(help="For route: where to.")] = "",
    severity: Annotated[str, typer.Option(help="For severity: critical, error, warning or info.")] = "",
    impact: Annotated[str, typer.Option(help="For severity: high, medium or low.")] = "",
    urgency: Annotated[str, typer.Option(help="For severity: high, medium or low.")] = "",
    position: Annotated[int, typer.Option(help="Lower runs first.")] = 100,
) -> None:
    """Add a rule. Its condition is checked before it is kept."""
    spec = {
        "name": name,
        "kind": kind,
        "condition": condition,
        "service": service,
        "to_service": to_service,
        "severity": severity,
        "impact": impact,
        "urgency": urgency,
        "position": position,
    }
    with api() as server:
        output.emit(server.post("/rules", spec), lambda value: output.say(f"Added rule {value['name']}."))


@window.verb("create")
def create_window(
    name: Annotated[str, typer.Option(help="Its name.")],
    service: Annotated[list[str], typer.Option(help="A service that it covers; may be repeated.")],
    from_: Annotated[str, typer.Option("--from", help="When it begins: ISO 8601, now or +2h.")],
    for_: Annotated[str, typer.Option("--for", help="How long, such as 2h.")],
    rrule: Annotated[str, typer.Option(help="How it repeats, such as FREQ=WEEKLY.")] = "",
    zone: Annotated[str, typer.Option(help="IANA zone in which it repeats.")] = "UTC",
    mode: Annotated[str, typer.Option(help="hold (page at its end what is still open) or drop.")] = "hold",
    note: Annotated[str, typer.Option(help="What is being done.")] = "",
    condition: Annotated[str, typer.Option(help="Only alerts for which this CEL holds. Empty: all.")] = "",
) -> None:
    """Add a maintenance window."""
    spec: dict[str, Any] = {
        "name": name,
        "services": service,
        "starts_at": moment(from_),
        "duration_s": seconds(for_),
        "rrule": rrule,
        "zone": zone,
        "mode": mode,
        "note": note,
        "condition": condition,
    }
    with api() as server:
        output.emit(server.post("/windows", spec), lambda value: output.say(f"Added window {value['id']}."))


@window.verb("end")
def end_window(name: Ref) -> None:
    """End a window now, for good; what it held back pages."""
    with api() as server:
        output.emit(server.post(f"/windows/{part(name)}/end"), lambda value: output.say(f"{value['name']} has ended."))


class WhyKind(StrEnum):
    """What can be asked about."""

    SIGNAL = "signal"
    PAGE = "page"
    INCIDENT = "incident"


def why(app: typer.Typer, panel: str) -> None:
    """Add ``tocsin why`` to the root."""

    @app.command("why", rich_help_panel=panel)
    @talks
    def why_command(
        kind: Annotated[WhyKind, typer.Argument(help="What is asked about.")],
        id: Annotated[str, typer.Argument(metavar="ID", help="Its number; an incident also as INC-12.")],
    ) -> None:
        """Say why somebody was woken, or nobody was: every decision with its reason."""
        with api() as server:
            output.emit(server.get(f"/why/{kind.value}/{part(id)}"), _chain)


def _chain(value: dict[str, Any]) -> None:
    output.say(value["summary"])
    output.table(value["chain"], ("at", "what", "text"))
