"""What an SMS says, in at most two segments. Pure.

A text whose characters are all in GSM's 7-bit alphabet has 153 of them in each of several segments; one character
outside it, and there are 67 (3GPP TS 23.038 and 23.040).
"""

from tocsin.delivery.contract import Message
from tocsin.platform import gsm

SEGMENTS = 2
# two places of each GSM text are kept free: a character of two places is never split between segments
GSM_MOST = SEGMENTS * 153 - 2
UCS_MOST = SEGMENTS * 67
SHORTEST_TITLE = 30
# what editors make of plain characters; a pretty dash must not cost half of the text
PLAIN = str.maketrans(
    {
        0x2018: "'", 0x2019: "'", 0x201A: ",", 0x201C: '"', 0x201D: '"', 0x201E: '"', 0x60: "'", 0xB4: "'",  # quotes
        0x2010: "-", 0x2011: "-", 0x2012: "-", 0x2013: "-", 0x2014: "-", 0x2212: "-", 0x2022: "-",  # dashes, bullet
        0xA0: " ", 0x2009: " ", 0x202F: " ", 0x09: " ", 0x2026: "...", 0x2192: "->", 0xD7: "x",
    }
)  # fmt: skip


def places(text: str) -> int:
    """How many places the text takes: septets in GSM's alphabet, 16-bit units outside it."""
    if gsm.writable(text):
        return sum(2 if char in gsm.EXTENDED else 1 for char in text)
    return len(text.encode("utf-16-be")) // 2


def segments(text: str) -> int:
    """How many segments a provider makes of it."""
    count, single, joined = places(text), *((160, 153) if gsm.writable(text) else (70, 67))
    return 1 if count <= single else -(-count // joined)


def fits(text: str) -> bool:
    """Whether it goes out in two segments."""
    return places(text) <= (GSM_MOST if gsm.writable(text) else UCS_MOST)


def shortened(title: str, rest: str) -> str:
    """Title and rest, the title cut so that both fit; the end of a title that is cut shows it."""
    if fits(f"{title}{rest}"):
        return f"{title}{rest}"
    low, high = 0, len(title)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(f"{title[:middle].rstrip()}...{rest}") else (low, middle - 1)
    return f"{title[:low].rstrip()}...{rest}"


def how_to_answer(message: Message) -> str:
    """How to act by answering; empty when there is nothing to do, or nobody who could."""
    if message.about != "page" or not any(link.verb != "view" for link in message.links):
        return ""
    if message.incident is None:
        return "Reply ACK, RES or ESC and a number"
    number = message.incident.id
    return f"Reply ACK {number}, RES {number} or ESC {number}"


def text_of(message: Message) -> str:
    """The whole text: title, how to answer, where to read more. What has to give way is first the link, then the
    title."""
    title = message.title
    if message.drill and "DRILL" not in title.upper():
        title = f"[DRILL] {title}"
    if message.kind == "bundle" and message.about != "notice":
        numbers = [incident.number for incident in message.incidents]
        more = f" and {len(numbers) - 8} more" if len(numbers) > 8 else ""
        title = f"{title}: {', '.join(numbers[:8])}{more}"
    elif message.kind == "test" and not message.link("confirm"):
        title = f"{title}. {message.body}"
    elif message.incident is not None and message.incident.number not in title:
        title = f"{title} ({message.incident.number})"
    title = " ".join(title.translate(PLAIN).split())
    answer = how_to_answer(message)
    link = message.link("confirm") or message.link("view")
    lines = [line for line in (answer, link) if line]
    rest = "".join(f"\n{line}" for line in lines)
    if not fits(f"{title[:SHORTEST_TITLE]}...{rest}"):
        rest = f"\n{answer}" if answer else ""
    return shortened(title, rest)
