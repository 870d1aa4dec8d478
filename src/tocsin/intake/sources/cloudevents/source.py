"""CloudEvents 1.0 over HTTP: binary, structured and batch."""

from pathlib import Path

from tocsin.intake.contract import MAPPING_FIELDS, SourceKind, mapping_problems
from tocsin.intake.sources.cloudevents import parser

source = SourceKind(
    kind="cloudevents",
    label="CloudEvents 1.0",
    summary="Events of clouds and event brokers in the CNCF's common format.",
    folder=Path(__file__).parent,
    aliases=("cloudevent", "cloud-events", "cloud_events", "ce"),
    fields=MAPPING_FIELDS,
    methods=frozenset({"POST", "OPTIONS"}),
    parse=parser.parse,
    answer=parser.answer,
    check=mapping_problems,
)
