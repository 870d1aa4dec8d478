"""The company as Grafana OnCall would give it away."""

from random import Random
from typing import Any

from tocsin.project.importing.tests.company.base import ZONES, Size, email_of, name_of, start_of


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
            "start": start_of(number).strftime("%Y-%m-%dT%H:%M:%S"),
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
                "email": email_of(n),
                "username": f"user{n}",
                "name": name_of(n),
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
