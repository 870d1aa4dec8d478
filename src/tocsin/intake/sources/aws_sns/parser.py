"""Amazon SNS over HTTP into signals: CloudWatch's alarms, other messages, and the confirmation of a subscription.

A message is signed (RSA, PKCS #1 v1.5, SHA-1 for version 1, SHA-256 for version 2) over its fields in a fixed order.
The certificate comes from the address in the message, which must be SNS' own host; the door fetches and keeps it. An
alarm is known by its ARN; INSUFFICIENT_DATA is nothing to report. EventBridge's events and raw messages are not signed.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tocsin.intake.contract import (
    Facts,
    Parsed,
    ParseError,
    Request,
    Signal,
    heard,
    identity,
    json_of,
    report,
    stored,
    tags,
)
from tocsin.intake.contract.signal import Action
from tocsin.intake.contract.text import as_text, plain_json

STATES: dict[str, Action] = {"alarm": "trigger", "ok": "resolve"}  # beside insufficient_data
NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED = {
    "Notification": NOTIFICATION, "SubscriptionConfirmation": CONFIRMATION, "UnsubscribeConfirmation": CONFIRMATION
}  # fmt: skip
DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {"1": hashes.SHA1, "2": hashes.SHA256}
_HOST = re.compile(r"sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?")
_ARN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+")
CONFIRM = "confirm"  # the detail of a check-in that holds the address to open


def problems(config: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a configuration, by field."""
    topic = config.get("topic", "")
    right = not topic or _ARN.fullmatch(topic)
    return {} if right else {"topic": "an ARN such as arn:aws:sns:eu-west-1:123456789012:alarms"}


def of_amazon(address: str) -> bool:
    """Whether an address is one of SNS itself: https, its host, no port and no user."""
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and bool(_HOST.fullmatch(parts.netloc))
    except ValueError:
        return False


def _envelope(request: Request) -> Facts | None:
    """The message of SNS; None when the body is something else."""
    body = json_of(request)
    return Facts(body) if isinstance(body, dict) and "Type" in body and "TopicArn" in body else None


def needs(request: Request, config: Mapping[str, Any]) -> str | None:
    """The certificate's address, when the message is signed. Raises ParseError when the address is not Amazon's."""
    message = _envelope(request)
    if message is None or (config.get("unsigned") and not message.text("Signature")):
        return None
    address = message.needed("SigningCertURL")
    if address and not (of_amazon(address) and urlsplit(address).path.endswith(".pem")):
        message.wrong("SigningCertURL", "must be a certificate at https://sns.<region>.amazonaws.com/")
    message.refuse_if_wrong()
    return address


def signed_text(message: Facts) -> bytes:
    """What the signature covers: name and value of each field that is there, a line each."""
    names = SIGNED.get(message.text("Type"), NOTIFICATION)
    return "".join(
        f"{name}\n{value}\n" for name in names if isinstance(value := message.at(name), str)
    ).encode("utf-8", "replace")  # fmt: skip


def _prove(message: Facts, certificate: bytes | None) -> None:
    """Raises ParseError (401) unless the message is signed by the certificate's key."""
    unproven = ParseError(["'Signature' does not match the message"], 401)
    if certificate is None:
        raise ParseError(["'Signature' cannot be checked: its certificate is not there"], 401)
    version = message.text("SignatureVersion")
    if version not in DIGESTS:
        raise ParseError(["'SignatureVersion' must be 1 or 2"], 401)
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
        signature = base64.b64decode(message.text("Signature"), validate=True)
    except (ValueError, binascii.Error):
        raise unproven from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise unproven
    digest = DIGESTS[version]()
    try:
        key.verify(signature, signed_text(message), padding.PKCS1v15(), digest)
    except InvalidSignature:
        raise unproven from None


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """A signal for an alarm or another message; a check-in that carries the address for a confirmation."""
    message = _envelope(request)
    if message is None:
        if not config.get("unsigned"):
            raise ParseError(["'Type' is missing: this is no message of SNS, and unsigned ones are not taken"])
        return _content(json_of(request), config, Facts({}))
    if not config.get("unsigned") or message.text("Signature"):
        _prove(message, request.fetched)
    topic, kind = message.needed("TopicArn"), message.needed("Type")
    message.refuse_if_wrong()
    if config.get("topic") and topic != config["topic"]:
        raise ParseError(["'TopicArn' is not the topic of this source"], 403)
    if kind == "SubscriptionConfirmation":
        return _confirmation(message, topic, bool(config.get("topic")))
    if kind != "Notification":
        return heard("nothing to report")
    text = message.needed("Message")
    message.refuse_if_wrong()
    try:
        content = plain_json(text.encode("utf-8", "replace"))
    except ParseError:
        content = text
    return _content(content, config, message)


def _confirmation(message: Facts, topic: str, known: bool) -> Parsed:
    address = message.needed("SubscribeURL")
    if address and not of_amazon(address):
        message.wrong("SubscribeURL", "must be at https://sns.<region>.amazonaws.com/")
    message.refuse_if_wrong()
    if not known:
        title = f"{topic} asks to be confirmed: open the link to receive its messages"
        return stored([report("change", f"confirm {topic}", title, severity="info", links=[(address, "Confirm")],
                              origin=topic, client="Amazon SNS")])  # fmt: skip
    signal = report("check_in", f"confirm {topic}", f"Subscription of {topic}", severity="info", origin=topic,
                    details={CONFIRM: address})  # fmt: skip
    return stored([signal])


def _content(content: Any, config: Mapping[str, Any], message: Facts) -> Parsed:
    facts = Facts(content) if isinstance(content, dict) else Facts({})
    if facts.at("AlarmName") is not None or facts.at("NewStateValue") is not None:
        signal = _alarm(facts, config, facts.text("AlarmArn"), facts.text("AlarmName"), "NewStateValue")
    elif facts.at("detail-type") is not None:
        resources = facts.at("resources")
        arn = as_text(resources[0]) if isinstance(resources, list) and resources else ""
        if facts.part("detail").at("state") is not None:
            signal = _alarm(facts, config, arn, facts.text("detail.alarmName"), "detail.state.value")
        else:
            name = facts.needed("detail-type")
            signal = report("trigger", f"{name} {arn}", f"{name} {arn}", severity=config.get("severity", "error"),
                            labels=facts.labels(account="account", region="region", source="source"),
                            details=facts.value, origin=arn, client="Amazon EventBridge",
                            occurred_at=facts.when("time"))  # fmt: skip
    elif not message:
        facts.wrong("AlarmName", "is missing: neither an alarm of CloudWatch nor an event of EventBridge")
        signal = None
    else:
        text = as_text(content)
        title = message.text("Subject") or text.partition("\n")[0]
        topic = message.text("TopicArn")
        signal = report("trigger", identity([topic, title]), title, severity=config.get("severity", "error"),
                        labels={"topic": topic}, details=content, origin=topic, client="Amazon SNS",
                        occurred_at=message.when("Timestamp"))  # fmt: skip
    facts.refuse_if_wrong()
    return stored([signal]) if signal is not None else heard("the alarm has too little data; nothing to report")


def _alarm(facts: Facts, config: Mapping[str, Any], arn: str, name: str, state: str) -> Signal | None:
    if not name:
        facts.wrong("detail.alarmName" if "." in state else "AlarmName", "is missing")
    action = None if facts.text(state).lower() == "insufficient_data" else facts.one_of(state, STATES)
    if facts.errors or action is None:
        return None
    region = arn.split(":")[3] if arn.count(":") >= 5 else facts.text("region")
    key = arn or f"{facts.text('AWSAccountId', 'account')}/{region or facts.text('Region')}/{name}"
    dimensions = {item.text("name"): item.text("value") for item in facts.part("Trigger").parts("Dimensions")}
    labels = tags(dimensions) | facts.labels(
        account="AWSAccountId", metric="Trigger.MetricName", namespace="Trigger.Namespace"
    )
    labels |= facts.labels(account="account") | {"region": region, "alarm": name}
    console = (
        f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#alarmsV2:alarm/{quote(name, safe='')}"
    )
    return report(
        action,
        key,
        name,
        severity=config.get("severity", "error"),
        labels=labels,
        details=facts.value,
        links=[(console if re.fullmatch("[a-z0-9-]+", region) else "", "CloudWatch")],
        origin=arn or name,
        client="Amazon CloudWatch",
        occurred_at=facts.when("StateChangeTime", "detail.state.timestamp", "time"),
    )
