"""New Relic's workflows."""

from pathlib import Path

from tocsin.intake.contract import SourceKind
from tocsin.intake.sources.new_relic import parser

source = SourceKind(
    kind="new-relic",
    label="New Relic",
    summary="Issues of New Relic, through a webhook destination of a workflow.",
    folder=Path(__file__).parent,
    aliases=(
        "newrelic",
        "new_relic",
    ),
    parse=parser.parse,
)
