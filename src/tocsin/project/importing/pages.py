"""Settings -> Import: what other products have, read, planned, applied and taken back."""

import asyncio
import threading
from collections import Counter
from operator import itemgetter
from typing import Any

import structlog
from django import forms
from django.db import connection
from django.http import HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tocsin.platform import clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid, TocsinError
from tocsin.project.importing import reading, work
from tocsin.project.importing.models import Run
from tocsin.project.importing.reading import backup
from tocsin.project.importing.reading.fetching import host_of
from tocsin.project.importing.shapes import PRODUCTS, VERDICTS, grouped
from tocsin.web.shortcuts import Request, attempt, done, export, number, page, signed_in

log = structlog.get_logger()

SIZE = 100
HERE = "/settings/import/"
WORDS = {"plan": "The plan is being made", "apply": "It is being applied", "rollback": "It is being taken back"}
TONES = {"exact": "good", "approximated": "warn", "impossible": "bad"}
MAX_FILE = 12 * 1024 * 1024


class ImportForm(forms.Form):
    """Either a file, or an address and a key."""

    product = forms.ChoiceField(choices=list(PRODUCTS.items()))
    file = forms.FileField(
        required=False,
        label="From a file",
        help_text="A zip of Opsgenie's configuration backup, or what tocsin import --save has written. 12 MB at most.",
    )
    url = forms.CharField(
        required=False,
        max_length=500,
        label="Or from its API: address",
        help_text="Empty: api.opsgenie.com or api.pagerduty.com. Of Grafana OnCall the address of its API.",
    )
    key = forms.CharField(
        required=False,
        max_length=2000,
        label="API key",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Used once, while reading, and kept nowhere. One that may only read is enough.",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        file = data.get("file")
        if bool(file) == bool(data.get("key")):
            self.add_error("file", "a file or an API key, one of them")
        elif file and file.size > MAX_FILE:
            self.add_error("file", "12 MB at most; larger ones are imported by the command line")
        elif not file and data.get("product") == "grafana-oncall" and not data.get("url", "").strip():
            self.add_error("url", "the address of OnCall's API, such as https://oncall.example.org")
        return data


@require_http_methods(["GET", "POST"])
@signed_in
def overview(request: Request) -> HttpResponse:
    """Start an import, and the imports so far."""
    work.require_import(request.actor)
    form = ImportForm(*(request.POST, request.FILES) if request.method == "POST" else ())
    if request.method == "POST" and form.is_valid():
        run = attempt(form, lambda: _started(form.cleaned_data, request.actor))
        if run is not None:
            return done(request, f"{HERE}{run.pk}/", "")
    rows = work.runs(actor=request.actor)
    context = {"title": "Import", "form": form, "rows": [(row, PRODUCTS[row.product]) for row in rows]}
    return page(request, "importing/overview.html", context, 422 if form.errors else 200)


def _started(data: dict[str, Any], actor: Actor) -> Run:
    if data["file"]:
        read = backup.of_file(data["file"].read(), data["file"].name, now=clock.now())
        if read.product != data["product"]:
            raise Invalid("This is another product's.", {"product": f"{PRODUCTS[read.product]}: the file is one of it"})
        return work.start(read, actor=actor)
    url = data["url"].strip() or reading.API_URLS[data["product"]]
    run = work.reading(data["product"], host_of(url), actor=actor)
    # the key is nowhere but in this process: so this process reads, and no engine
    threading.Thread(
        target=_read, args=(run.pk, data["product"], url, data["key"], actor), name=f"import-{run.pk}", daemon=True
    ).start()
    return run


def _read(run_id: int, product: str, url: str, key: str, actor: Actor) -> None:
    """Read a product's API in a thread, and keep what was read."""
    meter = work.Meter(run_id)
    try:
        found = asyncio.run(reading.read(product, url, key, now=clock.now(), progress=meter))
        work.has_read(run_id, found, actor=actor)
    except TocsinError as error:
        words = "; ".join([error.message, *(f"{name}: {text}" for name, text in error.problems.items())])
        work.has_read(run_id, None, words, actor=actor)
    except Exception as error:
        log.exception("import.unread", run=run_id, error=type(error).__name__)
        work.has_read(run_id, None, "It could not be read; the log says why.", actor=actor)
    finally:
        meter.close()
        connection.close()


@require_GET
@signed_in
def one(request: Request, run_id: int) -> HttpResponse:
    """One import: how far it is, what it does or did, and what becomes of each thing."""
    run = work.get(run_id, actor=request.actor)
    verdict, kind, q = (request.GET.get(name, "").strip() for name in ("verdict", "kind", "q"))
    found = [
        row
        for row in run.findings
        if verdict in ("", row["verdict"])
        and kind in ("", row["kind"])
        and (not q or q.lower() in f"{row['name']} {row['id']} {row['reason']}".lower())
    ]
    found.sort(key=lambda row: VERDICTS.index(row["verdict"]))
    names = ("verdict", "kind", "name", "id", "reason")
    if answer := export(request, f"import-{run.pk}-findings", [(name, itemgetter(name)) for name in names], found):
        return answer
    begin = number(request, "from") or 0
    query = request.GET.copy()
    query["from"] = str(begin + SIZE)
    changes = Counter((row["kind"], row["change"]) for row in run.changes)
    context = {
        "title": f"Import {run.pk}: {PRODUCTS[run.product]}",
        "run": run,
        "doing": WORDS.get(run.wanted, "It is being read" if run.state == "reading" else ""),
        "progress": work.progress_of(run),
        "left": run.options.get("left", []),
        "verdicts": [(v, run.counts.get(v, 0), v == verdict) for v in VERDICTS],
        "reasons": [(row, TONES[row["verdict"]]) for row in grouped(run.findings)[:SIZE]],
        "changes": [(k, c, n) for (k, c), n in sorted(changes.items())],
        "updates": [row for row in run.changes if row["change"] == "update"][:SIZE],
        "findings": [(row, TONES[row["verdict"]]) for row in found[begin : begin + SIZE]],
        "count": len(found),
        "kinds": sorted({row["kind"] for row in run.findings}),
        "verdict": verdict,
        "kind": kind,
        "q": q,
        "next": f"?{query.urlencode()}" if begin + SIZE < len(found) else "",
        "first": begin > 0,
    }
    return page(request, "importing/run.html", context)


@require_POST
@signed_in
def do(request: Request, run_id: int) -> HttpResponse:
    """Apply a plan, or make it anew."""
    what = "plan" if request.POST.get("do") == "plan" else "apply"
    work.want(run_id, what, actor=request.actor, digest=request.POST.get("digest", "") if what == "apply" else "")
    return done(request, f"{HERE}{run_id}/", "")


class RollbackForm(forms.Form):
    force = forms.BooleanField(
        required=False,
        label="Also what changed since",
        help_text="What people changed since is made as it was before, too. What is in use by now stays.",
    )


@require_http_methods(["GET", "POST"])
@signed_in
def rollback(request: Request, run_id: int) -> HttpResponse:
    """Take an import back."""
    run = work.get(run_id, actor=request.actor)
    form = RollbackForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        work.want(run.pk, "rollback", actor=request.actor, force=form.cleaned_data["force"])
        return done(request, f"{HERE}{run.pk}/", "")
    return page(
        request,
        "web/confirm.html",
        {
            "title": f"Take import {run.pk} back?",
            "text": "What it made goes, what it changed is as it was. It is refused when something changed since.",
            "form": form,
            "button": "Take it back",
            "cancel": f"{HERE}{run.pk}/",
        },
    )


urlpatterns: list[URLPattern] = [
    path("settings/import/", overview, name="imports"),
    path("settings/import/<int:run_id>/", one, name="import"),
    path("settings/import/<int:run_id>/do/", do, name="import-do"),
    path("settings/import/<int:run_id>/rollback/", rollback, name="import-rollback"),
]
