"""Who targets are over a long time, worked out once: for sweeps and replays, which ask a hundred thousand times."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from tocsin.escalation import queries
from tocsin.escalation.rules import PolicySnapshot, Resolved, Target
from tocsin.oncall import queries as oncall
from tocsin.oncall import rules as oncall_rules
from tocsin.people.models import Membership


class Stretches:
    """One schedule's people from ``since`` to ``until``, by stretches between which nobody comes or goes."""

    def __init__(
        self, schedule: oncall_rules.Schedule, since: datetime, until: datetime, users: Mapping[int, str]
    ) -> None:
        shifts = [s for s in oncall_rules.final_schedule(schedule, since, until) if s.user_id in users]
        along = [s for s in oncall_rules.shadows(schedule, since, until) if s.user_id in users]
        self.starts: list[datetime] = [since]
        self.people: list[list[Resolved]] = [[]]
        begins: dict[datetime, list[tuple[oncall_rules.Shift, Resolved]]] = {}
        ends: dict[datetime, list[tuple[oncall_rules.Shift, Resolved]]] = {}
        for shift in [*shifts, *along]:
            shadow = shift.override is not None and shift.override.kind == "shadow"
            via = oncall.via(schedule, shift) | ({"shadow": True} if shadow else {})
            one = (shift, Resolved(shift.user_id, via, shadow, users[shift.user_id]))
            begins.setdefault(shift.start, []).append(one)
            ends.setdefault(shift.end, []).append(one)
        active: list[tuple[oncall_rules.Shift, Resolved]] = []
        for moment in sorted(begins.keys() | ends.keys()):
            gone = {id(one) for one in ends.get(moment, ())}
            active = [one for one in active if id(one) not in gone] + begins.get(moment, [])
            self.starts.append(moment)
            self.people.append([resolved for _, resolved in active])

    def at(self, moment: datetime) -> list[Resolved]:
        """Who is there at a moment of the stretch."""
        return self.people[max(bisect_right(self.starts, moment) - 1, 0)]


class Foresight:
    """Who targets are at any moment from ``since`` to ``until``; callable as ``escalation.rules.Resolve``."""

    def __init__(self, policies: Iterable[PolicySnapshot], since: datetime, until: datetime) -> None:
        of = list(policies)
        zones = queries.zones()
        self.users = set(zones)
        self.zones = zones
        self.above = queries.above() if any(one.upwards for one in of) else {}
        loaded = oncall.load({key for one in of for key in one.ids("schedule")}, since, until)
        self.schedules = {key: Stretches(schedule, since, until, zones) for key, schedule in loaded.items()}
        self.teams: dict[int, list[Resolved]] = {}
        rows = Membership.objects.filter(team_id__in={key for one in of for key in one.ids("team")}).order_by("id")
        for team_id, user_id, team, role in rows.values_list("team_id", "user_id", "team__name", "role"):
            if user_id in self.users:
                via = {"kind": "team", "team_id": team_id, "team": team, "role": role}
                self.teams.setdefault(team_id, []).append(Resolved(user_id, via, zone=zones[user_id]))

    def __call__(self, target: Target, at: datetime) -> Sequence[Resolved]:
        if target.kind == "manager":
            return queries.managers(target, self(target.plain, at), self.above, self.zones)
        kind, key = target.subject
        if kind == "user":
            return [Resolved(key, {"kind": "user"}, zone=self.zones[key])] if key in self.zones else []
        if kind == "team":
            return self.teams.get(key, ())
        found = self.schedules.get(key) if kind == "schedule" else None
        return found.at(at) if found else ()
