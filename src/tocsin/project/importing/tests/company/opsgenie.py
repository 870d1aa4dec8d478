"""The company as Opsgenie would give it away."""

import json
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from tocsin.project.importing.tests.company.base import NOW, ZONES, Size, email_of, iso, name_of, start_of, uuid


def opsgenie(size: Size) -> dict[str, list[dict[str, Any]]]:
    """What Opsgenie's backup holds, with the heartbeats that only the API gives."""
    random = Random(1)
    each = max(size.rules // size.people, 1)

    def participant(number: int) -> dict[str, Any]:
        return {"type": "user", "id": uuid(1, number), "username": email_of(number)}

    def user(number: int) -> dict[str, Any]:
        places = [
            ("email", email_of(number)),
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
                "username": email_of(number),
                "fullName": name_of(number),
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
                    {"user": {"id": uuid(1, one), "username": email_of(one)}, "role": "admin" if place == 0 else "user"}
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
            "startDate": iso(start_of(number)),
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
            "startDate": iso(NOW + timedelta(days=3)),
            "endDate": iso(NOW + timedelta(days=3, hours=8)),
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
