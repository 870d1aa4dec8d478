"""Alertmanager's webhook (payload version 4) into signals: one for each alert, or one for the group.

The status of each alert counts, not the group's: a firing group may hold resolved alerts. An alert that is absent is
not resolved, since ``max_alerts`` cuts lists.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from tocsin.intake.contract import (
    Answer,
    Link,
    Parsed,
    ParseError,
    Request,
    Signal,
    as_text,
    cut_title,
    decode_json,
    identity,
    moment,
    severity_of,
    short_key,
    tidy_labels,
)

STATES = {"firing": "trigger", "resolved": "resolve"}
TITLES = ("summary", "message", "title")
LINKS = (("runbook_url", "Runbook"), ("dashboard_url", "Dashboard"))
GRAFANA = (("dashboardURL", "Dashboard"), ("panelURL", "Panel"), ("silenceURL", "Silence"), ("imageURL", "Image"))


class Alert(msgspec.Struct, gc=False):
    """One alert of a group. The last fields are Grafana's, which sends the same groups otherwise."""

    labels: dict[str, str]
    status: str = "firing"
    annotations: dict[str, str] = {}
    startsAt: str = ""
    endsAt: str = ""
    generatorURL: str = ""
    fingerprint: str = ""
    dashboardURL: str = ""
    panelURL: str = ""
    silenceURL: str = ""
    imageURL: str = ""
    valueString: str = ""
    values: Any = None


class Group(msgspec.Struct, gc=False):
    """A notification of Alertmanager."""

    alerts: list[Alert]
    status: str = "firing"
    groupKey: str = ""
    receiver: str = ""
    externalURL: str = ""
    truncatedAlerts: int = 0
    groupLabels: dict[str, str] = {}
    commonLabels: dict[str, str] = {}
    commonAnnotations: dict[str, str] = {}


_decode = msgspec.json.Decoder(Group).decode


def _loosely(value: Any) -> Group:
    """A group out of plain JSON; ParseError names each field that is wrong."""
    if not isinstance(value, dict):
        raise ParseError(["the body must be an object with 'alerts'"])
    alerts = value.get("alerts")
    if not isinstance(alerts, list):
        raise ParseError(["'alerts' must be a list"])
    errors: list[str] = []
    found = []
    for index, item in enumerate(alerts):
        if not isinstance(item, dict):
            errors.append(f"'alerts[{index}]' must be an object")
        elif not isinstance(item.get("labels"), dict):
            errors.append(f"'alerts[{index}].labels' must be an object")
        else:
            found.append(
                Alert(
                    labels=tidy_labels(item["labels"]),
                    status=as_text(item.get("status") or value.get("status") or "firing"),
                    annotations=tidy_labels(item.get("annotations")),
                    startsAt=as_text(item.get("startsAt")),
                    endsAt=as_text(item.get("endsAt")),
                    generatorURL=as_text(item.get("generatorURL")),
                    fingerprint=as_text(item.get("fingerprint")),
                    dashboardURL=as_text(item.get("dashboardURL")),
                    panelURL=as_text(item.get("panelURL")),
                    silenceURL=as_text(item.get("silenceURL")),
                    imageURL=as_text(item.get("imageURL")),
                    valueString=as_text(item.get("valueString")),
                    values=item.get("values"),
                )
            )
    if errors:
        raise ParseError(errors[:20])
    truncated = value.get("truncatedAlerts")
    return Group(
        alerts=found,
        status=as_text(value.get("status")) or "firing",
        groupKey=as_text(value.get("groupKey")),
        receiver=as_text(value.get("receiver")),
        externalURL=as_text(value.get("externalURL")),
        truncatedAlerts=truncated if isinstance(truncated, int) else 0,
        groupLabels=tidy_labels(value.get("groupLabels")),
        commonLabels=tidy_labels(value.get("commonLabels")),
        commonAnnotations=tidy_labels(value.get("commonAnnotations")),
    )


def parse(request: Request, config: Mapping[str, Any], client: str = "Alertmanager") -> Parsed:
    """A signal for each alert, or for the whole group when the source's ``identity`` is ``group``.

    ``client`` is the program that sends.
    """
    group = decode_json(request.body, _decode, _loosely)
    errors = [
        f"'alerts[{index}].status' is invalid (must be firing or resolved)"
        for index, alert in enumerate(group.alerts)
        if alert.status not in STATES
    ]
    if group.status not in STATES:
        errors.append("'status' is invalid (must be firing or resolved)")
    if errors:
        raise ParseError(errors[:20])
    severity_label = config.get("severity_label") or "severity"
    default = config.get("default_severity") or "error"
    if config.get("identity") == "group":
        signals = [_whole(group, severity_label, default, client)]
    else:
        signals = [_single(alert, group, severity_label, default, client) for alert in group.alerts]
    body = b'{"status":"success","message":"Alerts stored","accepted":%d}' % len(signals)
    return Parsed(signals, Answer(200, body))


def _title(labels: dict[str, str], annotations: dict[str, str]) -> str:
    for name in TITLES:
        text = annotations.get(name)
        if text:
            return text
    return labels.get("alertname") or "Alert without a name"


def _links(alert: Alert | None, annotations: dict[str, str], external: str, client: str) -> list[Link]:
    links = [Link(annotations[name], text) for name, text in LINKS if annotations.get(name)]
    if alert is not None:
        if alert.generatorURL:
            links.append(Link(alert.generatorURL, "Query"))
        links += [Link(address, text) for name, text in GRAFANA if (address := getattr(alert, name))]
    if external:
        links.append(Link(external, client))
    return links


def _details(alert: Alert, group: Group) -> dict[str, Any]:
    details: dict[str, Any] = {
        "annotations": alert.annotations,
        "receiver": group.receiver,
        "group": group.groupKey,
    }
    if alert.values is not None or alert.valueString:
        details |= {"values": alert.values, "value_string": alert.valueString}
    return details


def _single(alert: Alert, group: Group, severity_label: str, default: Any, client: str) -> Signal:
    remarks: list[str] = []
    labels, annotations = alert.labels, alert.annotations
    if "" in labels or "" in labels.values():
        labels = tidy_labels(labels)
    action = STATES[alert.status]
    return Signal(
        action=action,  # type: ignore[arg-type]  # a value of STATES
        dedup_key=short_key(alert.fingerprint or identity(labels)),
        title=cut_title(_title(labels, annotations), remarks, "summary"),
        severity=severity_of(labels.get(severity_label, default), default),
        labels=labels,
        details=_details(alert, group),
        links=_links(alert, annotations, group.externalURL, client),
        remarks=remarks,
        origin=labels.get("instance", ""),
        client=client,
        client_url=group.externalURL,
        occurred_at=moment(alert.startsAt if action == "trigger" else alert.endsAt or alert.startsAt),
    )


def _whole(group: Group, severity_label: str, default: Any, client: str) -> Signal:
    remarks: list[str] = []
    labels = tidy_labels(group.commonLabels or group.groupLabels)
    annotations = group.commonAnnotations
    firing = [alert for alert in group.alerts if alert.status == "firing"]
    title = _title(labels, annotations)
    if len(firing) > 1:
        title = f"{title} ({len(firing)} firing)"
    if group.truncatedAlerts > 0:
        remarks.append(f"{client} left out {group.truncatedAlerts} alerts of the group")
    severities = [severity_of(alert.labels.get(severity_label, default), default) for alert in firing or group.alerts]
    rank = ("critical", "error", "warning", "info").index
    moments = [found for found in (moment(alert.startsAt) for alert in group.alerts) if found]
    return Signal(
        action=STATES[group.status],  # type: ignore[arg-type]  # a value of STATES
        dedup_key=sha256(group.groupKey.encode("utf-8", "replace")).hexdigest() if group.groupKey else identity(labels),
        title=cut_title(title, remarks, "summary"),
        severity=min(severities, key=rank, default=default),
        labels=labels,
        details={
            "annotations": annotations,
            "receiver": group.receiver,
            "group": group.groupKey,
            "alerts": [
                {"status": alert.status, "labels": alert.labels, "annotations": alert.annotations}
                for alert in group.alerts[:100]
            ],
        },
        links=_links(group.alerts[0] if group.alerts else None, annotations, group.externalURL, client),
        remarks=remarks,
        client=client,
        client_url=group.externalURL,
        occurred_at=min(moments, default=None),
    )
