"""What the samples do not show of messages of SNS."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from tocsin.intake.contract import Facts, ParseError, Request, Signal
from tocsin.intake.sources.aws_sns import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
CONFIRM = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=1"
KEY = rsa.generate_private_key(65537, 2048)


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    built = built.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    return built.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def message(version: str = "2", **changes: Any) -> dict[str, Any]:
    """A message as SNS signs it."""
    plain = {
        "Type": "Notification", "MessageId": "1", "TopicArn": TOPIC, "Subject": "Disk", "Message": "full",
        "Timestamp": "2026-05-04T09:29:00.000Z", "SignatureVersion": version, "SigningCertURL": CERTIFICATE,
    } | changes  # fmt: skip
    text = parser.signed_text(Facts(plain))
    digest = parser.DIGESTS[version]()
    signature = base64.b64encode(KEY.sign(text, padding.PKCS1v15(), digest)).decode()
    return plain | {"Signature": signature}


def judged(body: Any, config: dict[str, Any] | None = None) -> list[Signal]:
    request = Request(msgspec.json.encode(body), now=NOW)
    if parser.needs(request, config or {}):
        request.fetched = certificate()
    return parser.parse(request, config or {}).signals


@pytest.mark.parametrize("version", ["1", "2"])
def test_what_amazon_signed_is_believed(version: str) -> None:
    signal = judged(message(version))[0]
    assert (signal.action, signal.title, signal.details) == ("trigger", "Disk", "full")


@pytest.mark.parametrize("field", ["Message", "Subject", "TopicArn", "Timestamp"])
def test_a_changed_field_is_refused(field: str) -> None:
    with pytest.raises(ParseError, match="'Signature' does not match") as caught:
        judged(message() | {field: "other"})
    assert caught.value.status == 401


def test_without_a_subject_the_signature_still_holds() -> None:
    body = message(Subject=None)
    assert judged(body)[0].title == "full"


@pytest.mark.parametrize(
    "address",
    [
        "http://sns.eu-west-1.amazonaws.com/a.pem", "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/a.pem", "https://sns.eu-west-1.amazonaws.com:444/a.pem",
        "https://x@sns.eu-west-1.amazonaws.com/a.pem", "https://sns.eu-west-1.amazonaws.com/a.txt", "https://[", "",
    ],
)  # fmt: skip
def test_certificates_come_from_amazon_only(address: str) -> None:
    with pytest.raises(ParseError, match="'SigningCertURL'"):
        parser.needs(Request(msgspec.json.encode(message(SigningCertURL=address)), now=NOW), {})


def test_a_known_topic_is_confirmed_and_another_is_refused() -> None:
    asked = message(Type="SubscriptionConfirmation", Token="1", SubscribeURL=CONFIRM)
    signal = judged(asked, {"topic": TOPIC})[0]
    assert (signal.action, signal.details) == ("check_in", {"confirm": CONFIRM})
    with pytest.raises(ParseError, match="'TopicArn' is not the topic"):
        judged(asked, {"topic": TOPIC + "2"})


def test_without_a_topic_people_confirm() -> None:
    signal = judged(message(Type="SubscriptionConfirmation", Token="1", SubscribeURL=CONFIRM))[0]
    assert (signal.action, signal.links[0].href) == ("change", CONFIRM)


def test_only_amazon_is_asked_to_confirm() -> None:
    with pytest.raises(ParseError, match="'SubscribeURL' must be at"):
        judged(
            message(Type="SubscriptionConfirmation", Token="1", SubscribeURL="https://evil.example/"), {"topic": TOPIC}
        )


def test_unsigned_messages_need_the_setting() -> None:
    event = {"detail-type": "CloudWatch Alarm State Change", "detail": {"alarmName": "a", "state": {"value": "ALARM"}}}
    with pytest.raises(ParseError, match="'Type' is missing"):
        judged(event)
    assert judged(event, {"unsigned": True})[0].action == "trigger"
