"""The demo company: people, services, schedules and half a year of history, so that there is something to look at."""

import structlog
from django.db import transaction

from tocsin.catalogue.models import Service
from tocsin.delivery.actions.canaries import save_canary
from tocsin.delivery.canaries import Config
from tocsin.people.models import User
from tocsin.platform import clock
from tocsin.platform.actor import SYSTEM
from tocsin.project.demo import company, history, loading
from tocsin.project.demo.command import save_command

log = structlog.get_logger(__name__)


def load_if_empty() -> bool:
    """Fill an installation without services; one that has some is left alone. Returns whether it was filled."""
    if Service.objects.exists():
        return False
    load()
    return True


def load() -> None:
    """Load everything, in one transaction: wholly or not at all.

    Raises Conflict when something of the same name exists already.
    """
    with transaction.atomic():
        now = clock.now()
        loading.save_people()
        loading.save_schedules(now)
        loading.save_exchange(now)
        loading.save_policies()
        loading.save_services()
        loading.save_triage(now)
        told = history.write(now)
        loading.learn_from_history()
        save_command(now)
        save_canary(Config(enabled=True), actor=SYSTEM)
    log.info("the demo company is there", company=company.NAME, people=User.objects.count(), **told)
