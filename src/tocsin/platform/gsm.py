"""GSM's 7-bit default alphabet, for whoever counts or writes SMS. Pure.

3GPP TS 23.038, 6.2.1 (the alphabet: a character's place is its code; ESC stands at 27) and 6.2.1.1 (the extension
table, reached through ESC).
"""

ESCAPE = 0x1B
TABLE = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip
BASIC = frozenset(TABLE) - {"\x1b"}
EXTENDED = frozenset(EXTENSION.values())  # each takes two places
_CODES = {char: code for code, char in enumerate(TABLE) if code != ESCAPE}
_EXTENDED_CODES = {char: code for code, char in EXTENSION.items()}


def writable(text: str) -> bool:
    """Whether every character is in the alphabet."""
    return all(char in BASIC or char in EXTENDED for char in text)


def septets(text: str) -> list[int]:
    """The text's codes; an extended character has two. Raises ValueError when a character has none."""
    codes: list[int] = []
    for char in text:
        if char in _EXTENDED_CODES:
            codes += (ESCAPE, _EXTENDED_CODES[char])
        elif char in _CODES:
            codes.append(_CODES[char])
        else:
            raise ValueError(f"{char!r} is not in GSM's alphabet")
    return codes


def text_of(codes: list[int]) -> str:
    """What codes say. As the standard asks: an unknown extension is the character of the main table, and a second ESC,
    or one at the end, is a space."""
    text, escaped = [], False
    for code in codes:
        if escaped:
            text.append(" " if code == ESCAPE else EXTENSION.get(code, TABLE[code]))
            escaped = False
        elif code == ESCAPE:
            escaped = True
        else:
            text.append(TABLE[code])
    return "".join(text) + (" " if escaped else "")
