"""What pages are made with: sign-in, rendering whole pages or parts, answers to forms, lists with a cursor, exports."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from tocsin.people.models import User
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid, TocsinError

P = ParamSpec("P")
T = TypeVar("T")
EXPORT_ROWS = 10_000
_INDENT = re.compile(rb"\s*\n\s*")


class Request(HttpRequest):
    """A request of a person who is signed in."""

    user: User
    actor: Actor


def signed_in(
    view: Callable[Concatenate[Request, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Ask for sign-in first; every page but sign-in, ``/a/<token>`` and status pages wears this."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            target = request.get_full_path() if request.method == "GET" else "/"
            return redirect_to_login(target, "/sign-in/")
        return view(request, *args, **kwargs)  # type: ignore[arg-type]  # it has a user and an actor: see Request

    guarded.signed_in = True  # type: ignore[attr-defined]  # a test looks for pages that forgot
    return guarded  # type: ignore[return-value]  # the same callable; wraps() only adds attributes


def page(request: HttpRequest, template: str, context: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    """Render a page, or only the part of it that a script asked for; never kept by caches."""
    response = render(request, template, context or {}, status=status)
    if b"<pre" not in response.content and b"<textarea" not in response.content:
        response.content = _INDENT.sub(b"\n", response.content)  # a fifth of a long table is indentation
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Cookie, HX-Request, X-Part, HX-History-Restore-Request"
    return response


def in_dialog(request: HttpRequest) -> bool:
    """Whether this form is shown in a dialog over another page."""
    return request.headers.get("X-Part") == "dialog"


def done(request: HttpRequest, url: str, message: str = "", undo: str = "") -> HttpResponse:
    """Answer to a form that succeeded: go to ``url`` and say ``message`` there.

    A dialog closes instead and the page under it is refreshed (or left, when ``url`` is another page). ``undo``: the
    address whose POST takes it back, offered beside the message.
    """
    if in_dialog(request):
        told = {"url": url, "message": message} | ({"undo": undo} if undo else {})
        response = HttpResponse(status=204)
        response.headers["HX-Trigger"] = json.dumps({"tocsin:done": told})
        return response
    if message:
        messages.success(request, message)
    return HttpResponseRedirect(url, status=303)


def back_to(request: HttpRequest, fallback: str) -> str:
    """The page that a form was sent from (its field ``next``), if it is one of ours."""
    url = request.POST.get("next") or request.GET.get("next") or ""
    allowed = url_has_allowed_host_and_scheme(url, allowed_hosts=None) and url.startswith("/")
    return url if allowed else fallback


def attempt(form: forms.BaseForm | None, do: Callable[[], T]) -> T | None:
    """Run an action; what it finds wrong is put on the form's fields. None when something was wrong.

    Without a form the error passes, and becomes an error page.
    """
    try:
        return do()
    except TocsinError as error:
        if form is None:
            raise
        blame(form, error)
        return None


def blame(form: forms.BaseForm, error: TocsinError) -> None:
    """Put an error's problems on the fields of a form; what belongs to none of them goes on top."""
    placed = False
    for name, text in error.problems.items():
        field = name.split(".")[0]
        if field in form.fields:
            form.add_error(field, text)
            placed = True
        else:
            form.add_error(None, f"{name}: {text}")
            placed = True
    if not placed:
        form.add_error(None, error.message)


def ids_of(request: HttpRequest, name: str = "id") -> list[int]:
    """The rows that were selected: numbers given as ``id``, in the address or in the form. Raises Invalid."""
    raw = request.POST.getlist(name) or request.GET.getlist(name)
    try:
        ids = [int(value) for value in raw][:1000]
    except ValueError:
        raise Invalid("Select something first.", {name: "numbers"}) from None
    if any(not 0 < value < 2**63 for value in ids):
        raise Invalid("Select something first.", {name: "positive numbers"})
    return ids


def number(request: HttpRequest, name: str) -> int | None:
    """A whole number from the address; None when absent or no number: an address that was mistyped shows the list."""
    raw = request.GET.get(name, "")
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 19 else None


@dataclass(frozen=True)
class Page(Generic[T]):
    """Part of a list. ``next``: address of the following part; ``first``: of the beginning, when elsewhere."""

    items: Sequence[T]
    next: str
    first: str


M = TypeVar("M", bound=Model)


def cut(request: HttpRequest, rows: QuerySet[M], size: int = 50, cursor: str = "before") -> Page[M]:
    """The first ``size`` of ``rows``, which already start after the cursor ``?before=<id>``; newest first."""
    items = list(rows[: size + 1])
    more = len(items) > size
    items = items[:size]
    query = {name: request.GET.getlist(name) for name in request.GET if name not in (cursor, "format")}
    following = urlencode({**query, cursor: items[-1].pk}, doseq=True) if more else ""
    beginning = ("?" + urlencode(query, doseq=True)) if request.GET.get(cursor) else ""
    return Page(items, f"?{following}" if following else "", beginning)


Columns = Sequence[tuple[str, Callable[[Any], Any]]]


def export(request: HttpRequest, name: str, columns: Columns, rows: Iterable[Any]) -> HttpResponse | None:
    """The list as CSV or JSON when the address asks (``?format=csv|json``), else None.

    ``columns``: (heading, how to get the value out of a row). At most 10,000 rows.
    """
    kind = request.GET.get("format")
    if kind not in ("csv", "json"):
        return None
    if isinstance(rows, QuerySet):
        rows = rows[:EXPORT_ROWS]
    table = [[get(row) for _, get in columns] for row in rows]
    headings = [heading for heading, _ in columns]
    if kind == "json":
        items = [dict(zip(headings, values, strict=True)) for values in table]
        response = HttpResponse(json.dumps({"items": items}, default=str, indent=1), content_type="application/json")
    else:
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(headings)
        writer.writerows([_cell(value) for value in values] for values in table)
        response = HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _cell(value: Any) -> Any:
    """Spreadsheets run cells that begin like a formula (OWASP, "CSV Injection"): a quote in front stops them."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return "" if value is None else value
