"""SMS that came: parts put together, each named so that the same one is never obeyed twice. Pure."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from tocsin.gateway.modem.pdu import Deliver

PATIENCE_S = 600.0  # a part that has not come by then is lost: what is there is passed on


@dataclass(frozen=True, slots=True)
class Stored:
    """A message on the SIM, at its place there."""

    place: int
    deliver: Deliver


@dataclass(frozen=True, slots=True)
class Whole:
    """A message to tell Tocsin, and the places on the SIM that it takes."""

    sender: str
    text: str
    ref: str
    places: tuple[int, ...]


def ref_of(parts: list[Deliver]) -> str:
    """A name that is the same whenever the same message is read again: of its sender, its moments and its text."""
    told = "\n".join(f"{part.sender}\n{part.at.isoformat()}\n{part.text}" for part in parts)
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:40]


def whole(stored: Iterable[Stored], now: float) -> list[Whole]:
    """The messages that are complete, or that will not be any more. ``now``: seconds since 1970."""
    groups: dict[object, list[Stored]] = {}
    for one in stored:
        part = one.deliver.part
        key = (one.deliver.sender, part.reference, part.total) if part else one.place
        groups.setdefault(key, []).append(one)
    found = []
    for group in groups.values():
        first = group[0].deliver.part
        by_number = {one.deliver.part.number: one for one in group if one.deliver.part}
        if first is not None and len(by_number) < first.total:
            newest = max(one.deliver.at.timestamp() for one in group)
            if now - newest < PATIENCE_S:
                continue
        ordered = [by_number[number] for number in sorted(by_number)] or group
        parts = [one.deliver for one in ordered]
        text = "".join(part.text for part in parts)
        found.append(Whole(parts[0].sender, text, ref_of(parts), tuple(one.place for one in group)))
    return found
