"""Writes the reference page of the HTTP API from its own description."""

from typing import Any

from tocsin.api.errors import CODES
from tocsin.api.limits import PER_MINUTE
from tocsin.api.main import api
from tocsin.people.rules import SCOPES

HEAD = """\
# HTTP API

Everything below `/api/v1/` speaks JSON. `/api/v1/openapi.json` describes it for machines (OpenAPI 3.1), `/api/v1/docs`
for people. Pages, command line and API do the same things through the same code.

## Who asks

Send `Authorization: Bearer TOKEN`. Tokens are made by `tocsin token create`, on your own page, or by
`POST /api/v1/tokens`; a token can be read only once, when it is made. It acts for one person and may do what that
person may, narrowed to its scopes: {scopes}. Each scope holds those before it.

A browser that is signed in may use its session; methods that change something then need the CSRF token in
`X-CSRFToken`. A token goes before a session, also when it is wrong.

## Errors

Every error has one shape, whatever it is about:

```json
{{
  "error": {{
    "code": "invalid",
    "message": "This service cannot be kept.",
    "problems": {{"tier": "1 (most important) to 4"}}
  }}
}}
```

`problems` maps fields (dotted, list items by number) to what would be right.

| status | code | usual message |
| --- | --- | --- |
{errors}

## Lists

A list answers `{{"items": [...], "next": "..."}}`. Give `next` as `cursor` to get more; it is `null` at the end.
`limit` is 1 to 500, 100 when not given. Cursors hold the last item seen, so nothing is told twice while
things come and go.

## Repeating safely

`POST` with an `Idempotency-Key` of your own (up to 200 characters) acts once: for 24 hours the same key gets the same
answer, marked `Idempotent-Replayed: true`. Another request under a used key is refused with `idempotency_key_reused`.
A refused request does not use its key up. What was done and the kept answer are one transaction.

## Limits

{limit} requests a minute for each token and web process. `X-RateLimit-Limit`, `X-RateLimit-Remaining` and
`X-RateLimit-Reset` (seconds) tell how it stands; beyond it: 429 with `Retry-After`. Senders of signals do not use this
API and have limits of their own, by source.

## Moments

Moments are ISO 8601 with an offset. Durations are whole seconds in fields that end in `_s`.

## What there is
"""


def page() -> str:
    """The page, as Markdown."""
    errors = "\n".join(f"| {status} | `{code}` | {text} |" for status, (code, text) in CODES.items())
    scopes = ", ".join(f"`{scope}`" for scope in SCOPES)
    lines = [HEAD.format(errors=errors, scopes=scopes, limit=f"{PER_MINUTE:,}")]
    by_tag: dict[str, list[str]] = {}
    schema: dict[str, Any] = api.get_openapi_schema(path_prefix="/api/v1/")
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            about = str(operation.get("description") or "").split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
            tag = str((operation.get("tags") or ["other"])[0])
            by_tag.setdefault(tag, []).append(f"| `{method.upper()} {path}` | {about} |")
    for tag, rows in by_tag.items():
        lines += [f"### {tag.capitalize()}", "", "| request | what it does |", "| --- | --- |", *rows, ""]
    return "\n".join(lines).rstrip() + "\n"
