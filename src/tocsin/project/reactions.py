"""What happens when something happened: event -> the actions that follow, in order, in the same transaction."""

from collections.abc import Sequence


def react(events: Sequence[object]) -> None:
    """Run what follows from these events. Filled by the rooms' stories as they are built."""
