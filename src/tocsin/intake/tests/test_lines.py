"""Rules that people write as lines."""

import time

import pytest

from tocsin.intake.contract import LinesError, lines_of, lines_problem

VERBS = ("open", "resolve", "ignore", "key")
PLACES = ("subject", "from")
TEXT = r"""
# what Nagios sends
resolve  subject  ^\*\* recovery
and      from     nagios@
unless   subject  \btest\b
ignore   any      newsletter
open     subject  disk
key      subject  alert: (\S+) is|\[(\d+)\]
"""


@pytest.mark.parametrize(
    ("subject", "sender", "verb"),
    [
        ("** RECOVERY of disk", "Nagios@x.example", "resolve"),
        ("** RECOVERY of disk", "eve@x.example", "open"),
        ("** RECOVERY of disk, a TEST", "nagios@x.example", "open"),
        ("Weekly", "newsletter@x.example", "ignore"),
        ("NEWSLETTER about disks", "a@x.example", "ignore"),
        ("Nothing", "a@x.example", None),
    ],
)
def test_the_first_that_fits_decides(subject: str, sender: str, verb: str | None) -> None:
    fit = lines_of(TEXT, VERBS, PLACES).first(("open", "resolve", "ignore"), {"subject": subject, "from": sender})
    assert (fit.rule.verb if fit else None) == verb


@pytest.mark.parametrize(
    ("subject", "found"), [("Alert: db/Disk is down", "db/Disk"), ("[42] x", "42"), ("alert:  is", None)]
)
def test_a_group_is_what_was_found(subject: str, found: str | None) -> None:
    fit = lines_of(TEXT, VERBS, PLACES).first(("key",), {"subject": subject})
    assert (fit.found if fit else None) == found


def test_why_names_the_line_and_what_narrows_it() -> None:
    fit = lines_of(TEXT, VERBS, PLACES).first(("resolve",), {"subject": "** recovery", "from": "nagios@x"})
    assert fit is not None
    assert fit.why.startswith(r"line 3: resolve  subject  ^\*\* recovery; and      from     nagios@; unless")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("close subject x", "line 1: begins with one of open, resolve, ignore, key, and, unless, not 'close'"),
        ("\nopen title x", "line 2: looks at one of subject, from, any, not 'title'"),
        ("open subject", "line 1: needs a pattern of at most 500 characters"),
        ("open subject " + "x" * 501, "line 1: needs a pattern of at most 500 characters"),
        ("open subject (", "line 1: missing ): ("),
        ("open subject (?=x)", "line 1: invalid perl operator: (?="),
        ("and subject x", "line 1: and narrows the rule above it, and there is none"),
        ("open subject \ud800", "line 1: is not Unicode"),
        ("open any x\n" * 101, "at most 100 lines"),
    ],
)
def test_what_is_wrong_is_named(text: str, problem: str) -> None:
    assert lines_problem(text, VERBS, PLACES) == problem
    with pytest.raises(LinesError):
        lines_of(text, VERBS, PLACES)


def test_no_pattern_takes_long() -> None:
    lines = lines_of("open subject (a*)*b\nopen subject (x+x+)+y\nignore any (.*.*.*)*c", VERBS, PLACES)
    began = time.monotonic()
    assert lines.first(VERBS, {"subject": "ax" * 500_000}) is None
    assert time.monotonic() - began < 2


def test_texts_of_any_kind_can_be_looked_at() -> None:
    lines = lines_of("open any ü", VERBS, PLACES)
    assert lines.first(VERBS, {"subject": "\ud800 \0 Ü"}) is not None
    assert lines.first(VERBS, {}) is None
