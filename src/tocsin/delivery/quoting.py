"""What somebody wrote themselves in an answer: without the mail that is quoted, and without a signature. Pure.

Written for this purpose instead of taken from a library, because of which mistake matters: what is left may end up as a
note, but quoted words must never become a command. So our own mails begin with a mark, below which nothing counts,
whatever the mail program; the rest goes by how mail programs announce what they quote, in any language where the form
tells it, and by their words where it does not.
"""

import re

MARK = "Reply above this line"
MARKED = f"--- {MARK}: ack, resolve, escalate, who, or a note ---"
BARE = f"--- {MARK} ---"  # on mails that are about no incident

_MARK = re.compile(r"reply\s+above\s+this\s+line", re.IGNORECASE)
_QUOTED = re.compile(r"^\s{0,3}[>|›»]")
# "On Mon, Ada wrote:", in one line or in up to four
_WROTE = re.compile(
    r"(\bwrote|\bschrieb\b.*|\ba écrit|\bescribió|\bha scritto|\bescreveu|\bschreef\b.*|\bskrev\b.*|\bkirjoitti\b.*|"
    r"\b(pisze|napisał\(?a?\)?|napisał[ao]?)|\bnapsal\(?a?\)?|\bnapísala?|\bпис(ал|ала|ал\(а\)|ав|ала)|\bпише|\bírta|"
    r"\byazdı|\bέγραψε|のメール|は書きました|がメールを書きました|写道|寫道|작성)\s*[:：]\s*$",
    re.IGNORECASE,
)
_ADDRESSED = re.compile(r"[^\s<>]+@[^\s<>]+\.?[^\s<>]*>?\)?.{0,40}[:：]\s*$")
# -----Original Message-----, -------- Ursprüngliche Nachricht --------, Begin forwarded message:
_ORIGINAL = re.compile(r"^\s*[-_]{3,}\s*[^\W\d_][^\n]{2,60}?\s*[-_]{3,}\s*$")
_RULE = re.compile(r"^\s*[_]{10,}\s*$")
# From: Tocsin, Von: Tocsin, *De :* Tocsin
_FIELD = re.compile(r"^\s*\*?[^\W\d_][^\W\d_ ./-]{0,20}(?: [^\W\d_]{1,12})?\s?\*?\s?[:：]\*?\s*\S")
_SIGNATURE = re.compile(r"^(-- ?|—|__)$")
_DEVICE = re.compile(
    r"^\s*[\[<(]?\s*("
    r"sent (from|with|via|using) |get outlook for |von meinem .{0,40} gesendet|gesendet (von|mit|aus) |"
    r"diese nachricht wurde von mein|holen sie sich outlook|outlook für (ios|android)|envoyé (de|depuis|à partir) |"
    r"obtenir outlook|télécharger outlook|enviado (desde|do|de|a partir) |obtener outlook|obter o outlook|"
    r"inviato da(l|lla)? |scarica outlook|verzonden (vanaf|met|vanuit) |verstuurd vanaf |download outlook|"
    r"skickat från |sendt fra |lähetetty |wysłane z |odesláno z |отправлено (с|из) |надіслано з |"
    r"iphoneから送信|ipadから送信|发自我的|從我的 ?(iphone|ipad)|나의 (iphone|ipad)에서)",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"^\s*(thanks|thank you|thx|cheers|(best|kind|warm)( regards)?|regards|br|danke|lg|vg|mfg|gruß|gruss|"
    r"(liebe|viele|beste|freundliche|mit freundlichen) grüße?n?|merci|cordialement|gracias|saludos|grazie|saluti|"
    r"obrigad[oa]|groet(en|jes)?|hälsningar|mvh|hilsen|terveisin|pozdrawiam|с уважением)\s*[,.!]*\s*$",
    re.IGNORECASE,
)
MOST_LINES = 2000


def own_text(text: str) -> str:
    """What was written in this mail itself; empty when nothing was.

    Text above what is quoted counts, and then what stands between and below; without any above only what follows the
    last quoted line, because programs that break long lines leave pieces of a quote unmarked in between. Signatures,
    closings and the lines that mail programs add do not count.
    """
    lines = [_clean(line) for line in text.split("\n")[:MOST_LINES]]
    own: list[str] = []
    above: bool | None = None  # whether anything stood above the first quoted line
    place = 0
    while place < len(lines):
        line = lines[place]
        if _QUOTED.match(line):
            _drop_announcement(own)
            if above is None:
                above = any(line.strip() for line in own)
            if not above:
                own.clear()
        elif _MARK.search(line) or _ORIGINAL.match(line) or _heads(lines, place):
            _drop_announcement(own)
            break
        elif length := _announces(lines, place):
            if not _quoted_next(lines, place + length):
                break
            place += length
            continue
        else:
            own.append(line)
        place += 1
    return "\n".join(_unsigned(own)).strip()


def _clean(line: str) -> str:
    """A line without what cannot be seen."""
    return re.sub(r"[\u200b-\u200f\u2060\ufeff\u00ad]", "", line.replace("\u00a0", " ")).rstrip("\r\n\t")


def _announces(lines: list[str], place: int) -> int:
    """How many lines from here say who wrote what follows; 0: none."""
    if not lines[place].strip():
        return 0
    joined = ""
    for length in range(1, 5):
        if place + length > len(lines) or not lines[place + length - 1].strip():
            return 0
        joined = f"{joined} {lines[place + length - 1].strip()}".strip()
        if len(joined) > 400:
            return 0
        if _WROTE.search(joined) and (len(joined) > 15 or re.search(r"\d|@", joined)):
            return length
        if length == 1 and _ADDRESSED.search(joined):
            return length
    return 0


def _quoted_next(lines: list[str], place: int) -> bool:
    """Whether the next line with something in it is quoted."""
    rest = (line for line in lines[place : place + 5] if line.strip())
    return bool(_QUOTED.match(next(rest, "")))


def _drop_announcement(own: list[str]) -> None:
    """Take away the lines just before a quote that announce it in a language that we have no words of.

    Their form tells: they end with a colon and hold a figure or an address.
    """
    while own and not own[-1].strip():
        own.pop()
    block: list[str] = []
    for line in reversed(own[-4:]):
        if not line.strip():
            break
        block.insert(0, line)
    for length in range(1, len(block) + 1):
        joined = " ".join(block[-length:])
        begins = length == len(block) or len(own) == length
        if joined.rstrip().endswith((":", "：")) and len(joined) > 20 and re.search(r"\d|@", joined) and begins:
            del own[-length:]
            return
    if own and _RULE.match(own[-1]):
        own.pop()


def _heads(lines: list[str], place: int) -> bool:
    """Whether a block of headers begins here, as Outlook writes it: three fields or more, an address or a date in
    them."""
    if _RULE.match(lines[place]):
        following = [line for line in lines[place + 1 : place + 4] if line.strip()]
        return bool(following) and bool(_FIELD.match(following[0]))
    fields = 0
    told = ""
    for line in lines[place : place + 8]:
        if not line.strip():
            if fields:
                break
            return False
        if not _FIELD.match(line):
            if fields == 0:
                return False
            continue  # a long field goes on
        fields += 1
        told += line
    return fields >= 3 and bool(re.search(r"@|\d\d?[:.]\d\d", told))


def _unsigned(lines: list[str]) -> list[str]:
    """Without the signature, and without a closing under which nothing but a name stands."""
    kept: list[str] = []
    for place, line in enumerate(lines):
        if _SIGNATURE.match(line.strip() if line.strip() != "--" else "--") or _DEVICE.match(line):
            break
        if _CLOSING.match(line) and place and len([rest for rest in lines[place + 1 :] if rest.strip()]) <= 3:
            break
        kept.append(line)
    return kept
