"""Tables of importing: runs, which thing of another product is which of ours, and what a run did to each."""

from django.db import models

STATES = [
    ("reading", "being read"),
    ("waiting", "waiting for its plan"),
    ("planned", "planned"),
    ("applied", "applied"),
    ("rolled back", "rolled back"),
    ("failed", "failed"),
]


class Run(models.Model):
    """One import: who, when, from where, what it found and what it did."""

    product = models.CharField(max_length=20)
    origin = models.CharField(max_length=300, help_text="the host that was read, or the name of the file")
    state = models.CharField(max_length=12, choices=STATES)
    wanted = models.CharField(max_length=10, blank=True, help_text="plan, apply or rollback: what an engine is to do")
    options = models.JSONField(default=dict, help_text="of what is wanted: who asks, the digest, whether it is forced")
    export = models.TextField(blank=True, help_text="what was read, packed and encrypted; empty once it was applied")
    read_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    counts = models.JSONField(default=dict)
    changes = models.JSONField(default=list, help_text="what it does or did, a line a thing")
    findings = models.JSONField(default=list)
    digest = models.CharField(max_length=64, blank=True)
    failure = models.TextField(blank=True)
    applied_at = models.DateTimeField(null=True)
    applied_by = models.CharField(max_length=200, blank=True)
    rolled_back_at = models.DateTimeField(null=True)
    rolled_back_by = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "importing_run"
        ordering = ["-id"]


class Link(models.Model):
    """Which of ours a thing of another product became. ``theirs`` and ``ours``: both as they were after the import."""

    product = models.CharField(max_length=20)
    section = models.CharField(max_length=40)
    external_id = models.CharField(max_length=300)
    object_id = models.IntegerField()
    theirs = models.JSONField(default=dict)
    ours = models.JSONField(default=dict)

    class Meta:
        db_table = "importing_link"
        constraints = [models.UniqueConstraint(fields=["product", "section", "external_id"], name="import_link_once")]


class Step(models.Model):
    """What a run did to one thing of ours. ``before`` is empty when the run made it."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    section = models.CharField(max_length=40)
    external_id = models.CharField(max_length=300)
    object_id = models.IntegerField()
    name = models.CharField(max_length=300)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    link_before = models.JSONField(null=True, help_text="the link's theirs and ours before; empty: there was none")

    class Meta:
        db_table = "importing_step"


class Progress(models.Model):
    """How far a run is; written on a connection of its own while the work is one long transaction."""

    run = models.IntegerField(primary_key=True)
    stage = models.CharField(max_length=100)
    done = models.IntegerField(default=0)
    total = models.IntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        db_table = "importing_progress"
