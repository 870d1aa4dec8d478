"""The commands that talk to a server. What each noun can do is in its room's ``commands.py``."""

import typer

from tocsin.catalogue.commands import nouns as catalogue
from tocsin.cli import import_history
from tocsin.cli.config_as_code import register as register_config
from tocsin.cli.importing import nouns as importing
from tocsin.cli.organisation import nouns as organisation
from tocsin.cli.output import Noun
from tocsin.delivery.commands import nouns as delivery
from tocsin.escalation.commands import nouns as escalation
from tocsin.escalation.commands import simulate
from tocsin.escalation.commands_sweep import sweep
from tocsin.incidents.commands import nouns as incidents
from tocsin.incidents.commands_command import nouns as command
from tocsin.intake.commands import nouns as intake
from tocsin.oncall.commands import nouns as oncall
from tocsin.oncall.commands_calendars import nouns as calendars
from tocsin.oncall.commands_exchange import nouns as exchange
from tocsin.oncall.commands_rota import nouns as rota
from tocsin.people.commands import nouns as people
from tocsin.triage.commands import nouns as triage
from tocsin.triage.commands import why

NOUNS: list[Noun] = [
    *incidents,
    *command,
    *triage,
    *oncall,
    *exchange,
    *rota,
    *calendars,
    *escalation,
    *delivery,
    *catalogue,
    *intake,
    *people,
    *organisation,
    *importing,
]
RESPOND = "Respond"
CONFIGURE = "Configure"
PANELS = {"incident": RESPOND, "alert": RESPOND, "oncall": RESPOND, "task": RESPOND}


def register(app: typer.Typer) -> None:
    """Add the commands of the client to ``app``."""
    for noun in importing:
        import_history.register(noun)
    for noun in NOUNS:
        app.add_typer(noun, rich_help_panel=PANELS.get(str(noun.info.name), CONFIGURE))
    why(app, RESPOND)
    simulate(app, CONFIGURE)
    sweep(app, CONFIGURE)
    register_config(app, CONFIGURE)
