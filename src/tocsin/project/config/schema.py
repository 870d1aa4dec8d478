"""The JSON Schema of configuration files, for editors and pipelines."""

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from tocsin.project.config.kinds import Configuration


@cache
def schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of one configuration file, made from the specs that the actions take."""
    made = TypeAdapter(Configuration).json_schema()
    for value in (made, *made.get("$defs", {}).values()):
        value.pop("title", None)
        value["description"] = " ".join(str(value.get("description", "")).replace("``", "`").split())
        for field in value.get("properties", {}).values():
            field.pop("title", None)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tocsin configuration",
    }
    made["properties"]["version"] |= {"const": 1}
    return head | made


def schema_text() -> str:
    """The schema as the file that is shipped."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
