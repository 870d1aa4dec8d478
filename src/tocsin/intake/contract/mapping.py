"""Expressions (CEL) that say how any JSON becomes a signal: one for each field, every one optional."""

from collections.abc import Mapping as Values
from functools import lru_cache
from typing import Any

import cel
import msgspec

from tocsin.intake.contract.kind import Field
from tocsin.intake.contract.signal import ACTIONS, Signal, cut_title, identity, severity_of, short_key
from tocsin.intake.contract.text import as_text, clean, clean_text, moment, tidy_labels

VARIABLES = ("body", "headers", "query", "event")

MAPPING_FIELDS = (
    Field("action", "Action", "trigger, acknowledge, resolve, change or ignore", type="cel"),
    Field("dedup_key", "Deduplication key", "names the condition: the same key is the same alert", type="cel"),
    Field("title", "Title", "one line for people", type="cel"),
    Field("severity", "Severity", "critical, error, warning or info", type="cel"),
    Field("labels", "Labels", 'short facts to route by, as a map: {"host": body.host}', type="cel"),
    Field("details", "Details", "what else to keep; empty keeps the whole body", type="cel"),
)

_ACTIONS: dict[str, str] = {
    **{word: word for word in ACTIONS},
    **dict.fromkeys(
        ("firing", "fire", "fired", "triggered", "alerting", "alert", "open", "opened", "problem", "down", "critical",
         "failed", "failure", "active", "activated", "create", "created", "error", "warning", "incident"),
        "trigger",
    ),
    **dict.fromkeys(("acknowledged", "ack", "acked"), "acknowledge"),
    **dict.fromkeys(
        ("resolved", "recovered", "recovery", "ok", "okay", "up", "close", "closed", "normal", "success", "healthy",
         "cleared", "clear", "inactive", "deactivated", "fixed", "0k"),
        "resolve",
    ),
    **dict.fromkeys(("deployment", "deploy", "changed"), "change"),
    **dict.fromkeys(("ignore", "ignored", "skip"), "ignore"),
}  # fmt: skip


class _Failed(Exception):
    """An expression could not be evaluated for this body."""


@lru_cache(maxsize=2048)
def _program(expression: str) -> cel.Program:
    return cel.compile(expression)


def _guarded(function: Any, *args: Any) -> Any:
    """Call into the CEL library; also what its native part throws past Exception comes out as _Failed."""
    try:
        return function(*args)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        if isinstance(error, MemoryError):
            raise
        raise _Failed(str(error).split("\n", 1)[0][:200] or type(error).__name__) from error


def mapping_problems(config: Values[str, Any]) -> dict[str, str]:
    """What is wrong with the expressions, by field: syntax, unknown variables or functions."""
    problems = {}
    for item in MAPPING_FIELDS:
        expression = config.get(item.name)
        if not expression:
            continue
        try:
            program = _guarded(_program, expression)
            unknown = [name for name in _guarded(program.variables) if name not in VARIABLES]
        except _Failed as error:
            problems[item.name] = f"not a CEL expression: {error}"
            continue
        bound = {name for name in unknown if f"({name}," in expression.replace(" ", "")}
        unknown = [name for name in unknown if name not in bound]
        if unknown:
            problems[item.name] = f"{unknown[0]} is not known here; there are {', '.join(VARIABLES)}"
    return problems


class Mapping:
    """The expressions of one source. An expression that fails on a body falls back to the guess, with a remark."""

    __slots__ = ("_expressions",)

    def __init__(self, config: Values[str, Any]) -> None:
        self._expressions = {item.name: config[item.name] for item in MAPPING_FIELDS if config.get(item.name)}

    def signal(self, body: Any, variables: Values[str, Any], guess: Values[str, Any]) -> Signal | None:
        """The signal of one JSON value; None when the action says ignore.

        ``variables`` are what expressions see beside ``body``; ``guess`` holds the fields for which there is no
        expression: action, dedup_key, title, severity, labels, details, links, origin, occurred_at.
        """
        remarks: list[str] = []
        found = dict(guess)
        scope = {"body": body, "headers": {}, "query": {}, "event": {}, **variables}
        for name, expression in self._expressions.items():
            try:
                value = _guarded(_guarded(_program, expression).execute, scope)
                found[name] = clean(msgspec.to_builtins(value))
            except (_Failed, TypeError, ValueError, RecursionError) as error:
                remarks.append(f"the mapping of {name} failed: {str(error)[:200]}")
        action = action_of(found.get("action"))
        if action == "ignore":
            return None
        if action is None:
            if found.get("action") not in (None, ""):
                remarks.append(f"action {as_text(found['action'], 60)!r} is not known, taken as trigger")
            action = "trigger"
        title = cut_title(" ".join(as_text(found.get("title")).split()) or "Signal without a title", remarks)
        key = as_text(found.get("dedup_key"))
        labels = found.get("labels")
        if labels is not None and not isinstance(labels, dict):
            remarks.append("labels must be a map; they were left out")
        return Signal(
            action=action,
            dedup_key=short_key(clean_text(key)) if key else identity(title),
            title=clean_text(title),
            severity=severity_of(as_text(found.get("severity"))),
            labels=tidy_labels(labels),
            details=found.get("details"),
            links=found.get("links") or [],
            remarks=remarks,
            origin=as_text(found.get("origin"), 255),
            occurred_at=moment(found.get("occurred_at")),
        )


def action_of(word: Any) -> Any:
    """The action that a tool's word means (``firing`` -> ``trigger``), ``ignore``, or None when it means nothing."""
    if isinstance(word, bool) or not isinstance(word, str):
        return None
    return _ACTIONS.get(word.strip().lower())
