"""The API of Alertmanager (v2), so that Prometheus can send straight to Tocsin."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.alertmanager_api import parser

source = SourceKind(
    kind="alertmanager-api",
    label="Prometheus (Alertmanager API v2)",
    summary="Prometheus, Thanos, Mimir, Loki or vmalert send their alerts here as if this were an Alertmanager.",
    folder=Path(__file__).parent,
    aliases=("alertmanager_api", "prometheus", "alertmanager-api-v2", "alertmanager_api_v2", "alertmanager-v2"),
    fields=(
        Field("severity_label", "Severity label", "The label that says how bad it is.", default="severity"),
        Field(
            "default_severity",
            "Severity without that label",
            type="choice",
            default="error",
            choices={"critical": "critical", "error": "error", "warning": "warning", "info": "info"},
        ),
        Field(
            "resolve_timeout_s",
            "Resolve after, seconds",
            "For senders that give no end: resolved when not reported again for so long.",
            type="number",
            default=300,
            minimum=10,
            maximum=86_400,
        ),
    ),
    paths=("/-/healthy", "/-/ready", "/alertmanager/-/healthy", "/alertmanager/-/ready"),
    roots=parser.ROOTS,
    takes=parser.takes,
    leaves=parser.leaves,
    methods=frozenset({"POST", "GET"}),
    parse=parser.parse,
    key=parser.key,
    refuse=parser.refuse,
    answer=parser.answer,
    unknown=401,
    unknown_text="no source has this key; give it as Authorization: Bearer, as the password of Basic, or as ?token=",
)
