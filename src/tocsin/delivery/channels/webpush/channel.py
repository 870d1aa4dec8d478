"""Web push: a notification of the web app, installed or in a browser, through the push service of the browser's maker.

The message is encrypted for the browser (RFC 8291), so that the push service in between reads nothing, and signed with
the installation's key (VAPID, RFC 8292), so that nobody else can send to the subscription. It goes out through the
guarded client like everything else: the address came from a browser, and anybody can claim to be one.
"""

from typing import Any, ClassVar
from urllib.parse import urlsplit

from tocsin.delivery.contract import (
    Channel,
    Context,
    Descriptor,
    Field,
    Message,
    Method,
    Pace,
    Rejected,
    Result,
    post,
)
from tocsin.delivery.pushing import authorisation, encrypted, fitted, headers, keys_field, outcome, own_key_field, raw


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


NOT_OURS = "the browser subscribed with a key that is not ours any more; switch push on there again"


class WebPush(Channel):
    """One POST to the push service, which holds a connection to the browser and wakes the service worker there."""

    descriptor: ClassVar[Descriptor] = Descriptor(
        kind="webpush",
        label="Push",
        summary="A notification on this phone or computer, from the web app: no other app, no account elsewhere.",
        address=Field("address", "Subscription", "url", "What the browser gave", required=True),
        secret=keys_field("The subscription's keys, base64url: p256dh, a full stop, auth"),
        config=(own_key_field("The public half, base64url, that the browser subscribed with"),),
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
        p256dh, _, shared = method.secret.partition(".")
        try:
            signed = await authorisation(message, method, context, NOT_OURS)
            if not isinstance(signed, str):
                return signed
            auth = raw(shared)
            content = encrypted(payload(message), raw(p256dh), auth)
        except Exception as error:  # noqa: BLE001 - two libraries, each with errors of its own
            return Rejected(f"the subscription makes no sense, switch push on there again: {error}"[:300])
        sent = headers(message, auth) | {"Authorization": signed}
        result, answer = await post(context, method.address, content, sent)
        if isinstance(result, Rejected) and answer is not None and answer.status in (400, 401, 403):
            return Rejected(f"the push service does not accept our key for this subscription: {result.reason}"[:300])
        return outcome(result, answer, service="the push service", gone="the browser has taken the subscription back")


channel = WebPush()
