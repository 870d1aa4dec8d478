"""``tocsin user``, ``team``, ``token``."""

from typing import Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.crud import Kind, Limit, Ref, Yes, add_delete, add_list, add_save, add_show, confirm, pairs
from tocsin.cli.output import Noun
from tocsin.cli.remote import EXIT_NOT_FOUND, api, fail
from tocsin.cli.told import part, seconds

USER = Kind("person", "/users", ("email", "name", "role", "zone", "active", "teams"), keys=("email",))
TEAM = Kind("team", "/teams", ("slug", "name", "members"))

user = Noun("user", "People, and how they are reached.")
team = Noun("team", "Teams and who belongs to them.")
token = Noun("token", "API tokens.")
nouns = [user, team, token]

for noun, kind in ((user, USER), (team, TEAM)):
    add_list(noun, kind)
    add_show(noun, kind)
    add_save(noun, kind)
    add_delete(noun, kind)


@user.verb("me")
def me() -> None:
    """Show who the token stands for and what it may do."""
    with api() as server:
        output.emit(server.get("/me"))


@user.verb("create")
def create_user(
    email: Annotated[str, typer.Option(help="E-mail address; it names the person everywhere.")],
    name: Annotated[str, typer.Option(help="Name as others read it.")],
    zone: Annotated[str, typer.Option(help="IANA time zone.")] = "UTC",
    role: Annotated[str, typer.Option(help="admin, manager, responder or observer.")] = "responder",
    manager: Annotated[str, typer.Option(help="E-mail address of their manager.")] = "",
) -> None:
    """Add a person; they are reached by e-mail until they say otherwise."""
    spec = {"email": email, "name": name, "zone": zone, "role": role, "manager": manager}
    with api() as server:
        output.emit(server.post("/users", spec), lambda value: output.say(f"Added {value['name']}."))


@user.verb("add-contact")
def add_contact(
    email: Annotated[str, typer.Argument(help="Whose.")],
    channel: Annotated[str, typer.Option(help="email, ntfy, webhook ...")],
    address: Annotated[str, typer.Option(help="Address, number, topic or URL.")],
    label: Annotated[str, typer.Option(help="What the person calls it.")] = "",
) -> None:
    """Give a person one more way to be reached."""
    spec = {"channel": channel, "address": address, "label": label}
    with api() as server:
        made = server.post(f"/users/{part(email)}/contact-methods", spec)
    output.emit(made, lambda value: output.say(f"Added contact method {value['id']}."))


@user.verb("test-contact")
def send_test(
    email: Annotated[str, typer.Argument(help="Whose.")],
    channel: Annotated[str, typer.Option(help="Only their contact methods of this channel.")] = "",
) -> None:
    """Send a test message to a person's contact methods; nothing is wrong, and it says so."""
    with api() as server:
        methods = server.get(f"/users/{part(email)}/contact-methods")["items"]
        chosen = [one for one in methods if not channel or one["channel"] == channel]
        if not chosen:
            raise fail(f"{email} has no contact method{f' of channel {channel}' if channel else ''}.", EXIT_NOT_FOUND)
        sent = [server.post(f"/contact-methods/{one['id']}/test") for one in chosen]
    output.items(sent, ("id", "channel", "address", "state"))


@user.verb("verify-contact")
def verify(
    number: Annotated[int, typer.Argument(metavar="ID", help="Which contact method; `user show` lists them.")],
    code: Annotated[str, typer.Option(help="The code that it received; without it one is sent.")] = "",
) -> None:
    """Verify a contact method: have a code sent to it, then give the code."""
    with api() as server:
        if code:
            done = server.post(f"/contact-methods/{number}/confirm", {"code": code})
            output.emit(done, lambda value: output.say("It is verified: Tocsin reaches this person there."))
            return
        sent = server.post(f"/contact-methods/{number}/verify")
    output.emit(sent, lambda value: output.say("A code is on its way; give it with --code."))


@user.verb("add-rule")
def add_rule(
    email: Annotated[str, typer.Argument(help="Whose.")],
    channel: Annotated[str, typer.Option(help="Channel of one of their contact methods.")],
    address: Annotated[str, typer.Option(help="Its address; not needed when the channel is used once.")] = "",
    urgency: Annotated[str, typer.Option(help="high or low.")] = "high",
    after: Annotated[str, typer.Option(help="How long after the page, such as 5m.")] = "0",
) -> None:
    """Add a notification rule: which contact method is used when."""
    with api() as server:
        person = server.get(f"/users/{part(email)}")
        known = [m["address"] for m in person["contact_methods"] if m["channel"] == channel]
        rules: list[dict[str, Any]] = [
            {name: rule[name] for name in ("urgency", "delay_s", "channel", "address")} for rule in person["rules"]
        ]
        chosen = address or (known[0] if len(known) == 1 else "")
        rules.append({"urgency": urgency, "delay_s": seconds(after), "channel": channel, "address": chosen})
        saved = server.put(f"/users/{part(email)}/rules", rules)
    output.items(saved["items"], ("urgency", "delay_s", "channel", "address"))


@team.verb("create")
def create_team(
    name: Annotated[str, typer.Option(help="Name as others read it.")],
    slug: Annotated[
        str, typer.Option(help="Short name in files and commands; made from the name when not given.")
    ] = "",
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    member: Annotated[list[str] | None, typer.Option(help="EMAIL or EMAIL:manager; may be repeated.")] = None,
) -> None:
    """Add a team."""
    members = pairs(member or [], "member")
    spec = {"name": name, "slug": slug, "description": description, "members": members}
    with api() as server:
        output.emit(server.post("/teams", spec), lambda value: output.say(f"Added team {value['slug']}."))


@token.verb("list")
def list_tokens(
    user: Annotated[str, typer.Option(help="E-mail address: only those of this person.")] = "", limit: Limit = 100
) -> None:
    """List tokens: your own, or everybody's for administrators. Tokens themselves are never shown again."""
    with api() as server:
        found = server.items("/tokens", limit, user=user)
    output.items(found, ("id", "user", "name", "prefix", "scopes", "expires_at", "last_used_at", "revoked_at"))


@token.verb("create")
def create_token(
    user: Annotated[str, typer.Option(help="E-mail address of whom it acts for; you when not given.")] = "",
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(help="read, respond, configure or admin; may be repeated. Not given: all.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="How long it works; not given: until revoked.")] = None,
) -> None:
    """Make a token. It is printed once and cannot be read again."""
    body: dict[str, Any] = {"user": user, "name": name, "days": days}
    if scope:
        body["scopes"] = scope
    with api() as server:
        made = server.post("/tokens", body)
    output.emit({"token": made["token"]}, lambda value: typer.echo(value["token"]))


def _revoke(ids: list[int], yes: bool) -> None:
    confirm(f"Revoke token {', '.join(map(str, ids))}?", yes)
    with api() as server:
        count = sum(server.delete(f"/tokens/{number}")["count"] for number in ids)
    output.emit({"count": count}, lambda value: output.say(f"{value['count']} revoked."))


@token.verb("revoke")
def revoke(ids: Annotated[list[int], typer.Argument(metavar="ID...")], yes: Yes = False) -> None:
    """Make tokens worthless at once."""
    _revoke(ids, yes)


@token.verb("delete")
def delete(ids: Annotated[list[int], typer.Argument(metavar="ID...")], yes: Yes = False) -> None:
    """The same as revoke."""
    _revoke(ids, yes)


@token.verb("show")
def show_token(name: Ref) -> None:
    """Show one token by id, without itself."""
    with api() as server:
        found = [row for row in server.items("/tokens", 10_000) if name in (str(row["id"]), row["name"], row["prefix"])]
    if not found:
        raise typer.Exit(3)
    output.emit(found[0])
