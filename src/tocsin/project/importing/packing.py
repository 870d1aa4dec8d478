"""An export as a file and as it is stored: JSON, packed; encrypted in the database, because it holds keys."""

import base64
import binascii
import json
import zlib
from datetime import UTC, datetime
from typing import Any

from tocsin.platform import secrets
from tocsin.platform.errors import Invalid
from tocsin.project.importing.shapes import FORMAT, PRODUCTS, Export

MAX_BYTES = 256 * 1024 * 1024  # unpacked
RIGHT = "a file written by tocsin import --save"


def of_json(value: Any) -> Export:
    """An export from JSON. Raises Invalid (``export``)."""
    product = value.get("product") if isinstance(value, dict) else None
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(value, dict) or value.get("format") != FORMAT or product not in PRODUCTS:
        raise Invalid("This is no export.", {"export": RIGHT})
    if not isinstance(data, dict) or not all(isinstance(rows, list) for rows in data.values()):
        raise Invalid("This is no export.", {"export": f"{RIGHT}: its data is a list for each resource"})
    try:
        read_at = datetime.fromisoformat(str(value.get("read_at")))
    except ValueError:
        raise Invalid("This is no export.", {"export": f"{RIGHT}: it says when it was read"}) from None
    read_at = read_at if read_at.tzinfo else read_at.replace(tzinfo=UTC)
    return Export(product, str(value.get("origin", ""))[:300], read_at, data)


def load(text: str | bytes) -> Export:
    """An export from the text of a file. Raises Invalid."""
    try:
        return of_json(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise Invalid("This is no export.", {"export": RIGHT}) from error


def pack(export: Export) -> str:
    """An export as ASCII that travels in JSON."""
    text = json.dumps(export.to_json(), ensure_ascii=True, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), 6)).decode()


def unpack(packed: str) -> Export:
    """The inverse of ``pack``. Raises Invalid."""
    try:
        worker = zlib.decompressobj()
        text = worker.decompress(base64.b64decode(packed, validate=True), MAX_BYTES)
        if worker.unconsumed_tail:
            raise Invalid("This export is too large.", {"export": f"at most {MAX_BYTES // 2**20} MB"})
    except (binascii.Error, ValueError, zlib.error) as error:
        raise Invalid("This is no export.", {"export": RIGHT}) from error
    return load(text)


def sealed(packed: str) -> str:
    """A packed export as it is stored."""
    return secrets.encrypt(packed)


def opened(stored: str) -> Export:
    """The inverse of ``sealed``, unpacked."""
    return unpack(secrets.decrypt(stored))
