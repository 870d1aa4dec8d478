"""GitLab's webhooks into changes: deployments, releases, finished pipelines, pushes.

``object_kind`` says what the body is about; what is of no use here is answered with 200 and left. ``X-Gitlab-Token``
holds the webhook's secret as it is.
"""

from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract import Facts, Parsed, Request, Signal, check_token, heard, report, stored

DEPLOYED = ("running", "success", "failed")
FINISHED = ("success", "failed")
NOTHING = "0" * 40  # as GitLab writes the commit of a branch that is gone


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """A change, or nothing when the event tells of none."""
    check_token(request, config, "X-Gitlab-Token")
    facts = Facts.of(request)
    signal: Signal | None = None
    kind = facts.needed("object_kind")
    match kind:
        case "deployment":
            signal = _deployment(facts)
        case "release":
            signal = _release(facts)
        case "pipeline":
            signal = _pipeline(facts)
        case "push":
            signal = _push(facts, config.get("pushes") or "default")
    facts.refuse_if_wrong()
    return stored([signal]) if signal is not None else heard(f"nothing changed by {kind[:40]}")


def _change(facts: Facts, key: str, title: str, link: str, when: Any, labels: Mapping[str, str]) -> Signal:
    project = facts.text("project.path_with_namespace", "project.name")
    return report(
        "change",
        key,
        title,
        severity="info",
        labels={"project": project, "by": facts.text("user.username", "user_username"), **labels},
        details={name: facts.at(name) for name in ("ref", "short_sha", "commit_url", "commit_title") if facts.at(name)},
        links=[(link, "Open"), (facts.text("project.web_url"), "Project")],
        origin=project,
        client="GitLab",
        occurred_at=when,
    )


def _deployment(facts: Facts) -> Signal | None:
    key, status = facts.needed("deployment_id"), facts.needed("status")
    if facts.errors or status not in DEPLOYED:
        return None
    where = facts.text("environment") or "somewhere"
    what = facts.text("project.path_with_namespace", "project.name") or "a project"
    commit = facts.text("commit_title")
    return _change(
        facts, f"deployment:{key}", f"Deploy {what} to {where}: {status}{f' ({commit})' if commit else ''}",
        facts.text("deployable_url"), facts.when("status_changed_at"),
        {"environment": where, "state": status, "ref": facts.text("ref")},
    )  # fmt: skip


def _release(facts: Facts) -> Signal | None:
    key = facts.needed("id", "tag")
    if facts.errors or facts.text("action") not in ("create", ""):
        return None
    what = facts.text("project.path_with_namespace", "project.name") or "a project"
    name = facts.text("tag", "name")
    return _change(
        facts, f"release:{key}", f"Release {name} of {what}", facts.text("url"),
        facts.when("released_at", "created_at"), {"tag": name},
    )  # fmt: skip


def _pipeline(facts: Facts) -> Signal | None:
    pipeline = facts.needed_part("object_attributes")
    key = pipeline.needed("id") if pipeline else ""
    status = pipeline.text("status")
    if facts.errors or status not in FINISHED:
        return None
    what = facts.text("project.path_with_namespace", "project.name") or "a project"
    return _change(
        facts, f"pipeline:{key}", f"Pipeline of {what}: {status}", pipeline.text("url"),
        pipeline.when("finished_at"), {"branch": pipeline.text("ref"), "conclusion": status},
    )  # fmt: skip


def _push(facts: Facts, wanted: str) -> Signal | None:
    after, ref = facts.needed("after"), facts.needed("ref")
    branch = ref.removeprefix("refs/heads/")
    default = facts.text("project.default_branch")
    if facts.errors or wanted == "none" or not ref.startswith("refs/heads/") or after == NOTHING:
        return None
    if wanted == "default" and default and branch != default:
        return None
    commits = facts.parts("commits")
    newest = next((commit for commit in commits if commit.text("id") == after), commits[-1] if commits else Facts({}))
    title = newest.text("title") or newest.text("message").partition("\n")[0] or f"Push to {branch}"
    return _change(facts, after, title, newest.text("url"), newest.when("timestamp"), {"branch": branch})
