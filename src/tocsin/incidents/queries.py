"""What others may read of incidents."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.postgres.fields import ArrayField
from django.db.models import Aggregate, Avg, Count, DurationField, ExpressionWrapper, F, FloatField, Max, Q, QuerySet
from django.db.models.functions import Cast, Extract, TruncMonth

from tocsin.incidents import rules
from tocsin.incidents.models import (
    Acknowledgement,
    Fact,
    Imported,
    Incident,
    Reader,
    Role,
    RoleHolder,
    Task,
    TimelineEntry,
)
from tocsin.incidents.rules import command
from tocsin.people.rules import Deed, require
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Invalid, NotFound

SORTS = {
    "newest": ("-id",),
    "oldest": ("id",),
    "priority": ("priority", "-id"),
    "updated": ("-updated_at", "-id"),
}
IMPORTED = ("no", "yes", "only")


def readable(actor: Actor, field: str = "pk") -> Q:
    """The condition on rows that name an incident in ``field``: one that this actor may read, or none at all.

    Every read for people goes through it. What is confidential is little, so it is asked for what to leave out.
    """
    # of incidents themselves the canary's are left out anyhow, see platform.canary
    real = Q() if field == "pk" else ~Q(**{f"{field}__lt": 0})
    return real if rules.reads_everything(actor) else real & ~Q(**{f"{field}__in": hidden(actor)})


@dataclass(frozen=True, slots=True)
class OnService:
    """How a service stands: open incidents that nobody has acknowledged, those that somebody has, and the last one."""

    triggered: int = 0
    acknowledged: int = 0
    last_at: datetime | None = None


def on_services(actor: Actor, service_ids: Iterable[int]) -> dict[int, OnService]:
    """How services stand, by id, as far as this actor may read; one query. Raises Forbidden."""
    require(actor, Deed.READ)
    wanted = set(service_ids)
    rows = (
        Incident.objects.filter(readable(actor), service_id__in=wanted)
        .order_by()
        .values("service_id")
        .annotate(
            triggered=Count("pk", filter=Q(state="triggered")),
            acknowledged=Count("pk", filter=Q(state__in=["acknowledged", "mitigated"])),
            last_at=Max("opened_at"),
        )
    )
    found = {row["service_id"]: OnService(row["triggered"], row["acknowledged"], row["last_at"]) for row in rows}
    return {key: found.get(key, OnService()) for key in wanted}


def hidden(actor: Actor) -> QuerySet[Incident, Any]:
    """Ids of the incidents that this actor, who does not read everything, may not read; to be asked within a query."""
    found = Incident.objects.filter(confidential=True)
    if actor.user_id is not None:
        found = found.exclude(pk__in=Reader.objects.filter(user_id=actor.user_id).values("incident_id"))
    return found.order_by().values("pk")


def readers(actor: Actor, incident_id: int) -> list[Reader]:
    """Who was let into a confidential incident, and why, in that order; none for one that everybody reads.

    Administrators may read it besides. Raises NotFound.
    """
    if not incident(actor, incident_id).confidential:
        return []
    return list(Reader.objects.filter(incident_id=incident_id).select_related("user").order_by("id"))


def incidents(
    actor: Actor,
    *,
    state: Sequence[str] = (),
    priority: Sequence[str] = (),
    service: Sequence[int] = (),
    team: Sequence[int] = (),
    assignee: int | None = None,
    q: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    sort: str = "newest",
    before: int | None = None,
    imported: str = "no",
) -> QuerySet[Incident]:
    """Incidents that the actor may see. ``state`` may hold ``open``; ``before`` is a cursor: only smaller ids.

    ``q`` finds words of the title, or an incident by its number (``12``, ``INC-12``, or that of an imported one where
    it comes from). ``imported``: ``no``, ``yes`` or ``only`` history from elsewhere. Raises Invalid.
    """
    require(actor, Deed.READ)
    if sort not in SORTS:
        raise Invalid("Incidents cannot be sorted like this.", {"sort": f"must be one of {', '.join(SORTS)}"})
    states = set(state)
    if "open" in states:
        states = states - {"open"} | rules.OPEN
    if imported not in IMPORTED:
        raise Invalid("There is no such choice.", {"imported": f"must be one of {', '.join(IMPORTED)}"})
    unknown = states - set(rules.STATES)
    if unknown:
        raise Invalid("There is no such state.", {"state": f"must be open or one of {', '.join(rules.STATES)}"})
    rows = Incident.objects.select_related("service", "service__team", "acknowledged_by").order_by(*SORTS[sort])
    rows = rows.filter(readable(actor))
    if imported != "yes":
        rows = rows.filter(imported=imported == "only")
    if states:
        rows = rows.filter(state__in=states)
    if priority:
        rows = rows.filter(priority__in=priority)
    if service:
        rows = rows.filter(service_id__in=service)
    if team:
        rows = rows.filter(service__team_id__in=team)
    if assignee is not None:
        rows = rows.filter(Q(assignees=assignee) | Q(acknowledged_by=assignee)).distinct()
    if since:
        rows = rows.filter(opened_at__gte=since)
    if until:
        rows = rows.filter(opened_at__lt=until)
    if before is not None:
        rows = rows.filter(id__lt=before)
    words = q.split()
    number = words[0].upper().removeprefix("INC-") if len(words) == 1 else ""
    if number.isdigit() and len(number) < 18:
        rows = rows.filter(Q(pk=int(number)) | Q(title__icontains=words[0]) | numbered(words[0], imported))
    elif len(words) == 1:
        rows = rows.filter(Q(title__icontains=words[0]) | numbered(words[0], imported))
    else:
        for word in words:
            rows = rows.filter(title__icontains=word)
    return rows


def numbered(number: str, imported: str = "yes") -> Q:
    """The condition on incidents that were imported under this number."""
    if imported == "no":
        return Q(pk__in=())
    return Q(pk__in=Imported.objects.filter(number=number).values("incident_id"))


def imported_from(incident_id: int) -> Imported | None:
    """Where an imported incident comes from; None for one of our own."""
    return Imported.objects.filter(incident_id=incident_id).first()


def incident(actor: Actor, incident_id: int) -> Incident:
    """One incident that the actor may read. Raises NotFound."""
    require(actor, Deed.READ)
    found = (
        Incident.objects.select_related(
            "service", "service__team", "service__policy", "acknowledged_by", "declared_by", "merged_into"
        )
        .filter(readable(actor), pk=incident_id)
        .first()
    )
    if found is None:
        raise NotFound(f"There is no incident INC-{incident_id}.")
    return found


def timeline(
    actor: Actor, incident_id: int, *, kinds: Sequence[str] = (), after_seq: int = 0
) -> QuerySet[TimelineEntry]:
    """The incident's timeline, oldest first; only entries after ``after_seq`` and of these kinds, if any are given."""
    require(actor, Deed.READ)
    rows = TimelineEntry.objects.filter(readable(actor, "incident_id"), incident_id=incident_id, seq__gt=after_seq)
    rows = rows.order_by("seq")
    return rows.filter(kind__in=kinds) if kinds else rows


def last_entries(actor: Actor, incident_ids: Iterable[int], kinds: Sequence[str]) -> QuerySet[TimelineEntry]:
    """The last entry of each of these kinds on each of these timelines; by incident, then in their order."""
    require(actor, Deed.READ)
    rows = TimelineEntry.objects.filter(incident_id__in=list(incident_ids), kind__in=kinds)
    last = rows.order_by("incident_id", "kind", "-seq").distinct("incident_id", "kind").values("pk")
    found = TimelineEntry.objects.filter(readable(actor, "incident_id"), pk__in=last)
    return found.order_by("incident_id", "seq")


def entries(actor: Actor, *, kinds: Sequence[str] = ()) -> QuerySet[TimelineEntry]:
    """Entries of all timelines that the actor may read, with their incidents, newest first."""
    require(actor, Deed.READ)
    rows = TimelineEntry.objects.select_related("incident", "incident__service", "incident__service__team")
    rows = rows.filter(readable(actor, "incident_id")).order_by("-id")
    return rows.filter(kind__in=kinds) if kinds else rows


def acknowledgers(of: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """Who has acknowledged incidents (id, generation) of which several people have to; ids in their order."""
    generations = dict(of)
    found: dict[int, list[int]] = {}
    rows = Acknowledgement.objects.filter(incident_id__in=generations).order_by("id")
    for incident_id, generation, user_id in rows.values_list("incident_id", "generation", "user_id"):
        if generation == generations[incident_id]:
            found.setdefault(incident_id, []).append(user_id)
    return found


def reasons(incident_id: int, kinds: Sequence[str]) -> tuple[str, ...]:
    """The reasons, as codes, that entries of these kinds give on an incident's timeline; each once, in order."""
    rows = TimelineEntry.objects.filter(incident_id=incident_id, kind__in=kinds).order_by("seq")
    codes = (str(data.get("reason_code") or "") for data in rows.values_list("data", flat=True))
    return tuple(dict.fromkeys(code for code in codes if code))


def acknowledgements(incident: Incident) -> list[Acknowledgement]:
    """The acknowledgements that count now, or that ended the paging, where several people had to; in their order.

    From what was prefetched (``acknowledgements__user``), where it was.
    """
    generation = incident.generation if incident.state == "triggered" else incident.generation - 1
    return [one for one in incident.acknowledgements.all() if one.generation == generation]


def verify_timeline(incident_id: int) -> list[str]:
    """What is wrong with an incident's timeline, in sentences; empty when its chain holds."""
    head = Incident.objects.values_list("head", flat=True).get(pk=incident_id)
    entries = [
        rules.Entry(
            row.incident_id, row.seq, row.at, row.kind, row.actor_kind, row.actor_id, row.actor_name, row.data,
            row.previous, row.hash,
        )
        for row in TimelineEntry.objects.filter(incident_id=incident_id).order_by("seq")
    ]  # fmt: skip
    return rules.chain_problems(entries, head)


def counts_by_priority(actor: Actor) -> dict[str, int]:
    """How many open incidents there are of each priority, P1 to P5; confidential ones too, a number tells nothing."""
    require(actor, Deed.READ)
    found = dict(Incident.objects.filter(state__in=rules.OPEN).values_list("priority").annotate(Count("id")).order_by())
    return {priority: found.get(priority, 0) for priority in rules.PRIORITIES}


def ended_by_person(incident_id: int) -> bool:
    """Whether it was a person, not its alerts, who last ended the incident."""
    last = TimelineEntry.objects.filter(incident_id=incident_id, kind="resolved").order_by("-seq").first()
    return last is not None and last.actor_kind not in ("source", "system")


# --- command ------------------------------------------------------------------------------------------------------


def roles(actor: Actor) -> list[Role]:
    """The roles that people take, in their order."""
    require(actor, Deed.READ)
    return list(Role.objects.order_by("position", "name"))


def role(actor: Actor, ref: int | str) -> Role:
    """A role by id, slug or name. Raises NotFound."""
    require(actor, Deed.READ)
    text = str(ref).strip()
    known = Q(slug=text.lower()) | Q(name__iexact=text)
    found = Role.objects.filter(Q(pk=int(text)) if text.isascii() and text.isdigit() and len(text) < 18 else known)
    row = found.first()
    if row is None:
        raise NotFound(f"There is no role {ref}.")
    return row


def export_roles() -> list[command.RoleSpec]:
    """All roles as people write them."""
    return [
        command.RoleSpec(row.name, row.slug, row.summary, list(row.duties), row.leads, row.position)
        for row in Role.objects.order_by("position", "name")
    ]


def holders(actor: Actor, incident_id: int, *, everybody: bool = False) -> list[RoleHolder]:
    """Who holds a role in an incident or was asked to; ``everybody``: also who did before. Raises NotFound."""
    incident(actor, incident_id)
    rows = RoleHolder.objects.filter(incident_id=incident_id).select_related(
        "role", "user", "asked_by", "previous__user"
    )
    if not everybody:
        rows = rows.filter(state__in=command.HOLDING)
    return list(rows.order_by("role__position", "role__name", "id"))


def holder(actor: Actor, holder_id: int) -> RoleHolder:
    """Somebody's part in an incident that the actor may read. Raises NotFound."""
    require(actor, Deed.READ)
    rows = RoleHolder.objects.filter(readable(actor, "incident_id"), pk=holder_id)
    found = rows.select_related("role", "user", "asked_by", "previous__user").first()
    if found is None:
        raise NotFound("There is no such holder of a role.")
    return found


def tasks(actor: Actor, incident_id: int) -> list[Task]:
    """Tasks of an incident: open ones first, the most urgent on top. Raises NotFound."""
    incident(actor, incident_id)
    rows = list(Task.objects.filter(incident_id=incident_id).select_related("owner", "created_by").order_by("id"))
    order = {"open": 0, "done": 1, "dropped": 2}
    return sorted(rows, key=lambda one: (order[one.state], one.due_at is None, one.due_at or one.created_at, one.pk))


def task(actor: Actor, task_id: int) -> Task:
    """A task of an incident that the actor may read. Raises NotFound."""
    require(actor, Deed.READ)
    found = Task.objects.filter(readable(actor, "incident_id"), pk=task_id).select_related("owner").first()
    if found is None:
        raise NotFound("There is no such task.")
    return found


def facts(actor: Actor, incident_id: int) -> list[Fact]:
    """What is pinned. Raises NotFound."""
    incident(actor, incident_id)
    rows = Fact.objects.filter(incident_id=incident_id, removed_at=None)
    return list(rows.select_related("pinned_by").order_by("id"))


def decisions(actor: Actor, incident_id: int) -> list[TimelineEntry]:
    """What was decided, oldest first."""
    return list(timeline(actor, incident_id, kinds=["decided"]))


# --- history from elsewhere ---------------------------------------------------------------------------------------


def imported_figures(actor: Actor, source: str, zone: str = "UTC") -> dict[str, Any]:
    """Figures over the imported incidents of a source that the actor may read; months are those of ``zone``.

    Times to acknowledge and to resolve, in seconds, are over those incidents only whose moments are known.
    """
    require(actor, Deed.READ)
    rows = Incident.objects.filter(readable(actor), imported=True, imported_from__source=source).order_by()
    months = rows.annotate(month=TruncMonth("opened_at", tzinfo=ZoneInfo(zone))).values_list("month")
    counts = dict(rows.values_list("priority").annotate(Count("id")))
    return {
        "incidents": rows.count(),
        "reopened": rows.filter(imported_from__reopened__gt=0).count(),
        "reassigned": rows.filter(imported_from__reassigned__gt=0).count(),
        "by_priority": {name: counts.get(name, 0) for name in rules.PRIORITIES},
        "by_month": {month.strftime("%Y-%m"): n for month, n in months.annotate(Count("id")).order_by("month")},
        "time_to_resolve": _spread(rows.filter(imported_from__resolved_known=True), "resolved_at"),
        "time_to_acknowledge": _spread(rows.filter(acknowledged_at__isnull=False), "acknowledged_at"),
    }


class _Quantiles(Aggregate):
    """The median, three quarters, nine tenths and 95 % of values, interpolated."""

    function = "percentile_cont"
    template = "%(function)s(ARRAY[0.5, 0.75, 0.9, 0.95]) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = ArrayField(FloatField())


def _spread(rows: QuerySet[Incident], until: str) -> dict[str, Any]:
    """How long it took from opening until a moment: how many, mean, quantiles, seconds."""
    lasted = ExpressionWrapper(F(until) - F("opened_at"), output_field=DurationField())
    took = rows.annotate(took=Cast(Extract(lasted, "epoch"), FloatField()))
    found = took.aggregate(n=Count("took"), mean=Avg("took"), quantiles=_Quantiles("took"))
    if not found["n"]:
        return {"n": 0}
    names = ("p50_s", "p75_s", "p90_s", "p95_s")
    quantiles = zip(names, (round(value, 3) for value in found["quantiles"]), strict=True)
    return {"n": found["n"], "mean_s": round(found["mean"], 3)} | dict(quantiles)
