"""Names that may be used once, with the same words wherever one is taken."""

from typing import Any

from django.db.models import QuerySet

from tocsin.platform.errors import Conflict


def require_free(rows: "QuerySet[Any]", word: str, pk: int | None, **wanted: str) -> None:
    """Raise Conflict that names every field whose value another row than ``pk`` has. ``word``: what a row is called."""
    others = rows.exclude(pk=pk or 0)
    taken = {field: "one not yet in use" for field, value in wanted.items() if others.filter(**{field: value}).exists()}
    if taken:
        raise Conflict(f"There is such a {word} already.", taken)
