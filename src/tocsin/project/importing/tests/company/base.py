"""Made-up companies of any size, as the three products would give them away."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
FIRST = ("Ada", "Bo", "Cleo", "Dai", "Eve", "Finn", "Gil", "Hana", "Ivo", "Jun", "Kai", "Lea")
LAST = ("Abt", "Berg", "Cole", "Dahl", "Egli", "Frey", "Graf", "Holm", "Ito", "Jung", "Kern", "Lund")
ZONES = ("Europe/Zurich", "America/New_York", "Asia/Kolkata", "UTC", "Australia/Sydney")


@dataclass(frozen=True)
class Size:
    """How much of everything; the rest follows from it."""

    people: int = 60
    schedules: int = 24
    rules: int = 600

    @property
    def teams(self) -> int:
        return max(self.schedules // 4, 1)


def key(number: int) -> str:
    """An integration key of 32 characters."""
    return f"{number:08x}" + "k" * 24


def uuid(kind: int, number: int) -> str:
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


def name_of(number: int) -> str:
    return f"{FIRST[number % 12]} {LAST[number // 12 % 12]} {number}"


def email_of(number: int) -> str:
    return f"Person{number}@Example.org" if number % 7 == 0 else f"person{number}@example.org"


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def start_of(number: int) -> datetime:
    return datetime(2026, 1, 5, 8, 0, tzinfo=UTC) + timedelta(hours=number % 12)
