"""``tocsin webhook`` and ``tocsin provider``."""

from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.crud import Kind, Ref, add_delete, add_list, add_save, add_show
from tocsin.cli.output import Noun
from tocsin.cli.remote import api
from tocsin.cli.told import part

WEBHOOK = Kind("webhook", "/webhooks", ("slug", "name", "url", "team", "enabled"))

webhook = Noun("webhook", "Addresses outside that policies call.")
PROVIDER = Kind("provider", "/providers", ("slug", "name", "kind", "position", "countries", "enabled", "state"))

provider = Noun("provider", "Accounts that SMS and calls go through.")
nouns = [webhook, provider]

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
) -> None:
    """Add a webhook."""
    spec: dict[str, Any] = {"name": name, "url": url, "slug": slug, "team": team}
    if secret:
        spec["secret"] = secret
    with api() as server:
        output.emit(server.post("/webhooks", spec), lambda value: output.say(f"Added webhook {value['slug']}."))


@webhook.verb("test")
def test_webhook(name: Ref) -> None:
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
def test_provider(name: Ref) -> None:
    """Send an SMS through a provider to yourself."""
    with api() as server:
        sent = server.post(f"/providers/{part(name)}/test", {})
        output.emit(sent, lambda value: output.say(f"The test is on its way as message {value['id']}."))
