"""``tocsin rota``."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from tocsin.cli import output
from tocsin.cli.output import Noun
from tocsin.cli.remote import api
from tocsin.cli.told import part, read_text

rota = Noun("rota", "Fair rotas.")
nouns = [rota]


@rota.verb("generate")
def generate(
    file: Annotated[str, typer.Argument(metavar="FILE", help="People, shifts and rules as YAML or JSON; - is stdin.")],
    keep: Annotated[bool, typer.Option("--keep", help="Put the rota onto its schedule.")] = False,
    to: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Write the shifts here as YAML.")] = "",
) -> None:
    """Make a fair rota: who has which shift and why, and how fair that is beside plain rotation."""
    try:
        wanted = yaml.safe_load(read_text(file))
    except yaml.YAMLError as error:
        raise typer.BadParameter(f"{file} is no YAML: {error}") from error
    if not isinstance(wanted, dict):
        raise typer.BadParameter(f"{file} holds no rota: schedule, start, weeks, people, shifts")
    with api(timeout_s=200) as server:
        found = server.post("/rota", _plain(wanted))
        if keep:
            kept = server.post(f"/schedules/{part(str(wanted['schedule']))}/rota", {"shifts": found["shifts"]})
            found["kept"] = kept["kept"]
    if to:
        Path(to).write_text(yaml.safe_dump({"shifts": found["shifts"]}, allow_unicode=True), encoding="utf-8")
    output.emit(found, _told)


def _plain(value: Any) -> Any:
    """YAML's dates and times as text."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _told(found: dict[str, Any]) -> None:
    output.table(found["shifts"], ("from", "to", "email", "why"))
    fair, plain = found["fairness"], found["rotation"]
    rows = [
        {"": word, "this rota": fair[key], "plain rotation": plain[key]}
        for word, key in (("spread, points", "spread"), ("standard deviation", "deviation"), ("Gini", "gini"),
                          ("hand-offs", "handoffs"))
    ]  # fmt: skip
    rows.append({"": "broken rules", "this rota": 0, "plain rotation": sum(plain["broken"].values())})
    output.table(rows, ("", "this rota", "plain rotation"))
    output.table(fair["people"], ("email", "shifts", "load", "nights", "weekend_hours", "holiday_hours"))
    output.say(found["verdict"])
    if "kept" in found:
        output.say(f"{found['kept']} shifts are on the schedule.")
