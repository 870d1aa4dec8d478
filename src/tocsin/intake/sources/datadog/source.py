"""Datadog's webhook integration."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.datadog import parser

source = SourceKind(
    kind="datadog",
    label="Datadog",
    summary="Monitors of Datadog, through a webhook of its integration with a payload of its own.",
    folder=Path(__file__).parent,
    aliases=("data-dog",),
    fields=(
        Field(
            "identity",
            "One alert for each",
            "A monitor may watch many groups (hosts, regions).",
            type="choice",
            default="group",
            choices={"group": "group of the monitor", "cycle": "cycle from trigger to recovery"},
        ),
    ),
    parse=parser.parse,
)
