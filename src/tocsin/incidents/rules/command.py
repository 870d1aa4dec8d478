"""Command of an incident: who holds which role, tasks, what is pinned and decided, and the briefing for a hand-over.

Pure. The roles and the briefing's parts follow FEMA's Incident Command System (form ICS 201: situation, objectives,
actions, organisation, resources); one person leads at most seven others (ICS: span of control, 3 to 7, best 5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

MOST_LED = 7
TITLE_LENGTH = 300
TEXT_LENGTH = 5_000
SLUG_LENGTH = 50
HOLDING = ("asked", "held")
TASK_STATES = ("open", "done", "dropped")


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A role that people take in an incident, as people write it.

    ``duties``: what its holder does, one line each. ``leads``: it commands; an incident has one such role held at
    most by one person at a time, as every role. ``position``: order on the page.
    """

    name: str
    slug: str = ""
    summary: str = ""
    duties: Sequence[str] = field(default=())
    leads: bool = False
    position: int = 0


@dataclass(frozen=True, slots=True)
class RoleAsked:
    """Somebody was asked to take a role and is to hear of it."""

    incident_id: int
    holder_id: int
    user_id: int
    role: str
    title: str


@dataclass(frozen=True, slots=True)
class TaskOverdue:
    """A task was not done by its time. ``own``: whoever is told has it; otherwise nobody does."""

    incident_id: int
    task_id: int
    user_id: int
    title: str
    own: bool


# What comes with an installation; every one can be changed or taken away.
BUILT_IN = (
    RoleSpec(
        "Commander",
        "commander",
        "Leads the response and decides; does not repair.",
        (
            "Say out loud that you command, and note it",
            "Keep one picture: what is broken, who is hurt, what is being tried",
            "Give every task one owner and a time",
            "Decide when people do not agree; note why",
            "See that others are told on time",
            "Hand over before you are tired, with a briefing",
        ),
        leads=True,
        position=0,
    ),
    RoleSpec(
        "Deputy",
        "deputy",
        "Takes over when the commander is away, and keeps track meanwhile.",
        ("Follow every decision", "Watch times: tasks, updates, snoozes", "Be ready to command at any moment"),
        position=10,
    ),
    RoleSpec(
        "Operations lead",
        "operations",
        "Leads those who find the cause and repair.",
        ("Split the work", "Say what will be changed before it is changed", "Report what was tried and what it did"),
        position=20,
    ),
    RoleSpec(
        "Communications lead",
        "communications",
        "Tells everybody who has to know, at the agreed times.",
        ("Know who is hit and who has to be told", "Write updates that need no questions", "Announce the next one"),
        position=30,
    ),
    RoleSpec(
        "Scribe",
        "scribe",
        "Writes down what happens while it happens.",
        ("Note decisions with their reasons", "Note times of what was seen and done", "Pin what is known for sure"),
        position=40,
    ),
    RoleSpec(
        "Liaison",
        "liaison",
        "Speaks with other organisations: suppliers, partners, authorities.",
        ("Open cases with suppliers and chase them", "Keep their numbers and contacts at hand"),
        position=50,
    ),
)


def role_problems(spec: RoleSpec) -> dict[str, str]:
    """What is wrong with a role, by field."""
    problems = {}
    if not spec.name.strip() or len(spec.name) > 100:
        problems["name"] = "must have 1 to 100 characters"
    if len(spec.summary) > TITLE_LENGTH:
        problems["summary"] = f"at most {TITLE_LENGTH} characters"
    if len(spec.duties) > 20 or any(not duty.strip() or len(duty) > TITLE_LENGTH for duty in spec.duties):
        problems["duties"] = f"up to 20 lines of 1 to {TITLE_LENGTH} characters"
    if not 0 <= spec.position <= 10_000:
        problems["position"] = "0 to 10000"
    return problems


def span_hint(led: int) -> str:
    """What to say when a commander leads so many people; empty while it is few enough."""
    if led <= MOST_LED:
        return ""
    return f"{led} people report to one commander. Beyond {MOST_LED}, put a lead between: operations, communications."


@dataclass(frozen=True, slots=True)
class Brief:
    """What a briefing is made of. ``roles``: name of the role to name of its holder; ``tasks``: title, owner or empty,
    when due in words or empty; ``recent``: what happened last, in sentences."""

    number: int
    title: str
    state: str
    priority: str
    service: str
    lasts: str
    alerts: int
    facts: Sequence[str]
    decisions: Sequence[str]
    tasks: Sequence[tuple[str, str, str]]
    roles: Mapping[str, str]
    responders: Sequence[str]
    recent: Sequence[str]
    note: str = ""


def briefing(brief: Brief) -> str:
    """A briefing for whoever takes a role over, as Markdown. Empty parts say so: that nothing is known is news too."""
    parts = [
        ("Situation", [
            f"{brief.priority} on {brief.service}, {brief.state} for {brief.lasts}: {brief.title}",
            f"{brief.alerts} open alert{'' if brief.alerts == 1 else 's'}",
        ]),
        ("From who hands over", [brief.note] if brief.note else []),
        ("What is known for sure", list(brief.facts)),
        ("What was decided", list(brief.decisions)),
        ("What is being done", [_task(*one) for one in brief.tasks]),
        ("Who does what", [f"{role}: {name}" for role, name in brief.roles.items()]),
        ("Who else is here", [", ".join(brief.responders)] if brief.responders else []),
        ("What happened last", list(brief.recent)),
    ]  # fmt: skip
    lines = [f"## INC-{brief.number}: briefing"]
    for heading, told in parts:
        if heading == "From who hands over" and not told:
            continue
        lines += ["", f"### {heading}", "", *(f"* {' '.join(line.split())}" for line in told or ["nothing"])]
    return "\n".join(lines)


def _task(title: str, owner: str, due: str) -> str:
    return f"{title} ({owner or 'nobody yet'}{f', due {due}' if due else ''})"


def overdue(due_at: datetime | None, state: str, now: datetime) -> bool:
    """Whether a task is still open after its time."""
    return state == "open" and due_at is not None and due_at <= now
