"""Phone numbers: read as people write them, kept as E.164 (+41791234567). Pure."""

import re
from functools import lru_cache

import phonenumbers

HINT = "a phone number with its country code, such as +41 79 123 45 67"
PREFIX = re.compile(r"\+[1-9]\d{0,6}")
ELSEWHERE = "+"  # the prefix of what has no country: counted together


@lru_cache(maxsize=4096)
def _parsed(text: str) -> phonenumbers.PhoneNumber | None:
    text = text.strip()
    if text.startswith("00"):
        text = "+" + text[2:]
    if not text.startswith("+") or len(text) > 40:
        return None  # without a country code nobody can say whose number it is
    try:
        found = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    return found if found.extension is None and phonenumbers.is_possible_number(found) else None


def problem(text: str) -> str:
    """What would be right, when this is no number that can be called; otherwise empty."""
    found = _parsed(text)
    return "" if found is not None and phonenumbers.is_valid_number(found) else HINT


def normal(text: str) -> str:
    """The number as E.164; the text itself, without blanks around it, when it is none."""
    found = _parsed(text)
    if found is None:
        return text.strip()
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)


def country(number: str) -> str:
    """The calling code of a number's country: ``+41``; ``+`` when it has none."""
    found = _parsed(number)
    return f"+{found.country_code}" if found is not None else ELSEWHERE


def international(number: str) -> str:
    """As people read it: +41 79 123 45 67."""
    found = _parsed(number)
    if found is None:
        return number
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
