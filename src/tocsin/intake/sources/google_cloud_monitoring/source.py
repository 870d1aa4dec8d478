"""Google Cloud Monitoring's webhook."""

from pathlib import Path

from tocsin.intake.contract import SourceKind
from tocsin.intake.sources.google_cloud_monitoring import parser

source = SourceKind(
    kind="google-cloud-monitoring",
    label="Google Cloud Monitoring",
    summary="Alerting policies of Google Cloud, through a webhook notification channel.",
    folder=Path(__file__).parent,
    aliases=(
        "gcp-monitoring",
        "gcp_monitoring",
        "gcp",
        "google_cloud_monitoring",
        "stackdriver",
    ),
    parse=parser.parse,
)
