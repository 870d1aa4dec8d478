"""What the samples do not show of GitHub's webhooks."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tocsin.intake.contract import ParseError, Request, Signal
from tocsin.intake.sources.github import parser

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def parse(body: Any, config: dict[str, Any] | None = None, **headers: str) -> list[Signal]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return parser.parse(Request(msgspec.json.encode(body), now=NOW, headers=named), config or {}).signals


REPOSITORY = {"full_name": "shop/api", "default_branch": "main"}


@pytest.mark.parametrize(
    ("state", "count"), [("success", 1), ("failure", 1), ("in_progress", 1), ("queued", 0), ("inactive", 0)]
)
def test_states_of_deployments(state: str, count: int) -> None:
    body = {"deployment": {"id": 1, "environment": "prod"}, "deployment_status": {"state": state}}
    assert len(parse(body, x_github_event="deployment_status")) == count


@pytest.mark.parametrize(
    ("pushes", "ref", "count"),
    [
        ("default", "refs/heads/main", 1), ("default", "refs/heads/try", 0), ("all", "refs/heads/try", 1),
        ("none", "refs/heads/main", 0), ("all", "refs/tags/v1", 0),
    ],
)  # fmt: skip
def test_pushes_count_as_the_source_is_told(pushes: str, ref: str, count: int) -> None:
    body = {"ref": ref, "after": "abc", "repository": REPOSITORY}
    assert len(parse(body, {"pushes": pushes}, x_github_event="push")) == count


def test_pings_and_others_are_heard() -> None:
    assert parse({"zen": "x"}, x_github_event="ping") == []
    assert parse({"action": "opened"}, x_github_event="issues") == []


def test_a_body_that_is_not_signed_is_refused() -> None:
    with pytest.raises(ParseError, match="'X-Hub-Signature-256' is missing") as caught:
        parse({}, {"secret": "s"}, x_github_event="push")
    assert caught.value.status == 401


def test_a_request_without_event_is_refused() -> None:
    with pytest.raises(ParseError, match="'X-GitHub-Event' is missing"):
        parse({})
