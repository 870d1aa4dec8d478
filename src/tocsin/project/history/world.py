"""What the services, teams and people of a file are here: found by name, made where that is wanted, or kept as text."""

from collections.abc import Iterable

from django.utils.text import slugify

from tocsin.catalogue import actions as catalogue
from tocsin.catalogue.models import Service
from tocsin.catalogue.rules import ServiceSpec
from tocsin.incidents.past import PastIncident
from tocsin.people import actions as people
from tocsin.people.models import Team, User
from tocsin.people.rules import TeamSpec
from tocsin.platform.actor import Actor
from tocsin.project.history.findings import Findings
from tocsin.project.history.options import Options

IMPORTED = "Imported"


class World:
    """Knows what exists. ``made`` grows when services and teams are made: ids by kind."""

    def __init__(self, options: Options, findings: Findings) -> None:
        self.options = options
        self.findings = findings
        self.made: dict[str, list[int]] = {"services": [], "teams": []}
        self.wanted: dict[str, int] = {}  # services of the file that are not known here, and how often they are named
        self.found: dict[str, int] = {}
        self._services: dict[str, int] = {}
        for pk, name, slug in Service.objects.order_by("id").values_list("id", "name", "slug"):
            for key in (slug, name):
                self._services.setdefault(key.casefold(), pk)
        self._teams = {name.casefold(): slug for name, slug in Team.objects.values_list("name", "slug")}
        self._teams |= {slug: slug for slug in self._teams.values()}
        self._people = _people(User.objects.filter(is_active=True).values_list("id", "email", "name"))

    def service_name(self, past: PastIncident) -> str:
        """What its service is called here: a bare number gets its column's name in front, none is ``Imported``."""
        name = " ".join(past.service.split())[:100]
        if not name:
            return IMPORTED
        if not slugify(name) or not any(map(str.isalpha, slugify(name))):
            return f"{self.options.mapping.get('service', 'service')} {name}"[:120]
        return name

    def see(self, past: PastIncident) -> None:
        """Say whose it would be, without making anything."""
        name = self.service_name(past)
        known = self._services.get(name.casefold())
        if known is not None:
            past.service_id = known
            self.found[name] = self.found.get(name, 0) + 1
        else:
            self.wanted[name] = self.wanted.get(name, 0) + 1
        if past.person:
            person = self._people.get(past.person.casefold())
            if person is None:
                self.findings.add("person_unknown", past.lines[-1] if past.lines else 0, past.person)
                past.exact = False
            past.assignee_id = person
            past.acknowledged_by_id = person if past.acknowledged_at else None

    def settle(self, past: PastIncident, *, actor: Actor) -> None:
        """Say whose it is, making the service and its team where that is wanted."""
        self.see(past)
        if past.service_id:
            return
        name = self.service_name(past) if self.options.services == "create" else IMPORTED
        key = name.casefold()
        if key not in self._services:
            self._services[key] = self._make(name, past.team if self.options.teams else "", actor)
        past.service_id = self._services[key]

    def _make(self, name: str, team: str, actor: Actor) -> int:
        # it is switched off: it has no policy, and nothing that comes in later is to be taken for its own
        spec = ServiceSpec(
            name=name,
            slug=_slug(name),
            description="Made by an import of past incidents.",
            team=self._team(team, actor) if team else "",
            tier=4,
            enabled=False,
        )
        service = catalogue.save_service(spec, actor=actor)
        self.made["services"].append(service.pk)
        return service.pk

    def _team(self, name: str, actor: Actor) -> str:
        name = " ".join(name.split())[:100]
        if name.isdigit():
            name = f"{self.options.mapping.get('team', 'team')} {name}"[:100]
        if name.casefold() not in self._teams:
            slug = _slug(name)[:100]
            team = people.save_team(TeamSpec(name=name, slug=slug), actor=actor)
            self.made["teams"].append(team.pk)
            self._teams[name.casefold()] = team.slug
        return self._teams[name.casefold()]


def _slug(name: str) -> str:
    """A slug that no other has: two names may differ in signs only."""
    base = slugify(name)[:90].strip("-") or "imported"
    slug, number = base, 2
    while Service.objects.filter(slug=slug).exists() or Team.objects.filter(slug=slug).exists():
        slug, number = f"{base}-{number}", number + 1
    return slug


def _people(rows: Iterable[tuple[int, str, str]]) -> dict[str, int]:
    """E-mail address or name -> person, of what only one of them is called."""
    found: dict[str, set[int]] = {}
    for pk, email, name in rows:
        for key in (email, name):
            found.setdefault(key.casefold(), set()).add(pk)
    return {key: min(ids) for key, ids in found.items() if len(ids) == 1}
