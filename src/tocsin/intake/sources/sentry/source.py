"""Sentry's integration platform."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.sentry import parser

source = SourceKind(
    kind="sentry",
    label="Sentry",
    summary="Issues, event alerts and metric alerts of Sentry, through an internal integration.",
    folder=Path(__file__).parent,
    fields=(
        Field(
            "secret",
            "Client secret",
            "Of the internal integration. With it, only signed requests are taken.",
            type="secret",
        ),
    ),
    parse=parser.parse,
)
