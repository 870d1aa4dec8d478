"""Tables of triage: decided signals, alerts, rules, maintenance windows."""

from uuid import uuid4

from django.db import models

OPEN = "open"
RESOLVED = "resolved"
SEVERITIES = ["critical", "error", "warning", "info"]


class Signal(models.Model):
    """A signal with its outcome. Append-only, partitioned by ``received_at`` (days); never updated.

    ``outcome`` is one of triage.rules.Outcome; ``rule`` names the rule that decided, ``reason`` says it in a sentence.
    """

    id = models.BigIntegerField(primary_key=True)
    source_id = models.IntegerField()
    action = models.CharField(max_length=12)
    dedup_key = models.TextField()
    severity = models.CharField(max_length=10)
    title = models.TextField()
    data = models.JSONField()
    occurred_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField()
    decided_at = models.DateTimeField()
    outcome = models.CharField(max_length=24)
    rule = models.CharField(max_length=120)
    reason = models.TextField()
    service_id = models.IntegerField(null=True)
    alert_id = models.BigIntegerField(null=True)
    incident_id = models.BigIntegerField(null=True)

    class Meta:
        db_table = "triage_signal"
        managed = False  # partitioned: made in SQL by the first migration


class Alert(models.Model):
    """A deduplicated condition: all signals of one source with one key until it resolves.

    Here and in the other tables that a storm fills, an index that another one begins with is left out, and so are
    foreign keys between rows that one transaction writes, and those whose missing end every reader understands: each
    would be paid for ten thousand times over.
    """

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey("intake.Source", on_delete=models.CASCADE, related_name="alerts", db_index=False)
    service = models.ForeignKey("catalogue.Service", on_delete=models.CASCADE, related_name="alerts", db_index=False)
    incident = models.ForeignKey(
        "incidents.Incident", null=True, on_delete=models.SET_NULL, related_name="alerts", db_index=False,
        db_constraint=False,
    )  # fmt: skip
    dedup_key = models.TextField()
    state = models.CharField(max_length=10, default=OPEN)
    severity = models.CharField(max_length=10)
    title = models.TextField()
    data = models.JSONField()
    count = models.IntegerField(default=1)
    suppressed_by = models.CharField(max_length=200, blank=True, help_text="rule or window that keeps it from paging")
    held_by = models.ForeignKey(
        "triage.MaintenanceWindow", null=True, on_delete=models.SET_NULL, related_name="held", db_index=False
    )
    flapping_until = models.DateTimeField(null=True)
    flips = models.JSONField(default=list, help_text="recent moments at which it opened or resolved (ISO), newest last")
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True, help_text="resolves by itself then, unless heard of again")
    first_signal_id = models.BigIntegerField()
    last_signal_id = models.BigIntegerField()

    class Meta:
        db_table = "triage_alert"
        constraints = [
            models.UniqueConstraint(
                fields=["source", "dedup_key"], condition=models.Q(state=OPEN), name="alert_open_once_per_key"
            ),
            models.CheckConstraint(
                condition=models.Q(state=OPEN, resolved_at__isnull=True)
                | models.Q(state=RESOLVED, resolved_at__isnull=False),
                name="alert_resolved_has_moment",
            ),
        ]
        indexes = [
            models.Index(fields=["incident", "id"]),
            models.Index(fields=["service", "-id"]),
            models.Index(fields=["source", "dedup_key", "-id"]),
            models.Index(fields=["expires_at"], condition=models.Q(expires_at__isnull=False), name="alert_expiring"),
            models.Index(
                fields=["flapping_until"], condition=models.Q(flapping_until__isnull=False), name="alert_flapping"
            ),
            models.Index(fields=["held_by"], condition=models.Q(held_by__isnull=False), name="alert_held"),
        ]


class Rule(models.Model):
    """A CEL condition and what follows when it holds. Rules of a kind run in order; the first route and the first
    suppression that hold win, every severity rule that holds applies in turn."""

    KINDS = [("route", "Route"), ("severity", "Severity"), ("suppress", "Suppress")]

    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=10, choices=KINDS)
    position = models.IntegerField(default=100)
    condition = models.TextField(help_text="CEL over signal, source, service; true or false")
    service = models.ForeignKey(
        "catalogue.Service",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="triage_rules",
        help_text="only signals of this service's sources; empty: of all",
    )
    to_service = models.ForeignKey(
        "catalogue.Service", null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="for route"
    )
    severity = models.CharField(max_length=10, blank=True, help_text="for severity")
    impact = models.CharField(max_length=10, blank=True, help_text="for severity: impact of an incident it opens")
    urgency = models.CharField(max_length=10, blank=True, help_text="for severity: urgency of an incident it opens")
    enabled = models.BooleanField(default=True)
    version = models.IntegerField(default=1)

    class Meta:
        db_table = "triage_rule"
        ordering = ["position", "id"]


class MaintenanceWindow(models.Model):
    """A stretch, once or repeated (RRULE in ``zone``), in which alerts of its services do not page.

    With a ``condition`` only those do not for which it holds.

    ``hold``: pages go out at its end for what is still open. ``drop``: they never do.
    """

    name = models.CharField(max_length=200)
    services = models.ManyToManyField("catalogue.Service", related_name="maintenance_windows")
    starts_at = models.DateTimeField()
    duration_s = models.IntegerField()
    rrule = models.CharField(max_length=500, blank=True)
    zone = models.CharField(max_length=60, default="UTC")
    mode = models.CharField(max_length=4, choices=[("hold", "Hold"), ("drop", "Drop")], default="hold")
    condition = models.TextField(
        blank=True, default="", db_default="", help_text="CEL over signal, source, service; empty: every alert"
    )
    note = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="ended early, for good")
    created_by = models.ForeignKey("people.User", null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "triage_maintenance_window"
        ordering = ["-starts_at"]
        constraints = [models.CheckConstraint(condition=models.Q(duration_s__gt=0), name="window_has_length")]


class Silence(models.Model):
    """A maintenance window as Alertmanager's clients know it: the matchers that became its condition.

    The window says when it is, and decides; when somebody gives it another condition, it is no silence any more.
    """

    id = models.UUIDField(primary_key=True, default=uuid4)
    window = models.OneToOneField(MaintenanceWindow, on_delete=models.CASCADE, related_name="silence")
    matchers = models.JSONField(help_text="as Alertmanager writes them: name, value, isRegex, isEqual")
    author = models.CharField(max_length=200, blank=True, help_text="createdBy: what the client said")
    source = models.ForeignKey("intake.Source", null=True, on_delete=models.SET_NULL, related_name="+")
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "triage_silence"
