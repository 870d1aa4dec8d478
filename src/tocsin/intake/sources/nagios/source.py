"""Nagios, Icinga 2, Naemon, Checkmk: a notification command."""

from pathlib import Path

from tocsin.intake.contract import SourceKind
from tocsin.intake.sources.nagios import parser

source = SourceKind(
    kind="nagios",
    label="Nagios, Icinga",
    summary="A notification command of Nagios, Icinga or what descends from them.",
    folder=Path(__file__).parent,
    aliases=(
        "icinga",
        "icinga2",
        "naemon",
        "checkmk",
    ),
    parse=parser.parse,
)
