"""Pages of on call."""

from django.urls import URLPattern, path

from tocsin.oncall.pages import absences, calendars, exchange, load, rota
from tocsin.oncall.pages.board import board, mine, schedule
from tocsin.oncall.pages.editor import delete, edit
from tocsin.oncall.pages.forms import end_override, override

urlpatterns: list[URLPattern] = [
    path("on-call/", board, name="on-call"),
    path("on-call/mine/", mine, name="my-shifts"),
    path("on-call/new/", edit, name="schedule-new"),
    path("on-call/<int:schedule_id>/edit/", edit, name="schedule-edit"),
    path("on-call/<int:schedule_id>/delete/", delete, name="schedule-delete"),
    path("on-call/<int:schedule_id>/", schedule, name="schedule"),
    path("on-call/<int:schedule_id>/override/", override, name="override"),
    path("on-call/swaps/", exchange.board, name="swaps"),
    path("on-call/<int:schedule_id>/rota/", rota.rota, name="rota"),
    path("on-call/<int:schedule_id>/rota/keep/", rota.keep, name="rota-keep"),
    path("on-call/<int:schedule_id>/cover/", exchange.ask, name="cover"),
    path("on-call/<int:schedule_id>/note/", exchange.note, name="handoff-note"),
    path("on-call/notes/<int:note_id>/open/", exchange.open_note, name="handoff-note-open"),
    path("on-call/swaps/<int:swap_id>/offer/", exchange.offer, name="swap-offer"),
    path("on-call/swaps/<int:swap_id>/<slug:verb>/", exchange.act, name="swap-act"),
    path("on-call/swaps/offers/<int:offer_id>/accept/", exchange.accept, name="swap-accept"),
    path("on-call/overrides/<int:override_id>/end/", end_override, name="override-end"),
    path("on-call/calendars/", calendars.feeds, name="calendar-feeds"),
    path("on-call/calendars/revoke/", calendars.revoke, name="calendar-feed-revoke"),
    path("on-call/calendars/<int:source_id>/read/", calendars.source_act, {"verb": "read"}, name="calendar-read"),
    path("on-call/calendars/<int:source_id>/delete/", calendars.source_act, {"verb": "delete"}, name="calendar-delete"),
    path("on-call/<int:schedule_id>/calendars/", calendars.sources, name="calendar-sources"),
    path("on-call/absences/", absences.absences, name="absences"),
    path("on-call/absences/delete/", absences.delete, name="absence-delete"),
    path("on-call/absences/feed/delete/", absences.forget_feed, name="absence-feed-delete"),
    path("on-call/load/", load.load_page, name="load"),
    path("on-call/load/budget/", load.budget, name="night-budget"),
    path("on-call/habits/", load.habits, name="habits"),
    path("on-call/pay/", load.pay, name="pay"),
    path("on-call/pay/rates/", load.rates, name="pay-rates"),
    # the one address of on call without sign-in: the secret is the right to read it
    path("calendar/<str:secret>.ics", calendars.feed, name="calendar-feed"),
]
