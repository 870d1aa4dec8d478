"""What a source plug-in may know of Tocsin, and all it may know: a request comes in, signals go out. Pure."""

from tocsin.intake.contract.kind import Answer, Field, Parsed, ParseError, Request, SourceKind, checked_config
from tocsin.intake.contract.mapping import MAPPING_FIELDS, Mapping, mapping_problems
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
    "KEY_LIMIT",
    "MAPPING_FIELDS",
    "SEVERITIES",
    "TITLE_LIMIT",
    "Answer",
    "Field",
    "Link",
    "Mapping",
    "ParseError",
    "Parsed",
    "Request",
    "Signal",
    "SourceKind",
    "as_text",
    "checked_config",
    "clean",
    "clean_text",
    "cut_title",
    "decode_json",
    "identity",
    "mapping_problems",
    "moment",
    "plain_json",
    "severity_of",
    "short_key",
    "tidy_labels",
]
