"""``tocsin webhook``."""

from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.crud import Kind, Ref, add_delete, add_list, add_save, add_show
from tocsin.cli.output import Noun
from tocsin.cli.remote import api
from tocsin.cli.told import part

WEBHOOK = Kind("webhook", "/webhooks", ("slug", "name", "url", "team", "enabled"))

webhook = Noun("webhook", "Addresses outside that policies call.")
nouns = [webhook]

add_list(webhook, WEBHOOK)
add_show(webhook, WEBHOOK)
add_save(webhook, WEBHOOK)
add_delete(webhook, WEBHOOK)


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
