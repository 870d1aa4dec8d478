"""Web push: our key pair, and the browsers that add themselves and exchange their subscriptions.

A browser subscribes with the public half of our key pair and takes messages signed with the private half only. The
pair is made when it is first asked for, and kept for ever: with another one every browser would have to subscribe anew.
"""

from base64 import urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import transaction
from django.utils.crypto import constant_time_compare

from tocsin.delivery.rules import Subscription, subscription_keys
from tocsin.people.actions import add_contact_method, update_contact_method
from tocsin.people.models import ContactMethod
from tocsin.people.rules import ContactMethodSpec
from tocsin.platform import secrets
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import NotFound
from tocsin.platform.models import Setting

SETTING = "delivery.push_keys"
CHANNEL = "webpush"


def push_key() -> str:
    """The public half of our key pair, base64url; the pair is made when there is none that can be read.

    A pair that was stored under another secret key stays: it works again when that key comes back.
    """
    pairs = _pairs(Setting.objects.filter(name=SETTING).first())
    if public := _readable(pairs):
        return public
    with transaction.atomic():
        Setting.objects.get_or_create(name=SETTING, defaults={"value": []})
        row = Setting.objects.select_for_update().get(name=SETTING)
        pairs = _pairs(row)
        if public := _readable(pairs):  # somebody else was quicker
            return public
        public, private = _new_pair()
        row.value = [{"public": public, "private": secrets.encrypt(private)}, *pairs]
        row.save(update_fields=["value"])
    return public


def private_key(public: str) -> str:
    """The private half that belongs to ``public``, base64url; empty when there is none, or none that can be read."""
    for pair in _pairs(Setting.objects.filter(name=SETTING).first()):
        if pair["public"] == public:
            return _clear(pair)
    return ""


def _pairs(row: Setting | None) -> list[dict[str, str]]:
    return list(row.value) if row else []


def _readable(pairs: list[dict[str, str]]) -> str:
    return next((pair["public"] for pair in pairs if _clear(pair)), "")


def _clear(pair: dict[str, str]) -> str:
    try:
        return secrets.decrypt(pair["private"])
    except secrets.SecretUnreadable:
        return ""


def _new_pair() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return _text(point), _text(key.private_numbers().private_value.to_bytes(32, "big"))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _spec(subscription: Subscription, label: str, config: dict[str, object]) -> ContactMethodSpec:
    return ContactMethodSpec(
        channel=CHANNEL,
        address=subscription.endpoint,
        label=label,
        config=config | {"key": subscription.key},
        secret=f"{subscription.p256dh}.{subscription.auth}",
    )


def add_browser(
    user_id: int, subscription: Subscription, label: str, *, actor: Actor, replaces: int | None = None
) -> ContactMethod:
    """Make a browser that has subscribed a contact method of this person.

    ``replaces``: the contact method that this very browser was until now; it keeps its notification rules. What is
    known already is brought up to date. Raises Forbidden, NotFound, Invalid.
    """
    label = " ".join(label.split())[:60]
    with transaction.atomic():
        known = ContactMethod.objects.filter(user_id=user_id, channel=CHANNEL)
        before = known.filter(address=subscription.endpoint).first() or known.filter(pk=replaces or 0).first()
        if before is None:
            return add_contact_method(user_id, _spec(subscription, label, {}), actor=actor)
        return update_contact_method(before.pk, _spec(subscription, label, before.config), actor=actor)


def renew_browser(method_id: int, old: str, auth: str, new: Subscription) -> None:
    """The browser has exchanged its subscription by itself, perhaps while nobody was signed in.

    Who knows the old subscription's address and its secret is that browser. Raises NotFound otherwise, Invalid.
    """
    with transaction.atomic():
        method = ContactMethod.objects.filter(pk=method_id, channel=CHANNEL).first()
        known = subscription_keys(_secret(method))[1] if method else ""
        same = constant_time_compare(known, auth) and bool(known)
        if method is None or not same or not constant_time_compare(method.address, old):
            raise NotFound("This browser is not known; switch push on again.")
        update_contact_method(method.pk, _spec(new, method.label, method.config), actor=SYSTEM)


def _secret(method: ContactMethod) -> str:
    try:
        return secrets.decrypt(method.secret)
    except secrets.SecretUnreadable:
        return ""
