"""Schedules. A body lists layers from the lowest up, an answer from the highest down, as PagerDuty does."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tocsin.api.pagerduty import fields, layers, policies, rendering, teams, users
from tocsin.api.pagerduty.asking import Answer, Asked
from tocsin.api.pagerduty.errors import Refused
from tocsin.oncall import actions
from tocsin.oncall import queries as oncall
from tocsin.oncall import rules as oncall_rules
from tocsin.oncall.rules import ScheduleSpec
from tocsin.people import queries as people
from tocsin.platform import secrets

NO_SCHEDULE = 3004
_PLACES = 6  # bits of a layer's number that tell its place


def page(schedule_id: int) -> str:
    """The path of a schedule's page."""
    return f"/on-call/{schedule_id}/"


def reference(asked: Asked, schedule_id: int | None, name: str) -> dict[str, Any] | None:
    """A schedule, named only."""
    return asked.reference("schedule", schedule_id, name, page=page(schedule_id or 0))


def layer_number(schedule_id: int, position: int) -> int:
    """The number of a layer: its schedule's and its place, because a layer that changes is written anew."""
    return schedule_id << _PLACES | position


class Shapes:
    """What the schedules of a page need besides their rows, loaded at once."""

    def __init__(
        self,
        asked: Asked,
        rows: Sequence[Any],
        wanted: Iterable[str],
        drafted: oncall_rules.Schedule | None = None,
        specs: Sequence[ScheduleSpec] | None = None,
    ) -> None:
        self.asked, self.rows, self.wanted = asked, rows, set(wanted)
        self.window = rendering.window_of(asked)
        keys = [row.pk for row in rows]
        found = oncall.export_schedules(keys) if specs is None else specs
        self.specs = {spec.slug: spec for spec in found}
        emails = {email for spec in found for layer in spec.layers for group in layer.groups for email in group}
        known = people.users(asked.actor).filter(email__in=emails).prefetch_related(None)
        self.people = {row.pk: users.reference(asked, row) for row in known}
        self.ids = {row.email: row.pk for row in known}
        self.policies = policies.paging(keys)
        self.loaded: dict[int, oncall_rules.Schedule] = {}
        if self.window and self.wanted:
            self.loaded = {0: drafted} if drafted else rendering.load(asked, keys, self.window)
            self.people |= users.references_by_id(asked, rendering.people_in(self.loaded.values()) - self.people.keys())

    def _entries(self, stretches: Sequence[rendering.Stretch]) -> dict[str, Any]:
        return rendering.entries(self.asked, stretches, self.people, self.window)

    def layer(self, row: Any, spec: oncall_rules.LayerSpec, position: int) -> dict[str, Any]:
        """A layer as PagerDuty sees it, with what it would put on call alone."""
        shown = layers.Shown(spec, self.ids)
        loaded = self.loaded.get(row.pk or 0)
        found: Sequence[rendering.Stretch] = ()
        if loaded and self.window:
            found = rendering.of_layer(loaded, position, self.window, overflow=self.asked.flag("overflow"))
        number = layer_number(row.pk or 0, position)
        at = rendering.Clock(self.asked)
        return {
            "id": self.asked.thing("schedule_layer", number, spec.name)["id"],
            "name": spec.name,
            "start": at(shown.start),
            "end": at(shown.end),
            "rotation_virtual_start": at(shown.virtual_start),
            "rotation_turn_length_seconds": shown.turn,
            "users": [{"user": self.people[user]} for user in shown.users],
            "restrictions": shown.restrictions,
        } | self._entries(found)

    def schedule(self, row: Any) -> dict[str, Any]:
        """A schedule."""
        asked, spec = self.asked, self.specs[row.slug]
        named = {email for layer in spec.layers for group in layer.groups for email in group}
        found = asked.thing("schedule", row.pk or 0, row.name, page=page(row.pk or 0)) | {
            "name": row.name,
            "time_zone": row.zone,
            "description": row.description or None,
            "http_cal_url": None,
            "web_cal_url": None,
            "personal_http_cal_url": None,
            "personal_web_cal_url": None,
            "escalation_policies": [
                policies.reference(asked, key, name) for key, name in self.policies.get(row.pk or 0, ())
            ],
            "users": [self.people[self.ids[email]] for email in sorted(named) if email in self.ids],
            "teams": teams.references(asked, row),
        }
        if "schedule_layers" in self.wanted:
            listed = [self.layer(row, layer, position) for position, layer in enumerate(spec.layers)]
            found["schedule_layers"] = listed[::-1]
        loaded = self.loaded.get(row.pk or 0)
        overflow = asked.flag("overflow")
        if "overrides_subschedule" in self.wanted:
            stretches = rendering.of_overrides(loaded, self.window, overflow=overflow) if loaded and self.window else ()
            found["overrides_subschedule"] = {"name": "Overrides"} | self._entries(stretches)
        if "final_schedule" in self.wanted:
            stretches = rendering.of_all(loaded, self.window, overflow=overflow) if loaded and self.window else ()
            found["final_schedule"] = {"name": "Final Schedule"} | self._entries(stretches)
        return found


WHOLE = ("schedule_layers", "overrides_subschedule", "final_schedule")


def shapes(asked: Asked, rows: Sequence[Any], wanted: Iterable[str] = WHOLE) -> list[dict[str, Any]]:
    """Schedules, with their teams loaded already; a constant number of queries."""
    made = Shapes(asked, rows, wanted)
    return [made.schedule(row) for row in rows]


def by_id(asked: Asked, schedule_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Schedules by id as others include them: without layers."""
    rows = list(oncall.schedules(asked.actor).filter(pk__in=set(schedule_ids)))
    return dict(zip([row.pk for row in rows], shapes(asked, rows, ()), strict=True))


def found(asked: Asked, schedule: str) -> Any:
    """The schedule of an id in an address. Raises Refused."""
    number = fields.number("schedule", schedule, code=NO_SCHEDULE)
    row = oncall.schedules(asked.actor).filter(pk=number).first()
    if row is None:
        raise Refused(404, code=NO_SCHEDULE)
    return row


def listed(asked: Asked) -> Answer:
    """Schedules by name."""
    rows = oncall.schedules(asked.actor, asked.query.get("query", ""))
    if asked.many("team_ids"):
        rows = rows.filter(team_id__in=asked.numbers("team_ids", "team"))
    return asked.listed(
        "schedules",
        rows.order_by("name", "pk"),
        lambda page: shapes(asked, page, [name for name in WHOLE if asked.includes(name)]),
    )


def one(asked: Asked, schedule: str) -> Answer:
    """One schedule with its layers, rendered when ``since`` or ``until`` is given."""
    row = found(asked, schedule)
    shape = shapes(asked, [row])[0]
    if wanted := asked.query.get("include_next_oncall_for_user"):
        shape["next_oncall_for_user"] = rendering.next_shift(asked, row.pk, users.found(asked, wanted))
    return Answer({"schedule": shape})


def _layers(asked: Asked, given: fields.Given, old: ScheduleSpec, row: Any, zone: str) -> list[Any]:
    listed = fields.objects(given, "schedule_layers", layers.MOST_LAYERS)
    shown: dict[str, layers.Shown] = {}
    places: dict[str, int] = {}
    if row is not None:
        made = Shapes(asked, [row], ())
        for position, spec in enumerate(old.layers):
            name = asked.thing("schedule_layer", layer_number(row.pk, position), "")["id"]
            shown[name], places[name] = layers.Shown(spec, made.ids), position
    taken = [
        layers.Taken(one, f"schedule_layers.{index}", shown.get(str(one.get("id") or "")))
        for index, one in enumerate(listed)
    ]
    known = users.known(asked, [user for one in taken for user in one.users], "schedule_layers.users")
    emails = {pk: person.email for pk, person in known.items()}
    specs = [one.spec(emails, zone, index) for index, one in enumerate(taken)]
    for index, spec in enumerate(specs):
        # beside the layer before it only as long as that is still the one before it
        here, before = (places.get(str(listed[at].get("id") or "")) if at >= 0 else None for at in (index, index - 1))
        if spec.beside and (here is None or before is None or before != here - 1):
            specs[index] = replace(spec, beside=False)
    return specs


def _spec(asked: Asked, given: fields.Given, old: ScheduleSpec, row: Any = None) -> ScheduleSpec:
    zone = fields.text(given, "time_zone", 60, "" if row is None else old.zone)
    if not oncall_rules.known_zone(zone or "?"):
        raise fields.wrong("time_zone", "an IANA time zone such as Europe/Berlin", code=3001)
    spec = replace(
        old,
        name=fields.needed(given, "name", 120, old.name),
        description=fields.text(given, "description", 1024, old.description),
        zone=zone,
    )
    if given.get("teams") is not None:
        spec = replace(spec, team=teams.slug_of(asked, fields.one_team(given)))
    if given.get("schedule_layers") is not None:
        spec = replace(spec, layers=_layers(asked, given, old, row, zone))
    elif row is None:
        raise fields.wrong("schedule_layers", "a list of layers", code=3001)
    return spec


_NAMES = {"zone": "time_zone", "layers": "schedule_layers", "team": "teams"}


def _saved(asked: Asked, row: Any) -> dict[str, Any]:
    return shapes(asked, list(oncall.schedules(asked.actor).filter(pk=row.pk)))[0]


def create(asked: Asked) -> Answer:
    """A new schedule."""
    given = asked.given("schedule")
    with fields.taken("Name has already been taken"), fields.naming(**_NAMES):
        row = actions.save_schedule(_spec(asked, given, ScheduleSpec("")), actor=asked.actor)
    return Answer({"schedule": _saved(asked, row)}, 201)


def update(asked: Asked, schedule: str) -> Answer:
    """Change what is named of a schedule; who was on call stays true."""
    given, row = asked.given("schedule"), found(asked, schedule)
    old = oncall.export_schedules([row.pk])[0]
    with fields.taken("Name has already been taken"), fields.naming(**_NAMES):
        actions.save_schedule(_spec(asked, given, old, row), actor=asked.actor, id=row.pk)
    return Answer({"schedule": _saved(asked, row)})


def preview(asked: Asked) -> Answer:
    """What a schedule would be, rendered; nothing is kept."""
    given = asked.given("schedule")
    name = fields.text(given, "name", 100) or "Preview"
    spec = _spec(asked, {**given, "name": f"{name} ({secrets.random_key(12)})"}, ScheduleSpec(""))
    with fields.naming(**_NAMES):
        drafted = actions.draft_schedule(spec, actor=asked.actor)
    row = rendering.Draft(None, name, drafted.slug, spec.zone, spec.description)
    made = Shapes(asked, [row], WHOLE, drafted, [replace(spec, slug=drafted.slug)])
    shape = made.schedule(row)
    return Answer({"schedule": shape | {"id": None, "self": None, "html_url": None}})


def delete(asked: Asked, schedule: str) -> Answer:
    """Remove a schedule that no policy pages."""
    actions.delete_schedules([found(asked, schedule).pk], actor=asked.actor)
    return Answer(None, 204)


def on_call_users(asked: Asked, schedule: str) -> Answer:
    """Everybody who is on call between ``since`` and ``until``, by name; now when neither is given."""
    row = found(asked, schedule)
    window = rendering.window_of(asked) or rendering.now()
    loaded = rendering.load(asked, [row.pk], window)[row.pk]
    whole = users.by_id(asked, {one.user_id for one in rendering.of_all(loaded, window)})
    return Answer({"users": sorted(whole.values(), key=lambda one: str(one["name"]))})


ROUTES = (
    ("GET", "/schedules", listed),
    ("POST", "/schedules", create),
    ("POST", "/schedules/preview", preview),
    ("GET", "/schedules/{id}", one),
    ("PUT", "/schedules/{id}", update),
    ("DELETE", "/schedules/{id}", delete),
    ("GET", "/schedules/{id}/users", on_call_users),
)
