"""The door opens what a source keeps encrypted, and takes nothing for a source whose secrets cannot be read."""

from typing import Any

import msgspec

from tocsin.intake.door.sources import Known
from tocsin.platform import secrets


def row(secret: str) -> dict[str, Any]:
    config = msgspec.json.encode({"secret": secret}).decode()
    return {
        "id": 1, "name": "x", "kind": "grafana", "key_digest": "d", "config": config, "limit_per_minute": 10,
        "enabled": True,
    }  # fmt: skip


def test_a_secret_is_opened() -> None:
    known = Known(row(secrets.encrypt("s3cret")), 0.0)
    assert known.config["secret"] == "s3cret"
    assert not known.locked


def test_a_secret_under_another_key_locks_the_source() -> None:
    assert Known(row("gAAAAnothing"), 0.0).locked
