"""The company as PagerDuty would give it away."""

from datetime import timedelta
from random import Random
from typing import Any

from tocsin.project.importing.tests.company.base import NOW, ZONES, Size, email_of, iso, key, name_of, start_of


def _reference(kind: str, id: str) -> dict[str, str]:
    return {"id": id, "type": f"{kind}_reference", "summary": id}


def pagerduty(size: Size) -> dict[str, list[dict[str, Any]]]:
    """What PagerDuty's REST API holds, by resource."""
    random = Random(2)
    each = max(size.rules // size.people, 1)

    def user(number: int) -> dict[str, Any]:
        methods = [
            {"id": f"PE{number:06}", "type": "email_contact_method", "address": email_of(number)},
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
            "name": name_of(number),
            "email": email_of(number),
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
            "start": iso(start_of(number) + timedelta(days=2)),
            "end": None,
            "rotation_virtual_start": start_of(number).strftime("%Y-%m-%d %H:%M:%S +0000 UTC"),
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
            "start": iso(NOW + timedelta(days=3)),
            "end": iso(NOW + timedelta(days=3, hours=8)),
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
                "start_time": iso(NOW + timedelta(days=5)),
                "end_time": iso(NOW + timedelta(days=5, hours=4)),
                "services": [_reference("service", "PV000000")],
            }
        ],
        "webhook_subscriptions": [{"id": "PW000001", "name": "Chat"}],
    }
