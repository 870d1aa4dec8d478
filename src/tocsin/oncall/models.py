"""Tables of on call: schedules, their layers, overrides. What they mean at an instant is decided in ``rules``."""

from django.db import models


class Schedule(models.Model):
    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=120, unique=True)
    team = models.ForeignKey("people.Team", null=True, blank=True, on_delete=models.SET_NULL, related_name="schedules")
    zone = models.CharField(max_length=60, default="UTC", help_text="IANA zone in which hand-offs are local times")
    description = models.TextField(blank=True)

    class Meta:
        db_table = "oncall_schedule"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Layer(models.Model):
    """A rotation: people in turn, handed over at a local time. A higher ``position`` goes before a lower one."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="layers")
    position = models.SmallIntegerField()
    name = models.CharField(max_length=120)
    unit = models.CharField(
        max_length=5, choices=[("hour", "Hours"), ("day", "Days"), ("week", "Weeks"), ("month", "Months")]
    )
    length = models.SmallIntegerField(default=1, help_text="a turn is this many units")
    anchor = models.DateTimeField(help_text="start of the first person's first turn; its local time is the hand-off")
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    # for days only: [1..7], the weekdays that count as days of a turn; empty: all
    weekdays = models.JSONField(default=list, blank=True)
    # [{"days": [1..7], "from": "HH:MM", "to": "HH:MM"}]: on call only then, local time; over midnight allowed
    restrictions = models.JSONField(default=list, blank=True)

    class Meta:
        db_table = "oncall_layer"
        ordering = ["schedule_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "position"], name="layer_position"),
            models.CheckConstraint(condition=models.Q(length__gte=1), name="layer_length"),
        ]


class LayerMember(models.Model):
    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="members")
    position = models.SmallIntegerField()
    user = models.ForeignKey("people.User", on_delete=models.CASCADE, related_name="layer_memberships")

    class Meta:
        db_table = "oncall_layer_member"
        ordering = ["layer_id", "position"]
        constraints = [models.UniqueConstraint(fields=["layer", "position"], name="layer_member_position")]


class Override(models.Model):
    """This person instead of whoever the layers name, for a stretch. A later one goes before an earlier one."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="overrides")
    user = models.ForeignKey("people.User", on_delete=models.CASCADE, related_name="overrides")
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
