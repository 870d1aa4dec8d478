"""Requests between Tocsin and what stands near a device, signed with a secret that both have. Pure.

The header ``Tocsin-Signature: t=<seconds since 1970>,v1=<hex>`` carries an HMAC-SHA256 (RFC 2104) with the secret over
``<t>``, the target and the body, each of the first two followed by a line feed. The target is the last part of the
address with its query (``sms``, ``status?h=...``): what stands before it may be rewritten by proxies on the way.
"""

import hashlib
import hmac
import re
from urllib.parse import urlsplit

HEADER = "Tocsin-Signature"
TOLERANCE_S = 300  # between the signed moment and ours: who records a request cannot play it later
_FORM = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


def target_of(url: str) -> str:
    """The part of an address that is signed."""
    parts = urlsplit(url)
    last = parts.path.rstrip("/").rpartition("/")[2]
    return f"{last}?{parts.query}" if parts.query else last


def _digest(secret: str, stamp: int, target: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{stamp}\n{target}\n".encode() + body, hashlib.sha256).hexdigest()


def signature(secret: str, target: str, body: bytes, at: float) -> str:
    """The header's value. ``at``: seconds since 1970."""
    return f"t={int(at)},v1={_digest(secret, int(at), target, body)}"


def problem(secret: str, given: str, target: str, body: bytes, now: float) -> str:
    """Why a signature is not believed; empty when it is. Of the clocks only who has the secret is told."""
    form = _FORM.fullmatch(given)
    if form is None or not secret:
        return "there is no signature" if not given else "this is no signature"
    if not hmac.compare_digest(_digest(secret, int(form[1]), target, body), form[2]):
        return "the signature is not right: the secrets differ"
    late = now - int(form[1])
    if abs(late) > TOLERANCE_S:
        return f"the clocks of Tocsin and of the gateway differ by {abs(late):.0f} s"
    return ""
