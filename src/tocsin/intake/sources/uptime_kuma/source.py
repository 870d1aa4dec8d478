"""Uptime Kuma's webhook notification."""

from pathlib import Path

from tocsin.intake.contract import SourceKind
from tocsin.intake.sources.uptime_kuma import parser

source = SourceKind(
    kind="uptime-kuma",
    label="Uptime Kuma",
    summary="Monitors of Uptime Kuma, through its notification of type webhook.",
    folder=Path(__file__).parent,
    aliases=(
        "uptime_kuma",
        "uptimekuma",
        "kuma",
    ),
    parse=parser.parse,
)
