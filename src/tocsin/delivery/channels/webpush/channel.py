"""Web push: a notification of the web app, installed or in a browser, through the push service of the browser's maker.

The message is encrypted for the browser (RFC 8291), so that the push service in between reads nothing, and signed with
the installation's key (VAPID, RFC 8292), so that nobody else can send to the subscription. It goes out through the
guarded client like everything else: the address came from a browser, and anybody can claim to be one.
"""

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from email.utils import parseaddr
from hashlib import sha256
from hmac import digest
from typing import Any, ClassVar
from urllib.parse import urlsplit

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid.jwt import sign

from tocsin.delivery.contract import (
    Accepted,
    Channel,
    Context,
    Descriptor,
    Field,
    Message,
    Method,
    Pace,
    Rejected,
    Result,
    TryLater,
    post,
)

MOST = 3900  # bytes before encryption; one record of 4096 is all that push services promise to take
SIGNED_FOR = timedelta(hours=12)  # services refuse more than a day
# how long the push service keeps it for a device that is off, seconds
KEEP_PAGE, KEEP_TEST, KEEP_REST = 4 * 3600, 600, 24 * 3600


def local(url: str) -> str:
    """An address of ours without the host: the browser knows us by the name under which it subscribed."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def payload(message: Message) -> bytes:
    """What the service worker shows (``frontend/js/sw.js``): JSON of at most ``MOST`` bytes; a long text is cut."""
    incident = message.incident
    title = message.title if not message.drill or "DRILL" in message.title else f"[DRILL] {message.title}"
    data: dict[str, Any] = {
        "kind": message.about,
        "title": title,
        "body": message.body,
        "number": incident.number if incident else "",
        # notifications with the same tag replace each other: a newer state of an incident the older one
        "tag": incident.number if incident else message.key,
        "url": local(message.link("view")),
        "acknowledge": local(message.link("acknowledge")),
        "confirm": local(message.link("confirm")),
        "received": local(message.link("received")),
        "loud": message.loud,
        "drill": message.drill,
        "at": int(message.at.timestamp() * 1000),
    }
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


class WebPush(Channel):
    """One POST to the push service, which holds a connection to the browser and wakes the service worker there."""

    descriptor: ClassVar[Descriptor] = Descriptor(
        kind="webpush",
        label="Push",
        summary="A notification on this phone or computer, from the web app: no other app, no account elsewhere.",
        address=Field("address", "Subscription", "url", "What the browser gave", required=True),
        secret=Field(
            "secret",
            "Keys",
            "secret",
            "The subscription's keys, base64url: p256dh, a full stop, auth",
            pattern=r"[A-Za-z0-9_-]{86,88}\.[A-Za-z0-9_-]{22,24}",
            max_length=200,
        ),
        config=(
            Field(
                "key",
                "Key of this installation",
                hint="The public half, base64url, that the browser subscribed with",
                pattern=r"[A-Za-z0-9_-]{86,88}",
            ),
        ),
        actions=True,
        bundles=True,
        bundle_size=100,
        pace=Pace(),
        concurrency=64,
        confirms=True,
        # a notification sounds once, and a service worker is put to sleep within a minute: only we can ring again
        repeats=(30, 60, 90, 120, 300),
        enrols="/settings/you/#push",
        icon="bell-ring",
    )

    async def send(self, message: Message, method: Method, context: Context) -> Result:
        """Send once."""
        try:
            public = str(method.config.get("key", ""))
            private = await context.push_key(public) if context.push_key else ""
        except Exception as error:  # noqa: BLE001 - whatever the database says, it may work later
            return TryLater(None, f"our key cannot be read: {type(error).__name__}: {error}"[:300])
        if not private:
            return Rejected("the browser subscribed with a key that is not ours any more; switch push on there again")
        p256dh, _, shared = method.secret.partition(".")
        try:
            auth = raw(shared)
            content = encrypted(payload(message), raw(p256dh), auth)
            signed = signature(method.address, public, private, message, context)
        except Exception as error:  # noqa: BLE001 - two libraries, each with errors of its own
            return Rejected(f"the subscription makes no sense, switch push on there again: {error}"[:300])
        sent = headers(message, auth) | {"Authorization": signed}
        result, answer = await post(context, method.address, content, sent)
        if answer is None:
            return result
        if answer.status in (404, 410):
            return Rejected("the browser has taken the subscription back", gone=True)
        if answer.status == 413:
            return Rejected("the push service finds the message too large")
        if isinstance(result, Rejected) and answer.status in (400, 401, 403):
            return Rejected(f"the push service does not accept our key for this subscription: {result.reason}"[:300])
        if isinstance(result, Accepted):
            return Accepted(answer.headers.get("location", "")[:300])
        return result


channel = WebPush()
