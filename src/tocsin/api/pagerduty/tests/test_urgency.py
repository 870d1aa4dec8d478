"""PagerDuty's urgency beside Tocsin's priorities, for every matrix that an organisation may have."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.api.pagerduty.errors import Refused
from tocsin.api.pagerduty.urgency import levels_for, priorities_of, urgency_named, urgency_of
from tocsin.delivery.channels.webhook.channel import URGENCY
from tocsin.incidents import rules

PRIORITY = st.sampled_from(rules.PRIORITIES)
MATRIX = st.fixed_dictionaries(
    dict.fromkeys(rules.LEVELS, st.fixed_dictionaries(dict.fromkeys(rules.LEVELS, PRIORITY)))
)


@pytest.mark.parametrize("priority", rules.PRIORITIES)
def test_webhooks_say_the_same(priority: str) -> None:
    assert urgency_of(priority) == URGENCY.get(priority, "low")


@given(st.sampled_from(["high", "low"]), st.sampled_from(rules.LEVELS), MATRIX)
def test_what_is_written_is_read_back(urgency: str, impact: str, matrix: Mapping[str, Mapping[str, str]]) -> None:
    levels = levels_for(urgency, impact, matrix)
    expected = rules.priority_of(impact, levels.urgency, matrix)
    assert urgency_of(levels.priority or expected) == urgency
    assert bool(levels.priority) == bool(levels.reason) == (urgency_of(expected) != urgency)


def test_the_two_urgencies_share_the_priorities() -> None:
    assert priorities_of(["high", "low"]) == list(rules.PRIORITIES)
    for value in ("", "HIGH", None, 3):
        with pytest.raises(Refused):
            urgency_named(value)
