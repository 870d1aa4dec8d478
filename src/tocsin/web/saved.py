"""Views that a person saved over a list: a name for filters in the address. Kept with the settings."""

from dataclasses import dataclass

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from tocsin.people.models import User
from tocsin.platform.errors import Invalid
from tocsin.platform.models import Setting
from tocsin.web.shortcuts import Request, back_to, done, signed_in

LISTS = {"incidents": "/incidents/", "alerts": "/alerts/"}
MOST = 20


@dataclass(frozen=True)
class Saved:
    """One saved view of a list; ``query`` is the address's part from ``?``."""

    name: str
    query: str


def of(user: User, name: str) -> list[Saved]:
    """The views that a person saved over a list."""
    row = Setting.objects.filter(name=f"web.views.{user.pk}").first()
    return [Saved(one["name"], one["query"]) for one in (row.value if row else {}).get(name, [])]


@require_POST
@signed_in
def save(request: Request) -> HttpResponse:
    """Save the filters of a list under a name, or remove a saved view (``remove``)."""
    name = request.POST.get("list", "")
    if name not in LISTS:
        raise Invalid("There is no such list.", {"list": f"must be one of {', '.join(LISTS)}"})
    row, _ = Setting.objects.get_or_create(name=f"web.views.{request.user.pk}", defaults={"value": {}})
    views = row.value.get(name, [])
    removed = request.POST.get("remove", "")
    if removed:
        views = [one for one in views if one["name"] != removed]
        message = f"“{removed}” is gone."
    else:
        title = request.POST.get("name", "").replace("\x00", "").strip()[:60]
        query = request.POST.get("query", "").replace("\x00", "")[:1000]
        if not title or not query.startswith("?"):
            raise Invalid("A view needs a name and a filter.", {"name": "must have 1 to 60 characters"})
        views = [*[one for one in views if one["name"] != title][-(MOST - 1) :], {"name": title, "query": query}]
        message = f"Saved as “{title}”."
    row.value = {**row.value, name: views}
    row.save(update_fields=["value"])
    return done(request, back_to(request, LISTS[name]), message)
