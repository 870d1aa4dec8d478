"""Every write to the catalogue: services, what they need, what was changed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from django.apps import apps
from django.db import transaction
from django.db.models import Q
from django.utils.text import slugify

from tocsin.catalogue import rules
from tocsin.catalogue.models import Change, Dependency, Service
from tocsin.catalogue.queries import service_named
from tocsin.catalogue.rules import ChangeSpec, ServiceSpec
from tocsin.people.queries import team_named
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, clock
from tocsin.platform.actor import Actor
from tocsin.platform.canary import SERVICE
from tocsin.platform.errors import Conflict, Invalid, NotFound
from tocsin.triage.rules import grouping_problems

OPEN_STATES = ["triggered", "acknowledged", "mitigated"]


def save_service(spec: ServiceSpec, *, actor: Actor, id: int | None = None) -> Service:
    """Add a service, or change the one with this ``id``. The slug is made from the name when empty.

    Raises Forbidden, NotFound, Invalid (field names of the spec; a cycle of dependencies is named), Conflict when name
    or slug is taken.
    """
    # whose it is decides who may change it; whose it becomes, who may give it
    owner = None if id is None else Service.objects.filter(pk=id).values_list("team_id", flat=True).first()
    team = team_named(spec.team) if spec.team.strip() else None
    require(actor, Deed.CONFIGURE, owner if id is not None else team.pk if team else None)
    with transaction.atomic():
        service = Service(created_at=clock.now()) if id is None else _lock(id)
        slug = spec.slug.strip().lower() or service.slug or slugify(spec.name)[:120].strip("-")
        spec = replace(
            spec, name=spec.name.strip(), slug=slug, runbook_url=spec.runbook_url.strip(), zone=spec.zone.strip()
        )
        problems = rules.check_service(spec) | grouping_problems(spec.grouping)
        if spec.team.strip() and team is None:
            problems["team"] = "the slug or name of a team"
        policy = _policy_id(spec.policy)
        if spec.policy.strip() and policy is None:
            problems["policy"] = "the slug or name of a policy"
        if problems:
            raise Invalid("This service cannot be kept.", problems)
        # of all services: the canary's stands in no list, and has a name all the same
        everything = Service._base_manager.exclude(pk=service.pk)
        taken = everything.filter(Q(slug=slug) | Q(name__iexact=spec.name)).first()
        if taken is not None:
            field = "slug" if taken.slug == slug else "name"
            raise Conflict("A service like this exists already.", {field: "one not yet in use"})
        before = None if id is None else _facts(service)
        wanted: dict[str, object] = {
            "name": spec.name,
            "slug": spec.slug,
            "description": spec.description.strip(),
            "team_id": team.pk if team else None,
            "policy_id": policy,
            "tier": spec.tier,
            "impact": spec.impact,
            "grouping": spec.grouping,
            "auto_resolve_s": spec.auto_resolve_s,
            "enabled": spec.enabled,
            "runbook_url": spec.runbook_url,
            "zone": spec.zone,
            "hours": [window.to_json() for window in spec.hours],
            "confidential": spec.confidential,
        }
        changed = [name for name, value in wanted.items() if id is None or getattr(service, name) != value]
        for name in changed:
            setattr(service, name, wanted[name])
        if id is None:
            service.save()
        elif changed:
            service.save(update_fields=changed)
        if spec.depends_on is not None:
            _set_needs(service, spec.depends_on)
        after = _facts(service)
        if before != after:
            verb = "created" if id is None else "changed"
            audit.record(actor, verb, "service", service.pk, service.name, before, after)
    return service


def link_services(needs: dict[int, Iterable[int]], *, actor: Actor) -> None:
    """Say for several services at once what each needs (ids); what is not named stays as it is.

    Raises Forbidden, NotFound, Invalid when a cycle would come about.
    """
    with transaction.atomic():
        for service_id in sorted(needs):
            service = _lock(service_id)
            require(actor, Deed.CONFIGURE, service.team_id)
            before = _facts(service)
            _replace_needs(service, set(needs[service_id]) - {service_id})
            after = _facts(service)
            if before != after:
                audit.record(actor, "changed", "service", service.pk, service.name, before, after)
        if needs:
            _check_cycles(min(needs))


def set_enabled(ids: Iterable[int], enabled: bool, *, actor: Actor) -> int:
    """Let services open incidents, or not. How many changed. Raises Forbidden."""
    with transaction.atomic():
        found = list(Service.objects.select_for_update().filter(pk__in=list(ids)).exclude(enabled=enabled))
        for service in found:
            require(actor, Deed.CONFIGURE, service.team_id)
            service.enabled = enabled
            service.save(update_fields=["enabled"])
            facts = {"enabled": not enabled}, {"enabled": enabled}
            audit.record(actor, "changed", "service", service.pk, service.name, *facts)
    return len(found)


def delete_services(ids: Iterable[int], *, actor: Actor) -> int:
    """Remove services with their sources; how many were removed.

    Raises Forbidden; Conflict, before any is removed, when one has incidents: open ones must end first, and past ones
    are a record that must not go. Such a service is disabled instead.
    """
    with transaction.atomic():
        found = list(Service.objects.select_for_update().filter(pk__in=list(ids)))
        problems: dict[str, str] = {}
        for service in found:
            require(actor, Deed.CONFIGURE, service.team_id)
            open_one = service.incidents.filter(state__in=OPEN_STATES).first()
            if open_one is not None:
                problems[service.slug] = f"INC-{open_one.pk} is still open"
            elif service.incidents.exists():
                problems[service.slug] = "has incidents on record; disable it instead"
        if problems:
            raise Conflict("These services cannot be removed.", problems)
        for service in found:
            audit.record(actor, "deleted", "service", service.pk, service.name, _facts(service))
            service.delete()
    return len(found)


def record_changes(changes: Sequence[ChangeSpec], *, actor: Actor) -> int:
    """Keep changes (deploys, flags, configuration), one statement for all; how many were kept.

    A person must be allowed to respond; sources and Tocsin itself write what signals tell. Raises Forbidden, Invalid.
    """
    if actor.kind != "source":
        require(actor, Deed.RESPOND)
    problems = {f"{number}.summary": "at least one character" for number, change in enumerate(changes)
                if not change.summary.strip()}  # fmt: skip
    if problems:
        raise Invalid("These changes cannot be kept.", problems)
    rows = [
        Change(
            service_id=change.service_id,
            at=change.at,
            summary=change.summary.strip()[:1024],
            origin=change.origin[:300],
            links=change.links,
            details=change.details,
            signal_id=change.signal_id,
        )
        for change in changes
    ]
    return len(Change.objects.bulk_create(rows))


def _lock(service_id: int) -> Service:
    service = Service.objects.select_for_update().filter(pk=service_id).first()
    if service is None:
        raise NotFound("There is no such service.")
    return service


def _policy_id(ref: str) -> int | None:
    """Primary key of a policy by id, slug or name. Escalation lies above, so the registry of models is asked."""
    text = ref.strip()
    if not text:
        return None
    policies = apps.get_model("escalation", "Policy").objects
    if text.isascii() and text.isdigit():
        found = policies.filter(pk=int(text)).first()
    else:
        found = policies.filter(slug=text.lower()).first() or policies.filter(name__iexact=text).first()
    return None if found is None else int(found.pk)


def _set_needs(service: Service, depends_on: Iterable[str]) -> None:
    wanted: set[int] = set()
    problems: dict[str, str] = {}
    for number, ref in enumerate(depends_on):
        other = service_named(ref)
        if other is None:
            problems[f"depends_on.{number}"] = f"the slug or name of a service; there is no {ref}"
        elif other.pk == service.pk:
            problems[f"depends_on.{number}"] = "another service: none needs itself"
        else:
            wanted.add(other.pk)
    if problems:
        raise Invalid("This service cannot be kept.", problems)
    _replace_needs(service, wanted)
    _check_cycles(service.pk)


def _replace_needs(service: Service, wanted: set[int]) -> None:
    have = set(Dependency.objects.filter(service=service).values_list("needs_id", flat=True))
    Dependency.objects.filter(service=service, needs_id__in=have - wanted).delete()
    Dependency.objects.bulk_create(Dependency(service=service, needs_id=other) for other in sorted(wanted - have))


def _check_cycles(first: int) -> None:
    needs: dict[int, list[int]] = {first: []}  # a circle is told from the service that was changed
    for service_id, other in Dependency.objects.order_by("id").values_list("service_id", "needs_id"):
        needs.setdefault(service_id, []).append(other)
    rules.require_no_cycle(needs, dict(Service.objects.values_list("pk", "name")))


def _facts(service: Service) -> dict[str, object]:
    """What the audit keeps of a service."""
    return {
        "name": service.name,
        "slug": service.slug,
        "description": service.description,
        "team": service.team_id,
        "policy": service.policy_id,
        "tier": service.tier,
        "impact": service.impact,
        "grouping": service.grouping,
        "auto_resolve_s": service.auto_resolve_s,
        "enabled": service.enabled,
        "runbook_url": service.runbook_url,
        "zone": service.zone,
        "hours": service.hours,
        "confidential": service.confidential,
        "depends_on": sorted(service.needs.values_list("needs__slug", flat=True)),
    }


def keep_canary_service() -> int:
    """The service of canaries, made when there is none; its id. It stands in no list, see ``platform.canary``."""
    Service._base_manager.get_or_create(
        pk=SERVICE,
        defaults={"name": "Tocsin (canary)", "slug": "-canary", "tier": 1, "impact": "high", "created_at": clock.now()},
    )
    return SERVICE
