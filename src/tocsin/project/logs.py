"""Logs: one line an event, for people (console) or machines (json), never a secret."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

# names whose values are secrets wherever they turn up
SECRET_NAME = re.compile(
    r"(password|passwd|secret|token|api_?key|authorization|cookie|routing_key|smtp_url)", re.IGNORECASE
)
# secrets inside texts: passwords in addresses, bearer tokens, our own tokens, keys in intake and action paths
SECRET_TEXT = [
    (re.compile(r"(\w+://[^:/@\s]*):[^@/\s]+@"), r"\1:***@"),
    (re.compile(r"\b(Bearer|Basic|Token)\s+[\w.~+/=-]{8,}", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"\btocsin_\w{8,}"), "tocsin_***"),
    (re.compile(r"(/in/[\w-]+/|/a/|/sign-in/link/)[\w:.~-]{8,}"), r"\1***"),
    (re.compile(r"([?&](?:token|key|password)=)[^&\s]+", re.IGNORECASE), r"\1***"),
]
MASK = "***"


def mask(text: str) -> str:
    """The text with everything that looks like a secret masked."""
    for pattern, replacement in SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text


def _masked(value: Any, name: str = "") -> Any:
    if name and SECRET_NAME.search(name) and value:
        return MASK
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: _masked(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item) for item in value]
    return value


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: mask secrets by name and by look."""
    return {key: _masked(value, key) for key, value in event.items()}


def configure(log_format: str = "auto", level: str = "INFO") -> None:
    """Send the standard library's and structlog's lines to standard error in one form."""
    if log_format == "auto":
        log_format = "console" if sys.stderr.isatty() else "json"
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
    ]
    if log_format == "json":
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        tail: list[Any] = [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer()]
    else:
        stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=True)
        tail = [
            structlog.processors.format_exc_info,
            redact,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0),
        ]
    structlog.configure(
        processors=[*shared, stamp, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, stamp],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # one line a request, with full addresses, is neither wanted nor safe
    for noisy in ("httpx", "httpcore", "urllib3", "asyncio", "apprise", "django.request"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
