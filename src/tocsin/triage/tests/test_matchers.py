"""Alertmanager's matchers, and that the condition a silence becomes says the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.platform import cel
from tocsin.triage.rules import Matcher, MatcherError, all_accept, condition_of, labels_of, parse_matcher
from tocsin.triage.rules.matchers import quoted

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
NAMES = st.sampled_from(["alertname", "severity", "team", "job"])
REGEXES = st.sampled_from(["", ".*", ".+", "a|b", "[ab]+", "a.c", "x(y|z)?", "Broken", "(?i)broken"])


def variables(labels: dict[str, str], title: str = "Broken", severity: str = "critical") -> dict[str, object]:
    return {"signal": {"labels": labels, "title": title, "severity": severity}}


@given(TEXT)
def test_any_text_survives_as_a_literal_of_cel(text: str) -> None:
    assert cel.evaluate(quoted(text), {}) == (text, "")


@given(
    st.lists(st.builds(Matcher, NAMES, TEXT, st.just(False), st.booleans())
             | st.builds(Matcher, NAMES, REGEXES, st.just(True), st.booleans()), min_size=1, max_size=4),
    st.dictionaries(NAMES, TEXT | st.sampled_from(["", "a", "b", "abc", "xy"]), max_size=4),
    TEXT,
)  # fmt: skip
def test_the_condition_says_what_the_matchers_say(matchers: list[Matcher], labels: dict[str, str], title: str) -> None:
    seen = labels_of(labels, title, "critical")
    told = cel.evaluate(condition_of(matchers), variables(labels, title))
    assert told == (all_accept(matchers, seen), "")


@given(REGEXES, st.sampled_from(["", "a", "b", "ab", "abc", "xyz", "Broken", "broken", "a\nc"]), st.booleans())
def test_regular_expressions_match_the_whole_value(pattern: str, value: str, equal: bool) -> None:
    assert Matcher("team", pattern, True, equal).accepts(value) is (bool(re.fullmatch(pattern, value)) is equal)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('team="shop"', Matcher("team", "shop")),
        ("team=shop", Matcher("team", "shop")),
        (' team != "shop" ', Matcher("team", "shop", False, False)),
        ('team=~"a|b"', Matcher("team", "a|b", True, True)),
        ("team!~a.*", Matcher("team", "a.*", True, False)),
        ('team="a=\\"b\\" \\\\ \\n"', Matcher("team", 'a="b" \\ \n')),
        ("team=", Matcher("team", "")),
    ],
)
def test_matchers_as_people_write_them(text: str, wanted: Matcher) -> None:
    assert parse_matcher(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "team", "=x", "1team=x", 'team="x', 'team="a"b"', "te am=x", "team=~(", 'te-am="x"']
)
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(MatcherError):
        parse_matcher(text)


def test_a_value_cannot_leave_its_quotes() -> None:
    sly = Matcher("team", '" || true || "x" == "')
    assert cel.holds(sly.condition, variables({"team": "shop"})) is False
    with pytest.raises(MatcherError):
        Matcher("team", ").*|(x", True)


def test_an_alert_without_labels_has_its_title_and_severity() -> None:
    assert labels_of({}, "Disk full", "error") == {"alertname": "Disk full", "severity": "error"}
    assert labels_of({"alertname": "Disk"}, "Disk full", "error") == {"alertname": "Disk"}
    assert labels_of({"severity": "page"}, "Disk full", "error") == {"alertname": "Disk full", "severity": "page"}
    assert cel.holds(Matcher("alertname", "Disk full").condition, variables({}, "Disk full"))


@given(NAMES, TEXT, REGEXES, st.booleans(), st.booleans())
def test_what_is_written_reads_the_same(name: str, text: str, pattern: str, is_regex: bool, is_equal: bool) -> None:
    matcher = Matcher(name, pattern if is_regex else text, is_regex, is_equal)
    assert parse_matcher(str(matcher)) == matcher
