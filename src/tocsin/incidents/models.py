"""Tables of incidents: the record and its append-only timeline. The incident row is a projection of the timeline."""

from django.db import models
from django.db.models import Q

from tocsin.platform.canary import Real

STATES = ["triggered", "acknowledged", "mitigated", "resolved", "closed"]
OPEN_STATES = ["triggered", "acknowledged", "mitigated"]
PRIORITIES = ["P1", "P2", "P3", "P4", "P5"]
LEVELS = ["high", "medium", "low"]


class Incident(models.Model):
    """An unplanned interruption that people respond to.

    ``generation`` fences pages: every change of who must know (acknowledge, resolve, reopen, reassign, snooze)
    raises it, and a page of an older generation is never handed out. ``version`` grows with every change; open pages
    watch it. ``seq`` and ``head`` are the number and the hash of the last timeline entry.
    """

    id = models.BigAutoField(primary_key=True)
    title = models.CharField(max_length=1024)
    service = models.ForeignKey("catalogue.Service", on_delete=models.PROTECT, related_name="incidents", db_index=False)
    state = models.CharField(max_length=12, default="triggered")
    impact = models.CharField(max_length=6, default="medium")
    urgency = models.CharField(max_length=6, default="medium")
    priority = models.CharField(max_length=2)
    priority_reason = models.CharField(max_length=500, blank=True, help_text="why it differs from the matrix")
    severity = models.CharField(max_length=10, default="critical", help_text="worst severity of its open alerts")
    generation = models.IntegerField(default=1)
    acks_needed = models.SmallIntegerField(
        default=1, db_default=1, help_text="how many people have to acknowledge in this generation"
    )
    version = models.IntegerField(default=1)
    seq = models.IntegerField(default=0)
    head = models.CharField(max_length=64, blank=True)
    group_key = models.CharField(max_length=300, null=True, help_text="alerts with this key join it while it is open")
    group_until = models.DateTimeField(null=True, help_text="alerts join only until then; empty: while it is open")
    alert_count = models.IntegerField(default=0)
    open_alert_count = models.IntegerField(default=0)
    suppressed_by = models.CharField(max_length=200, blank=True, help_text="why nobody is paged, if so")
    drill = models.BooleanField(default=False)
    merged_into = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="merged", db_index=False)
    declared_by = models.ForeignKey(
        "people.User", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    acknowledged_by = models.ForeignKey(
        "people.User", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    assignees = models.ManyToManyField("people.User", related_name="assigned_incidents")
    opened_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    snoozed_until = models.DateTimeField(null=True)
    confidential = models.BooleanField(default=False, db_default=False, help_text="only its readers see the details")
    imported = models.BooleanField(default=False, db_default=False, help_text="history from elsewhere; pages nobody")
    updated_at = models.DateTimeField()

    objects = Real["Incident"]()

    class Meta:
        db_table = "incidents_incident"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=STATES), name="incident_state_known"),
            models.CheckConstraint(condition=Q(priority__in=PRIORITIES), name="incident_priority_known"),
            models.CheckConstraint(condition=Q(impact__in=LEVELS, urgency__in=LEVELS), name="incident_levels_known"),
            models.CheckConstraint(
                condition=Q(state__in=OPEN_STATES, resolved_at__isnull=True)
                | Q(state__in=["resolved", "closed"], resolved_at__isnull=False),
                name="incident_resolved_has_moment",
            ),
            models.CheckConstraint(
                condition=Q(imported=False) | Q(state__in=["resolved", "closed"]), name="incident_imported_is_over"
            ),
            models.CheckConstraint(
                condition=Q(snoozed_until__isnull=True) | Q(state="acknowledged"),
                name="incident_snooze_is_acknowledged",
            ),
            models.UniqueConstraint(
                fields=["group_key"], condition=Q(state__in=OPEN_STATES), name="incident_open_once_per_group"
            ),
        ]
        indexes = [
            models.Index(fields=["state", "priority", "-id"]),
            models.Index(fields=["service", "-id"]),
            models.Index(fields=["-opened_at"]),
            models.Index(
                fields=["acknowledged_by"], condition=Q(acknowledged_by__isnull=False), name="incident_acknowledged_by"
            ),
            models.Index(fields=["merged_into"], condition=Q(merged_into__isnull=False), name="incident_merged_into"),
            models.Index(fields=["id"], condition=Q(confidential=True), name="incident_confidential"),
            # years of history have the newest numbers, and most lists are without it
            models.Index(fields=["id"], condition=Q(imported=False), name="incident_own"),
            models.Index(fields=["id"], condition=Q(imported=True), name="incident_imported"),
        ]

    def __str__(self) -> str:
        return f"INC-{self.id} {self.title}"


class Acknowledgement(models.Model):
    """Somebody acknowledged an incident of which several people have to; counts for that generation only."""

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, related_name="acknowledgements", db_index=False, db_constraint=False
    )
    generation = models.IntegerField()
    user = models.ForeignKey("people.User", on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField()

    class Meta:
        db_table = "incidents_acknowledgement"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["incident", "generation", "user"], name="acknowledgement_once"),
        ]


class Reader(models.Model):
    """Somebody who may read a confidential incident, and why they may. Administrators need no such row."""

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="readers", db_index=False)
    user = models.ForeignKey("people.User", on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()
    why = models.CharField(max_length=300)

    class Meta:
        db_table = "incidents_reader"
        ordering = ["incident_id", "id"]
        constraints = [models.UniqueConstraint(fields=["incident", "user"], name="reader_once")]

    def __str__(self) -> str:
        return f"{self.user_id} reads INC-{self.incident_id}"


class TimelineEntry(models.Model):
    """One thing that happened. ``hash`` = SHA-256 over the previous hash and this entry's canonical JSON."""

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, related_name="timeline", db_index=False, db_constraint=False
    )
    seq = models.IntegerField()
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=200)
    data = models.JSONField(default=dict)
    previous = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        db_table = "incidents_timeline_entry"
        ordering = ["incident_id", "seq"]
        constraints = [models.UniqueConstraint(fields=["incident", "seq"], name="timeline_seq_once")]


class Role(models.Model):
    """A role that people take in an incident: what it is for and what its holder does."""

    id = models.BigAutoField(primary_key=True)
    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100, unique=True)
    summary = models.CharField(max_length=300, blank=True)
    duties = models.JSONField(default=list, help_text="one sentence each")
    leads = models.BooleanField(default=False, help_text="commands the response")
    position = models.IntegerField(default=0)

    class Meta:
        db_table = "incidents_role"
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name


class RoleHolder(models.Model):
    """Somebody who was asked to take a role in an incident, holds it or held it.

    ``previous``: whom they take over from, with the ``briefing`` that was made for them.
    """

    STATES = ["asked", "held", "declined", "ended"]

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="roles", db_index=False)
    role = models.ForeignKey(Role, on_delete=models.PROTECT, related_name="holders", db_index=False)
    user = models.ForeignKey("people.User", on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=8)
    asked_by = models.ForeignKey("people.User", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    asked_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    previous = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    briefing = models.TextField(blank=True)

    class Meta:
        db_table = "incidents_role_holder"
        ordering = ["incident_id", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["asked", "held", "declined", "ended"]), name="holder_state"),
            models.UniqueConstraint(fields=["incident", "role"], condition=Q(state="held"), name="role_held_once"),
            models.UniqueConstraint(fields=["incident", "role"], condition=Q(state="asked"), name="role_asked_once"),
        ]
        indexes = [models.Index(fields=["incident", "id"])]

    def __str__(self) -> str:
        return f"{self.user_id} as {self.role_id} of INC-{self.incident_id}: {self.state}"


class Task(models.Model):
    """Something to be done during an incident, by one person, until a time."""

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="tasks", db_index=False)
    title = models.CharField(max_length=300)
    owner = models.ForeignKey("people.User", null=True, on_delete=models.SET_NULL, related_name="+")
    due_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=7, default="open")
    created_by = models.ForeignKey(
        "people.User", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True, help_text="when its owner was told that it is overdue")

    class Meta:
        db_table = "incidents_task"
        ordering = ["incident_id", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["open", "done", "dropped"]), name="task_state"),
            models.CheckConstraint(
                condition=Q(state="open", ended_at__isnull=True) | Q(~Q(state="open"), ended_at__isnull=False),
                name="task_ended_has_moment",
            ),
        ]
        indexes = [
            models.Index(fields=["incident", "id"]),
            models.Index(fields=["due_at"], condition=Q(state="open", reminded_at__isnull=True), name="task_due"),
        ]

    def __str__(self) -> str:
        return f"{self.title} (INC-{self.incident_id})"


class Fact(models.Model):
    """Something about an incident that is known for sure, pinned where everybody sees it."""

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="facts", db_index=False)
    text = models.CharField(max_length=1000)
    pinned_by = models.ForeignKey("people.User", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    pinned_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "incidents_fact"
        ordering = ["incident_id", "id"]
        indexes = [models.Index(fields=["incident", "id"])]

    def __str__(self) -> str:
        return self.text


class HistoryImport(models.Model):
    """One run of an import of past incidents: a file, how it is read, what is planned, what came of it.

    ``options``, ``profile``, ``plan`` and ``result`` are JSON as ``project.history`` writes it. A run whose lease is
    over is taken up again by any engine.
    """

    source = models.CharField(max_length=60, help_text="where the numbers come from; they are unique in it")
    file = models.CharField(max_length=300)
    state = models.CharField(max_length=20, default="uploading")
    options = models.JSONField(default=dict)
    profile = models.JSONField(null=True)
    plan = models.JSONField(null=True)
    result = models.JSONField(null=True)
    problem = models.CharField(max_length=1000, blank=True)
    size = models.BigIntegerField(default=0, help_text="bytes of the file as it was sent")
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    created_by = models.ForeignKey("people.User", null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "incidents_import"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.source}: {self.file}"


class ImportPart(models.Model):
    """A piece of an uploaded file, so that every engine can read it; gone when the import is over."""

    run = models.ForeignKey(HistoryImport, on_delete=models.CASCADE, related_name="parts", db_index=False)
    number = models.IntegerField()
    data = models.BinaryField()

    class Meta:
        db_table = "incidents_import_part"
        ordering = ["run_id", "number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="import_part_once")]


class Imported(models.Model):
    """Where an imported incident comes from, and what has no column of its own.

    ``fingerprint`` is the SHA-256 over all that was read of it; the same one again changes nothing.
    """

    incident = models.OneToOneField(
        Incident, primary_key=True, on_delete=models.CASCADE, related_name="imported_from", db_constraint=False
    )
    run = models.ForeignKey(HistoryImport, on_delete=models.PROTECT, related_name="imported")
    source = models.CharField(max_length=60)
    number = models.CharField(max_length=200)
    link = models.CharField(max_length=1000, blank=True)
    closed_at = models.DateTimeField(null=True)
    resolved_known = models.BooleanField(default=True, help_text="False: the moment of its end had to be assumed")
    reopened = models.IntegerField(default=0)
    reassigned = models.IntegerField(default=0)
    facts = models.JSONField(default=dict)
    fingerprint = models.CharField(max_length=64)

    class Meta:
        db_table = "incidents_imported"
        constraints = [models.UniqueConstraint(fields=["source", "number"], name="imported_once")]
        indexes = [models.Index(fields=["number"])]

    def __str__(self) -> str:
        return f"{self.source} {self.number}"


class ImportUpdate(models.Model):
    """What an imported incident was before a newer file changed it; what a rollback of that run goes back to."""

    run = models.ForeignKey(HistoryImport, on_delete=models.CASCADE, related_name="updates", db_index=False)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    before = models.JSONField()
    seq = models.IntegerField(help_text="of the last entry of the timeline after the change")

    class Meta:
        db_table = "incidents_import_update"
        constraints = [models.UniqueConstraint(fields=["run", "incident"], name="import_update_once")]
