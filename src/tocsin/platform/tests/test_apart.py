"""Heavy work apart: what goes in comes out, errors too, in a process of its own and without one."""

import os
from typing import Any

import pytest

from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.apart import actor_json, actor_of_json, apart
from tocsin.platform.errors import Conflict, Invalid

HERE = "tocsin.platform.tests.test_apart"


def echo(value: dict[str, Any], actor: Actor) -> dict[str, Any]:
    return {"value": value, "who": actor.name, "process": os.getpid()}


def refuse(value: dict[str, Any], actor: Actor) -> None:
    raise Invalid("Not like this.", {"field": "another"})


def breaks(value: dict[str, Any], actor: Actor) -> None:
    raise ZeroDivisionError("a fault of ours")


@pytest.mark.parametrize("apart_from_us", [False, True])
def test_what_goes_in_comes_out(settings: Any, apart_from_us: bool) -> None:
    settings.HEAVY_WORK_APART = apart_from_us
    found = apart(f"{HERE}:echo", {"a": [1, "ü"]}, actor=SYSTEM)
    assert (found["value"], found["who"]) == ({"a": [1, "ü"]}, "Tocsin")
    assert (found["process"] != os.getpid()) is apart_from_us
    with pytest.raises(Invalid) as refused:
        apart(f"{HERE}:refuse", {}, actor=SYSTEM)
    assert refused.value.problems == {"field": "another"}
    with pytest.raises((RuntimeError, ZeroDivisionError), match="a fault of ours"):
        apart(f"{HERE}:breaks", {}, actor=SYSTEM)


def test_what_takes_too_long_is_ended(settings: Any) -> None:
    settings.HEAVY_WORK_APART = True
    with pytest.raises(Conflict, match="longer than"):
        apart(f"{HERE}:echo", {}, actor=SYSTEM, timeout_s=0.01)
    assert apart(f"{HERE}:echo", {}, actor=SYSTEM)["value"] == {}  # the next one may


def test_an_actor_goes_through_json() -> None:
    actor = Actor("token", 7, "Ada", "manager", frozenset({1, 2}), frozenset({2}), frozenset({"read"}))
    assert actor_of_json(actor_json(actor)) == actor
    assert actor_of_json(actor_json(SYSTEM)) == SYSTEM
