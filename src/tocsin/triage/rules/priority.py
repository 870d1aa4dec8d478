"""Which priority an incident has when its sender named one. Pure."""

ASKED = "The sender asked for it."


def at_opening(asked: str, expected: str) -> tuple[str, str]:
    """Priority of a new incident, and why it differs from what impact and urgency give (empty: it does not).

    ``asked``: what the sender named, P1 to P5, or empty; ``expected``: what the matrix gives.
    """
    if not asked or asked == expected:
        return expected, ""
    return asked, ASKED


def after_worse(before: str, reason: str, asked: str, expected: str, louder: bool) -> tuple[str, str]:
    """Priority and reason of an open incident after an alert joined it or became worse.

    before    its priority, with ``reason``: why that is not what the matrix gives
    asked     what the alert's sender named, or empty
    expected  what the matrix gives now
    louder    whether its urgency has just risen

    What a person decided stays. Otherwise a sender may raise the priority, never lower it.
    """
    if reason not in ("", ASKED):
        return before, reason
    if asked:
        after = min(before, asked)
    elif reason:
        after = min(before, expected)
    else:
        after = expected if louder else before
    return after, ASKED if after != expected and (asked or reason) else ""
