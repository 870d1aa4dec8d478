"""Tables of on call: schedules, their layers, overrides. What they mean at an instant is decided in ``rules``."""

from django.db import models


class Schedule(models.Model):
    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=120, unique=True)
    team = models.ForeignKey("people.Team", null=True, blank=True, on_delete=models.SET_NULL, related_name="schedules")
    zone = models.CharField(max_length=60, default="UTC", help_text="IANA zone in which hand-offs are local times")
    description = models.TextField(blank=True)
    # as a layer's restrictions: when nobody needs to be on call
    uncovered = models.JSONField(default=list, blank=True, db_default=[])

    class Meta:
        db_table = "oncall_schedule"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Layer(models.Model):
    """A rotation: people in turn, handed over at a local time. A higher ``level`` goes before a lower one.

    A row is never changed once it was in effect: an edit ends it (``effective_until``) and adds another that takes over
    (``effective_from``), so that who was on call stays true. Rows without ``effective_until`` are the current ones.
    """

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="layers")
    position = models.SmallIntegerField(help_text="its place in the list, from 0")
    level = models.SmallIntegerField(
        null=True, blank=True, help_text="layers of one level run beside each other; empty: the position"
    )
    name = models.CharField(max_length=120)
    zone = models.CharField(max_length=60, blank=True, default="", db_default="", help_text="empty: the schedule's")
    unit = models.CharField(
        max_length=5, choices=[("hour", "Hours"), ("day", "Days"), ("week", "Weeks"), ("month", "Months")]
    )
    length = models.SmallIntegerField(default=1, help_text="a turn is this many units")
    anchor = models.DateTimeField(help_text="start of the first person's first turn; its local time is the hand-off")
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    # for days only: [1..7], the weekdays that count as days of a turn; empty: all
    weekdays = models.JSONField(default=list, blank=True)
    # for weeks only: [{"day": 1..7, "time": "HH:MM"}], when a turn ends; empty: after seven days
    handoffs = models.JSONField(default=list, blank=True, db_default=[])
    shift_minutes = models.IntegerField(null=True, blank=True, help_text="on call only for so long of each turn")
    # [{"days": [1..7], "from": "HH:MM", "to": "HH:MM", ...}]: on call only then, local time; over midnight allowed
    restrictions = models.JSONField(default=list, blank=True)
    effective_from = models.DateTimeField(null=True, blank=True)
    effective_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "oncall_layer"
        ordering = ["schedule_id", "position", "id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(length__gte=1), name="layer_length"),
        ]


class LayerMember(models.Model):
    """A person in a rotation; those who share a ``position`` have the turn together."""

    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="members")
    position = models.SmallIntegerField()
    user = models.ForeignKey("people.User", on_delete=models.CASCADE, related_name="layer_memberships")

    class Meta:
        db_table = "oncall_layer_member"
        ordering = ["layer_id", "position", "id"]
        constraints = [models.UniqueConstraint(fields=["layer", "position", "user"], name="layer_member_once")]


class Override(models.Model):
    """A change to who is on call, for a stretch; see ``rules.Override``. A later one goes before an earlier one."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="overrides")
    kind = models.CharField(
        max_length=8,
        default="instead",
        db_default="instead",
        choices=[("instead", "Instead"), ("beside", "Beside"), ("shadow", "Shadow")],
    )
    user = models.ForeignKey(
        "people.User", null=True, blank=True, on_delete=models.CASCADE, related_name="overrides",
        help_text="empty: nobody instead",
    )  # fmt: skip
    replaces = models.ForeignKey(
        "people.User", null=True, blank=True, on_delete=models.CASCADE, related_name="+",
        help_text="instead of this person alone; empty: of everybody",
    )  # fmt: skip
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey("people.User", null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "oncall_override"
        ordering = ["starts_at"]
        constraints = [
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="override_has_length"),
        ]
        indexes = [models.Index(fields=["schedule", "starts_at", "ends_at"])]


class Absence(models.Model):
    """Somebody is away. They stay in the rota; whoever looks ahead sees that nobody can count on them then."""

    user = models.ForeignKey("people.User", on_delete=models.CASCADE, related_name="absences")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    kind = models.CharField(max_length=40, blank=True, help_text="vacation, sick, ...")
    note = models.CharField(max_length=300, blank=True)
    source = models.CharField(max_length=120, blank=True, help_text="the feed it came from; empty: written by hand")
    uid = models.CharField(max_length=300, blank=True, help_text="its name in that feed")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "oncall_absence"
        ordering = ["starts_at", "id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="absence_has_length"),
            models.UniqueConstraint(
                fields=["user", "source", "uid", "starts_at"], condition=~models.Q(uid=""), name="absence_once"
            ),
        ]
        indexes = [models.Index(fields=["user", "starts_at", "ends_at"])]
