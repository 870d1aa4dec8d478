"""Timeline entries in words. Pure: a kind and its data in, a sentence that follows the actor's name out."""

from collections.abc import Callable, Mapping
from typing import Any

from tocsin.escalation.rules import REASONS

# kind -> icon, tone, family
KINDS = {
    "opened": ("siren", "triggered", "state"),
    "acknowledged": ("hand", "acknowledged", "state"),
    "partly_acknowledged": ("hand", "acknowledged", "state"),
    "unacknowledged": ("undo-2", "triggered", "state"),
    "mitigated": ("shield", "mitigated", "state"),
    "resolved": ("circle-check", "resolved", "state"),
    "closed": ("archive", "closed", "state"),
    "reopened": ("rotate-ccw", "triggered", "state"),
    "snoozed": ("moon-star", "quiet", "state"),
    "reassigned": ("user-plus", "info", "people"),
    "priority_changed": ("flag", "info", "state"),
    "retitled": ("pencil", "quiet", "state"),
    "note": ("message-square", "info", "notes"),
    "status_update": ("message-square", "info", "notes"),
    "merged": ("git-merge", "quiet", "state"),
    "absorbed": ("git-merge", "quiet", "state"),
    "made_confidential": ("lock", "warn", "people"),
    "confidentiality_lifted": ("eye", "warn", "people"),
    "let_in": ("user-plus", "info", "people"),
    "role_asked": ("user-plus", "info", "command"),
    "role_taken": ("user-check", "acknowledged", "command"),
    "role_declined": ("user-x", "warn", "command"),
    "role_left": ("user-minus", "quiet", "command"),
    "task_added": ("list-todo", "info", "command"),
    "task_changed": ("pencil", "quiet", "command"),
    "task_done": ("circle-check", "resolved", "command"),
    "task_dropped": ("circle-x", "quiet", "command"),
    "task_reopened": ("rotate-ccw", "info", "command"),
    "fact_pinned": ("pin", "info", "command"),
    "fact_unpinned": ("pin-off", "quiet", "command"),
    "decided": ("gavel", "info", "command"),
    "state_changed": ("arrow-right", "quiet", "state"),
    "imported": ("download", "quiet", "state"),
    "import_updated": ("download", "quiet", "state"),
    "alert_joined": ("bell", "quiet", "alerts"),
    "alert_resolved": ("bell-off", "quiet", "alerts"),
    "alert_moved": ("git-merge", "quiet", "alerts"),
    "paged": ("bell-ring", "info", "people"),
    "nobody_paged": ("circle-help", "bad", "people"),
    "webhook_called": ("webhook", "info", "people"),
    "paged_by_hand": ("bell-ring", "info", "people"),
    "called_off": ("bell-off", "quiet", "people"),
    "escalated": ("arrow-big-up-dash", "warn", "people"),
    "team_called": ("users", "warn", "people"),
    "managers_called": ("arrow-big-up-dash", "warn", "people"),
    "step_skipped": ("arrow-right", "quiet", "people"),
    "tier_warned": ("timer", "warn", "people"),
    "executives_told": ("bell", "info", "people"),
    "snooze_ended": ("bell-ring", "triggered", "state"),
    "acknowledgement_timed_out": ("bell-ring", "triggered", "state"),
}
FAMILY_NAMES = [
    ("", "Everything"),
    ("state", "State"),
    ("command", "Command"),
    ("people", "Pages"),
    ("notes", "Notes"),
    ("alerts", "Alerts"),
]
FAMILIES = {
    family: tuple(kind for kind, (_, _, own) in KINDS.items() if own == family) for family, _ in FAMILY_NAMES if family
}
VIA = {
    "web": "", "email": " from an e-mail", "source": " at the source", "alert": "", "api": " through the API",
    "cli": " on the command line", "link": " from a message", "pocket": " from the pocket phone", "ntfy": " from ntfy",
    "sms": " by SMS", "voice": " by phone",
}  # fmt: skip


def sentence(kind: str, data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    """What happened, to be read after the actor's name: "acknowledged it". ``names`` of people by id."""
    because = f": {data['reason']}" if data.get("reason") else ""
    writer = WRITERS.get(kind)
    if writer:
        return writer(data, names)
    return PLAIN.get(kind, kind.replace("_", " ")) + because


def _opened(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    how = "declared it" if data.get("how") == "declared" else "opened it"
    if data.get("how") == "imported":
        how = "reported it"
    secret = ", confidential" if data.get("confidential") else ""
    return f"{how} as {data['priority']}{secret}" if data.get("priority") else how + secret


def _acknowledged(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"acknowledged it{_via(data)}"


def _partly(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"acknowledged it{_via(data)}, {data.get('given')} of {data.get('needed')}"


def _webhook(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"called {', '.join(data.get('webhooks') or [])} ({data.get('policy')}, step {data.get('step')})"


def _resolved(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"resolved it{_via(data)}" + (f": {data['note']}" if data.get("note") else "")


def _via(data: Mapping[str, Any]) -> str:
    via = str(data.get("via") or "")
    return VIA.get(via, f" through {via}" if via else "")


def _priority(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    because = f": {data['reason']}" if data.get("reason") else ""
    return f"changed the priority from {data.get('from')} to {data.get('to')}{because}"


def _reassigned(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"gave it to {_people(data.get('to'), names, data.get('names'))}"


def _snoozed(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    until = str(data.get("until") or "")
    return f"snoozed it until {until[:16].replace('T', ' ')} UTC" if until else "snoozed it"


def _retitled(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"changed the title from “{data.get('from')}” to “{data.get('to')}”"


def _merged(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"merged it into INC-{data.get('into')}"


def _absorbed(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"merged {', '.join(f'INC-{key}' for key in data.get('incidents') or [])} into this"


def _paged(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    gaps = [str(gap) for gap in data.get("gaps") or []]
    found = f" ({'; '.join(gaps)})" if gaps else ""
    called = f" and called {', '.join(map(str, data['webhooks']))}" if data.get("webhooks") else ""
    return f"paged {_people(data.get('users'), names)}{called}: {data.get('policy')}, step {data.get('step')}{found}"


def _nobody(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"found nobody to page: {data.get('policy')}, {data.get('note')}"


def _by_hand(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    message = f": {data['message']}" if data.get("message") else ""
    return f"paged {_people(data.get('users'), names, data.get('names'))}{message}"


def _called_off(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"called {_people(data.get('users'), names, data.get('names'))} off"


def _status(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return "gave a status update" + (f": {data['subject']}" if data.get("subject") else "")


def _escalated(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"escalated it now{_via(data)}, to step {data.get('step')}{_because(data)}"


def _team(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    found = _people(data.get("users"), names, data.get("names"))
    return f"brought in the team {data.get('team')}: {found}{_because(data)}"


def _managers(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"escalated it to the managers: {_people(data.get('users'), names, data.get('names'))}{_because(data)}"


def _because(data: Mapping[str, Any]) -> str:
    """The reason of an escalation by hand: its code in words, and its own words."""
    code, text = str(data.get("reason_code") or ""), str(data.get("reason") or "")
    words = REASONS.get(code, "") if code != "other" else ""
    return "".join(f"; {part}" for part in (words, text) if part).replace("; ", ": ", 1)


def _skipped(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"passed over {data.get('policy')}, {data.get('note') or 'a step'}"


def _warned(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"warned those who look after {data.get('policy')}: {data.get('lasted')} in {data.get('tier')}"


def _executives(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"told {_people(data.get('users'), names, data.get('names'))} for their information"


def _state_changed(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"changed the state from {data.get('from') or 'none'} to {data.get('to') or 'none'}"


def _imported(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"imported it from {data.get('source')}, number {data.get('number')}"


def _import_updated(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"imported it from {data.get('source')} again, as a newer file tells it"


def _let_in(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    because = f": {data['reason']}" if data.get("reason") else ""
    return f"let {_people(data.get('users'), names, data.get('names'))} in{because}"


def _joined(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"added an alert: {data.get('title') or data.get('alert')}"


def _role_asked(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    because = f": {data['reason']}" if data.get("reason") else ""
    return f"asked {_people(data.get('users'), names)} to be {data.get('role')}{because}"


def _role_taken(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    before = f", after {_people(data['users'], names)}" if data.get("users") else ""
    briefed = ", briefed" if data.get("briefed") else ""
    return f"is {data.get('role')} now{before}{briefed}"


def _role_declined(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    because = f": {data['reason']}" if data.get("reason") else ""
    return f"declined to be {data.get('role')}{because}"


def _role_left(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    because = f": {data['reason']}" if data.get("reason") else ""
    return f"ended that {_people(data.get('users'), names)} is {data.get('role')}{because}"


def _task(did: str) -> Callable[[Mapping[str, Any], Mapping[int, str]], str]:
    def write(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
        owner = f", for {_people(data['users'], names)}" if data.get("users") else ""
        due = f", until {str(data['due'])[:16].replace('T', ' ')} UTC" if data.get("due") else ""
        return f"{did}: {data.get('title')}{owner}{due}"

    return write


def _fact(did: str) -> Callable[[Mapping[str, Any], Mapping[int, str]], str]:
    def write(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
        because = f" ({data['reason']})" if data.get("reason") else ""
        return f"{did}: {data.get('text')}{because}"

    return write


def _decided(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    because = f", because {data['rationale']}" if data.get("rationale") else ""
    return f"decided: {data.get('text')}{because}"


def _ended_alert(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"ended an alert: {data.get('title') or data.get('alert')}"


def _moved(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"moved an alert to INC-{data.get('into')}: {data.get('title') or data.get('alert')}"


def _people(ids: Any, names: Mapping[int, str], written: Any = None) -> str:
    found = [names[key] for key in ids or [] if key in names] or [str(name) for name in written or []]
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "") if found else "somebody"


WRITERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[int, str]], str]] = {
    "opened": _opened, "acknowledged": _acknowledged, "partly_acknowledged": _partly, "resolved": _resolved,
    "priority_changed": _priority, "webhook_called": _webhook,
    "reassigned": _reassigned, "snoozed": _snoozed, "retitled": _retitled, "merged": _merged, "absorbed": _absorbed,
    "called_off": _called_off, "status_update": _status,
    "paged": _paged, "nobody_paged": _nobody, "paged_by_hand": _by_hand, "escalated": _escalated,
    "alert_joined": _joined, "alert_resolved": _ended_alert, "alert_moved": _moved,
    "team_called": _team, "managers_called": _managers, "step_skipped": _skipped,
    "state_changed": _state_changed, "imported": _imported, "import_updated": _import_updated,
    "let_in": _let_in, "tier_warned": _warned, "executives_told": _executives,
    "role_asked": _role_asked, "role_taken": _role_taken, "role_declined": _role_declined, "role_left": _role_left,
    "task_added": _task("added a task"), "task_changed": _task("changed a task"), "task_done": _task("did a task"),
    "task_dropped": _task("dropped a task"), "task_reopened": _task("opened a task again"),
    "fact_pinned": _fact("pinned"), "fact_unpinned": _fact("took away"), "decided": _decided,
}  # fmt: skip
PLAIN = {
    "unacknowledged": "took the acknowledgement back",
    "mitigated": "marked it as mitigated",
    "closed": "closed it",
    "reopened": "reopened it",
    "note": "wrote",
    "made_confidential": "made it confidential",
    "confidentiality_lifted": "let everybody see it again",
    "snooze_ended": "woke it up: the snooze is over",
    "acknowledgement_timed_out": "woke it up: the acknowledgement ran out",
}
