"""Made-up companies of any size, as the three products would give them away."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
FIRST = ("Ada", "Bo", "Cleo", "Dai", "Eve", "Finn", "Gil", "Hana", "Ivo", "Jun", "Kai", "Lea")
LAST = ("Abt", "Berg", "Cole", "Dahl", "Egli", "Frey", "Graf", "Holm", "Ito", "Jung", "Kern", "Lund")
ZONES = ("Europe/Zurich", "America/New_York", "Asia/Kolkata", "UTC", "Australia/Sydney")


@dataclass(frozen=True)
class Size:
    """How much of everything; the rest follows from it."""

    people: int = 60
    schedules: int = 24
    rules: int = 600

    @property
    def teams(self) -> int:
        return max(self.schedules // 4, 1)


def key(number: int) -> str:
    """An integration key of 32 characters."""
    return f"{number:08x}" + "k" * 24


def uuid(kind: int, number: int) -> str:
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


def _name(number: int) -> str:
    return f"{FIRST[number % 12]} {LAST[number // 12 % 12]} {number}"


def _email(number: int) -> str:
    return f"Person{number}@Example.org" if number % 7 == 0 else f"person{number}@example.org"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _start(number: int) -> datetime:
    return datetime(2026, 1, 5, 8, 0, tzinfo=UTC) + timedelta(hours=number % 12)


# -- Opsgenie ----------------------------------------------------------------------------------------------------------


def opsgenie(size: Size) -> dict[str, list[dict[str, Any]]]:
    """What Opsgenie's backup holds, with the heartbeats that only the API gives."""
    random = Random(1)
    each = max(size.rules // size.people, 1)

    def participant(number: int) -> dict[str, Any]:
        return {"type": "user", "id": uuid(1, number), "username": _email(number)}

    def user(number: int) -> dict[str, Any]:
        places = [
            ("email", _email(number)),
            ("sms", f"41-79{number:07}"),
            ("voice", f"41-44{number:07}"),
            ("mobile", "x"),
        ]
        steps = [
            {
                "contact": {"method": places[step % 3][0], "to": places[step % 3][1]},
                "sendAfter": {"timeAmount": step, "timeUnit": "minutes"},
                "enabled": True,
            }
            for step in range(each)
        ]
        if number % 20 == 0:
            steps.append(
                {"contact": {"method": "mobile", "to": "x"}, "sendAfter": {"timeAmount": 1, "timeUnit": "minutes"}}
            )
        return {
            "user": {
                "id": uuid(1, number),
                "username": _email(number),
                "fullName": _name(number),
                "role": {"name": "Admin" if number == 1 else "User"},
                "timeZone": ZONES[number % 5],
                "locale": "en_US",
                "blocked": False,
                "verified": True,
            },
            "notificationRuleList": [
                {
                    "id": uuid(2, number),
                    "name": "New Alert",
                    "actionType": "create-alert",
                    "order": 0,
                    "enabled": True,
                    "steps": steps,
                },
                {"id": uuid(3, number), "name": "Closed", "actionType": "closed-alert", "order": 1, "enabled": True},
            ],
        }

    def team(number: int) -> dict[str, Any]:
        chosen = random.sample(range(size.people), min(8, size.people))
        notify = {"type": "escalation", "id": uuid(6, number), "name": f"Escalation {number}"}
        return {
            "team": {
                "id": uuid(4, number),
                "name": f"Team {number}",
                "description": "A team",
                "members": [
                    {"user": {"id": uuid(1, one), "username": _email(one)}, "role": "admin" if place == 0 else "user"}
                    for place, one in enumerate(chosen)
                ],
            },
            "teamRoutingRules": [
                {"id": uuid(7, number), "name": "Night", "isDefault": False, "order": 0, "notify": {"type": "none"}},
                {"id": uuid(8, number), "name": "Default", "isDefault": True, "order": 1, "notify": notify},
            ],
        }

    def schedule(number: int) -> dict[str, Any]:
        rotation: dict[str, Any] = {
            "id": uuid(9, number),
            "name": "First",
            "startDate": _iso(_start(number)),
            "endDate": None,
            "type": ("weekly", "daily", "hourly")[number % 3],
            "length": 1 if number % 3 < 2 else 12,
            "participants": [participant(one) for one in random.sample(range(size.people), min(4, size.people))],
        }
        rotations = [rotation]
        if number % 4 == 0:
            hours = {"startHour": 18, "startMin": 0, "endHour": 8, "endMin": 30}
            rotations.append(
                rotation
                | {
                    "id": uuid(10, number),
                    "name": "Nights",
                    "type": "weekly",
                    "length": 1,
                    "participants": [participant(number % size.people), {"type": "none"}],
                    "timeRestriction": {"type": "time-of-day", "restriction": hours},
                }
            )
        if number % 5 == 0:
            rotation["timeRestriction"] = {
                "type": "weekday-and-time-of-day",
                "restrictions": [
                    {
                        "startDay": "monday",
                        "endDay": "friday",
                        "startHour": 9,
                        "startMin": 0,
                        "endHour": 17,
                        "endMin": 0,
                    }
                ],
            }
        override = {
            "alias": uuid(11, number),
            "user": participant(number % size.people),
            "rotations": [],
            "startDate": _iso(NOW + timedelta(days=3)),
            "endDate": _iso(NOW + timedelta(days=3, hours=8)),
        }
        return {
            "schedule": {
                "id": uuid(5, number),
                "name": f"Schedule {number}",
                "timezone": ZONES[number % 5],
                "enabled": True,
                "ownerTeam": {"id": uuid(4, number % size.teams), "name": "-"},
                "rotations": rotations,
            },
            "scheduleOverrideList": [override] if number % 6 == 0 else [],
        }

    def escalation(number: int) -> dict[str, Any]:
        rules = [
            {
                "condition": "if-not-acked",
                "notifyType": "default",
                "delay": {"timeAmount": 0, "timeUnit": "minutes"},
                "recipient": {"type": "schedule", "id": uuid(5, number * 4 % size.schedules)},
            },
            {
                "condition": "if-not-acked",
                "notifyType": ("next", "random", "all")[number % 3],
                "delay": {"timeAmount": 5, "timeUnit": "minutes"},
                "recipient": {"type": "team", "id": uuid(4, number)}
                if number % 3
                else {"type": "schedule", "id": uuid(5, (number * 4 + 1) % size.schedules)},
            },
        ]
        return {
            "id": uuid(6, number),
            "name": f"Escalation {number}",
            "rules": rules,
            "ownerTeam": {"id": uuid(4, number)},
            "repeat": {"waitInterval": 10, "count": 3},
        }

    def integration(number: int) -> dict[str, Any]:
        kind = ("API", "Prometheus", "Datadog", "Slack")[number % 4]
        return {
            "integration": {
                "id": uuid(12, number),
                "name": f"{kind} {number}",
                "type": kind,
                "enabled": True,
                "ownerTeam": {"id": uuid(4, number % size.teams)},
                "apiKey": uuid(13, number),
            },
            "integrationActions": {},
        }

    return {
        "users": [user(number) for number in range(size.people)],
        "teams": [team(number) for number in range(size.teams)],
        "schedules": [schedule(number) for number in range(size.schedules)],
        "escalations": [escalation(number) for number in range(size.teams)],
        "integrations": [integration(number) for number in range(size.teams * 2)],
        "heartbeats": [
            {
                "name": f"backup {n}",
                "interval": 1,
                "intervalUnit": "hours",
                "enabled": True,
                "ownerTeam": {"id": uuid(4, n)},
            }
            for n in range(min(size.teams, 5))
        ],
    }


def opsgenie_folder(folder: Path, size: Size) -> Path:
    """Write the company as Opsgenie's configuration backup does; the folder."""
    for name, rows in opsgenie(size).items():
        (folder / name).mkdir(parents=True)
        for number, row in enumerate(rows):
            (folder / name / f"{name}-{number}.json").write_text(json.dumps(row, indent=2), encoding="utf-8")
    return folder


# -- PagerDuty ---------------------------------------------------------------------------------------------------------


def _reference(kind: str, id: str) -> dict[str, str]:
    return {"id": id, "type": f"{kind}_reference", "summary": id}


def pagerduty(size: Size) -> dict[str, list[dict[str, Any]]]:
    """What PagerDuty's REST API holds, by resource."""
    random = Random(2)
    each = max(size.rules // size.people, 1)

    def user(number: int) -> dict[str, Any]:
        methods = [
            {"id": f"PE{number:06}", "type": "email_contact_method", "address": _email(number)},
            {"id": f"PS{number:06}", "type": "sms_contact_method", "address": f"79{number:07}", "country_code": 41},
            {"id": f"PV{number:06}", "type": "phone_contact_method", "address": f"44{number:07}", "country_code": 41},
            {"id": f"PA{number:06}", "type": "push_notification_contact_method", "device_type": "ios"},
        ]
        rules = [
            {
                "id": f"PR{number:04}{step}",
                "type": "assignment_notification_rule",
                "start_delay_in_minutes": step,
                "contact_method": methods[step % 3],
                "urgency": "low" if step % 5 == 4 else "high",
            }
            for step in range(each)
        ]
        return {
            "id": f"PU{number:06}",
            "type": "user",
            "name": _name(number),
            "email": _email(number),
            "time_zone": ZONES[number % 5],
            "role": "owner" if number == 0 else "user",
            "contact_methods": methods,
            "notification_rules": rules,
        }

    def team(number: int) -> dict[str, Any]:
        chosen = random.sample(range(size.people), min(8, size.people))
        return {
            "id": f"PT{number:06}",
            "type": "team",
            "name": f"Team {number}",
            "description": None,
            "members": [
                {"user": _reference("user", f"PU{one:06}"), "role": "manager" if place == 0 else "responder"}
                for place, one in enumerate(chosen)
            ],
        }

    def layer(number: int, place: int) -> dict[str, Any]:
        restrictions: list[dict[str, Any]] = []
        if place == 1:
            restrictions = [{"type": "daily_restriction", "start_time_of_day": "09:00:00", "duration_seconds": 28_800}]
        elif number % 5 == 0:
            restrictions = [
                {
                    "type": "weekly_restriction",
                    "start_day_of_week": 5,
                    "start_time_of_day": "18:00:00",
                    "duration_seconds": 208_800,
                }
            ]
        return {
            "id": f"PL{number:05}{place}",
            "name": f"Layer {place + 1}",
            "start": _iso(_start(number) + timedelta(days=2)),
            "end": None,
            "rotation_virtual_start": _start(number).strftime("%Y-%m-%d %H:%M:%S +0000 UTC"),
            "rotation_turn_length_seconds": (604_800, 86_400, 43_200)[number % 3],
            "users": [
                {"user": _reference("user", f"PU{one:06}")}
                for one in random.sample(range(size.people), min(4, size.people))
            ],
            "restrictions": restrictions,
        }

    def schedule(number: int) -> dict[str, Any]:
        layers = [layer(number, place) for place in range(2 if number % 3 else 1)]
        override = {
            "id": f"PO{number:06}",
            "start": _iso(NOW + timedelta(days=3)),
            "end": _iso(NOW + timedelta(days=3, hours=8)),
            "user": _reference("user", f"PU{number % size.people:06}"),
        }
        return {
            "id": f"PX{number:06}",
            "type": "schedule",
            "name": f"Schedule {number}",
            "time_zone": ZONES[number % 5],
            "description": None,
            "teams": [_reference("team", f"PT{number % size.teams:06}")],
            "schedule_layers": layers[::-1],  # the highest precedence first
            "overrides": [override] if number % 6 == 0 else [],
        }

    def policy(number: int) -> dict[str, Any]:
        rules = [
            {
                "id": "R1",
                "escalation_delay_in_minutes": 5,
                "targets": [_reference("schedule", f"PX{number * 4 % size.schedules:06}")],
            },
            {
                "id": "R2",
                "escalation_delay_in_minutes": 15,
                "targets": [
                    _reference("user", f"PU{number % size.people:06}"),
                    _reference("user", f"PU{(number + 1) % size.people:06}"),
                ],
                "escalation_rule_assignment_strategy": {
                    "type": "round_robin" if number % 3 == 0 else "assign_to_everyone"
                },
            },
        ]
        return {
            "id": f"PP{number:06}",
            "type": "escalation_policy",
            "name": f"Policy {number}",
            "num_loops": 2,
            "escalation_rules": rules,
            "teams": [_reference("team", f"PT{number:06}")],
        }

    def service(number: int) -> dict[str, Any]:
        return {
            "id": f"PV{number:06}",
            "type": "service",
            "name": f"Service {number}",
            "status": "active",
            "auto_resolve_timeout": 14_400,
            "acknowledgement_timeout": 1800,
            "escalation_policy": _reference("escalation_policy", f"PP{number % size.teams:06}"),
            "teams": [_reference("team", f"PT{number % size.teams:06}")],
            "incident_urgency_rule": {"type": "constant", "urgency": "high"},
            "integrations": [
                {
                    "id": f"PI{number:06}",
                    "type": "events_api_v2_inbound_integration",
                    "name": "Events",
                    "integration_key": key(number),
                }
            ],
        }

    return {
        "users": [user(number) for number in range(size.people)],
        "teams": [team(number) for number in range(size.teams)],
        "schedules": [schedule(number) for number in range(size.schedules)],
        "escalation_policies": [policy(number) for number in range(size.teams)],
        "services": [service(number) for number in range(size.teams * 2)],
        "maintenance_windows": [
            {
                "id": "PM000001",
                "type": "maintenance_window",
                "description": "Move",
                "start_time": _iso(NOW + timedelta(days=5)),
                "end_time": _iso(NOW + timedelta(days=5, hours=4)),
                "services": [_reference("service", "PV000000")],
            }
        ],
        "webhook_subscriptions": [{"id": "PW000001", "name": "Chat"}],
    }


# -- Grafana OnCall ----------------------------------------------------------------------------------------------------


def grafana_oncall(size: Size) -> dict[str, list[dict[str, Any]]]:
    """What Grafana OnCall's API holds, by resource."""
    random = Random(3)
    each = max(size.rules // size.people // 2, 1)
    shifts = [
        {
            "id": f"O{number:06}",
            "name": f"Shift {number}",
            "type": "rolling_users",
            "level": number % 2,
            "start": _start(number).strftime("%Y-%m-%dT%H:%M:%S"),
            "duration": (604_800, 86_400, 43_200)[number % 3],
            "frequency": ("weekly", "daily", "daily")[number % 3],
            "interval": 1,
            "week_start": "MO",
            "by_day": ["MO", "TU", "WE", "TH", "FR"] if number % 3 == 2 else None,
            "rolling_users": [[f"U{one:06}"] for one in random.sample(range(size.people), min(4, size.people))],
            "start_rotation_from_user_index": 0,
            "time_zone": None,
        }
        for number in range(size.schedules)
    ]
    rules: list[dict[str, Any]] = []
    for number in range(size.people):
        for place in range(each):
            kinds = ("notify_by_email", "notify_by_sms", "notify_by_phone_call")
            rules.append(
                {
                    "id": f"N{number}-{place}",
                    "user_id": f"U{number:06}",
                    "position": 2 * place,
                    "important": False,
                    "type": kinds[place % 3],
                }
            )
            rules.append(
                {
                    "id": f"W{number}-{place}",
                    "user_id": f"U{number:06}",
                    "position": 2 * place + 1,
                    "important": False,
                    "type": "wait",
                    "duration": 300,
                }
            )
    steps: list[dict[str, Any]] = []
    for number in range(size.teams):
        chain: tuple[dict[str, Any], ...] = (
            {
                "type": "notify_on_call_from_schedule",
                "notify_on_call_from_schedule": f"S{number * 4 % size.schedules:06}",
            },
            {"type": "wait", "duration": 300},
            {"type": "notify_persons", "persons_to_notify": [f"U{number % size.people:06}"], "important": True},
            {"type": "wait", "duration": 900},
            {"type": "notify_whole_channel"},
            {"type": "repeat_escalation"},
        )
        for position, more in enumerate(chain):
            step: dict[str, Any] = {
                "id": f"E{number}-{position}",
                "escalation_chain_id": f"C{number:06}",
                "position": position,
            }
            steps.append(step | more)
    return {
        "users": [
            {
                "id": f"U{n:06}",
                "email": _email(n),
                "username": f"user{n}",
                "name": _name(n),
                "role": "user",
                "timezone": ZONES[n % 5],
                "teams": [f"T{n % size.teams:06}"],
            }
            for n in range(size.people)
        ],
        "teams": [{"id": f"T{n:06}", "name": f"Team {n}"} for n in range(size.teams)],
        "on_call_shifts": shifts,
        "schedules": [
            {
                "id": f"S{n:06}",
                "name": f"Schedule {n}",
                "type": "web",
                "time_zone": ZONES[n % 5],
                "team_id": f"T{n % size.teams:06}",
                "shifts": [f"O{n:06}"],
            }
            for n in range(size.schedules)
        ],
        "escalation_chains": [
            {"id": f"C{n:06}", "name": f"Chain {n}", "team_id": f"T{n:06}"} for n in range(size.teams)
        ],
        "escalation_policies": steps,
        "integrations": [
            {
                "id": f"I{n:06}",
                "name": f"Integration {n}",
                "type": ("alertmanager", "webhook", "inbound_email")[n % 3],
                "team_id": f"T{n:06}",
                "default_route": {"id": f"R{n}", "escalation_chain_id": f"C{n:06}"},
            }
            for n in range(size.teams)
        ],
        "routes": [],
        "personal_notification_rules": rules,
        "webhooks": [],
    }
