"""Grafana OnCall's formatted webhook."""

from pathlib import Path

from tocsin.intake.contract import SourceKind
from tocsin.intake.sources.grafana_oncall import parser

source = SourceKind(
    kind="grafana-oncall",
    label="Grafana OnCall (formatted webhook)",
    summary="What could post to Grafana OnCall's formatted webhook: change the address, keep the rest.",
    folder=Path(__file__).parent,
    aliases=(
        "oncall",
        "grafana_oncall",
        "formatted-webhook",
        "formatted_webhook",
    ),
    parse=parser.parse,
)
