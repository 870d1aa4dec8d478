"""Swaps and hand-off notes over HTTP."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from tocsin.api.auth import asker
from tocsin.api.schema import LocalMoment, Strict
from tocsin.oncall import queries
from tocsin.oncall.actions import handoffs, swaps
from tocsin.oncall.models import HandoffNote, Swap
from tocsin.oncall.queries import exchange
from tocsin.people import queries as people
from tocsin.platform import clock

router = Router(tags=["on call"])


class SwapOfferOut(Schema):
    id: int
    user: str
    from_: datetime = Field(alias="from", serialization_alias="from")
    to: datetime
    note: str


class SwapOut(Schema):
    """`state`: open, agreed (waits for a manager), done, declined, withdrawn, expired."""

    id: int
    schedule: str
    requester: str
    from_: datetime = Field(alias="from", serialization_alias="from")
    to: datetime
    state: str
    asked: str | None
    taker: str | None
    return_from: datetime | None
    return_to: datetime | None
    note: str
    offers: list[SwapOfferOut]


class SwapList(Schema):
    items: list[SwapOut]
    next: str | None = None


class SwapIn(Strict):
    """A stretch of somebody's shifts that others are asked to cover. Without a `user`: one's own."""

    schedule: str
    from_: LocalMoment = Field(alias="from")
    to: LocalMoment
    user: str = ""
    asked: str = ""
    note: str = ""


class OfferIn(Strict):
    """Shifts of one's own that the requester takes in return."""

    from_: LocalMoment = Field(alias="from")
    to: LocalMoment
    note: str = ""


class NoteIn(Strict):
    text: str


class NoteOut(Schema):
    id: int
    schedule: str
    author: str | None
    text: str
    at: datetime
    opened_by: str | None
    opened_at: datetime | None


class NoteList(Schema):
    items: list[NoteOut]
    next: str | None = None


def swap_json(row: Swap) -> dict[str, Any]:
    """A swap with its offers."""
    return {
        "id": row.pk,
        "schedule": row.schedule.slug,
        "requester": row.requester.email,
        "from": row.starts_at,
        "to": row.ends_at,
        "state": row.state,
        "asked": row.asked.email if row.asked else None,
        "taker": row.taker.email if row.taker else None,
        "return_from": row.return_from,
        "return_to": row.return_to,
        "note": row.note,
        "offers": [
            {"id": one.pk, "user": one.user.email, "from": one.return_from, "to": one.return_to, "note": one.note}
            for one in row.offers.select_related("user")
        ],
    }


def note_json(row: HandoffNote) -> dict[str, Any]:
    """A hand-off note."""
    return {
        "id": row.pk,
        "schedule": row.schedule.slug,
        "author": row.author.email if row.author else None,
        "text": row.text,
        "at": row.created_at,
        "opened_by": row.opened_by.email if row.opened_by else None,
        "opened_at": row.opened_at,
    }


@router.get("/swaps", response=SwapList, by_alias=True)
def list_swaps(request: HttpRequest, schedule: str = "", everything: bool = False) -> dict[str, Any]:
    """Requests for cover that wait for somebody; with `everything` also what came of those of the last two weeks."""
    actor = asker(request)
    wanted = queries.schedule(actor, schedule).pk if schedule else None
    rows = exchange.swaps(actor, clock.now(), schedule_id=wanted, everything=everything)
    return {"items": [swap_json(row) for row in rows.order_by("starts_at", "id")[:500]]}


@router.post("/swaps", response={201: SwapOut}, by_alias=True)
def ask_for_cover(request: HttpRequest, body: SwapIn) -> Status[dict[str, Any]]:
    """Ask to be covered. Times without an offset are the schedule's local time."""
    actor = asker(request)
    made = swaps.ask_cover(
        queries.schedule(actor, body.schedule).pk,
        body.from_,
        body.to,
        actor=actor,
        note=body.note,
        asked_id=people.user(actor, body.asked).pk if body.asked else None,
        requester_id=people.user(actor, body.user).pk if body.user else None,
    )
    return Status(201, swap_json(exchange.swap(actor, made.pk)))


@router.post("/swaps/{int:swap_id}/take", response=SwapOut, by_alias=True)
def take_swap(request: HttpRequest, swap_id: int) -> dict[str, Any]:
    """Cover for whoever asked."""
    actor = asker(request)
    return swap_json(exchange.swap(actor, swaps.take(swap_id, actor=actor).pk))


@router.post("/swaps/{int:swap_id}/offer", response=SwapOut, by_alias=True)
def offer_swap(request: HttpRequest, swap_id: int, body: OfferIn) -> dict[str, Any]:
    """Offer to take it in return for shifts of one's own."""
    actor = asker(request)
    swaps.offer(swap_id, body.from_, body.to, actor=actor, note=body.note)
    return swap_json(exchange.swap(actor, swap_id))


@router.post("/swaps/offers/{int:offer_id}/accept", response=SwapOut, by_alias=True)
def accept_offer(request: HttpRequest, offer_id: int) -> dict[str, Any]:
    """Accept an offer to one's own request."""
    actor = asker(request)
    return swap_json(exchange.swap(actor, swaps.accept_offer(offer_id, actor=actor).pk))


@router.post("/swaps/{int:swap_id}/approve", response=SwapOut, by_alias=True)
def approve_swap(request: HttpRequest, swap_id: int) -> dict[str, Any]:
    """Approve what was agreed; for managers of a schedule whose swaps are approved."""
    actor = asker(request)
    return swap_json(exchange.swap(actor, swaps.decide(swap_id, True, actor=actor).pk))


@router.post("/swaps/{int:swap_id}/decline", response=SwapOut, by_alias=True)
def decline_swap(request: HttpRequest, swap_id: int) -> dict[str, Any]:
    """Decline what was agreed."""
    actor = asker(request)
    return swap_json(exchange.swap(actor, swaps.decide(swap_id, False, actor=actor).pk))


@router.post("/swaps/{int:swap_id}/withdraw", response=SwapOut, by_alias=True)
def withdraw_swap(request: HttpRequest, swap_id: int) -> dict[str, Any]:
    """Take one's own request back."""
    actor = asker(request)
    return swap_json(exchange.swap(actor, swaps.withdraw(swap_id, actor=actor).pk))


@router.get("/schedules/{ref}/notes", response=NoteList)
def list_notes(request: HttpRequest, ref: str) -> dict[str, Any]:
    """The latest hand-off notes of a schedule."""
    actor = asker(request)
    row = queries.schedule(actor, ref)
    return {"items": [note_json(one) for one in exchange.notes(actor, row.pk, 50)]}


@router.post("/schedules/{ref}/notes", response={201: NoteOut})
def write_note(request: HttpRequest, ref: str, body: NoteIn) -> Status[dict[str, Any]]:
    """Leave a note for whoever is on call next."""
    actor = asker(request)
    row = queries.schedule(actor, ref)
    return Status(201, note_json(handoffs.write_note(row.pk, body.text, actor=actor)))


@router.post("/notes/{int:note_id}/open", response=NoteOut)
def open_note(request: HttpRequest, note_id: int) -> dict[str, Any]:
    """The note was read by whoever comes next."""
    return note_json(handoffs.open_note(note_id, actor=asker(request)))
