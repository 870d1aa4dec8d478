"""Accounts at providers of SMS and calls, and a ledger in memory, for the suites of channels and providers."""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.contracts.channel_servers import Seen
from tocsin.delivery.carrier import Carrier
from tocsin.delivery.contract import Errand
from tocsin.delivery.provider_contract import Account, Result
from tocsin.delivery.provider_queries import Choice, kinds
from tocsin.delivery.rules.providers import Candidate, Circuit, circuit_after, probing
from tocsin.platform import outbound

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
PUBLIC = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
CONFIG: dict[str, dict[str, str | bool]] = {
    "twilio": {"account_sid": "AC1", "sender": "+41798071234", "caller": "+41798071234"},
    "telnyx": {
        "public_key": PUBLIC, "sender": "+41798071234", "caller": "+41798071234", "account_sid": "acc",
        "application": "app",
    },
    "gateway": {"base_url": "http://127.0.0.1:8710", "sms": True, "voice": True},
}  # fmt: skip


def account(kind: str, base_url: str = "", name: str = "") -> Account:
    """An account of this kind, at a server of ours."""
    config = CONFIG[kind] | ({"base_url": base_url} if base_url else {})
    return Account(kind, name or kind.capitalize(), config, "a-token")


@dataclass
class Remembered:
    """A ledger in memory, on a clock that stands still."""

    candidates: list[Candidate]
    seen: Seen | None = None
    sent: tuple[datetime, ...] = ()
    now: datetime = NOW
    told: list[tuple[int, Result]] = field(default_factory=list)
    script: str = ""

    async def choice(self, channel: str, number: str, only: int | None) -> Choice:
        able = [
            one
            for one in self.candidates
            if kinds()[one.kind].descriptor.carries(channel, one.account.config) and only in (None, one.id)
        ]
        return Choice(self.now, tuple(able), self.sent)

    async def begin(self, provider_id: int, errand: Errand, probe: bool) -> int | None:
        self.script = errand.script.text if errand.script else ""
        if probe:
            self._keep(provider_id, probing(self._circuit(provider_id), self.now))
        return len(self.told) + 1

    async def end(self, handover_id: int, provider_id: int, result: Result, probe: bool) -> None:
        self.told.append((provider_id, result))
        self._keep(provider_id, circuit_after(self._circuit(provider_id), result, self.now, probe=probe))
        if self.seen is not None and self.seen.requests:  # what a call says is asked for later: it counts as sent here
            line, headers, body = self.seen.requests[-1]
            self.seen.requests[-1] = (line, headers, body + self.script.encode())

    def _circuit(self, provider_id: int) -> Circuit:
        return next(one.circuit for one in self.candidates if one.id == provider_id)

    def _keep(self, provider_id: int, circuit: Circuit) -> None:
        self.candidates = [replace(one, circuit=circuit) if one.id == provider_id else one for one in self.candidates]

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def remembered(accounts: Sequence[tuple[str, str]], seen: Seen | None = None) -> Remembered:
    """A ledger with these accounts (kind, address), asked in this order."""
    return Remembered(
        [
            Candidate(number, kind, account(kind, url, f"{kind.capitalize()} {number}"), number)
            for number, (kind, url) in enumerate(accounts, 1)
        ],
        seen,
    )


@asynccontextmanager
async def carrying(
    accounts: Sequence[tuple[str, str]] = (), seen: Seen | None = None, ledger: Remembered | None = None
) -> AsyncIterator[Carrier]:
    """A carrier over these accounts, or over a ledger."""
    http = outbound.Client()
    made = Carrier(http, "https://tocsin.example", ledger or remembered(accounts, seen), kinds())
    made.each_s = 1.5
    try:
        yield made
    finally:
        await http.aclose()
