"""The webhook of Prometheus Alertmanager, version 4; others that copy it work too."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.alertmanager import parser

# what a source must be told about groups of alerts
GROUP_FIELDS = (
    Field(
        "identity",
        "One alert for each",
        "Alertmanager sends groups; a group may hold firing and resolved alerts at once.",
        type="choice",
        default="alert",
        choices={"alert": "alert of the group", "group": "group"},
    ),
    Field("severity_label", "Severity label", "The label that says how bad it is.", default="severity"),
    Field(
        "default_severity",
        "Severity without that label",
        type="choice",
        default="error",
        choices={"critical": "critical", "error": "error", "warning": "warning", "info": "info"},
    ),
)

source = SourceKind(
    kind="alertmanager",
    label="Alertmanager webhook",
    summary="Prometheus Alertmanager forwards its groups; each alert in them is told apart.",
    folder=Path(__file__).parent,
    aliases=("alertmanager-webhook", "alertmanager_webhook", "prometheus-alertmanager"),
    fields=GROUP_FIELDS,
    parse=parser.parse,
)
