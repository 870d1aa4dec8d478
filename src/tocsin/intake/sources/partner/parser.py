"""What another Tocsin says of itself once a minute: that it is well, or since when it is not, and why.

The body is ours: ``{"tocsin": "<version>", "well": bool, "unwell_s": seconds, "reasons": [texts]}``. Well is a
check-in. Unwell for as long as the configuration allows is a condition of its own, under the same key, so that the next
word that all is well ends it; unwell for less is heard and is nothing yet.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tocsin.intake.contract import Answer, Parsed, ParseError, Request, Signal, as_text, clean_text, decode_json

DEDUP_KEY = "heartbeat"  # as for every source that owes a check-in
MOST_REASONS = 10

_ANSWER = Answer(200, b'{"status":"success","message":"Heard"}')


_decode = msgspec.json.Decoder(Any).decode


def problems(config: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a configuration, by field."""
    url = config.get("url", "")
    right = not url or re.fullmatch(r"https?://[^/\s]+/in/\S+", url)
    return {} if right else {"url": "an address such as https://tocsin.example.org/in/partner/..."}


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """A check-in, a trigger, or nothing yet."""
    word = decode_json(request.body, _decode, lambda value: value)
    if not isinstance(word, dict) or not isinstance(word.get("well"), bool):
        raise ParseError(["'body' must be an object with 'well', true or false"])
    unwell_s = word.get("unwell_s", 0)
    if isinstance(unwell_s, bool) or not isinstance(unwell_s, int | float) or not unwell_s >= 0:
        raise ParseError(["'unwell_s' must be a number of seconds"])
    told = word.get("reasons")
    reasons = [clean_text(as_text(one))[:300] for one in (told if isinstance(told, list) else [])[:MOST_REASONS]]
    details = {"version": clean_text(as_text(word.get("tocsin")))[:50], "reasons": reasons}
    if word["well"]:
        signal = Signal(action="check_in", dedup_key=DEDUP_KEY, title="It is well", severity="info", details=details)
        return Parsed([signal], _ANSWER)
    if unwell_s < int(config.get("after_minutes", 3)) * 60:
        return Parsed([], _ANSWER)
    why = "; ".join(reasons) or "it does not say why"
    title = f"The partner is not well: {why}"[:300]
    return Parsed(
        [Signal(action="trigger", dedup_key=DEDUP_KEY, title=title, severity="critical", details=details)], _ANSWER
    )
