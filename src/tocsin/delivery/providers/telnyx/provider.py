"""Telnyx: messages through its API v2, calls through TeXML, which is Telnyx's TwiML."""

import base64
import json
from typing import Any, ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tocsin.delivery.provider_contract import (
    Accepted,
    Account,
    Answer,
    Carrying,
    Descriptor,
    Event,
    Field,
    Incoming,
    Provider,
    Rejected,
    Reply,
    Result,
    Script,
    StatusUpdate,
    TryLater,
    Turn,
    Unfit,
    post,
    result_of_status,
)
from tocsin.delivery.providers import twiml

HOME = "https://api.telnyx.com"
TOLERANCE_S = 300  # between the moment that is signed and ours: who records a request cannot play it later
# what Telnyx says of the number; everything else it refuses is the account's own fault
BAD_NUMBER = {"40001", "40300", "40310", "10016"}
FAILED = {"sending_failed", "delivery_failed", "expired", "gw_timeout"}
RING_S = 40


def errors_of(answer: Answer) -> list[tuple[str, str]]:
    """Telnyx's own codes and words, when the answer has them."""
    try:
        told: Any = json.loads(answer.body)
        return [(str(one.get("code", "")), str(one.get("detail") or one.get("title") or "")) for one in told["errors"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def failure_of(answer: Answer) -> Result:
    """What a refusal means."""
    errors = errors_of(answer)
    detail = "; ".join(f"error {code}: {words}" for code, words in errors)[:200]
    found = result_of_status(answer.status, answer.headers, detail)
    if isinstance(found, Rejected):
        return found if any(code in BAD_NUMBER for code, _ in errors) else Unfit(found.reason)
    return found if isinstance(found, TryLater) else Unfit(detail)


def _json(answer: Answer) -> dict[str, Any] | None:
    try:
        told: Any = json.loads(answer.body)
    except ValueError:
        return None
    if isinstance(told, dict) and isinstance(told.get("data"), dict):
        told = told["data"]
    return told if isinstance(told, dict) else None


class Telnyx(Provider):
    """Everything that comes in is signed with Telnyx's own key (ed25519) over the moment and the body."""

    descriptor: ClassVar[Descriptor] = Descriptor(
        kind="telnyx",
        label="Telnyx",
        summary="SMS and calls through Telnyx.",
        secret=Field("secret", "API key", "secret", "Begins with KEY", required=True, max_length=200),
        config=(
            Field(
                "public_key", "Public key", required=True, max_length=100, pattern=r"[A-Za-z0-9+/]{43}=",
                hint="Of your account, from Keys & Credentials: 44 characters; what comes in is checked with it",
            ),
            Field("sender", "Sender of SMS", "phone", "One of your numbers that can do SMS", max_length=40),
            Field("caller", "Number that calls", "phone", "One of your numbers that can make calls", max_length=40),
            Field("account_sid", "Account ID", pattern=r"[A-Za-z0-9_-]{1,64}", max_length=64, hint="Needed for calls"),
            Field(
                "application", "TeXML application", pattern=r"[A-Za-z0-9_-]{1,64}", max_length=64,
                hint="The ID of a TeXML application of yours; needed for calls",
            ),
            Field("base_url", "Address of the API", "url", f"Empty: {HOME}", placeholder=HOME),
        ),
        sms=("sender",),
        voice=("caller", "account_sid", "application"),
    )  # fmt: skip

    async def send_sms(self, text: str, number: str, account: Account, context: Carrying) -> Result:
        """One message."""
        body = {"from": account.text("sender"), "to": number, "text": text, "webhook_url": context.status_url}
        answer = await self._post("/v2/messages", body, account, context)
        if not isinstance(answer, Answer):
            return answer
        if not 200 <= answer.status < 300:
            return failure_of(answer)
        told = _json(answer)
        if told is None or not told.get("id"):
            return TryLater(None, f"the answer is not Telnyx's: {answer.text[:100]!r}")
        return Accepted(str(told["id"])[:300])

    async def call(self, script: Script, number: str, account: Account, context: Carrying) -> Result:
        """One call. Its name is in the answer or comes with the first question what to say."""
        body = {
            "ApplicationSid": account.text("application"),
            "To": number,
            "From": account.text("caller"),
            "Url": context.voice_url,
            "UrlMethod": "POST",
            "StatusCallback": context.status_url,
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": "completed",
            "MachineDetection": "DetectMessageEnd",
            "Timeout": RING_S,
        }
        path = f"/v2/texml/Accounts/{account.text('account_sid')}/Calls"
        answer = await self._post(path, body, account, context)
        if not isinstance(answer, Answer):
            return answer
        if not 200 <= answer.status < 300:
            return failure_of(answer)
        told = _json(answer)
        if told is None or not (told.get("status") or told.get("sid")):
            return TryLater(None, f"the answer is not Telnyx's: {answer.text[:100]!r}")
        return Accepted(str(told.get("sid") or told.get("call_sid") or "")[:300])

    def verify(self, request: Incoming, account: Account) -> bool:
        """Whether Telnyx signed the moment and the body, a short while ago."""
        stamp = request.headers.get("telnyx-timestamp", "")
        if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
            return False
        if abs(request.at.timestamp() - int(stamp)) > TOLERANCE_S:
            return False
        try:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(account.text("public_key"), validate=True))
            given = base64.b64decode(request.headers.get("telnyx-signature-ed25519", ""), validate=True)
            key.verify(given, stamp.encode() + b"|" + request.body)
        except (ValueError, InvalidSignature):
            return False
        return True

    def parse(self, what: str, request: Incoming) -> list[Event]:
        """A message's events are JSON, a call's are forms."""
        if what == "voice" or not request.body.lstrip().startswith(b"{"):
            form = dict(request.form())
            return [*(twiml.heard(form) if what == "voice" else twiml.call_status(form))]
        told = json.loads(request.body)
        try:
            kind, payload = str(told["data"]["event_type"]), told["data"]["payload"]
            ref = str(payload["id"])
            if kind == "message.received":
                return [Reply(str(payload["from"]["phone_number"]), str(payload.get("text") or ""), ref)]
            if kind != "message.finalized":
                return []
            status = str(payload["to"][0]["status"])
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"no event of Telnyx's: {error}") from error
        if status == "delivered":
            return [StatusUpdate(ref, "delivered")]
        return [StatusUpdate(ref, "failed", f"undelivered: {status.replace('_', ' ')}")] if status in FAILED else []

    def say(self, turn: Turn, account: Account) -> tuple[str, str]:
        """TeXML, which reads as TwiML does."""
        return twiml.say(turn)

    async def _post(
        self, path: str, body: dict[str, Any], account: Account, context: Carrying
    ) -> Answer | TryLater | Rejected | Unfit:
        base = account.text("base_url", HOME).rstrip("/")
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {account.secret}"}
        return await post(context, f"{base}{path}", json.dumps(body).encode(), headers)


provider = Telnyx()
