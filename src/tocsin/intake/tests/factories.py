"""Things that tests of intake need."""

from tocsin.catalogue.models import Service
from tocsin.intake import actions, queries
from tocsin.intake.models import Source
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM


def service(slug: str = "shop") -> Service:
    """The service with this slug, made when it is not there."""
    found = Service.objects.filter(slug=slug).first()
    return found or Service.objects.create(name=slug.title(), slug=slug, created_at=clock.now())


def source(kind: str = "pagerduty", **options: object) -> tuple[Source, str]:
    """A new source and its key."""
    made = actions.create_source(service().slug, kind, actor=SYSTEM, **options)  # type: ignore[arg-type]
    return made, queries.key_of(made)
