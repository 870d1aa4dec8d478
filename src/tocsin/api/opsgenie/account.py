"""The account: this installation."""

from tocsin.api.opsgenie.managing import Answer, Call, data
from tocsin.people import queries as people

PLAN = {"maxUserCount": 0, "name": "Tocsin", "isYearly": False}


def one(call: Call) -> Answer:
    """The installation's name and how many people are active; there is no plan and no limit."""
    count = people.users(call.actor, active=True).count()
    return data({"name": "Tocsin", "userCount": count, "plan": dict(PLAN)})
