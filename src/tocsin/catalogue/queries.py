"""What others may read of the catalogue."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from tocsin.catalogue import rules
from tocsin.catalogue.models import Change, Dependency, Service
from tocsin.catalogue.rules import ServiceSpec
from tocsin.oncall.rules import RestrictionSpec, restriction
from tocsin.people.rules import Deed, require
from tocsin.platform.actor import Actor
from tocsin.platform.errors import NotFound


@dataclass(frozen=True, slots=True)
class Reached:
    """A service that is hurt when another fails, and over how many dependencies."""

    service: Service
    steps: int


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A service among others: what it needs, what needs it, and everything that would be hurt if it failed."""

    service: Service
    needs: list[Service]
    needed_by: list[Service]
    blast_radius: list[Reached]


def services(
    actor: Actor, q: str = "", *, team: str = "", tier: int | None = None, enabled: bool | None = None
) -> QuerySet[Service]:
    """Services by name; ``q`` searches name, slug and description, ``team`` is a slug. Raises Forbidden."""
    require(actor, Deed.READ)
    found = Service.objects.order_by("name", "id").select_related("team", "policy")
    if q.strip():
        text = q.strip()
        found = found.filter(Q(name__icontains=text) | Q(slug__icontains=text) | Q(description__icontains=text))
    if team:
        found = found.filter(team__slug=team)
    if tier is not None:
        found = found.filter(tier=tier)
    return found if enabled is None else found.filter(enabled=enabled)


def service(actor: Actor, ref: int | str) -> Service:
    """A service by id, slug or name, in any case. Raises NotFound, Forbidden."""
    require(actor, Deed.READ)
    found = service_named(str(ref))
    if found is None:
        raise NotFound(f"There is no service called {ref}.", {"service": "the slug or name of a service"})
    return found


def service_named(ref: str) -> Service | None:
    """A service by id, slug or name, in any case; None when there is none."""
    text = ref.strip()
    found = Service.objects.select_related("team", "policy")
    if text.isascii() and text.isdigit() and len(text) < 10:
        return found.filter(pk=int(text)).first()
    return found.filter(slug=text.lower()).first() or found.filter(name__iexact=text).first()


def neighbourhood(actor: Actor, service_id: int) -> Neighbourhood:
    """A service with its dependencies both ways and its blast radius, nearest first. Raises NotFound, Forbidden."""
    one = service(actor, service_id)
    needs: list[int] = []
    needed_by: dict[int, list[int]] = {}
    for key, other in Dependency.objects.order_by("id").values_list("service_id", "needs_id"):
        needed_by.setdefault(other, []).append(key)
        if key == one.pk:
            needs.append(other)
    hurt = rules.reach(one.pk, needed_by)
    direct = needed_by.get(one.pk, [])
    known = Service.objects.select_related("team", "policy").in_bulk([*needs, *hurt])
    return Neighbourhood(
        service=one,
        needs=sorted((known[key] for key in needs), key=lambda row: row.name),
        needed_by=sorted((known[key] for key in direct), key=lambda row: row.name),
        blast_radius=sorted(
            (Reached(known[key], steps) for key, steps in hurt.items()),
            key=lambda row: (row.steps, row.service.tier, row.service.name),
        ),
    )


def changes(
    actor: Actor, *, service_id: int | None = None, since: datetime | None = None, until: datetime | None = None
) -> QuerySet[Change]:
    """Changes, newest first. Raises Forbidden."""
    require(actor, Deed.READ)
    found = Change.objects.order_by("-at", "-id").select_related("service")
    if service_id is not None:
        found = found.filter(service_id=service_id)
    if since is not None:
        found = found.filter(at__gte=since)
    return found if until is None else found.filter(at__lt=until)


def export_services() -> list[ServiceSpec]:
    """Every service as configuration, by slug."""
    rows = Service.objects.order_by("slug").select_related("team", "policy").prefetch_related("needs__needs")
    return [spec_of(row) for row in rows]


def hours_of(row: Service) -> list[RestrictionSpec]:
    """When people work on a service, in its zone; empty: Monday to Friday, 09:00 to 17:00."""
    return [RestrictionSpec.of(restriction(window)) for window in row.hours]


def spec_of(row: Service) -> ServiceSpec:
    """A service as configuration."""
    return ServiceSpec(
        name=row.name,
        slug=row.slug,
        description=row.description,
        team=row.team.slug if row.team else "",
        policy=row.policy.slug if row.policy else "",
        tier=row.tier,
        impact=row.impact,
        grouping=row.grouping,
        depends_on=sorted(link.needs.slug for link in row.needs.all()),
        auto_resolve_s=row.auto_resolve_s,
        enabled=row.enabled,
        runbook_url=row.runbook_url,
        zone=row.zone,
        hours=hours_of(row),
        confidential=row.confidential,
    )
