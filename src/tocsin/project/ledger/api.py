"""The ledger over HTTP."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema

from tocsin.api.auth import asker
from tocsin.api.paging import Paging, page
from tocsin.api.schema import Strict
from tocsin.people.rules import Deed, require
from tocsin.platform.apart import apart
from tocsin.platform.models import LedgerEntry
from tocsin.project.ledger.reconciling import reconcile

router = Router(tags=["ledger"])


class LedgerEntryOut(Schema):
    """A seal over `count` rows of a stream: ids above `after_id` up to `last_id`."""

    id: int
    at: datetime
    stream: str
    form: int
    after_id: int
    last_id: int
    count: int
    digest: str
    previous: str
    hash: str


class LedgerEntryList(Schema):
    items: list[LedgerEntryOut]
    next: str | None


class VerifyIn(Strict):
    head: str = ""  # the hash of an entry that was kept elsewhere


class LedgerVerifiedOut(Schema):
    holds: bool
    entries: int
    rows: int
    pruned: int
    head: str
    problems: list[str]


class FindingOut(Schema):
    what: str
    text: str
    count: int
    examples: list[int]


class FindingList(Schema):
    items: list[FindingOut]
    next: str | None = None


@router.get("/ledger", response=LedgerEntryList)
def list_entries(request: HttpRequest, paging: Query[Paging]) -> dict[str, Any]:
    """The ledger's entries, newest first. Needs the right to configure."""
    require(asker(request), Deed.CONFIGURE)
    found, following = page(LedgerEntry.objects.all(), paging, ("-id",))
    return {"items": found, "next": following}


@router.post("/ledger/verify", response=LedgerVerifiedOut)
def verify(request: HttpRequest, body: VerifyIn) -> dict[str, Any]:
    """Whether the chain holds and every sealed row is as it was. Takes seconds to minutes, in a process of its own."""
    require(asker(request), Deed.CONFIGURE)
    answer: dict[str, Any] = apart("tocsin.project.ledger:task", {"head": body.head}, actor=asker(request))
    return answer


@router.get("/ledger/findings", response=FindingList)
def list_findings(request: HttpRequest) -> dict[str, Any]:
    """What should have happened by now and has not: signals without an outcome, pages that are overdue."""
    require(asker(request), Deed.READ)
    return {"items": reconcile()}
