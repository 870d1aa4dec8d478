"""Healthchecks' webhook integration."""

from pathlib import Path

from tocsin.intake.contract import SourceKind
from tocsin.intake.sources.healthchecks import parser

source = SourceKind(
    kind="healthchecks",
    label="Healthchecks",
    summary="Checks of Healthchecks that are late, through its webhook integration.",
    folder=Path(__file__).parent,
    aliases=(
        "healthchecks-io",
        "healthchecks.io",
    ),
    parse=parser.parse,
)
