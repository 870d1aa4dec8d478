"""Our own mail addresses: ``reply+TOKEN@domain`` for answers, ``bounce+TOKEN@domain`` for what comes back (VERP).

The token names one delivery, and so the person, the incident and the contact method; of a bundle it carries a checksum
of all its deliveries as well. It is signed for one of the two purposes and says until when it is good. Lower-case
letters and digits only, and a local part of 55 characters at most: some servers change the case, and 64 is the limit
(RFC 5321, 4.5.3.1.1).
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.signing import BadSignature

from tocsin.delivery.contract import Message
from tocsin.platform import secrets

# A page may be answered for as long as its thread is what people look for; a server tries for five days as a rule
# (RFC 5321, 4.5.4.1) before it says that it could not deliver.
GOOD_DAYS = {"reply": 7, "bounce": 30}
_VALUE = struct.Struct(">QIH")
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Named:
    """What a token names. ``checksum``: of the deliveries of a bundle; 0: there is only this one. ``until``: when it
    ends."""

    kind: str
    delivery_id: int
    checksum: int
    until: datetime


def checksum(delivery_ids: Sequence[int]) -> int:
    """What tells one set of deliveries from another; 0 for a single one."""
    if len(delivery_ids) < 2:
        return 0
    return zlib.crc32(",".join(map(str, sorted(delivery_ids))).encode()) or 1


def local_part(kind: str, delivery_ids: Sequence[int], at: datetime) -> str:
    """The part before the @ of our address for answers to (``reply``) or bounces of (``bounce``) a message of the
    moment ``at``."""
    day = int(at.timestamp()) // _DAY + GOOD_DAYS[kind] + 1
    value = _VALUE.pack(delivery_ids[0], checksum(delivery_ids), day)
    return f"{kind}+{secrets.sign_short(value, f'mail.{kind}')}"


def address(kind: str, message: Message, domain: str) -> str:
    """Our address for answers to or bounces of a message; empty when it cannot have one."""
    if not domain or not message.delivery_ids:
        return ""
    return f"{local_part(kind, message.delivery_ids, message.at)}@{domain}"


def named(local: str) -> Named | None:
    """What a local part names; None when it is none of ours, or was made up."""
    kind, _, token = local.lower().partition("+")
    if kind not in GOOD_DAYS or len(local) > 64:
        return None
    try:
        delivery_id, check, day = _VALUE.unpack(secrets.unsign_short(token, f"mail.{kind}"))
    except (BadSignature, struct.error):
        return None
    return Named(kind, delivery_id, check, datetime.fromtimestamp(0, UTC) + timedelta(days=day))
