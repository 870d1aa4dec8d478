"""Tables of intake: sources, the inbox of accepted signals, and what was refused.

A signal's way: ``intake_inbox`` (accepted, durable, not yet decided) -> ``triage_signal`` (decided, with its outcome).
Triage moves it in one transaction, so a signal is always in exactly one of them.
"""

from django.db import models

from tocsin.platform.canary import Real


class Source(models.Model):
    """Where signals come from: a kind plus a key, bound to a service."""

    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=40)
    service = models.ForeignKey("catalogue.Service", on_delete=models.CASCADE, related_name="sources")
    key_digest = models.CharField(max_length=64, unique=True)
    key_secret = models.TextField(help_text="the key, encrypted, so that it can be shown again")
    config = models.JSONField(default=dict, blank=True)
    limit_per_minute = models.IntegerField(default=100_000, help_text="signals accepted a minute, then 429")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    last_signal_at = models.DateTimeField(null=True, blank=True)

    objects = Real["Source"]()

    class Meta:
        db_table = "intake_source"
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["service", "name"], name="source_name_in_service")]

    def __str__(self) -> str:
        return self.name


class Inbox(models.Model):
    """An accepted signal on its way to triage. Written by the intake's one prepared statement, deleted by triage."""

    id = models.BigAutoField(primary_key=True)
    source_id = models.IntegerField()
    bucket = models.SmallIntegerField(help_text="crc32(source:dedup key) & 63; triage keeps order inside a bucket")
    action = models.CharField(max_length=12)
    dedup_key = models.TextField()
    severity = models.CharField(max_length=10)
    title = models.TextField()
    data = models.JSONField(help_text="labels, details, links, remarks; see intake.contract.Signal")
    occurred_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField()

    class Meta:
        db_table = "intake_inbox"
        indexes = [models.Index(fields=["bucket", "id"], name="intake_inbox_bucket")]


class SpoolMark(models.Model):
    """How far a spool file was replayed into the inbox; moves in the same transaction, so nothing enters twice."""

    spool = models.CharField(max_length=64, primary_key=True)
    position = models.BigIntegerField()

    class Meta:
        db_table = "intake_spool_mark"


class Refusal(models.Model):
    """A request that was not accepted, kept for inspection. Bounded: the oldest are dropped."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    reason = models.CharField(max_length=20, help_text="unrouted, malformed, unauthorised, too_large, limited")
    status = models.SmallIntegerField()
    path = models.CharField(max_length=500)
    source = models.ForeignKey(Source, null=True, on_delete=models.CASCADE, related_name="refusals")
    remote = models.CharField(max_length=60)
    errors = models.JSONField(default=list)
    excerpt = models.TextField(help_text="the body's beginning, keys masked")

    class Meta:
        db_table = "intake_refusal"


class RefusalCount(models.Model):
    """How many requests were refused, by hour, reason and source: counted even when not kept."""

    hour = models.DateTimeField()
    reason = models.CharField(max_length=20)
    source = models.ForeignKey(Source, null=True, on_delete=models.CASCADE)
    count = models.BigIntegerField(default=0)

    class Meta:
        db_table = "intake_refusal_count"
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "reason", "source"], name="refusal_count_once", nulls_distinct=False
            )
        ]


class Heartbeat(models.Model):
    """A check-in that a source of kind ``heartbeat`` owes: missing it becomes a signal."""

    source = models.OneToOneField(Source, primary_key=True, on_delete=models.CASCADE, related_name="heartbeat")
    interval_s = models.IntegerField()
    grace_s = models.IntegerField(default=0)
    last_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True, help_text="when the next check-in is late; empty before the first one")
    missed = models.BooleanField(default=False)

    class Meta:
        db_table = "intake_heartbeat"
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(missed=False), name="intake_heartbeat_due"),
        ]
