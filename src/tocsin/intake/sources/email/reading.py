"""A mail as its source looks at it. How mails are read is in ``platform.letters``."""

from dataclasses import dataclass, field

from tocsin.platform.letters import FAULTS, READ, kind_of, one_line, parts_of, read

MOST_NAMED = 20
_TELLING = ("from", "subject", "date", "message-id")


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says. ``headers``: by lower-case name, the uppermost of each, decoded, on one line; ``attachments``:
    their names; ``hops``: servers that it passed."""

    subject: str
    sender: str
    text: str
    headers: dict[str, str]
    media_type: str
    hops: int
    attachments: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def is_mail(self) -> bool:
        """Whether it has a header that every mail has."""
        return any(name in self.headers for name in _TELLING)


def read_letter(raw: bytes) -> Letter:
    """Read a mail; what cannot be read is empty."""
    mail = read(raw)
    remarks = [f"of the mail's {len(raw):,} bytes the first {READ:,} were looked at"] if len(raw) > READ else []
    if mail.parsed is None:
        return Letter("", "", "", {}, "", 0, remarks=remarks)
    names: list[str] = []
    for part in parts_of(mail.parsed):
        try:
            name = part.get_filename()
            attached = part.get_content_disposition() == "attachment"
        except FAULTS:
            continue
        if (name or attached) and not part.is_multipart():
            names.append(one_line(name or "")[:200] or kind_of(part))
    if names:
        remarks.append(f"{len(names)} {'attachment was' if len(names) == 1 else 'attachments were'} not kept")
    try:
        hops = len(mail.parsed.get_all("received") or ())
    except FAULTS:
        hops = 0
    return Letter(
        subject=mail.headers.get("subject", ""),
        sender=mail.sender.lower(),
        text=mail.text.strip(),
        headers=mail.headers,
        media_type=kind_of(mail.parsed),
        hops=hops,
        attachments=names[:MOST_NAMED],
        remarks=remarks,
    )
