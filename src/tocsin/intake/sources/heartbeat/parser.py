"""A check-in: any request is one, whatever its body. A body of JSON text is kept as details; nothing is refused."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tocsin.intake.contract import Answer, Parsed, ParseError, Request, Signal, clean_text, decode_json

DEDUP_KEY = "heartbeat"
KEPT = 4096

_decode = msgspec.json.Decoder(Any).decode


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One check-in."""
    details: Any = None
    if request.body:
        try:
            details = decode_json(request.body, _decode, lambda value: value) if len(request.body) <= KEPT else None
        except ParseError:
            details = None
        if details is None:
            details = {"text": clean_text(request.body[:KEPT].decode("utf-8", "replace"))}
    signal = Signal(action="check_in", dedup_key=DEDUP_KEY, title="Check-in", severity="info", details=details)
    return Parsed([signal], Answer(200, b'{"status":"success","message":"Checked in"}'))
