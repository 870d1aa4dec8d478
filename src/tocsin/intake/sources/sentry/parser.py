"""Webhooks of Sentry's integration platform into signals; those of the older plug-in too.

``Sentry-Hook-Resource`` says what the body is about. An issue is one condition, whether an alert rule reports its event
or the issue itself changes; a metric alert is one by its incident. The signature is the hex HMAC-SHA256 of the body
with the integration's client secret in ``Sentry-Hook-Signature``.
"""

from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract import (
    Facts,
    Parsed,
    Request,
    Signal,
    check_signature,
    heard,
    report,
    severity_of,
    stored,
    tags,
)
from tocsin.intake.contract.signal import Action

ISSUES: dict[str, Action] = {"created": "trigger", "unresolved": "trigger", "resolved": "resolve"}
METRICS: dict[str, Action] = {"critical": "trigger", "warning": "trigger", "resolved": "resolve"}


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """One signal for an issue, an event of an alert rule or a metric alert; other hooks are heard and left."""
    check_signature(request, config, "Sentry-Hook-Signature")
    facts = Facts.of(request)
    resource = str(request.headers.get("sentry-hook-resource") or "").strip().lower()
    if not resource:
        names = {"event_alert": "data.event", "metric_alert": "data.metric_alert", "issue": "data.issue"}
        resource = next((known for known, name in names.items() if facts.at(name) is not None), "")
    match resource:
        case "event_alert":
            signal = _event(facts)
        case "metric_alert":
            signal = _metric(facts)
        case "issue":
            signal = _issue(facts)
        case "" if facts.text("project", "project_name"):
            signal = _plugin(facts)
        case "":
            facts.wrong("data", "must hold an event, an issue or a metric_alert")
            signal = None
        case _:
            signal = None
    facts.refuse_if_wrong()
    return stored([signal]) if signal is not None else heard("nothing to report")


def _event(facts: Facts) -> Signal | None:
    event = facts.needed_part("data").needed_part("event")
    key = event.needed("issue_id") if event else ""
    if facts.errors:
        return None
    return report(
        "trigger",
        key,
        event.text("title", "message") or f"Issue {key}",
        severity=severity_of(event.text("level") or None),
        labels=tags(event.at("tags")) | facts.labels(rule="data.triggered_rule"),
        details={name: event.at(name) for name in ("event_id", "culprit", "platform", "release", "project")},
        links=[(event.text("web_url"), "Sentry")],
        origin=event.text("culprit"),
        client="Sentry",
        occurred_at=event.when("datetime", "timestamp"),
    )


def _issue(facts: Facts) -> Signal | None:
    issue = facts.needed_part("data").needed_part("issue")
    key = issue.needed("id") if issue else ""
    said = facts.needed("action")
    if facts.errors or said.lower() not in ISSUES:
        return None
    return report(
        ISSUES[said.lower()],
        key,
        issue.text("title") or f"Issue {key}",
        severity=severity_of(issue.text("level") or None),
        labels=issue.labels(project="project.slug", issue="shortId", platform="platform"),
        details=issue.value,
        links=[(issue.text("web_url", "permalink"), "Sentry")],
        origin=issue.text("culprit", "project.slug"),
        client="Sentry",
        occurred_at=issue.when("lastSeen"),
    )


def _metric(facts: Facts) -> Signal | None:
    data = facts.needed_part("data")
    metric = data.needed_part("metric_alert")
    key = metric.needed("id") if metric else ""
    action = facts.one_of("action", METRICS)
    if facts.errors or action is None:
        return None
    said = facts.text("action").lower()
    return report(
        action,
        key,
        data.text("description_title") or metric.text("title", "alert_rule.name") or f"Metric alert {key}",
        severity="error" if action == "resolve" else severity_of(said),
        labels=metric.labels(rule="alert_rule.name", incident="identifier"),
        details={"description": data.text("description_text"), "metric_alert": metric.value},
        links=[(data.text("web_url"), "Sentry")],
        client="Sentry",
        occurred_at=metric.when("date_closed" if action == "resolve" else "date_started", "date_detected"),
    )


def _plugin(facts: Facts) -> Signal | None:
    key = facts.needed("id")
    return report(
        "trigger",
        key or "-",
        facts.text("message", "event.title", "culprit") or f"Issue {key}",
        severity=severity_of(facts.text("level") or None),
        labels=facts.labels(project="project_name", logger="logger") | tags(facts.at("event.tags")),
        details={"culprit": facts.text("culprit"), "project": facts.text("project")},
        links=[(facts.text("url"), "Sentry")],
        origin=facts.text("culprit"),
        client="Sentry",
    )
