"""Sets of moments as sorted, disjoint, half-open spans of microseconds. Pure."""

from collections.abc import Iterable, Sequence

from tocsin.oncall.rules.wallclock import Span


def united(spans: Iterable[Span]) -> list[Span]:
    """What lies in any of the spans, which may be in any order and overlap."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if begin >= end:
            continue
        if found and begin <= found[-1][1]:
            if end > found[-1][1]:
                found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


def both(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What lies in both; both sorted, each disjoint."""
    found = []
    index = 0
    for begin, end in some:
        while index < len(others) and others[index][1] <= begin:
            index += 1
        look = index
        while look < len(others) and others[look][0] < end:
            found.append((max(begin, others[look][0]), min(end, others[look][1])))
            look += 1
    return found


def without(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What lies in ``some`` and not in ``others``; both sorted, each disjoint."""
    found = []
    index = 0
    for begin, end in some:
        at = begin
        while index < len(others) and others[index][1] <= begin:
            index += 1
        look = index
        while look < len(others) and others[look][0] < end:
            if others[look][0] > at:
                found.append((at, others[look][0]))
            at = max(at, others[look][1])
            look += 1
        if at < end:
            found.append((at, end))
    return found
