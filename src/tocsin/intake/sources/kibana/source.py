"""Kibana's webhook connector."""

from pathlib import Path

from tocsin.intake.contract import SourceKind
from tocsin.intake.sources.kibana import parser

source = SourceKind(
    kind="kibana",
    label="Elastic, Kibana",
    summary="Rules of Kibana, through its webhook connector.",
    folder=Path(__file__).parent,
    aliases=(
        "elastic",
        "elasticsearch",
        "opensearch",
    ),
    parse=parser.parse,
)
