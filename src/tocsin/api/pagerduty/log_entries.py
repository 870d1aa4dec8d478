"""Log entries: the timeline in PagerDuty's kinds. What PagerDuty has no kind for is an annotation in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from tocsin.api.pagerduty import ids, references
from tocsin.api.pagerduty.asking import Answer, Asked
from tocsin.api.pagerduty.errors import Refused
from tocsin.api.pagerduty.incident_shapes import Incidents, agent, with_related
from tocsin.api.pagerduty.incidents import incident
from tocsin.api.pagerduty.references import Teller, Thing
from tocsin.api.pagerduty.urgency import urgency_of
from tocsin.incidents import queries
from tocsin.incidents.pages.words import sentence
from tocsin.intake.contract import moment
from tocsin.people import queries as people
from tocsin.people.models import User

TYPES = {
    "opened": "trigger", "reopened": "trigger", "acknowledged": "acknowledge", "partly_acknowledged": "acknowledge",
    "mitigated": "acknowledge", "unacknowledged": "unacknowledge", "snooze_ended": "unacknowledge",
    "acknowledgement_timed_out": "unacknowledge", "resolved": "resolve", "merged": "resolve", "snoozed": "snooze",
    "reassigned": "assign", "escalated": "escalate", "retitled": "field_value_change",
    "priority_changed": "field_value_change",
}  # fmt: skip
# what an overview has: decisions and notes, without how somebody was reached
OVERVIEW = (
    *(kind for kind in TYPES if kind != "escalated"), "note", "status_update", "paged", "absorbed", "closed",
)  # fmt: skip
CHANNELS = {"web": "web_trigger", "alert": "auto", "source": "auto", "voice": "phone", "link": "email"}


def _type(entry: Any) -> str:
    """PagerDuty's kind of a timeline's entry, without ``_log_entry``."""
    kind, data = entry.kind, entry.data
    if kind == "paged":
        step, loop = data.get("step") or 1, data.get("loop") or 1
        return "escalate" if step > 1 else "repeat_escalation_path" if loop > 1 else "assign"
    if kind == "nobody_paged":
        return "exhaust_escalation_path"
    if kind == "priority_changed" and urgency_of(str(data.get("from"))) != urgency_of(str(data.get("to"))):
        return "urgency_change"
    return TYPES.get(kind, "annotate")


def _channel(entry: Any, incident_row: Any, details: bool) -> Thing:
    if entry.kind == "acknowledgement_timed_out" or entry.kind == "snooze_ended":
        return {"type": "timeout", "summary": "Timeout"}
    if entry.kind in ("note", "status_update"):
        return {"type": "note", "summary": str(entry.data.get("text") or "")}
    via = str(entry.data.get("via") or "")
    usual = {"token": "api", "user": "web_trigger", "link": "email"}.get(entry.actor_kind, "auto")
    kind = CHANNELS.get(via, via) or usual
    shape: Thing = {"type": kind, "summary": incident_row.title if entry.kind == "opened" else kind}
    if details and entry.kind == "opened":
        shape |= {
            "subject": incident_row.title,
            "description": incident_row.title,
            "incident_key": entry.data.get("key"),
            "details": entry.data.get("details") or "",
        }
    return shape


def _people(data: Mapping[str, Any]) -> list[int]:
    return [one for name in ("users", "to") for one in data.get(name) or () if isinstance(one, int)]


class LogEntries:
    """Shapes entries of timelines, with their incidents, for one request."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.tell = Teller(asked)

    def __call__(self, rows: Sequence[Any]) -> list[Thing]:
        """Log entries, whole."""
        wanted = {one for row in rows for one in _people(row.data) if "to" in row.data or "users" in row.data}
        users = people.users(self.asked.actor).prefetch_related(None).in_bulk(wanted) if wanted else {}
        whole: dict[int, Thing] = {}
        if self.asked.includes("incidents"):
            numbers = {row.incident_id for row in rows}
            found = list(with_related(queries.incidents(self.asked.actor).filter(pk__in=numbers)))
            whole = {one.pk: shape for one, shape in zip(found, Incidents(self.asked, include=())(found), strict=True)}
        return [self._one(row, users, whole) for row in rows]

    def _one(self, row: Any, users: Mapping[int, User], whole: Mapping[int, Thing]) -> Thing:
        asked, of, data = self.asked, row.incident, row.data
        kind = _type(row)
        names = {number: user.name for number, user in users.items()}
        words = f"{row.actor_name} {sentence(row.kind, data, names)}"
        if row.kind in ("note", "status_update"):
            words = str(data.get("text") or "")
        shape = asked.thing("log_entry", row.pk, words[:1000], page=f"/incidents/{of.pk}/") | {
            "type": f"{kind}_log_entry",
            "created_at": self.tell(row.at),
            "agent": agent(asked, row, of.service),
            "channel": _channel(row, of, asked.includes("channels")),
            "service": references.service(asked, of.service, whole=asked.includes("services")),
            "incident": whole.get(of.pk) or references.incident(asked, of.pk, of.title),
            "teams": references.teams(asked, of.service.team, whole=asked.includes("teams")),
            "contexts": [],
            "event_details": {"description": words},
        }
        if row.kind in ("note", "status_update", "resolved"):
            shape["note"] = str(data.get("text") or data.get("note") or "") or None
        if kind in ("assign", "escalate", "repeat_escalation_path"):
            shape["assignees"] = [references.user(asked, one, names.get(one, "")) for one in _people(data)]
        if kind == "snooze" and data.get("until"):
            shape["changed_actions"] = [{"type": "unacknowledge", "at": self.tell(moment(data["until"]))}]
        if kind in ("field_value_change", "urgency_change"):
            name = "title" if row.kind == "retitled" else "priority"
            shape["changeset"] = [{"name": name, "old_value": data.get("from"), "new_value": data.get("to")}]
        return shape


def _rows(asked: Asked) -> Any:
    rows = queries.entries(asked.actor).select_related("incident__service__policy")
    since, until = asked.moment("since"), asked.moment("until")
    if since and until and since >= until:
        raise Refused(400, ["since must be before until"], code=2005)
    rows = rows.filter(at__gte=since) if since else rows
    rows = rows.filter(at__lt=until) if until else rows
    if asked.flag("is_overview"):
        rows = rows.filter(kind__in=OVERVIEW)
    return rows


def listed(asked: Asked) -> Answer:
    """``GET /log_entries``: of all incidents, newest first."""
    rows = _rows(asked)
    if teams := asked.numbers("team_ids", "team"):
        rows = rows.filter(incident__service__team_id__in=teams)
    return asked.listed("log_entries", rows, LogEntries(asked))


def of_incident(asked: Asked, name: str) -> Answer:
    """``GET /incidents/{id}/log_entries``: newest first."""
    of = incident(asked, name)
    rows = _rows(asked).filter(incident_id=of.pk).order_by("-seq")
    return asked.listed("log_entries", rows, LogEntries(asked))


def got(asked: Asked, name: str) -> Answer:
    """``GET /log_entries/{id}``."""
    number = ids.read("log_entry", name)
    found = list(queries.entries(asked.actor).filter(pk=number)) if number is not None else []
    if not found:
        raise Refused(404)
    return Answer({"log_entry": LogEntries(asked)(found)[0]})
