"""Tables of the ground floor."""

from django.db import models


class Clock(models.Model):
    """One row: how far the clock is shifted (zero in real life; see ``platform.clock``), and a count that every change
    of the configuration raises (see ``platform.remember``)."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    shift = models.DurationField()
    config = models.BigIntegerField(default=0)

    class Meta:
        db_table = "platform_clock"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="clock_has_one_row")]


class Lease(models.Model):
    """A right to do some work alone for a while: ``token`` fences what a former holder still tries to write."""

    name = models.CharField(max_length=100, primary_key=True)
    holder = models.CharField(max_length=100)
    token = models.BigIntegerField(default=0)
    until = models.DateTimeField()

    class Meta:
        db_table = "platform_lease"


class Node(models.Model):
    """A running process, as it last reported."""

    id = models.CharField(max_length=100, primary_key=True)
    kind = models.CharField(max_length=20, help_text="web or engine")
    host = models.CharField(max_length=200)
    pid = models.IntegerField()
    version = models.CharField(max_length=50)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    facts = models.JSONField(default=dict)

    class Meta:
        db_table = "platform_node"


class Setting(models.Model):
    """A policy of the organisation: the priority matrix, for example. ``name`` is declared by the room that owns it."""

    name = models.CharField(max_length=100, primary_key=True)
    value = models.JSONField()
    version = models.IntegerField(default=1)

    class Meta:
        db_table = "platform_setting"


class AuditEntry(models.Model):
    """Who changed what: one row a change of configuration. Incidents have their timeline instead."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=200)
    verb = models.CharField(max_length=60)
    kind = models.CharField(max_length=40, help_text="the glossary's word for the thing changed")
    object_id = models.CharField(max_length=60)
    name = models.CharField(max_length=300)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        db_table = "platform_audit"
        indexes = [models.Index(fields=["kind", "object_id", "-id"]), models.Index(fields=["-at"])]


class LedgerEntry(models.Model):
    """A seal over rows of an append-only table, chained to the entry before; see ``project.ledger``.

    ``hash`` = SHA-256 over the previous entry's hash and this one's facts.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    stream = models.CharField(max_length=20)
    form = models.SmallIntegerField(help_text="which set of columns is sealed")
    after_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    count = models.IntegerField()
    digest = models.CharField(max_length=64)
    since = models.CharField(max_length=40, blank=True)
    until = models.CharField(max_length=40, blank=True)
    previous = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        db_table = "platform_ledger"
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["stream", "after_id"], name="ledger_sealed_once")]
