"""Samples of sources: a request as a file, and what must come of it."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tocsin.intake.contract import Parsed, Request, SourceKind, checked_config
from tocsin.intake.kinds import all_kinds

# bodies that are nothing a tool would send
RAW = [
    b"", b" ", b"\xff\xfe", b"{", b"[", b"}", b"null", b"true", b"1", b'"x"', b"[]", b"{}", b"[[]]", b"[null]", b"NaN",
    b"[NaN]", b'{"a":Infinity}', b"[" * 100_000, b'{"a":' * 50_000, b"[" * 900 + b"]" * 900, b"\xef\xbb\xbf{}",
    b'{"a":1}{"b":2}', b"\x00", b'{"a":"\x00"}', b'{"a":"\xc3\x28"}', b'"\\ud800"', b"1e999", b"9" * 5000,
    b'{"payload":' + b"[" * 2000 + b"]" * 2000 + b"}", b"a=b&c=d", b"<xml/>", b"\xed\xa0\x80", b'{"a":1,"a":2}',
]  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One file below a source's ``samples``."""

    kind: SourceKind
    path: Path
    content: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.kind.kind}-{self.path.stem}"

    @property
    def body(self) -> bytes:
        request = self.content["request"]
        return request["text"].encode() if "text" in request else json.dumps(request["body"]).encode()

    @property
    def config(self) -> dict[str, Any]:
        config, problems = checked_config(self.kind, self.content.get("config", {}))
        assert not problems, problems
        return config

    @property
    def expect(self) -> dict[str, Any]:
        expected: dict[str, Any] = self.content["expect"]
        return expected

    def request(self, body: bytes | None = None) -> Request:
        asked = self.content["request"]
        return Request(
            self.body if body is None else body,
            now=datetime.fromisoformat(self.content["now"]),
            method=asked.get("method", "POST"),
            path=asked.get("path", f"/in/{self.kind.kind}/key"),
            tail=asked.get("tail", ""),
            query=asked.get("query", ""),
            headers=asked.get("headers", {}),
        )

    def parse(self, body: bytes | None = None) -> Parsed:
        """What the source makes of the sample, or of another body in its place. Raises ParseError."""
        request = self.request(body)
        if self.kind.key is not None and "key" in self.expect:
            self.kind.key(request)
        return self.kind.parse(request, self.config)


def samples() -> list[Sample]:
    """All samples of all installed sources."""
    return [
        Sample(kind, path, json.loads(path.read_text(encoding="utf-8")))
        for kind in all_kinds().values()
        for path in sorted((kind.folder / "samples").glob("*.json"))
    ]


def plain(signal: Any) -> dict[str, Any]:
    """A signal as JSON values, with every field."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(signal))
    return found
