"""What a browser and its push service do with web push, written from the RFCs apart from the libraries that send it.

RFC 8291 (message encryption), RFC 8188 (the encoding), RFC 8292 (VAPID), RFC 8030 (the headers).
"""

import json
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def text(raw: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(told: str) -> bytes:
    """What ``text`` was given."""
    assert "=" not in told, "base64url comes without padding"
    return urlsafe_b64decode(told + "=" * (-len(told) % 4))


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """An uncompressed point, 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def derive(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF (RFC 5869)."""
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


@dataclass
class Keys:
    """A key pair on P-256 as browsers and servers tell it to each other."""

    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def public(self) -> bytes:
        return point(self.private.public_key())

    @property
    def secret(self) -> str:
        """The private half, base64url."""
        return text(self.private.private_numbers().private_value.to_bytes(32, "big"))


@dataclass
class Browser:
    """A subscription: the browser's key pair and the secret that it shares with the sender."""

    keys: Keys = field(default_factory=Keys)
    auth: bytes = field(default_factory=lambda: os.urandom(16))

    @property
    def secret(self) -> str:
        """As a contact method keeps it."""
        return f"{text(self.keys.public)}.{text(self.auth)}"

    def open(self, body: bytes) -> bytes:
        """Decrypt a message of one record."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert len(record) <= size <= 4096, "one record of 4096 at most"
        assert len(body) <= 4096, "services promise to take no more"
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        shared = self.keys.private.exchange(ec.ECDH(), theirs)
        key = derive(self.auth, shared, b"WebPush: info\0" + self.keys.public + sender, 32)
        content = derive(salt, key, b"Content-Encoding: aes128gcm\0", 16)
        nonce = derive(salt, key, b"Content-Encoding: nonce\0", 12)
        padded = AESGCM(content).decrypt(nonce, record, None).rstrip(b"\0")
        assert padded[-1] == 2, "the last record ends with 2"
        return padded[:-1]


def claims(authorization: str, key: bytes) -> dict[str, Any]:
    """What a VAPID header says, when it is signed with the private half of ``key``."""
    found = re.fullmatch(r"vapid t=([\w-]+\.[\w-]+\.[\w-]+), ?k=([\w-]+)", authorization)
    assert found, authorization
    token, told = found.groups()
    assert raw(told) == key, "another key than the browser subscribed with"
    head, body, signed = token.split(".")
    assert json.loads(raw(head)) == {"typ": "JWT", "alg": "ES256"}
    mark = raw(signed)
    assert len(mark) == 64
    signature = encode_dss_signature(int.from_bytes(mark[:32], "big"), int.from_bytes(mark[32:], "big"))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    public.verify(signature, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    said: dict[str, Any] = json.loads(raw(body))
    return said


def receive(headers: dict[str, str], body: bytes, browser: Browser, key: bytes, origin: str) -> bytes:
    """What a push service checks before it takes a message, and what the browser makes of it."""
    assert headers["content-encoding"] == "aes128gcm"
    assert headers["ttl"].isdigit()
    assert headers["urgency"] in ("very-low", "low", "normal", "high")
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,32}", headers["topic"])
    said = claims(headers["authorization"], key)
    assert said["aud"] == origin
    assert re.match(r"mailto:|https://", said["sub"])
    return browser.open(body)
