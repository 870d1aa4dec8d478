"""Secrets at rest and signed tokens.

Secrets are encrypted with Fernet under a key derived from the installation's secret key; what only has to be
recognised (tokens, integration keys) is kept as a SHA-256 of its 128 or more random bits.
"""

import base64
import hashlib
import secrets
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

MAC_BYTES = 16  # 128 bits
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class SecretUnreadable(Exception):
    """A stored secret was encrypted under another key; set TOCSIN_SECRET_KEY to the one it was written with."""


@lru_cache(maxsize=1)
def _fernet() -> Fernet:
    digest = hashlib.sha256(b"tocsin.secrets.v1:" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))


def encrypt(text: str) -> str:
    """The text, encrypted and authenticated, as ASCII."""
    return _fernet().encrypt(text.encode()).decode()


def decrypt(stored: str) -> str:
    """The text that ``encrypt`` was given. Raises SecretUnreadable."""
    try:
        return _fernet().decrypt(stored.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable from error


def random_key(length: int = 32) -> str:
    """A random key of this many characters out of 62; 32 characters hold 190 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def digest(key: str) -> str:
    """What is stored to recognise a random key: SHA-256, hex. Only for keys of 128 bits or more."""
    return hashlib.sha256(key.encode()).hexdigest()


def short_code(text: str, purpose: str) -> str:
    """Six digits that only this installation can work out from a text; for codes that people type."""
    mac = salted_hmac(f"tocsin.{purpose}", text, algorithm="sha256").digest()
    return f"{int.from_bytes(mac[:8]) % 1_000_000:06d}"


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that does not tell where they differ."""
    return constant_time_compare(one, other)


def sign(value: object, purpose: str, *, compress: bool = True) -> str:
    """A URL-safe signed token that carries ``value`` (JSON) for one purpose, with the time of signing inside.

    ``compress``: try to make it shorter; not worth the time for a few numbers.
    """
    return signing.dumps(value, salt=f"tocsin.{purpose}", compress=compress)


def unsign(token: str, purpose: str, max_age_s: int | None = None) -> object:
    """The value of a token. Raises django.core.signing.BadSignature (SignatureExpired when older than max_age_s)."""
    value: object = signing.loads(token, salt=f"tocsin.{purpose}", max_age=max_age_s)
    return value


def sign_short(value: bytes, purpose: str) -> str:
    """A signed token of lower-case letters and digits: 8 characters for each 5 bytes of ``value`` and 16 bytes of MAC.

    For places that have little room and may change the case, as the local part of a mail address. Carries no time.
    """
    return base64.b32encode(value + _mac(value, purpose)).decode().rstrip("=").lower()


def unsign_short(token: str, purpose: str) -> bytes:
    """The value of a token of ``sign_short``, in whatever case it comes. Raises django.core.signing.BadSignature."""
    try:
        data = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    except ValueError as error:
        raise signing.BadSignature("not a token") from error
    value, mac = data[:-MAC_BYTES], data[-MAC_BYTES:]
    if not constant_time_compare(mac, _mac(value, purpose)):
        raise signing.BadSignature("wrong signature")
    return value


def _mac(value: bytes, purpose: str) -> bytes:
    return salted_hmac(f"tocsin.short.{purpose}", value, algorithm="sha256").digest()[:MAC_BYTES]
