"""Web push: a notification of the web app, installed or in a browser, through the push service of the browser's maker.

The message is encrypted for the browser (RFC 8291), so that the push service in between reads nothing, and signed with
the installation's key (VAPID, RFC 8292), so that nobody else can send to the subscription. It goes out through the
guarded client like everything else: the address came from a browser, and anybody can claim to be one.
"""

from typing import Any, ClassVar
from urllib.parse import urlsplit

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
from tocsin.delivery.pushing import contact, encrypted, fitted, headers, raw, signature

__all__ = ["WebPush", "channel", "contact", "payload"]


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
    return fitted(data)


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
