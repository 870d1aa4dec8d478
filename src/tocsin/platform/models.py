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
