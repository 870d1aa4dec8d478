"""What became of a storm, as the database tells it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Max

from tocsin.escalation.models import Page
from tocsin.incidents.models import Incident
from tocsin.intake.models import Inbox, Source
from tocsin.platform import secrets
from tocsin.platform.errors import Invalid
from tocsin.project.demo import company
from tocsin.project.demo.loading import PROMETHEUS, source_key
from tocsin.triage.models import Alert

PATIENCE_S = 300.0


@dataclass(frozen=True)
class Marks:
    """The last incident, alert and page before the storm."""

    incident: int
    alert: int
    page: int


def check(root: str) -> None:
    """Raises Invalid unless the demo company is loaded and has this service."""
    slugs = sorted(service.slug for service in company.SERVICES)
    if root not in slugs:
        raise Invalid("The demo company has no such service.", {"root": f"one of {', '.join(slugs)}"})
    if not Source.objects.filter(key_digest=secrets.digest(source_key(root, PROMETHEUS))).exists():
        raise Invalid("The demo company is not loaded here. Start with `tocsin up --demo`, or run `tocsin demo load`.")


def marks() -> Marks:
    """Where things stand now."""
    last = [model.objects.aggregate(last=Max("id"))["last"] or 0 for model in (Incident, Alert, Page)]
    return Marks(*last)


def decided(before: Marks, wanted: int) -> Iterator[int]:
    """How many of the alerts triage has decided, again and again until it has all, or nothing moves any more."""
    began = time.monotonic()
    while True:
        waiting = Inbox.objects.count()
        yield min(wanted, Alert.objects.filter(id__gt=before.alert).count())
        if not waiting or time.monotonic() - began > PATIENCE_S:
            yield wanted if not waiting else wanted - waiting
            return
        time.sleep(0.25)


def summary(before: Marks) -> str:
    """What became of the storm, in two sentences."""
    opened = Incident.objects.filter(id__gt=before.incident).count()
    alerts = Alert.objects.filter(id__gt=before.alert).count()
    pages = Page.objects.filter(id__gt=before.page).aggregate(n=Count("id"), people=Count("user", distinct=True))
    return f"They became {alerts} alerts in {opened} incidents; {pages['n']} pages to {pages['people']} people so far."
