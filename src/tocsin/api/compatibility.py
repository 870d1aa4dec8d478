"""What is served of other products' APIs, operation by operation: the table behind ``docs/reference/compatibility.md``.

Each door keeps its own list beside its views; a test asks every address of it and compares the answer with the list.
"""

from dataclasses import dataclass
from typing import Literal

Support = Literal["supported", "partial", "missing"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of another product's API.

    ``path`` is as its vendor writes it, with ``{placeholders}``; ``note`` says what a partial one leaves out, or what
    to use instead of a missing one. A partial or missing operation needs a note.
    """

    method: str
    path: str
    support: Support
    note: str = ""

    def __post_init__(self) -> None:
        if self.support != "supported" and not self.note:
            raise ValueError(f"{self.method} {self.path}: say what is not served")


def operations(support: Support, note: str, *lines: str) -> list[Operation]:
    """Operations that are served alike, with one note; a line is ``METHOD[,METHOD] /path``."""
    found = []
    for line in lines:
        methods, path = line.split(" ", 1)
        found += [Operation(method, path, support, note) for method in methods.split(",")]
    return found


__all__ = ["Operation", "Support", "operations"]
