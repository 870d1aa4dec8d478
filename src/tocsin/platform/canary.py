"""What is the canary's and what is real: rows of the canary have numbers below zero.

A canary is a page that Tocsin sends itself, through the whole road, to see whether pages still arrive. Its service, its
source, its incidents and their deliveries lie in the tables of the real ones, because it must take their way; that
they are the canary's can be read off a row without asking another table. The numbers that people see have no holes by
it, ``<int:...>`` in an address never matches one, and ``Real`` leaves them out of what is read.
"""

from typing import TypeVar

from django.db import models

SERVICE = SOURCE = -1
SINK = "canary"  # the way out that leads nowhere: what comes there has arrived

M = TypeVar("M", bound=models.Model)


class Real(models.Manager[M]):
    """The rows of a table without the canary's. Foreign keys still find those, by Django's base manager."""

    def get_queryset(self) -> models.QuerySet[M]:
        """Everything but what is the canary's."""
        return super().get_queryset().filter(pk__gt=0)


def is_canary(number: int | None) -> bool:
    """Whether a row with this number is the canary's."""
    return number is not None and number < 0
