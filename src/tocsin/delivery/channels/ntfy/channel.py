"""ntfy: push to a phone through a topic, on ntfy.sh or a server of your own."""

import json
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

# ntfy's priorities: 5 urgent (keeps ringing), 4 high, 3 default, 2 low, 1 least
PRIORITY = {"P1": 5, "P2": 5, "P3": 4, "P4": 3, "P5": 2}


def payload(message: Message, topic: str) -> bytes:
    """The body of a JSON publish (https://docs.ntfy.sh/publish/#publish-as-json); ntfy takes three actions at most."""
    worst = min((incident.priority for incident in message.incidents), default="P4")
    calm = message.about in ("resolved", "test", "notice")
    # the person's tap on the button is the click that the link asks for, so the button may act by itself
    buttons: list[dict[str, Any]] = [
        {"action": "http", "label": link.text, "url": link.url, "method": "POST", "clear": True}
        for link in message.links
        if link.verb != "view"
    ]
    body: dict[str, Any] = {
        "topic": topic,
        "title": message.title,
        "message": message.body,
        "priority": 3 if calm else PRIORITY.get(worst, 4),
        "tags": (["test_tube"] if message.drill else [])
        + [
            {"resolved": "white_check_mark", "test": "wave", "notice": "spiral_calendar"}.get(
                message.about, "rotating_light"
            )
        ],
        "actions": buttons[:3],
    }
    if message.link("view"):
        body["click"] = message.link("view")
    return json.dumps(body, ensure_ascii=False).encode()


class Ntfy(Channel):
    """JSON publish to the server's root, which names the topic in the body."""

    descriptor: ClassVar[Descriptor] = Descriptor(
        kind="ntfy",
        label="ntfy",
        summary="Push to the ntfy app on a phone, through ntfy.sh or a server of your own.",
        address=Field(
            "address",
            "Topic address",
            "url",
            "The topic's address; choose a name nobody can guess",
            required=True,
            placeholder="https://ntfy.sh/your-secret-topic",
        ),
        secret=Field("secret", "Access token", "secret", "For topics that need one: begins with tk_", max_length=200),
        actions=True,
        bundles=True,
        bundle_size=100,
        pace=Pace(),
        concurrency=16,
        icon="smartphone",
    )

    async def send(self, message: Message, method: Method, context: Context) -> Result:
        """Publish once."""
        parts = urlsplit(method.address)
        root, _, topic = parts.path.strip("/").rpartition("/")
        if not topic or parts.scheme not in ("http", "https"):
            return Rejected("the address names no topic; it looks like https://ntfy.sh/your-secret-topic")
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.key}
        if method.secret:
            headers["Authorization"] = f"Bearer {method.secret}"
        url = f"{parts.scheme}://{parts.netloc}/{root}"
        result, answer = await post(context, url, payload(message, topic), headers)
        if not isinstance(result, Accepted) or answer is None:
            return result
        try:
            ref = json.loads(answer.body)["id"]
        except (ValueError, KeyError, TypeError):
            return TryLater(None, f"the answer is not ntfy's: {answer.text[:100]!r}")
        return Accepted(str(ref)[:300])


channel = Ntfy()
