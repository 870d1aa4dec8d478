"""SMS as modems exchange them in PDU mode. Pure.

3GPP TS 23.040: 9.1.2.5 (addresses), 9.2.2.1 (SMS-DELIVER), 9.2.2.2 (SMS-SUBMIT), 9.2.2.3 (SMS-STATUS-REPORT), 9.2.3.11
(time stamps), 9.2.3.12 (validity), 9.2.3.15 (status), 9.2.3.24 (user data). 3GPP TS 23.038, 4: data coding schemes. A
PDU on the line begins with the service centre's address (3GPP TS 27.005, 3.1), which we leave to the SIM.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from tocsin.platform import gsm

SINGLE_SEPTETS, JOINED_SEPTETS = 160, 153
SINGLE_UNITS, JOINED_UNITS = 70, 67
MOST_PARTS = 10  # the longest text of Tocsin has two; who sends more has made a mistake
INTERNATIONAL = 0x91
SUBMIT, RELATIVE_VALIDITY, WANTS_REPORT, HAS_HEADER = 0x01, 0x10, 0x20, 0x40
DELIVER_KIND, REPORT_KIND = 0x00, 0x02
GSM_CODING, UCS2_CODING = 0x00, 0x08
ONE_DAY = 167  # TP-VP: 12 h and 24 times half an hour; a page that comes later than that helps nobody


@dataclass(frozen=True, slots=True)
class Submit:
    """One part, ready to be sent. ``length``: what AT+CMGS is told: octets without the service centre's address."""

    hex: str
    length: int


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a longer message it is: the sender's number for the message, of how many, which one from 1 on."""

    reference: int
    total: int
    number: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """An SMS that came. ``sender``: as digits with ``+`` when it is international, or a name."""

    sender: str
    text: str
    at: datetime
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a part that we sent. ``reference``: the number that +CMGS gave; ``state``: delivered, failed, or
    empty while the network goes on trying; ``status``: TP-Status."""

    reference: int
    recipient: str
    status: int

    @property
    def state(self) -> str:
        """TS 23.040, 9.2.3.15: up to 31 it is done (1: handed on, nobody can say more), up to 63 it goes on."""
        if self.status in (0, 2):
            return "delivered"
        return "" if self.status < 0x40 else "failed"


# --- what is sent -------------------------------------------------------------------------------------------------


def packed(codes: list[int], fill: int = 0) -> bytes:
    """Septets in octets, the first one after ``fill`` bits (TS 23.038, 6.1.2.1)."""
    bits, value = fill, 0
    for code in codes:
        value |= code << bits
        bits += 7
    return value.to_bytes((bits + 7) // 8, "little")


def semi_octets(digits: str) -> bytes:
    """Digits two by two, swapped, filled up with F."""
    digits += "F" * (len(digits) % 2)
    return bytes(int(digits[at + 1] + digits[at], 16) for at in range(0, len(digits), 2))


def address(number: str) -> bytes:
    """An international number. Raises ValueError when it is none: ``+`` and at most 15 digits (E.164)."""
    digits = number.removeprefix("+")
    if not number.startswith("+") or not (digits.isascii() and digits.isdigit()) or not 1 <= len(digits) <= 15:
        raise ValueError("no number with its country code")
    return bytes([len(digits), INTERNATIONAL]) + semi_octets(digits)


def pieces(text: str) -> list[str]:
    """The text in parts of one message each. A character of two places is never split between two."""
    plain = gsm.writable(text)

    def places(char: str) -> int:
        return (2 if char in gsm.EXTENDED else 1) if plain else len(char.encode("utf-16-be", "surrogatepass")) // 2

    if sum(map(places, text)) <= (SINGLE_SEPTETS if plain else SINGLE_UNITS):
        return [text]
    most = JOINED_SEPTETS if plain else JOINED_UNITS
    found, piece, used = [], "", 0
    for char in text:
        if used + places(char) > most:
            found.append(piece)
            piece, used = "", 0
        piece += char
        used += places(char)
    return [*found, piece]


def submits(number: str, text: str, reference: int) -> list[Submit]:
    """A text to a number, in as many parts as it takes, each asking for a status report.

    ``reference``: 0 to 255, which tells the receiver which parts belong together. Raises ValueError for a bad number
    or a text of more than ten parts.
    """
    to = address(number)
    text = text.encode("utf-16-be", "replace").decode("utf-16-be")  # half a surrogate pair is nobody's character
    parts = pieces(text)
    if len(parts) > MOST_PARTS:
        raise ValueError(f"the text takes {len(parts)} messages; {MOST_PARTS} are the most")
    plain = gsm.writable(text)
    made = []
    for at, piece in enumerate(parts, 1):
        first, header = SUBMIT | RELATIVE_VALIDITY | WANTS_REPORT, b""
        if len(parts) > 1:
            first |= HAS_HEADER
            header = bytes([5, 0, 3, reference & 0xFF, len(parts), at])
        if plain:
            codes = gsm.septets(piece)
            before = -(-len(header) * 8 // 7)  # septets that the header takes; the text begins at the next whole one
            fill = before * 7 - len(header) * 8
            length, data = before + len(codes), header + packed(codes, fill)
        else:
            data = header + piece.encode("utf-16-be")
            length = len(data)
        coding = GSM_CODING if plain else UCS2_CODING
        tpdu = bytes([first, 0]) + to + bytes([0, coding, ONE_DAY, length]) + data
        made.append(Submit("00" + tpdu.hex().upper(), len(tpdu)))
    return made


# --- what comes ---------------------------------------------------------------------------------------------------


class Octets:
    """Reads a PDU from its beginning. Raises ValueError when it ends too early."""

    def __init__(self, text: str) -> None:
        self.rest = bytes.fromhex(text.strip())

    def take(self, count: int) -> bytes:
        """The next octets."""
        if count > len(self.rest):
            raise ValueError("the PDU ends too early")
        found, self.rest = self.rest[:count], self.rest[count:]
        return found

    def one(self) -> int:
        """The next octet."""
        return self.take(1)[0]


def unpacked(data: bytes, count: int, fill: int = 0) -> list[int]:
    """The first septets in these octets, after ``fill`` bits."""
    if (fill + 7 * count + 7) // 8 > len(data):
        raise ValueError("the PDU ends too early")
    value = int.from_bytes(data, "little") >> fill
    return [value >> (7 * at) & 0x7F for at in range(count)]


def _digits(data: bytes) -> str:
    """Semi-octets as they are dialled: TS 23.040, 9.1.2.3."""
    halves = [half for octet in data for half in (octet & 15, octet >> 4)]
    return "".join("0123456789*#abc"[half] for half in halves if half < 15)


def _read_address(octets: Octets) -> str:
    length, kind = octets.one(), octets.one()
    data = octets.take((length + 1) // 2)
    if kind & 0x70 == 0x50:  # a name in the 7-bit alphabet
        return gsm.text_of(unpacked(data, length * 4 // 7))
    return ("+" if kind & 0x70 == 0x10 else "") + _digits(data)[:length]


def _read_moment(octets: Octets) -> datetime:
    """TP-SCTS: year to second, swapped, then the zone in quarters of an hour with its sign at bit 3."""
    data = octets.take(7)
    year, month, day, hour, minute, second = ((octet & 15) * 10 + (octet >> 4) for octet in data[:6])
    quarters = (data[6] & 7) * 10 + (data[6] >> 4)
    zone = timezone(timedelta(minutes=15 * quarters * (-1 if data[6] & 8 else 1)))
    return datetime(2000 + year, month, day, hour, minute, min(second, 59), tzinfo=zone).astimezone(UTC)


def _alphabet(coding: int) -> str:
    """TS 23.038, 4: gsm, ucs2 or data."""
    if coding < 0x80:
        return ("gsm", "data", "ucs2", "gsm")[coding >> 2 & 3]
    if coding >> 4 == 0xF:
        return "data" if coding & 4 else "gsm"
    return "ucs2" if coding >> 4 == 0xE else "gsm"


def _part(header: bytes) -> Part | None:
    """The information element of a concatenated message: 9.2.3.24.1 (8 bits) and 9.2.3.24.8 (16 bits)."""
    rest = header
    while len(rest) >= 2:
        name, length = rest[0], rest[1]
        data, rest = rest[2 : 2 + length], rest[2 + length :]
        if (name, len(data)) == (0x00, 3) or (name, len(data)) == (0x08, 4):
            reference, total, number = int.from_bytes(data[:-2], "big"), data[-2], data[-1]
            if total > 1 and 1 <= number <= total:
                return Part(reference, total, number)
    return None


def _begin(text: str) -> tuple[Octets, int]:
    octets = Octets(text)
    octets.take(octets.one())  # the service centre
    return octets, octets.one()


def read_deliver(text: str) -> Deliver:
    """An SMS-DELIVER, in hex as the modem shows it. Raises ValueError when it is none."""
    octets, first = _begin(text)
    if first & 3 != DELIVER_KIND:
        raise ValueError("this is no SMS that came")
    sender = _read_address(octets)
    octets.one()  # protocol
    alphabet = _alphabet(octets.one())
    at = _read_moment(octets)
    length, data = octets.one(), octets.rest
    header = data[: data[0] + 1] if first & HAS_HEADER and data else b""
    if alphabet == "gsm":
        before = -(-len(header) * 8 // 7)
        said = gsm.text_of(unpacked(data[len(header) :], max(0, length - before), before * 7 - len(header) * 8))
    else:
        if len(data) < length:
            raise ValueError("the PDU ends too early")
        said = data[len(header) : length].decode("utf-16-be" if alphabet == "ucs2" else "latin-1", "replace")
    return Deliver(sender, said, at, _part(header[1:]))


def read_report(text: str) -> Report:
    """An SMS-STATUS-REPORT, in hex as the modem shows it. Raises ValueError when it is none."""
    octets, first = _begin(text)
    if first & 3 != REPORT_KIND:
        raise ValueError("this is no status report")
    reference, recipient = octets.one(), _read_address(octets)
    octets.take(14)  # when it was sent, when it was done
    return Report(reference, recipient, octets.one())
