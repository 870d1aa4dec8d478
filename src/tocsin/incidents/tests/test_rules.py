"""Pure rules of incidents: every transition, the matrix, the chain."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.incidents import rules

NOW = datetime(2026, 3, 29, 3, 10, tzinfo=UTC)


def incident(state: str = "triggered") -> rules.State:
    return rules.State(
        id=7, service_id=1, title="Disk full", state=state, impact="high", urgency="high", priority="P1",
        severity="critical", opened_at=NOW, updated_at=NOW,
        resolved_at=NOW if state in ("resolved", "closed") else None,
    )  # fmt: skip


VERBS: dict[str, Callable[[rules.State], rules.Skip | rules.Partly | None]] = {
    "acknowledge": lambda i: rules.acknowledge(i, NOW, 1),
    "unacknowledge": rules.unacknowledge,
    "mitigate": lambda i: rules.mitigate(i, NOW, 1),
    "resolve": lambda i: rules.resolve(i, NOW),
    "close": rules.close,
    "reopen": rules.reopen,
    "snooze": lambda i: rules.snooze(i, NOW, NOW + timedelta(hours=1), 1),
}
# verb -> state before -> state after; what is missing is skipped
ALLOWED = {
    "acknowledge": {"triggered": "acknowledged"},
    "unacknowledge": {"acknowledged": "triggered", "mitigated": "triggered"},
    "mitigate": {"triggered": "mitigated", "acknowledged": "mitigated"},
    "resolve": {"triggered": "resolved", "acknowledged": "resolved", "mitigated": "resolved"},
    "close": {"resolved": "closed"},
    "reopen": {"resolved": "triggered", "closed": "triggered"},
    "snooze": {"triggered": "acknowledged", "acknowledged": "acknowledged", "mitigated": "acknowledged"},
}


@pytest.mark.parametrize("state", rules.STATES)
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_in_every_state(verb: str, state: str) -> None:
    subject = incident(state)
    before = subject.generation
    skip = VERBS[verb](subject)
    expected = ALLOWED[verb].get(state)
    if expected is None:
        assert skip is not None
        assert subject.state == state
        assert subject.generation == before
        return
    assert skip is None
    assert subject.state == expected
    # whoever must know changed, so pages of the generation before are void; closing changes nothing of that
    assert subject.generation == before + (verb != "close")


@given(st.lists(st.sampled_from(sorted(VERBS)), max_size=30))
def test_no_sequence_of_verbs_reaches_a_state_that_the_database_forbids(verbs: list[str]) -> None:
    subject = incident()
    generation = subject.generation
    for verb in verbs:
        VERBS[verb](subject)
        assert subject.generation >= generation
        generation = subject.generation
        assert subject.open == (subject.resolved_at is None)
        assert subject.snoozed_until is None or subject.state == "acknowledged"


def test_the_matrix_is_monotonous() -> None:
    order = rules.PRIORITIES.index
    for i, impact in enumerate(rules.LEVELS):
        for u, urgency in enumerate(rules.LEVELS):
            here = order(rules.priority_of(impact, urgency))
            assert i == 2 or order(rules.priority_of(rules.LEVELS[i + 1], urgency)) >= here
            assert u == 2 or order(rules.priority_of(impact, rules.LEVELS[u + 1])) >= here


def test_a_matrix_with_holes_is_refused_by_field() -> None:
    assert rules.matrix_problems(rules.MATRIX) == {}
    broken = {**rules.MATRIX, "low": {"high": "P9", "medium": "P4"}}
    assert set(rules.matrix_problems(broken)) == {"low.high", "low.low"}
    assert len(rules.matrix_problems("nonsense")) == 9


def chain() -> tuple[list[rules.Entry], str]:
    subject = incident()
    entries = [
        rules.chained(subject, NOW + timedelta(seconds=n), "note", ("user", 3, "Ada"), {"text": f"ünote {n}", "n": n})
        for n in range(5)
    ]
    return entries, subject.head


def test_a_chain_holds_and_every_kind_of_tampering_shows() -> None:
    entries, head = chain()
    assert rules.chain_problems(entries, head) == []
    changed = [*entries[:2], replace(entries[2], data={"text": "other"}), *entries[3:]]
    assert rules.chain_problems(changed, head) == ["entry 3 was changed after it was written"]
    assert rules.chain_problems([*entries[:2], *entries[3:]], head) != []
    assert rules.chain_problems(entries[:-1], head) == ["entries are missing at the end"]
    swapped = [entries[0], entries[2], entries[1], *entries[3:]]
    assert rules.chain_problems(swapped, head) != []
    later = [replace(entries[0], at=NOW + timedelta(microseconds=1)), *entries[1:]]
    assert "entry 1 was changed after it was written" in rules.chain_problems(later, head)


def test_worst_severity_wins() -> None:
    assert rules.worst(["info", "error", "warning"]) == "error"
    assert rules.worst([]) == "info"
