"""What may be read of partners, the other installations that we and they watch; see ``project.partners``."""

from dataclasses import dataclass
from datetime import datetime

from tocsin.intake.models import Heartbeat, Source
from tocsin.platform import secrets
from tocsin.platform.models import Setting

KIND = "partner"
SETTING = "partners"


@dataclass(frozen=True, slots=True)
class Partner:
    """Whom to tell how we are. ``trouble``: why it cannot be told."""

    source_id: int
    name: str
    url: str
    after_minutes: int
    trouble: str = ""


def to_tell() -> list[Partner]:
    """Every partner that is switched on and has an address."""
    found = []
    for row in Source.objects.filter(kind=KIND, enabled=True).order_by("pk"):
        if not row.config.get("url"):
            continue
        url, trouble = "", ""
        try:
            url = secrets.decrypt(row.config["url"])
        except secrets.SecretUnreadable:
            trouble = "its address was stored under another TOCSIN_SECRET_KEY"
        found.append(Partner(row.pk, row.name, url, int(row.config.get("after_minutes", 3)), trouble))
    return found


@dataclass(frozen=True, slots=True)
class Watched:
    """How a partner is, as far as we hear: ``state`` well, silent, deaf (it does not take our word) or waiting.

    ``heard_at``: when it last said that it is well; ``answered_at``: when it last took our word; ``problem``: why it
    does not.
    """

    source_id: int
    name: str
    state: str
    heard_at: datetime | None
    answered_at: datetime | None
    problem: str


def watched() -> list[Watched]:
    """All partners that are switched on, by name."""
    row = Setting.objects.filter(name=SETTING).first()
    told = row.value.get("told", {}) if row else {}
    beats = {beat.source_id: beat for beat in Heartbeat.objects.filter(source__kind=KIND)}
    found = []
    for source in Source.objects.filter(kind=KIND, enabled=True).order_by("name", "pk"):
        beat, said = beats.get(source.pk), told.get(str(source.pk), {})
        heard = beat.last_at if beat else None
        problem = said.get("problem", "")
        state = "well"
        if beat is not None and beat.missed:
            state = "silent"
        elif problem:
            state = "deaf"
        elif heard is None:
            state = "waiting"
        answered = datetime.fromisoformat(said["answered_at"]) if said.get("answered_at") else None
        found.append(Watched(source.pk, source.name, state, heard, answered, problem))
    return found
