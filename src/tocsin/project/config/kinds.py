"""What configuration consists of: each kind with its specs, its natural key, and the actions that keep it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.crypto import salted_hmac
from django.utils.text import slugify
from pydantic import ConfigDict, TypeAdapter

from tocsin.api.schema import strict
from tocsin.catalogue import actions as catalogue
from tocsin.catalogue import queries as catalogue_queries
from tocsin.catalogue.models import Service
from tocsin.catalogue.rules import ServiceSpec
from tocsin.delivery import provider_queries, webhooks
from tocsin.delivery.actions.providers import delete_providers, save_provider
from tocsin.delivery.actions.webhooks import delete_webhooks, save_webhook
from tocsin.delivery.models import Provider, Webhook
from tocsin.delivery.rules import WEBHOOK, WebhookSpec
from tocsin.delivery.rules.providers import ProviderSpec
from tocsin.escalation import actions as escalation
from tocsin.escalation import queries as escalation_queries
from tocsin.escalation.models import Policy
from tocsin.escalation.rules import PolicySpec
from tocsin.incidents import actions as incidents
from tocsin.incidents import queries as incident_queries
from tocsin.incidents.models import Role
from tocsin.incidents.rules.command import RoleSpec
from tocsin.intake import actions as intake
from tocsin.intake import queries as intake_queries
from tocsin.intake.models import Source
from tocsin.intake.rules import SourceSpec
from tocsin.oncall import actions as oncall
from tocsin.oncall import queries as oncall_queries
from tocsin.oncall.models import Schedule
from tocsin.oncall.rules import ScheduleSpec
from tocsin.people import actions as people
from tocsin.people import queries as people_queries
from tocsin.people.models import ContactMethod, Team, User
from tocsin.people.rules import TeamSpec, UserSpec, holds_credential
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.errors import Invalid
from tocsin.triage import actions as triage
from tocsin.triage import queries as triage_queries
from tocsin.triage.models import Rule
from tocsin.triage.rules import RuleSpec, WindowSpec

strict(
    UserSpec,
    TeamSpec,
    RoleSpec,
    ServiceSpec,
    SourceSpec,
    ScheduleSpec,
    ProviderSpec,
    WebhookSpec,
    PolicySpec,
    RuleSpec,
    WindowSpec,
)


@dataclass
class Configuration:
    """Everything that can be configured as code. What a file does not name stays as it is.

    Of a thing that is named, a field that is left out has its default, except for lists that may be empty on purpose
    (contact methods, rules, members, dependencies): those stay as they are.
    """

    version: int = 1
    people: list[UserSpec] = field(default_factory=list)
    teams: list[TeamSpec] = field(default_factory=list)
    roles: list[RoleSpec] = field(default_factory=list)
    schedules: list[ScheduleSpec] = field(default_factory=list)
    providers: list[ProviderSpec] = field(default_factory=list)
    webhooks: list[WebhookSpec] = field(default_factory=list)
    policies: list[PolicySpec] = field(default_factory=list)
    services: list[ServiceSpec] = field(default_factory=list)
    sources: list[SourceSpec] = field(default_factory=list)
    triage_rules: list[RuleSpec] = field(default_factory=list)
    maintenance_windows: list[WindowSpec] = field(default_factory=list)


Configuration.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]


def _slug(text: str) -> str:
    return slugify(text)[:120].strip("-")


def _named(spec: Any) -> str:
    """The slug, or what it will be made of the name."""
    return spec.slug.strip().lower() or _slug(spec.name)


@dataclass(frozen=True)
class Kind:
    """A kind of configured thing.

    section  its key at the top of a file
    word     what one is called in plans
    spec     the dataclass
    name     the natural key of a spec
    stored   what there is: natural key -> (id, spec)
    save     the action that adds or changes one
    remove   the action that takes some away
    before   natural keys of the same kind that must be saved before this one
    ended    natural keys of those that are over and are a record by now: neither exported nor pruned
    """

    section: str
    word: str
    spec: type
    name: Callable[[Any], str]
    stored: Callable[[], dict[str, tuple[int, Any]]]
    save: Callable[..., Any]
    remove: Callable[[list[int], Actor], object]
    before: Callable[[Any], Iterable[str]] = lambda spec: ()
    ended: Callable[[], set[str]] = set

    @property
    def adapter(self) -> TypeAdapter[Any]:
        """Validates and dumps specs of this kind."""
        return _ADAPTERS[self.spec]


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _by_name(specs: Sequence[Any], ids: dict[str, int], name: Callable[[Any], str]) -> dict[str, tuple[int, Any]]:
    return {name(spec): (ids[name(spec)], spec) for spec in specs if name(spec) in ids}


REFERENCE = "secret:"


def _reference(address: str) -> str:
    """What stands for an address that is a secret: enough to recognise it here, nothing to use elsewhere."""
    return REFERENCE + salted_hmac("tocsin.config.address", address).hexdigest()[:20]


def _people() -> dict[str, tuple[int, Any]]:
    ids = {email.lower(): pk for email, pk in User.objects.values_list("email", "pk")}
    specs = [_addressed(spec, _hidden) for spec in people_queries.export_users()]
    return _by_name(specs, ids, _email)


def _hidden(channel: str, address: str) -> str:
    return _reference(address) if holds_credential(channel, address) else address


def _addressed(spec: UserSpec, turn: Callable[[str, str], str]) -> UserSpec:
    """A person with every address turned into another text."""
    methods, rules = spec.contact_methods, spec.rules
    return replace(
        spec,
        contact_methods=methods and [replace(one, address=turn(one.channel, one.address)) for one in methods],
        rules=rules and [replace(one, address=turn(one.channel, one.address)) for one in rules],
    )


def _save_person(spec: UserSpec, *, actor: Actor, id: int | None = None) -> User:
    """``save_user``, after addresses that stand for a stored secret were turned back into it."""
    stored: dict[tuple[str, str], str] = {}
    if id is not None:
        for channel, address in ContactMethod.objects.filter(user_id=id).values_list("channel", "address"):
            stored[channel, _reference(address)] = address
    problems: dict[str, str] = {}
    for number, method in enumerate(spec.contact_methods or ()):
        if method.address.startswith(REFERENCE) and (method.channel, method.address) not in stored:
            problems[f"contact_methods.{number}.address"] = "the address itself: no stored one is meant by this"
    if problems:
        raise Invalid("This person cannot be kept.", problems)
    known = _addressed(spec, lambda channel, address: stored.get((channel, address), address))
    return people.save_user(known, actor=actor, id=id)


def _email(spec: Any) -> str:
    return str(spec.email).strip().lower()


def _teams() -> dict[str, tuple[int, Any]]:
    return _by_name(people_queries.export_teams(), dict(Team.objects.values_list("slug", "pk")), _named)


def _roles() -> dict[str, tuple[int, Any]]:
    return _by_name(incident_queries.export_roles(), dict(Role.objects.values_list("slug", "pk")), _named)


def _schedules() -> dict[str, tuple[int, Any]]:
    return _by_name(oncall_queries.export_schedules(), dict(Schedule.objects.values_list("slug", "pk")), _named)


def _providers() -> dict[str, tuple[int, Any]]:
    return _by_name(provider_queries.export_providers(), dict(Provider.objects.values_list("slug", "pk")), _named)


def _webhooks() -> dict[str, tuple[int, Any]]:
    specs = [replace(spec, url=_hidden(WEBHOOK, spec.url)) for spec in webhooks.export_webhooks()]
    return _by_name(specs, dict(Webhook.objects.values_list("slug", "pk")), _named)


def _save_webhook(spec: WebhookSpec, *, actor: Actor, id: int | None = None) -> Webhook:
    """``save_webhook``, after an address that stands for a stored secret was turned back into it."""
    if spec.url.startswith(REFERENCE):
        stored = Webhook.objects.filter(pk=id or 0).values_list("url", flat=True).first() or ""
        if not stored or _reference(stored) != spec.url:
            problem = "the address itself: no stored one is meant by this"
            raise Invalid("This webhook cannot be kept.", {"url": problem})
        spec = replace(spec, url=stored)
    return save_webhook(spec, actor=actor, id=id)


def _policies() -> dict[str, tuple[int, Any]]:
    return _by_name(escalation_queries.export_policies(), dict(Policy.objects.values_list("slug", "pk")), _named)


def _services() -> dict[str, tuple[int, Any]]:
    return _by_name(catalogue_queries.export_services(), dict(Service.objects.values_list("slug", "pk")), _named)


def _source_name(spec: Any) -> str:
    service = catalogue_queries.service_named(spec.service)
    return f"{service.slug if service else spec.service.strip().lower()}/{spec.name.strip()}"


def _sources() -> dict[str, tuple[int, Any]]:
    ids = {(slug, name): pk for slug, name, pk in Source.objects.values_list("service__slug", "name", "pk")}
    specs = intake_queries.export_sources()
    return {f"{spec.service}/{spec.name}": (ids[spec.service, spec.name], spec) for spec in specs}


def _rule_name(spec: Any) -> str:
    return str(spec.name).strip()


def _rules() -> dict[str, tuple[int, Any]]:
    return _by_name(triage_queries.export_rules(), dict(Rule.objects.values_list("name", "pk")), _rule_name)


def _windows() -> dict[str, tuple[int, Any]]:
    """Windows by name, past ones too, so that a file that names one does not make it again. Of several with one name
    the latest counts."""
    found: dict[str, tuple[int, Any]] = {}
    for row in triage_queries.windows(SYSTEM).filter(silence=None).order_by("starts_at", "id"):
        services = sorted(service.slug for service in row.services.all())
        spec = WindowSpec(row.name, services, row.starts_at, row.duration_s, row.rrule, row.zone, row.mode, row.note)
        spec.condition = row.condition
        found[_rule_name(spec)] = (row.pk, spec)
    return found


def _ended_windows() -> set[str]:
    return _windows().keys() - {_rule_name(spec) for spec in triage_queries.export_windows()}


def _service_refs(spec: Any) -> list[str]:
    return [_slug(ref) if " " in ref else ref.strip().lower() for ref in spec.depends_on or ()]


KINDS: tuple[Kind, ...] = (
    Kind(
        "people",
        "person",
        UserSpec,
        _email,
        _people,
        _save_person,
        # a person who leaves the files loses access; what they did stays theirs
        lambda ids, actor: people.set_active(ids, False, actor=actor),
        before=lambda spec: [spec.manager.strip().lower()] if spec.manager else [],
    ),
    Kind(
        "teams", "team", TeamSpec, _named, _teams, people.save_team,
        lambda ids, actor: people.delete_teams(ids, actor=actor),
    ),
    Kind(
        "roles", "role", RoleSpec, _named, _roles, incidents.save_role,
        lambda ids, actor: incidents.delete_roles(ids, actor=actor),
    ),
    Kind(
        "schedules", "schedule", ScheduleSpec, _named, _schedules, oncall.save_schedule,
        lambda ids, actor: oncall.delete_schedules(ids, actor=actor),
    ),
    Kind(
        "providers", "provider", ProviderSpec, _named, _providers, save_provider,
        lambda ids, actor: delete_providers(ids, actor=actor),
    ),
    Kind(
        "webhooks", "webhook", WebhookSpec, _named, _webhooks, _save_webhook,
        lambda ids, actor: delete_webhooks(ids, actor=actor),
    ),
    Kind(
        "policies", "policy", PolicySpec, _named, _policies, escalation.save_policy,
        lambda ids, actor: escalation.delete_policies(ids, actor=actor),
        before=lambda spec: [spec.confidential.strip().lower()] if spec.confidential else [],
    ),
    Kind(
        "services", "service", ServiceSpec, _named, _services, catalogue.save_service,
        lambda ids, actor: catalogue.delete_services(ids, actor=actor),
        before=_service_refs,
    ),
    Kind(
        "sources", "source", SourceSpec, _source_name, _sources, intake.save_source,
        lambda ids, actor: intake.delete_source(ids, actor=actor),
    ),
    Kind(
        "triage_rules", "rule", RuleSpec, _rule_name, _rules, triage.save_rule,
        lambda ids, actor: triage.delete_rules(ids, actor=actor),
    ),
    Kind(
        "maintenance_windows", "maintenance window", WindowSpec, _rule_name, _windows, triage.save_window,
        lambda ids, actor: triage.delete_windows(ids, actor=actor),
        ended=_ended_windows,
    ),
)  # fmt: skip
BY_SECTION = {kind.section: kind for kind in KINDS}
_ADAPTERS.update({kind.spec: TypeAdapter(kind.spec) for kind in KINDS})
