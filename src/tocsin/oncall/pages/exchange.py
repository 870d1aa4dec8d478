"""Covering for one another: asking, taking, offering in return, approving; and hand-off notes."""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tocsin.oncall import queries
from tocsin.oncall.actions import handoffs, swaps
from tocsin.oncall.models import Swap, SwapOffer
from tocsin.oncall.pages.forms import moment_of
from tocsin.oncall.queries import exchange
from tocsin.people import queries as people
from tocsin.people.rules import Deed, may, require
from tocsin.platform.errors import Invalid
from tocsin.web.context import now
from tocsin.web.fields import LocalMoment, choice, set_choices
from tocsin.web.shortcuts import Request, attempt, back_to, done, page, signed_in


@dataclass(frozen=True)
class Line:
    """A swap with what this person may do with it."""

    row: Swap
    offers: list[SwapOffer]
    own: bool
    may_take: bool
    may_decide: bool


class CoverForm(forms.Form):
    """From when, until when, whom to ask."""

    start = LocalMoment(label="From")
    end = LocalMoment(label="Until")
    asked = forms.ChoiceField(label="Ask", required=False)
    note = forms.CharField(label="Note", required=False, max_length=300, help_text="Shown to whoever is asked.")


class OfferForm(forms.Form):
    """Which shifts of one's own the other takes in return."""

    start = LocalMoment(label="From")
    end = LocalMoment(label="Until")
    note = forms.CharField(label="Note", required=False, max_length=300)


@require_GET
@signed_in
def board(request: Request) -> HttpResponse:
    """Who asks for cover, and what came of it."""
    moment = now(request)
    rows = exchange.swaps(request.actor, moment, everything=True).order_by("starts_at", "id")
    lines = [_line(request, row) for row in rows]
    return page(
        request,
        "oncall/swaps.html",
        {
            "title": "Swaps",
            "waiting": [line for line in lines if line.row.ended_at is None],
            "ended": [line for line in lines if line.row.ended_at is not None],
            "now": moment,
        },
    )


def _line(request: Request, row: Swap) -> Line:
    own = row.requester_id == request.user.pk
    team = row.schedule.team_id
    return Line(
        row,
        list(row.offers.all()),
        own,
        row.state == "open"
        and not own
        and may(request.actor, Deed.OVERRIDE, team)
        and row.asked_id in (None, request.user.pk),
        row.state == "agreed" and may(request.actor, Deed.CONFIGURE, team),
    )


@require_http_methods(["GET", "POST"])
@signed_in
def ask(request: Request, schedule_id: int) -> HttpResponse:
    """Ask to be covered for a stretch of one's own shifts."""
    row = queries.schedule(request.actor, schedule_id)
    local = now(request).astimezone(ZoneInfo(row.zone)).replace(tzinfo=None, second=0, microsecond=0)
    start = moment_of(request.GET.get("start", ""), row.zone) or local
    end = moment_of(request.GET.get("end", ""), row.zone) or local + timedelta(hours=1)
    form = CoverForm(request.POST or None, initial={"start": max(start, local), "end": max(end, local)})
    others = [one for one in people.users(request.actor, active=True) if one.pk != request.user.pk]
    set_choices(form, "asked", choice(((one.pk, one.name) for one in others), "whoever is in the rotation"))
    form.fields["start"].help_text = form.fields["end"].help_text = f"Local time in {row.zone}."
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        made = attempt(
            form,
            lambda: swaps.ask_cover(
                row.pk,
                data["start"],
                data["end"],
                note=data["note"],
                asked_id=int(data["asked"]) if data["asked"] else None,
                actor=request.actor,
            ),
        )
        if made:
            return done(
                request, back_to(request, "/on-call/swaps/"), "Asked; you stay on call until somebody takes it."
            )
    return page(
        request,
        "oncall/cover.html",
        {"title": f"Ask for cover in {row.name}", "form": form, "schedule": row, "cancel": "/on-call/mine/"},
        422 if form.errors else 200,
    )


@require_POST
@signed_in
def act(request: Request, swap_id: int, verb: str) -> HttpResponse:
    """Take, withdraw, approve or decline."""
    texts = {
        "take": "You cover it; thank you.",
        "withdraw": "Withdrawn.",
        "approve": "Approved.",
        "decline": "Declined.",
    }
    if verb not in texts:
        raise Invalid("There is no such verb.", {"verb": ", ".join(texts)})
    if verb == "take":
        row = swaps.take(swap_id, actor=request.actor)
    elif verb == "withdraw":
        row = swaps.withdraw(swap_id, actor=request.actor)
    else:
        row = swaps.decide(swap_id, verb == "approve", actor=request.actor)
    text = texts[verb]
    if verb == "take" and row.state == "agreed":
        text = "Agreed; a manager of the team approves it."
    return done(request, back_to(request, "/on-call/swaps/"), text)


@require_http_methods(["GET", "POST"])
@signed_in
def offer(request: Request, swap_id: int) -> HttpResponse:
    """Offer to take it in return for shifts of one's own."""
    row = exchange.swap(request.actor, swap_id)
    require(request.actor, Deed.OVERRIDE, row.schedule.team_id)
    moment = now(request)
    mine = [
        shift
        for shift in queries.my_shifts(request.user.pk, moment, moment + timedelta(days=60))
        if shift.schedule_id == row.schedule_id
    ]
    zone = ZoneInfo(row.schedule.zone)
    initial = {}
    if mine:
        initial = {
            "start": mine[0].start.astimezone(zone).replace(tzinfo=None),
            "end": mine[0].end.astimezone(zone).replace(tzinfo=None),
        }
    form = OfferForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        made = attempt(
            form, lambda: swaps.offer(row.pk, data["start"], data["end"], note=data["note"], actor=request.actor)
        )
        if made:
            return done(request, "/on-call/swaps/", f"Offered; {row.requester.name} hears of it.")
    return page(
        request,
        "oncall/offer.html",
        {"title": f"Swap with {row.requester.name}", "form": form, "swap": row, "cancel": "/on-call/swaps/"},
        422 if form.errors else 200,
    )


@require_POST
@signed_in
def accept(request: Request, offer_id: int) -> HttpResponse:
    """Accept an offer to one's own request."""
    row = swaps.accept_offer(offer_id, actor=request.actor)
    text = "Agreed; a manager of the team approves it." if row.state == "agreed" else "Swapped."
    return done(request, "/on-call/swaps/", text)


@require_POST
@signed_in
def note(request: Request, schedule_id: int) -> HttpResponse:
    """Leave a note for whoever comes next."""
    handoffs.write_note(schedule_id, request.POST.get("text", ""), actor=request.actor)
    return done(request, f"/on-call/{schedule_id}/", "The note waits for whoever comes next.")


@require_POST
@signed_in
def open_note(request: Request, note_id: int) -> HttpResponse:
    """The note was read."""
    row = handoffs.open_note(note_id, actor=request.actor)
    return done(request, back_to(request, f"/on-call/{row.schedule_id}/"), "Noted that you have read it.")
