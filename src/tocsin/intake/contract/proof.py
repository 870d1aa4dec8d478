"""Whether a request comes from who has the secret: signatures over the body, and tokens."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract.kind import ParseError, Request

UNAUTHORISED = 401


def refuse_unproven(header: str, why: str) -> ParseError:
    """The refusal of a request that is not proven by its header."""
    return ParseError([f"'{header}' {why}"], UNAUTHORISED)


def check_signature(
    request: Request,
    config: Mapping[str, Any],
    header: str,
    *,
    prefix: str = "",
    stamp: str = "",
) -> None:
    """Check the hex HMAC-SHA256 (RFC 2104) over the raw body, when the source's ``secret`` is set.

    ``prefix`` stands before the hex digits. ``stamp``: a header whose value and a colon stand before the body in what
    is signed. Raises ParseError (401).
    """
    secret = config.get("secret")
    if not secret:
        return
    given = str(request.headers.get(header.lower()) or "").strip()
    if not given:
        raise refuse_unproven(header, "is missing: this source takes signed requests only")
    signed = request.body
    if stamp:
        moment = str(request.headers.get(stamp.lower()) or "").strip()
        if not moment:
            raise refuse_unproven(stamp, "is missing: this source takes requests with a signed moment only")
        signed = moment.encode("utf-8", "replace") + b":" + signed
    right = prefix + hmac.new(str(secret).encode(), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), given.lower().encode("utf-8", "replace")):
        raise refuse_unproven(header, "does not match the body: the secrets differ")


def check_token(request: Request, config: Mapping[str, Any], header: str) -> None:
    """Check that a header holds the source's ``secret``, when it is set. Raises ParseError (401)."""
    secret = config.get("secret")
    if not secret:
        return
    given = str(request.headers.get(header.lower()) or "")
    if not given:
        raise refuse_unproven(header, "is missing: this source takes requests with its token only")
    if not hmac.compare_digest(str(secret).encode(), given.encode("utf-8", "replace")):
        raise refuse_unproven(header, "is not the token of this source")
