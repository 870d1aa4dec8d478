"""Conditions and mappings in CEL, the Common Expression Language: checked before they are saved, compiled once."""

import re
from collections.abc import Mapping
from functools import lru_cache

import cel

MAX_LENGTH = 4_000
# variables that a macro binds: list.exists(x, ...)
_BOUND = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*(\w+)\s*,")


class CelError(ValueError):
    """An expression that cannot be used; the message says where and why."""


@lru_cache(maxsize=2_000)
def compiled(text: str) -> cel.Program:
    """The compiled program of an expression. Raises CelError."""
    if not text.strip():
        raise CelError("must not be empty")
    if len(text) > MAX_LENGTH:
        raise CelError(f"must have at most {MAX_LENGTH:,} characters")
    try:
        return cel.compile(text)
    except ValueError as error:
        lines = str(error).splitlines()
        raise CelError(lines[0].partition("ERROR: ")[2] or lines[0]) from error


def check(text: str, sample: Mapping[str, object]) -> object:
    """Compile an expression and try it on sample values, so that a typing error is found before 03:10.

    Returns what the sample gave; None when the sample lacks a key that the expression reads (real input may have it).
    Raises CelError for a syntax error, an unknown variable or function, or operands that do not fit.
    """
    program = compiled(text)
    unknown = sorted(set(program.variables()) - set(sample) - set(_BOUND.findall(text)))
    if unknown:
        raise CelError(f"unknown variable {unknown[0]!r}; known are {', '.join(sorted(sample))}")
    try:
        return program.execute(dict(sample))
    except (KeyError, IndexError):
        return None
    except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        raise CelError(str(error).split(". CEL does", 1)[0]) from error


def evaluate(text: str, variables: Mapping[str, object]) -> tuple[object, str]:
    """The value of an expression and, when it has none, why: ``(None, problem)``. Never raises for input's sake."""
    try:
        return compiled(text).execute(dict(variables)), ""
    except KeyError as error:
        return None, f"the signal has no {error}"
    except (ValueError, TypeError, RuntimeError, ArithmeticError, IndexError) as error:
        return None, str(error)[:200]


def holds(text: str, variables: Mapping[str, object]) -> bool:
    """Whether a condition is true; a condition that cannot be evaluated does not hold."""
    return evaluate(text, variables)[0] is True
