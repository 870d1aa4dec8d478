"""Ids as PagerDuty's clients know them: opaque, ``Q`` and 13 capital letters or digits, made of a kind and a number.

Nothing is stored: an id can be read back. Some clients refuse ids of another form (``pagerduty-cli`` wants
``^[P|Q]\\w{6,13}$``).
"""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
LENGTH = 13
KINDS = (
    "incident", "alert", "log_entry", "note", "service", "integration", "escalation_policy", "escalation_rule",
    "schedule", "schedule_layer", "override", "user", "contact_method", "notification_rule", "team", "priority",
    "maintenance_window", "tag", "webhook_subscription", "delivery_method", "change_event", "vendor",
    "responder_request", "status_update", "notification",
)  # fmt: skip
_SPACE = 1 << 5 * LENGTH
_NUMBER_BITS = 59
# An odd factor makes neighbours look unlike, and can be taken back.
_FACTOR = 0x1_9E37_79B9_7F4A_7C15
_BACK = pow(_FACTOR, -1, _SPACE)


def write(kind: str, number: int) -> str:
    """The id of a thing. ``number`` is our own, 0 or more and below 2 to the power of 59."""
    if not 0 <= number < 1 << _NUMBER_BITS:
        raise ValueError(f"{number} cannot be a part of an id")
    value = (KINDS.index(kind) << _NUMBER_BITS | number) * _FACTOR % _SPACE
    return "Q" + "".join(LETTERS[value >> 5 * place & 31] for place in reversed(range(LENGTH)))


def read(kind: str, text: str) -> int | None:
    """Our number of the thing of this kind that an id means; None when it is no id of that kind."""
    if len(text) != LENGTH + 1 or text[0] != "Q":
        return None
    value = 0
    for letter in text[1:]:
        place = LETTERS.find(letter)
        if place < 0:
            return None
        value = value << 5 | place
    value = value * _BACK % _SPACE
    return value & ((1 << _NUMBER_BITS) - 1) if value >> _NUMBER_BITS == KINDS.index(kind) else None
