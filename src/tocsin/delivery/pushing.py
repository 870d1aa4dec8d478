"""What channels share that send by the rules of web push: the size, the headers, the encryption, the signature.

RFC 8030 (the headers), RFC 8291 (message encryption), RFC 8292 (VAPID).
"""

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from email.utils import parseaddr
from hashlib import sha256
from hmac import digest
from typing import Any
from urllib.parse import urlsplit

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid.jwt import sign

from tocsin.delivery.contract import Accepted, Context, Field, Message, Method, Rejected, Result, TryLater
from tocsin.platform.outbound import Answer

MOST = 3900  # bytes before encryption; one record of 4096 is all that push services promise to take
SIGNED_FOR = timedelta(hours=12)  # services refuse more than a day
# how long the push service keeps it for a device that is off, seconds
KEEP_PAGE, KEEP_TEST, KEEP_REST = 4 * 3600, 600, 24 * 3600


def fitted(data: dict[str, Any]) -> bytes:
    """JSON of at most ``MOST`` bytes: ``body`` is cut first, then ``title``."""
    for name in ("body", "title"):
        while (excess := len(_json(data)) - MOST) > 0 and data[name]:
            # a character takes six bytes at most (\u0001)
            data[name] = data[name][: -max(2, excess // 6)].rstrip() + "…" if len(data[name]) > 2 else ""
    return _json(data)


def _json(data: dict[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def topic(message: Message, auth: bytes) -> str:
    """Messages of one topic replace each other while the device is off. The service must not read what it is about."""
    name = message.incident.number if message.incident else message.key
    return urlsafe_b64encode(digest(auth, name.encode(), sha256)[:18]).decode()


def headers(message: Message, auth: bytes) -> dict[str, str]:
    """How the push service is to treat the message."""
    keep = {"page": KEEP_PAGE, "test": KEEP_TEST}.get(message.about, KEEP_REST)
    return {
        "TTL": str(keep),
        "Urgency": "high" if message.loud or message.about == "test" else "normal",
        "Topic": topic(message, auth),
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
    }


def contact(public_url: str, email_from: str) -> str:
    """Whom the push service may ask about us: our address when it is a public one, else the sender of mail."""
    parts = urlsplit(public_url)
    if parts.scheme == "https" and "." in (parts.hostname or "") and parts.port in (None, 443):
        return f"https://{parts.hostname}"
    return f"mailto:{parseaddr(email_from)[1] or 'tocsin@localhost'}"


def signature(endpoint: str, public: str, private: str, message: Message, context: Context) -> str:
    """The Authorization header: that we are we, to this push service, for a while."""
    parts = urlsplit(endpoint)
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
        "exp": int((message.at + SIGNED_FOR).timestamp()),
        "sub": contact(context.public_url, context.email_from),
    }
    key = ec.derive_private_key(int.from_bytes(raw(private), "big"), ec.SECP256R1())
    return f"vapid t={sign(claims, key)},k={public}"


def keys_field(hint: str) -> Field:
    """The keys of whoever receives, as browsers and apps give them."""
    return Field(
        "secret", "Keys", "secret", hint, pattern=r"[A-Za-z0-9_-]{86,88}\.[A-Za-z0-9_-]{22,24}", max_length=200
    )


def own_key_field(hint: str) -> Field:
    """The public half of the key that we sign with for this receiver."""
    return Field("key", "Key of this installation", hint=hint, pattern=r"[A-Za-z0-9_-]{86,88}")


async def authorisation(message: Message, method: Method, context: Context, unknown: str) -> str | Result:
    """The Authorization header, signed with the key that the contact method names; or why there is none.

    ``unknown``: what to tell people when that key is not ours.
    """
    public = str(method.config.get("key", ""))
    try:
        private = await context.push_key(public) if context.push_key else ""
    except Exception as error:  # noqa: BLE001 - whatever the database says, it may work later
        return TryLater(None, f"our key cannot be read: {type(error).__name__}: {error}"[:300])
    if not private:
        return Rejected(unknown)
    return signature(method.address, public, private, message, context)


def outcome(result: Result, answer: Answer | None, *, service: str, gone: str) -> Result:
    """What a push service's answer means (RFC 8030, 5 to 8). ``service``: its name; ``gone``: said when it knows the
    address no more."""
    if answer is None:
        return result
    if answer.status in (404, 410):
        return Rejected(gone, gone=True)
    if answer.status == 413:
        return Rejected(f"{service} finds the message too large")
    return Accepted(answer.headers.get("location", "")[:300]) if isinstance(result, Accepted) else result


def encrypted(content: bytes, p256dh: bytes, auth: bytes) -> bytes:
    """The content for the eyes of one browser (RFC 8291): one record under keys that are used once."""
    once = ec.generate_private_key(ec.SECP256R1())
    sealed: bytes = http_ece.encrypt(
        content, salt=os.urandom(16), private_key=once, dh=p256dh, auth_secret=auth, version="aes128gcm"
    )
    return sealed


def raw(text: str) -> bytes:
    """base64url without padding, as browsers write it."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
