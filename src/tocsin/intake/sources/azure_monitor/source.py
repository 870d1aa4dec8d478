"""Azure Monitor's common alert schema."""

from pathlib import Path

from tocsin.intake.contract import SourceKind
from tocsin.intake.sources.azure_monitor import parser

source = SourceKind(
    kind="azure-monitor",
    label="Azure Monitor",
    summary="Action groups of Azure Monitor, in the common alert schema.",
    folder=Path(__file__).parent,
    aliases=(
        "azure_monitor",
        "azure",
    ),
    parse=parser.parse,
)
