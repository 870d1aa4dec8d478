"""What the samples do not show of GitLab's webhooks."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.gitlab import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None, **headers: str) -> list[Signal]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parser.parse(Request(msgspec.json.encode(body), now=NOW, headers=named), config or {}).signals


@pytest.mark.parametrize(("status", "count"), [("running", 1), ("success", 1), ("failed", 1), ("created", 0)])
def test_states_of_deployments(status: str, count: int) -> None:
    assert len(parse({"object_kind": "deployment", "deployment_id": 1, "status": status})) == count


@pytest.mark.parametrize(
    ("pushes", "ref", "after", "count"),
    [
        ("default", "refs/heads/main", "a1", 1), ("default", "refs/heads/try", "a1", 0),
        ("all", "refs/heads/try", "a1", 1),
        ("none", "refs/heads/main", "a1", 0), ("all", "refs/heads/gone", "0" * 40, 0),
    ],
)  # fmt: skip
def test_pushes_count_as_the_source_is_told(pushes: str, ref: str, after: str, count: int) -> None:
    body = {"object_kind": "push", "ref": ref, "after": after, "project": {"default_branch": "main"}}
    assert len(parse(body, {"pushes": pushes})) == count


def test_other_kinds_are_heard() -> None:
    assert parse({"object_kind": "note"}) == []


@pytest.mark.parametrize(
    ("headers", "why"),
    [({}, "is missing"), ({"x_gitlab_token": "other"}, "is not the token"), ({"x_gitlab_token": "é"}, "not")],
)
def test_the_token_must_be_right(headers: dict[str, str], why: str) -> None:
    with pytest.raises(ParseError, match=why) as caught:
        parse({"object_kind": "note"}, {"secret": "s"}, **headers)
    assert caught.value.status == 401
