"""UnifiedPush: to an app on a phone or computer, through the distributor that its owner chose.

An endpoint takes a POST of 1 to 4096 bytes and hands them to the app as they are (specification of UnifiedPush, server
interface, 1.2: 2xx taken, 404 gone, 413 too large, redirects never followed). Since its third version an app gives keys
as a browser does: then the message is encrypted for it (RFC 8291), and signed (RFC 8292) where it asked for that.
"""

from typing import Any, ClassVar

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
from tocsin.delivery.pushing import (
    authorisation,
    encrypted,
    fitted,
    headers,
    keys_field,
    outcome,
    own_key_field,
    raw,
)

NOT_OURS = "the key of this installation is not ours; see the guide for the right one"
GONE = "the push server does not know this endpoint any more"


def payload(message: Message) -> bytes:
    """What the app is told, as JSON; links are whole addresses. The guide describes it."""
    incident = message.incident
    title = message.title if not message.drill or "DRILL" in message.title else f"[DRILL] {message.title}"
    data: dict[str, Any] = {
        "kind": message.about,
        "key": message.key,
        "title": title,
        "body": message.body,
        "number": incident.number if incident else "",
        "loud": message.loud,
        "drill": message.drill,
        "at": int(message.at.timestamp() * 1000),
        "links": {link.verb: link.url for link in message.links},
    }
    return fitted(data)


class UnifiedPush(Channel):
    """One POST to the endpoint."""

    descriptor: ClassVar[Descriptor] = Descriptor(
        kind="unifiedpush",
        label="UnifiedPush",
        summary="To any app that takes UnifiedPush, through a push server of your own choice.",
        address=Field(
            "address",
            "Endpoint",
            "url",
            "What the app shows as its endpoint",
            required=True,
            placeholder="https://push.example.org/...",
        ),
        secret=keys_field("The app's keys, base64url: p256dh, a full stop, auth. Empty: messages are not encrypted"),
        config=(own_key_field("If the app asked for one (VAPID): the public half that it was given; see the guide"),),
        actions=True,
        bundles=True,
        bundle_size=100,
        pace=Pace(),
        concurrency=32,
        repeats=(30, 60, 90, 120, 300),  # as web push: an app's notification sounds once
        icon="bell-ring",
    )

    async def send(self, message: Message, method: Method, context: Context) -> Result:
        """Send once."""
        content, sent = payload(message), headers(message, method.address.encode())
        if method.secret:
            p256dh, _, shared = method.secret.partition(".")
            try:
                auth = raw(shared)
                content, sent = encrypted(content, raw(p256dh), auth), headers(message, auth)
            except Exception as error:  # noqa: BLE001 - a library with errors of its own
                return Rejected(f"the app's keys make no sense: {error}"[:300])
        else:
            del sent["Content-Encoding"]
        if method.config.get("key"):
            signed = await authorisation(message, method, context, NOT_OURS)
            if not isinstance(signed, str):
                return signed
            sent["Authorization"] = signed
        result, answer = await post(context, method.address, content, sent)
        return outcome(result, answer, service="the push server", gone=GONE)


channel = UnifiedPush()
