"""Pages of imports of past incidents: the list with the upload, and one import from its file to its result."""

from typing import Any
from zoneinfo import available_timezones

from django.http import HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods

from tocsin.incidents.models import HistoryImport
from tocsin.people.rules import Deed, require
from tocsin.platform.errors import Invalid, TocsinError
from tocsin.project.history import options as reading
from tocsin.project.history import runs
from tocsin.project.history.columns import FIELDS
from tocsin.project.history.dates import ORDERS
from tocsin.project.history.options import Options
from tocsin.project.history.values import ANSWERS, MEANINGS
from tocsin.web.shortcuts import Request, cut, done, number, page, signed_in

UPLOAD_MIB = 15  # a request's body is at most 16 MiB; larger files go by the command line, or packed
HERE = "/settings/import/history/"
STATES = {
    "uploading": ("Being sent", "quiet", "hourglass"),
    "looking": ("Looking at the file", "info", "hourglass"),
    "ready": ("To be planned", "warn", "circle-help"),
    "planning": ("Planning", "info", "hourglass"),
    "planned": ("Planned", "info", "circle-check"),
    "applying": ("Writing", "info", "hourglass"),
    "applied": ("Applied", "good", "circle-check"),
    "rolling_back": ("Rolling back", "info", "hourglass"),
    "rolled_back": ("Rolled back", "quiet", "rotate-ccw"),
    "failed": ("Failed", "bad", "circle-x"),
}


@require_http_methods(["GET", "POST"])
@signed_in
def overview(request: Request) -> HttpResponse:
    """``/settings/import/history/``: what was imported, and a file to begin with."""
    require(request.actor, Deed.ADMINISTER)
    problem, source = "", request.POST.get("source", "servicenow")
    if request.method == "POST":
        try:
            row = _uploaded(request, source)
            return done(request, f"{HERE}{row.pk}/")
        except TocsinError as error:
            problem = str(error)
    rows = runs.runs(request.actor).defer("profile", "plan")
    if before := number(request, "before"):
        rows = rows.filter(pk__lt=before)
    context = {
        "title": "Import past incidents", "part": cut(request, rows, 25), "problem": problem, "source": source,
        "most": UPLOAD_MIB, "states": STATES,
    }  # fmt: skip
    return page(request, "web/settings/history.html", context, status=422 if problem else 200)


def _uploaded(request: Request, source: str) -> HistoryImport:
    file = request.FILES.get("file")
    if file is None:
        raise Invalid("Choose a file first.", {"file": "a CSV file, also packed with gzip"})
    return runs.upload(source, file.name or "", file.chunks(), actor=request.actor)


@require_http_methods(["GET", "POST"])
@signed_in
def one(request: Request, run_id: int) -> HttpResponse:
    """``/settings/import/history/3/``: how it is read, what it would become, what came of it."""
    row = runs.run(request.actor, run_id)
    problem, options = "", reading.of_json(row.options)
    if request.method == "POST":
        what = request.POST.get("do", "")
        try:
            if what == "discard":
                runs.discard(row.pk, actor=request.actor)
                return done(request, HERE, "The file is forgotten.")
            if what == "plan":
                options = _options(request, row)
            _do(what, row, options, request)
            return done(request, f"{HERE}{row.pk}/")
        except TocsinError as error:
            problem = str(error)
            row.refresh_from_db()
    context = {
        "title": f"Import of {row.file}", "row": row, "state": STATES[row.state], "problem": problem,
        "busy": row.state in runs.BUSY, "share": 100 * row.done // row.total if row.total else None,
        "editable": row.state in ("ready", "planned"), "options": options, "orders": ORDERS,
        "zones": sorted(available_timezones()) if row.state in ("ready", "planned") else [],
        "asked": runs.asked(row) if row.state == "ready" and not problem else {},
        "zone": options.zone or request.user.zone, "place": HERE,
    }  # fmt: skip
    if context["editable"]:
        context |= {"fields": FIELDS, "columns": _columns(row, options), "values": _values(row, options)}
    return page(request, "web/settings/history_one.html", context, status=422 if problem else 200)


def _do(what: str, row: HistoryImport, options: Options, request: Request) -> None:
    if what == "plan":
        runs.set_options(row.pk, options, actor=request.actor)
        runs.ask_plan(row.pk, actor=request.actor)
    elif what == "apply":
        runs.ask_apply(row.pk, actor=request.actor)
    elif what == "rollback":
        runs.ask_rollback(row.pk, actor=request.actor)
    else:
        raise Invalid("There is nothing to do like this.", {"do": "plan, apply, rollback or discard"})


def _columns(row: HistoryImport, options: Options) -> list[dict[str, Any]]:
    """The columns of the file, each with samples and what it is taken for."""
    taken = {column: field for field, column in options.mapping.items()}
    return [one | {"field": taken.get(one["name"], "")} for one in (row.profile or {}).get("columns", [])]


def _values(row: HistoryImport, options: Options) -> list[dict[str, Any]]:
    """The values of priority, impact, urgency and state, with what each is taken for."""
    columns = {one["name"]: one for one in (row.profile or {}).get("columns", [])}
    found = []
    for field, answers in ANSWERS.items():
        values = columns.get(options.mapping.get(field, ""), {}).get("values", {})
        lines = [
            {
                "value": value,
                "count": count,
                "guess": MEANINGS[field](value),
                "said": options.values.get(field, {}).get(value, ""),
                "place": place,
            }
            for place, (value, count) in enumerate(values.items())
        ]
        if lines:
            found.append({"field": field, "answers": answers, "lines": lines})
    return found


def _options(request: Request, row: HistoryImport) -> Options:
    """What the form says. Raises Invalid when two columns are said to be the same."""
    mapping: dict[str, str] = {}
    problems: dict[str, str] = {}
    for place, column in enumerate((row.profile or {}).get("columns", [])):
        field = request.POST.get(f"column-{place}", "")
        if field in mapping:
            problems[field] = f"is said of {mapping[field]} and of {column['name']}; choose one"
        elif field:
            mapping[field] = column["name"]
    if problems:
        raise Invalid("A field has one column.", problems)
    if not mapping:
        raise Invalid("Say what the columns are.", {"number": "name the column"})
    values: dict[str, dict[str, str]] = {}
    for group in _values(row, reading.of_json(row.options)):
        for line in group["lines"]:
            said = request.POST.get(f"value-{group['field']}-{line['place']}", "")
            if said and said != line["guess"]:
                values.setdefault(group["field"], {})[line["value"]] = said
    return Options(
        mapping=mapping,
        order=request.POST.get("order", ""),
        zone=request.POST.get("zone", "").strip(),
        values=values,
        link=request.POST.get("link", "").strip(),
        open=request.POST.get("open", "resolve"),
        services=request.POST.get("services", "imported"),
        teams=request.POST.get("teams") == "1",
    )


urlpatterns: list[URLPattern] = [
    path("settings/import/history/", overview, name="import-history"),
    path("settings/import/history/<int:run_id>/", one, name="import-history-one"),
]
