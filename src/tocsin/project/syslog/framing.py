"""Syslog messages out of a stream (RFC 6587): counted in octets, or each ended by a line feed or NUL. Each frame may be
of either kind, as with other servers; programs mix them."""

import re

_COUNT = re.compile(rb"([1-9][0-9]{0,8}) ")
_DIGITS = re.compile(rb"[1-9][0-9]{0,8}\Z")
_END = re.compile(rb"[\n\0]")
_BETWEEN = b"\r\n\0 "

Frame = tuple[bytes, bool]
"""A message, and whether something of it is missing."""


class Frames:
    """What came over one connection. ``most``: bytes of a message that are kept; the rest of it is read and dropped."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._buffer = bytearray()
        self._skip = 0  # octets of a counted message that are still to come and are not wanted
        self._skip_line = False

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that are complete now."""
        self._buffer += data
        found: list[Frame] = []
        while (frame := self._next()) is not None:
            if frame[0]:
                found.append(frame)
        return found

    def end(self) -> list[Frame]:
        """What is left when the connection ends: a line may end so, a counted message is cut off."""
        rest, self._buffer = bytes(self._buffer), bytearray()
        if self._skip or self._skip_line:
            return []
        counted = _COUNT.match(rest)
        text = rest[counted.end() :] if counted and rest[counted.end() : counted.end() + 1] == b"<" else rest
        return [(text.strip(_BETWEEN), counted is not None)] if text.strip(_BETWEEN) else []

    def _next(self) -> Frame | None:
        """The next message; empty when something was dropped; None when more has to come."""
        buffer = self._buffer
        if self._skip:
            count = min(self._skip, len(buffer))
            del buffer[:count]
            self._skip -= count
            return (b"", False) if count and not self._skip else None
        if self._skip_line:
            ended = _END.search(buffer)
            del buffer[: ended.end() if ended else len(buffer)]
            self._skip_line = ended is None
            return (b"", False) if ended else None
        blank = len(buffer) - len(buffer.lstrip(_BETWEEN))
        if blank:
            del buffer[:blank]
        if not buffer:
            return None
        counted = _COUNT.match(buffer)
        if counted is None and _DIGITS.match(buffer):
            return None
        if counted is not None:
            if len(buffer) == counted.end():
                return None
            if buffer[counted.end() : counted.end() + 1] == b"<":
                return self._counted(int(counted[1]), counted.end())
        return self._line()

    def _counted(self, length: int, start: int) -> Frame | None:
        buffer = self._buffer
        wanted = min(length, self.most)
        if len(buffer) < start + wanted:
            return None
        text = bytes(buffer[start : start + wanted])
        there = min(len(buffer), start + length)
        self._skip = start + length - there
        del buffer[:there]
        return text, length > self.most

    def _line(self) -> Frame | None:
        buffer = self._buffer
        ended = _END.search(buffer)
        if ended is None and len(buffer) <= self.most:
            return None
        stop = ended.start() if ended else len(buffer)
        text = bytes(buffer[: min(stop, self.most)]).rstrip(b"\r")
        cut = stop > self.most
        del buffer[: ended.end() if ended else len(buffer)]
        self._skip_line = ended is None
        return text, cut
