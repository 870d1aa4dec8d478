"""A gateway of yours: ``tocsin gateway`` beside a modem or an Asterisk, signed in both directions."""

import json
from typing import Any, ClassVar

from tocsin.delivery.provider_contract import (
    Accepted,
    Account,
    Answer,
    Carrying,
    Descriptor,
    Event,
    Field,
    Heard,
    Incoming,
    Provider,
    Rejected,
    Reply,
    Result,
    Script,
    State,
    StatusUpdate,
    TryLater,
    Turn,
    Unfit,
    post,
    result_of_status,
)
from tocsin.platform import signed

JSON = "application/json; charset=utf-8"
MARGIN_S = 2.0  # of the time that a request may take, kept for its way there and back
STATES: dict[str, State] = {"sent": "sent", "delivered": "delivered", "failed": "failed"}


def read(body: bytes) -> dict[str, Any]:
    """A body of JSON. Raises ValueError when it is no object."""
    told = json.loads(body)
    if not isinstance(told, dict):
        raise ValueError("it is no object")
    return told


def result_of(answer: Answer) -> Result:
    """What an answer means. The gateway says itself whose fault a refusal is."""
    try:
        told = read(answer.body)
    except ValueError:
        told = {}
    if 200 <= answer.status < 300:
        if not isinstance(ref := told.get("ref"), str) or not ref:
            return TryLater(None, f"the answer is not a gateway's: {answer.text[:100]!r}")
        return Accepted(ref[:300])
    found = result_of_status(answer.status, answer.headers, str(told.get("detail") or ""))
    if isinstance(found, TryLater):
        return found
    reason = found.reason if isinstance(found, Rejected) else f"HTTP {answer.status}"
    return Rejected(reason) if told.get("problem") == "number" else Unfit(reason)


class Gateway(Provider):
    """JSON over HTTP. Both sides sign the moment, the last part of the address and the body (``platform.signed``)."""

    descriptor: ClassVar[Descriptor] = Descriptor(
        kind="gateway",
        label="Gateway of yours",
        summary="SMS through a modem, calls through an Asterisk: no company between you and the network.",
        secret=Field(
            "secret", "Secret", "secret", "The same as the gateway's; at least 16 characters", required=True,
            pattern=r".{16,}", max_length=200,
        ),
        config=(
            Field(
                "base_url", "Address of the gateway", "url", required=True, placeholder="http://127.0.0.1:8710",
                hint="In a private network it must be allowed by TOCSIN_OUTBOUND_ALLOW",
            ),
            Field("sms", "It has a modem: SMS", "bool", default=True),
            Field("voice", "It has an Asterisk: calls", "bool"),
        ),
        sms=("base_url", "sms"),
        voice=("base_url", "voice"),
        answers=True,
        icon="radio",
    )  # fmt: skip

    async def send_sms(self, text: str, number: str, account: Account, context: Carrying) -> Result:
        """One text, in as many parts as it takes. The gateway waits for the modem as long as there is time."""
        return await self._post("sms", {"number": number, "text": text}, account, context)

    async def call(self, script: Script, number: str, account: Account, context: Carrying) -> Result:
        """One call. What it says is asked for when it is picked up."""
        return await self._post("calls", {"number": number, "voice_url": context.voice_url}, account, context)

    def verify(self, request: Incoming, account: Account) -> bool:
        """Whether the gateway signed this body for this address a short while ago."""
        target = signed.target_of(request.urls[0])
        given = request.headers.get(signed.HEADER.lower(), "")
        return not signed.problem(account.secret, given, target, request.body, request.at.timestamp())

    def parse(self, what: str, request: Incoming) -> list[Event]:
        """A status, an SMS, or a call that asks."""
        told = read(request.body)
        ref = str(told.get("ref") or "")
        if not ref:
            raise ValueError("no ref")
        if what == "message":
            sender, text = told.get("sender"), told.get("text")
            if not isinstance(sender, str) or not sender or not isinstance(text, str):
                raise ValueError("no sender or text")
            return [Reply(sender, text, ref)]
        if what == "voice":
            return [Heard(ref, str(told.get("keys") or "")[:4])]
        state = STATES.get(str(told.get("state")))
        return [StatusUpdate(ref, state, str(told.get("reason") or "")[:300])] if state else []

    def say(self, turn: Turn, account: Account) -> tuple[str, str]:
        """The turn as JSON; empty addresses: hang up afterwards."""
        return JSON, json.dumps({"text": turn.text, "listen_url": turn.listen_url, "again_url": turn.again_url})

    def answer(self, text: str) -> tuple[str, str]:
        """What the gateway sends back; empty: nothing."""
        return JSON, json.dumps({"text": text})

    async def _post(self, way: str, what: dict[str, Any], account: Account, context: Carrying) -> Result:
        body = json.dumps(
            {
                "id": context.key,
                "status_url": context.status_url,
                "wait_s": max(0.0, context.timeout_s - MARGIN_S),
                **what,
            },
            ensure_ascii=False,
        ).encode()
        headers = {
            "Content-Type": "application/json",
            signed.HEADER: signed.signature(account.secret, way, body, context.at.timestamp()),
        }
        answer = await post(context, f"{account.text('base_url').rstrip('/')}/{way}", body, headers)
        return result_of(answer) if isinstance(answer, Answer) else answer


provider = Gateway()
