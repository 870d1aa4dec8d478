"""Twilio, and every server that speaks its REST API of 2010-04-01."""

import base64
import hashlib
import hmac
import json
import re
from typing import Any, ClassVar
from urllib.parse import urlencode

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
    Result,
    Script,
    TryLater,
    Turn,
    Unfit,
    post,
    result_of_status,
)
from tocsin.delivery.providers import twiml

HOME = "https://api.twilio.com"
# what Twilio says of the number or the text; everything else it refuses is the account's own fault
BAD_NUMBER = {13223, 13224, 13226, 21211, 21214, 21217, 21219, 21421, 21601, 21604, 21610, 21614, 21617, 21635}
RING_S = 40
SERVICE = re.compile(r"MG[0-9a-f]{32}")


def signature(token: str, url: str, form: list[tuple[str, str]]) -> str:
    """X-Twilio-Signature: base64 HMAC-SHA1 of the address and every sorted name with its sorted, distinct values."""
    parts = [url]
    for name in sorted({name for name, _ in form}):
        parts += [name + value for value in sorted({value for key, value in form if key == name})]
    digest = hmac.new(token.encode(), "".join(parts).encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def problem_of(answer: Answer) -> tuple[int, str]:
    """Twilio's own code and words, when the answer has them."""
    try:
        told: Any = json.loads(answer.body)
        return int(told.get("code") or 0), str(told.get("message") or "")[:200]
    except (ValueError, TypeError, AttributeError):
        return 0, ""


def result_of(answer: Answer) -> Result:
    """What an answer means for this number, and for this account."""
    if 200 <= answer.status < 300:
        try:
            ref = str(json.loads(answer.body)["sid"])
        except (ValueError, KeyError, TypeError):
            return TryLater(None, f"the answer is not Twilio's: {answer.text[:100]!r}")
        return Accepted(ref[:300])
    code, words = problem_of(answer)
    detail = f"error {code}: {words}" if code else ""
    found = result_of_status(answer.status, answer.headers, detail)
    if isinstance(found, TryLater):
        return found
    reason = found.reason if isinstance(found, Rejected) else detail
    return Rejected(reason) if code in BAD_NUMBER else Unfit(reason)


class Twilio(Provider):
    """Messages.json and Calls.json; everything that comes in is signed with the account's token."""

    descriptor: ClassVar[Descriptor] = Descriptor(
        kind="twilio",
        label="Twilio",
        summary="SMS and calls through Twilio, or a server of yours that speaks its API.",
        secret=Field("secret", "Auth token", "secret", "From the console's first page", required=True, max_length=200),
        config=(
            Field(
                "account_sid", "Account SID", hint="Begins with AC", required=True, pattern=r"[A-Za-z0-9_-]{1,64}",
                max_length=64, placeholder="AC…",
            ),
            Field(
                "sender", "Sender of SMS", max_length=40, pattern=r"\+?[A-Za-z0-9 ]{2,40}",
                hint="One of your numbers, a messaging service (MG…), or a name, to which nobody can reply",
                placeholder="+41 79 807 12 34",
            ),
            Field("caller", "Number that calls", "phone", "One of your numbers that can make calls", max_length=40),
            Field(
                "language", "Language of calls", default=twiml.LANGUAGE, pattern=r"[a-z]{2,3}-[A-Z]{2}", max_length=10,
                hint="A language of Twilio's voices, such as en-GB",
            ),
            Field("base_url", "Address of the API", "url", f"Empty: {HOME}", placeholder=HOME),
        ),
        sms=("sender",),
        voice=("caller",),
        answers=True,
    )  # fmt: skip

    async def send_sms(self, text: str, number: str, account: Account, context: Carrying) -> Result:
        """One message."""
        sender = account.text("sender")
        form = {"To": number, "Body": text, "StatusCallback": context.status_url}
        if sender.startswith("+"):
            sender = sender.replace(" ", "")
        form["MessagingServiceSid" if SERVICE.fullmatch(sender) else "From"] = sender
        return await self._post("Messages", form, account, context)

    async def call(self, script: Script, number: str, account: Account, context: Carrying) -> Result:
        """One call. Twilio listens who answered before it asks what to say, so that a machine is told so."""
        form = {
            "To": number,
            "From": account.text("caller"),
            "Url": context.voice_url,
            "Method": "POST",
            "StatusCallback": context.status_url,
            "StatusCallbackEvent": "completed",
            "MachineDetection": "DetectMessageEnd",
            "Timeout": str(RING_S),
        }
        return await self._post("Calls", form, account, context)

    def verify(self, request: Incoming, account: Account) -> bool:
        """Whether the signature is right for one of the ways to write our address."""
        given = request.headers.get("x-twilio-signature", "")
        if not given or not account.secret:
            return False
        form: list[tuple[str, str]] = []
        if (expected := request.query().get("bodySHA256")) is not None:
            if not hmac.compare_digest(hashlib.sha256(request.body).hexdigest().encode(), expected.encode()):
                return False
        else:
            try:
                form = request.form()
            except ValueError:
                return False
        # all are tried, so that the time it takes tells nothing
        right = [
            hmac.compare_digest(signature(account.secret, url, form).encode(), given.encode()) for url in request.urls
        ]
        return any(right)

    def parse(self, what: str, request: Incoming) -> list[Event]:
        """A status, an SMS, or a call that asks."""
        form = dict(request.form())
        if what == "message":
            return [*twiml.reply(form)]
        if what == "voice":
            return [*twiml.heard(form)]
        return [*(twiml.call_status(form) if "CallSid" in form else twiml.sms_status(form))]

    def say(self, turn: Turn, account: Account) -> tuple[str, str]:
        """TwiML."""
        return twiml.say(turn, account.text("language", twiml.LANGUAGE))

    def answer(self, text: str) -> tuple[str, str]:
        """TwiML with a message, or without one."""
        return twiml.message(text)

    async def _post(self, resource: str, form: dict[str, str], account: Account, context: Carrying) -> Result:
        base = account.text("base_url", HOME).rstrip("/")
        sid = account.text("account_sid")
        credential = base64.b64encode(f"{sid}:{account.secret}".encode()).decode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {credential}"}
        url = f"{base}/2010-04-01/Accounts/{sid}/{resource}.json"
        answer = await post(context, url, urlencode(form).encode(), headers)
        return result_of(answer) if isinstance(answer, Answer) else answer


provider = Twilio()
