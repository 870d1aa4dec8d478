"""Errors that mean something to the person who asked; every door renders them in one shape."""

from dataclasses import dataclass, field


@dataclass
class TocsinError(Exception):
    """Something that the asker can mend. ``problems`` maps field names (dotted) to what would be right."""

    message: str
    problems: dict[str, str] = field(default_factory=dict)

    code = "error"
    status = 400

    def __str__(self) -> str:
        details = "; ".join(f"{name}: {text}" for name, text in self.problems.items())
        return f"{self.message} ({details})" if details else self.message


class Invalid(TocsinError):
    """Input that does not make sense."""

    code = "invalid"
    status = 422


class NotFound(TocsinError):
    """No such thing, or none that this actor may know of."""

    code = "not_found"
    status = 404


class Forbidden(TocsinError):
    """The actor may not do this."""

    code = "forbidden"
    status = 403


class Conflict(TocsinError):
    """The thing is in a state that does not allow this."""

    code = "conflict"
    status = 409
