"""Grafana's own alerting: its webhook contact point."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.alertmanager.source import GROUP_FIELDS
from tocsin.intake.sources.grafana import parser

source = SourceKind(
    kind="grafana",
    label="Grafana alerting",
    summary="Grafana's contact point of type webhook; each alert of a notification is told apart.",
    folder=Path(__file__).parent,
    aliases=("grafana-alerting", "grafana_alerting"),
    fields=(
        *GROUP_FIELDS,
        Field(
            "secret",
            "Signing secret",
            "The contact point's HMAC secret. With it, only signed requests are taken.",
            type="secret",
        ),
        Field(
            "signature_header",
            "Header of the signature",
            "As in the contact point.",
            default="X-Grafana-Alerting-Signature",
        ),
        Field(
            "timestamp_header",
            "Header of the moment",
            "When the contact point names one: the signature then covers it too.",
        ),
    ),
    parse=parser.parse,
)
