"""What a source plug-in may know of Tocsin, and all it may know: a request comes in, signals go out. Pure."""

from tocsin.intake.contract.facts import FORM, Facts, form_of, heard, json_of, report, stored, tags
from tocsin.intake.contract.kind import Answer, Field, Headers, Parsed, ParseError, Request, SourceKind, checked_config
from tocsin.intake.contract.mapping import MAPPING_FIELDS, Mapping, mapping_problems
from tocsin.intake.contract.proof import check_signature, check_token
from tocsin.intake.contract.signal import (
    ACTIONS,
    KEY_LIMIT,
    SEVERITIES,
    TITLE_LIMIT,
    Link,
    Signal,
    cut_title,
    identity,
    severity_of,
    short_key,
)
from tocsin.intake.contract.text import as_text, clean, clean_text, decode_json, moment, plain_json, tidy_labels

__all__ = [
    "ACTIONS",
    "FORM",
    "KEY_LIMIT",
    "MAPPING_FIELDS",
    "SEVERITIES",
    "TITLE_LIMIT",
    "Answer",
    "Facts",
    "Field",
    "Headers",
    "Link",
    "Mapping",
    "ParseError",
    "Parsed",
    "Request",
    "Signal",
    "SourceKind",
    "as_text",
    "check_signature",
    "check_token",
    "checked_config",
    "clean",
    "clean_text",
    "cut_title",
    "decode_json",
    "form_of",
    "heard",
    "identity",
    "json_of",
    "mapping_problems",
    "moment",
    "plain_json",
    "report",
    "severity_of",
    "short_key",
    "stored",
    "tags",
    "tidy_labels",
]
