"""``tocsin webhook``, ``tocsin provider`` and ``tocsin canary``."""

from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.crud import Kind, Ref, add_delete, add_list, add_save, add_show
from tocsin.cli.output import Noun
from tocsin.cli.remote import EXIT_FAILED, api
from tocsin.cli.told import part

WEBHOOK = Kind("webhook", "/webhooks", ("slug", "name", "url", "team", "enabled"))

webhook = Noun("webhook", "Addresses outside that policies call.")
PROVIDER = Kind("provider", "/providers", ("slug", "name", "kind", "position", "countries", "enabled", "state"))

provider = Noun("provider", "Accounts that SMS and calls go through.")
canary = Noun("canary", "The page that Tocsin sends itself, to see whether pages arrive.")
nouns = [webhook, provider, canary]

add_list(webhook, WEBHOOK)
add_show(webhook, WEBHOOK)
add_save(webhook, WEBHOOK)
add_delete(webhook, WEBHOOK)

add_list(provider, PROVIDER)
add_show(provider, PROVIDER)
add_save(provider, PROVIDER)
add_delete(provider, PROVIDER)


@webhook.verb("create")
def create_webhook(
    name: Annotated[str, typer.Option(help="Name as others read it.")],
    url: Annotated[str, typer.Option(help="Where to POST to.")],
    slug: Annotated[
        str, typer.Option(help="Short name in files and commands; made from the name when not given.")
    ] = "",
    team: Annotated[str, typer.Option(help="Owning team.")] = "",
    secret: Annotated[str, typer.Option(help="Signs every body.", envvar="TOCSIN_WEBHOOK_SECRET")] = "",
    shape: Annotated[
        str, typer.Option("--format", help="Shape of the requests: pagerduty or cloudevents.")
    ] = "pagerduty",
) -> None:
    """Add a webhook."""
    spec: dict[str, Any] = {"name": name, "url": url, "slug": slug, "team": team, "format": shape}
    if secret:
        spec["secret"] = secret
    with api() as server:
        output.emit(server.post("/webhooks", spec), lambda value: output.say(f"Added webhook {value['slug']}."))


@webhook.verb("test")
def send_test_to(name: Ref) -> None:
    """Send a test to a webhook."""
    with api() as server:
        sent = server.post(f"/webhooks/{part(name)}/test", {})
        output.emit(sent, lambda value: output.say(f"The test is on its way as message {value['id']}."))


@provider.verb("create")
def create_provider(
    kind: Annotated[str, typer.Argument(help="Its kind: twilio, telnyx, gateway ...")],
    name: Annotated[str, typer.Option(help="Name as attempts show it.")],
    config: Annotated[
        list[str] | None, typer.Option("--set", help="A field of its kind, as name=value; several times.")
    ] = None,
    slug: Annotated[
        str, typer.Option(help="Short name in files, commands and addresses; made from the name when not given.")
    ] = "",
    country: Annotated[list[str] | None, typer.Option(help="A dialling prefix it serves; several times.")] = None,
    position: Annotated[int, typer.Option(help="The lowest is asked first.")] = 0,
    secret: Annotated[str, typer.Option(help="Token or key.", envvar="TOCSIN_PROVIDER_SECRET")] = "",
) -> None:
    """Add a provider."""
    spec: dict[str, Any] = {"name": name, "kind": kind, "slug": slug, "position": position, "countries": country or []}
    words: dict[str, str | bool] = {"true": True, "false": False}  # what a field of yes or no is written as
    typed = {one.partition("=")[0]: one.partition("=")[2] for one in config or []}
    spec["config"] = {name: words.get(value, value) for name, value in typed.items()}
    if secret:
        spec["secret"] = secret
    with api() as server:
        output.emit(server.post("/providers", spec), lambda value: output.say(f"Added provider {value['slug']}."))


@provider.verb("test")
def send_test_through(name: Ref) -> None:
    """Send an SMS through a provider to yourself."""
    with api() as server:
        sent = server.post(f"/providers/{part(name)}/test", {})
        output.emit(sent, lambda value: output.say(f"The test is on its way as message {value['id']}."))


def _canary(told: dict[str, Any]) -> None:
    output.say(f"The canary: {told['state']}.")
    if told["arrived_at"]:
        output.say(f"The last one arrived {told['arrived_at']}, after {told['took_s']:.2f} s.")
    if told["late_s"]:
        output.say(f"One has been missing for {told['late_s']:.0f} s.")
    times = f", half within {told['p50_s']:.2f} s, 99 % within {told['p99_s']:.2f} s" if told["arrived"] else ""
    output.say(f"Last day: {told['arrived']} of {told['sent']} arrived{times}.")


@canary.verb("show")
def show_canary() -> None:
    """Show whether it arrives and how fast; exit code 1 when one is late."""
    with api() as server:
        told = server.get("/canary")
    output.emit(told, _canary)
    if told["state"] == "late":
        raise typer.Exit(EXIT_FAILED)


@canary.verb("set")
def set_canary(
    enabled: Annotated[bool | None, typer.Option("--on/--off", help="Whether it is sent.")] = None,
    every: Annotated[int | None, typer.Option(help="Minutes from one to the next.")] = None,
    late_after: Annotated[int | None, typer.Option(help="Seconds after which administrators are told.")] = None,
    webhook: Annotated[str | None, typer.Option(help="The webhook that it goes to; empty: nowhere.")] = None,
    door: Annotated[bool | None, typer.Option("--door/--inbox", help="Whether it comes in by HTTP.")] = None,
) -> None:
    """Set it; what is not given stays."""
    asked = {
        "enabled": enabled,
        "every_minutes": every,
        "late_after_s": late_after,
        "webhook": webhook,
        "door": door,
    }
    with api() as server:
        told = server.put("/canary", {name: value for name, value in asked.items() if value is not None})
    output.emit(told, _canary)
