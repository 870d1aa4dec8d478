"""A light for Tocsin's own health: is what keeps people paged alive and on time?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from tocsin.delivery import canaries
from tocsin.delivery.models import Delivery, IncomingMail
from tocsin.escalation.models import Run
from tocsin.intake.models import Inbox
from tocsin.platform import plugins
from tocsin.platform.models import Node

LATE = timedelta(seconds=30)
GONE = timedelta(seconds=60)


@dataclass(frozen=True)
class Light:
    """``tone``: good or bad; ``text``: in a few words; ``details``: a sentence for each thing that is not well."""

    tone: str
    text: str
    details: tuple[str, ...] = ()


def light(now: datetime) -> Light:
    """How Tocsin is."""
    troubles: list[str] = []
    if not Node.objects.filter(kind="engine", seen_at__gte=now - GONE).exists():
        troubles.append("No engine has reported for a minute: nobody is paged until one runs. Start “tocsin engine”.")
    if Run.objects.filter(state="waiting", due_at__lt=now - LATE).exists():
        troubles.append("An escalation is more than 30 seconds late.")
    if Delivery.objects.filter(state="pending", next_at__lt=now - LATE).exists():
        troubles.append("A message has waited more than 30 seconds to be sent.")
    if settings.TOCSIN.mail_domain and not Node.objects.filter(kind="mail", seen_at__gte=now - GONE).exists():
        troubles.append("No process takes mail in: replies and mail for sources do not arrive. Start “tocsin mail”.")
    listens = settings.TOCSIN.syslog_listen or settings.TOCSIN.syslog_tls_listen
    if listens and not Node.objects.filter(kind="syslog", seen_at__gte=now - GONE).exists():
        troubles.append("No process takes syslog in: its messages are lost. Start “tocsin syslog”.")
    if IncomingMail.objects.filter(next_at__lt=now - LATE).exists():
        troubles.append("A mail that came in has waited more than 30 seconds to be dealt with.")
    if Inbox.objects.filter(received_at__lt=now - LATE).exists():
        troubles.append("Signals have waited more than 30 seconds to be looked at.")
    if canaries.late_s(canaries.config(), now):
        troubles.append("The canary has not arrived: pages may not either.")
    troubles += [f"The {why}: nothing goes through it." for why in plugins.broken().values()]
    if troubles:
        return Light("bad", "Tocsin needs help", tuple(troubles))
    return Light("good", "Tocsin is well")
