"""GitHub's webhooks into changes: deployments, releases, finished workflow runs, pushes.

``X-GitHub-Event`` says what the body is about; what is of no use here is answered with 200 and left. The signature is
``sha256=`` and the hex HMAC-SHA256 of the body in ``X-Hub-Signature-256``. A form carries the JSON in ``payload``.
"""

from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract import FORM, Facts, Parsed, Request, Signal, check_signature, form_of, heard, report, stored
from tocsin.intake.contract.text import plain_json

DEPLOYED = ("in_progress", "success", "failure", "error")


def _facts(request: Request) -> Facts:
    if request.content_type == FORM:
        request.decoded = plain_json(form_of(request).get("payload", "").encode("utf-8", "replace"))
    return Facts.of(request)


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """A change, or nothing when the event tells of none."""
    check_signature(request, config, "X-Hub-Signature-256", prefix="sha256=")
    facts = _facts(request)
    event = str(request.headers.get("x-github-event") or "").strip().lower()
    signal: Signal | None = None
    match event:
        case "deployment_status":
            signal = _deployment(facts)
        case "release":
            signal = _release(facts)
        case "workflow_run":
            signal = _run(facts)
        case "push":
            signal = _push(facts, config.get("pushes") or "default")
        case "":
            facts.errors.append("'X-GitHub-Event' is missing")
    facts.refuse_if_wrong()
    return stored([signal]) if signal is not None else heard(f"nothing changed by {event[:40]}")


def _change(
    facts: Facts, key: str, title: str, link: str, details: Any, when: Any, labels: Mapping[str, str]
) -> Signal:
    repository = facts.text("repository.full_name")
    return report(
        "change",
        key,
        title,
        severity="info",
        labels={"repository": repository, "by": facts.text("sender.login"), **labels},
        details=details,
        links=[(link, "Open"), (facts.text("repository.html_url"), "Repository")],
        origin=repository,
        client="GitHub",
        occurred_at=when,
    )


def _deployment(facts: Facts) -> Signal | None:
    status, deployment = facts.needed_part("deployment_status"), facts.needed_part("deployment")
    key = deployment.needed("id") if deployment else ""
    state = status.needed("state") if status else ""
    if facts.errors or state not in DEPLOYED:
        return None
    where = status.text("environment") or deployment.text("environment") or "somewhere"
    what = facts.text("repository.full_name") or "a repository"
    return _change(
        facts,
        f"deployment:{key}",
        f"Deploy {what} to {where}: {state.replace('_', ' ')}",
        status.text("target_url", "log_url", "environment_url"),
        {"status": status.value, "ref": deployment.text("ref"), "sha": deployment.text("sha")},
        status.when("updated_at", "created_at"),
        {"environment": where, "state": state, "ref": deployment.text("ref")},
    )


def _release(facts: Facts) -> Signal | None:
    release = facts.needed_part("release")
    key = release.needed("id") if release else ""
    if facts.errors or facts.text("action") not in ("published", "released"):
        return None
    if facts.text("action") == "released":  # GitHub sends published as well
        return None
    what = facts.text("repository.full_name") or "a repository"
    name = release.text("tag_name", "name")
    return _change(
        facts, f"release:{key}", f"Release {name} of {what}", release.text("html_url"),
        {"name": release.text("name"), "body": release.text("body")}, release.when("published_at"), {"tag": name},
    )  # fmt: skip


def _run(facts: Facts) -> Signal | None:
    run = facts.needed_part("workflow_run")
    key = run.needed("id") if run else ""
    if facts.errors or facts.text("action") != "completed":
        return None
    name, conclusion = run.text("name") or "Workflow", run.text("conclusion") or "completed"
    return _change(
        facts, f"workflow_run:{key}", f"{name}: {conclusion}", run.text("html_url"),
        {"sha": run.text("head_sha"), "event": run.text("event")}, run.when("updated_at"),
        {"branch": run.text("head_branch"), "conclusion": conclusion},
    )  # fmt: skip


def _push(facts: Facts, wanted: str) -> Signal | None:
    after, ref = facts.needed("after"), facts.needed("ref")
    branch = ref.removeprefix("refs/heads/")
    default = facts.text("repository.default_branch")
    if facts.errors or wanted == "none" or not ref.startswith("refs/heads/") or facts.at("deleted") is True:
        return None
    if wanted == "default" and default and branch != default:
        return None
    message = facts.text("head_commit.message").partition("\n")[0] or f"Push to {branch}"
    return _change(
        facts, after, message, facts.text("compare", "head_commit.url"),
        {"sha": after, "before": facts.text("before")}, facts.when("head_commit.timestamp"), {"branch": branch},
    )  # fmt: skip
