"""Why a call was not answered. Pure. ITU-T Q.850, 2.2.7; Asterisk gives them as ``cause``."""

CAUSES = {
    0: "nobody answered the phone",  # Asterisk's own time to ring is over
    1: "the number is not assigned",
    3: "there is no way to the number",
    16: "nobody answered the phone",
    17: "the line was busy",
    18: "nobody answered the phone",
    19: "nobody answered the phone",
    20: "the phone cannot be reached",
    21: "the call was rejected",
    22: "the number has changed",
    27: "the phone cannot be reached",
    28: "the number is not complete",
    34: "no line was free",
    38: "the network is out of order",
    41: "a passing fault of the network",
    42: "no line was free",
}


def reason_of(cause: object) -> str:
    """In words."""
    known = CAUSES.get(cause) if isinstance(cause, int) else None
    return known or f"the call could not be put through (cause {cause})"
