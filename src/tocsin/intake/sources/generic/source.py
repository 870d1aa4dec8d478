"""Any JSON, with expressions (CEL) that say what is what."""

from pathlib import Path

from tocsin.intake.contract import MAPPING_FIELDS, SourceKind, mapping_problems
from tocsin.intake.sources.generic import parser

source = SourceKind(
    kind="generic",
    label="Any JSON (webhook)",
    summary="Whatever can post JSON. Common field names are understood; expressions map the rest.",
    folder=Path(__file__).parent,
    aliases=("json", "webhook", "generic-json", "generic_json", "http"),
    fields=MAPPING_FIELDS,
    methods=frozenset({"POST", "PUT"}),
    parse=parser.parse,
    check=mapping_problems,
)
