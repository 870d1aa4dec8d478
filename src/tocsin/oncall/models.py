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
    swaps_approved = models.BooleanField(
        default=False, db_default=False, help_text="a swap takes effect when a manager has approved it"
    )

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
    line = models.BigIntegerField(
        null=True, blank=True, help_text="id of its first row, by which programs name it over edits; empty: this one"
    )

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
    source = models.ForeignKey(
        "CalendarSource", null=True, blank=True, on_delete=models.SET_NULL, related_name="overrides",
        help_text="the calendar it is read from",
    )  # fmt: skip
    uid = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text="its name in a calendar; empty: made by hand"
    )
    alias = models.CharField(
        max_length=200, blank=True, default="", db_default="", help_text="what the program that made it calls it"
    )

    class Meta:
        db_table = "oncall_override"
        ordering = ["starts_at"]
        constraints = [
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="override_has_length"),
            models.UniqueConstraint(
                fields=["schedule", "alias"], condition=~models.Q(alias=""), name="override_alias_once"
            ),
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


class CalendarFeed(models.Model):
    """A secret address at which calendars read shifts: a schedule's, a team's, else those of ``user``, who made it."""

    user = models.ForeignKey("people.User", on_delete=models.CASCADE, related_name="calendar_feeds")
    schedule = models.ForeignKey(
        Schedule, null=True, blank=True, on_delete=models.CASCADE, related_name="calendar_feeds"
    )
    team = models.ForeignKey(
        "people.Team", null=True, blank=True, on_delete=models.CASCADE, related_name="calendar_feeds"
    )
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the secret")
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "oncall_calendar_feed"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(schedule=None) | models.Q(team=None), name="calendar_feed_of_one_thing"
            ),
        ]


class CalendarSource(models.Model):
    """A calendar of another tool whose events put people on call in a schedule, read again and again.

    ``url`` (encrypted: such addresses are secrets) or ``body``, a file. ``problems``: what it said that nobody
    understood, a text each, as of ``read_at``.
    """

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="calendar_sources")
    name = models.CharField(max_length=120)
    url = models.TextField(blank=True, help_text="encrypted; see platform.secrets")
    body = models.TextField(blank=True)
    created_by = models.ForeignKey("people.User", null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True, help_text="when to read it again")
    read_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=500, blank=True, help_text="why it could not be read; empty: it could")
    problems = models.JSONField(default=list, blank=True)
    found = models.IntegerField(default=0, help_text="events that named somebody")

    class Meta:
        db_table = "oncall_calendar_source"
        ordering = ["name", "id"]


class AbsenceFeed(models.Model):
    """A person's own calendar that says when they are away, read again and again; see CalendarSource."""

    user = models.OneToOneField("people.User", on_delete=models.CASCADE, related_name="absence_feed")
    url = models.TextField(help_text="encrypted; see platform.secrets")
    everything = models.BooleanField(default=False, help_text="every event is an absence, not only those that say so")
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True, help_text="when to read it again")
    read_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=500, blank=True, help_text="why it could not be read; empty: it could")
    problems = models.JSONField(default=list, blank=True)
    found = models.IntegerField(default=0, help_text="absences in it")

    class Meta:
        db_table = "oncall_absence_feed"


class Habits(models.Model):
    """When a person works and sleeps, by their own clock; see ``load.Habits``. Times are ``HH:MM``."""

    user = models.OneToOneField("people.User", primary_key=True, on_delete=models.CASCADE, related_name="habits")
    region = models.CharField(max_length=10, blank=True, help_text="whose public holidays count: DE, DE-BY")
    workdays = models.JSONField(default=list)
    work_from = models.CharField(max_length=5, default="09:00")
    work_to = models.CharField(max_length=5, default="17:00")
    night_from = models.CharField(max_length=5, default="22:00")
    night_to = models.CharField(max_length=5, default="07:00")
    part = models.FloatField(default=1.0, help_text="their part of on call: 1 whole, 0.5 half time, 0 none")

    class Meta:
        db_table = "oncall_habits"
        constraints = [
            models.CheckConstraint(condition=models.Q(part__gte=0, part__lte=1), name="habits_part_from_0_to_1"),
        ]


class Swap(models.Model):
    """Somebody asks to be covered for a stretch of their shifts; see ``actions.swaps``.

    state     ``open``; ``agreed`` (taken, waits for a manager where the schedule asks for one); ``done`` (overrides are
              made); ``declined`` (by a manager); ``withdrawn``; ``expired`` (it began and nobody took it)
    asked     the one person who is asked; empty: whoever is in the schedule's layers
    taker     who covers; with ``return_from`` the requester covers the taker from then to ``return_to`` in turn
    """

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="swaps")
    requester = models.ForeignKey("people.User", on_delete=models.CASCADE, related_name="swaps")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    note = models.CharField(max_length=300, blank=True)
    asked = models.ForeignKey("people.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=10, default="open")
    taker = models.ForeignKey("people.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    return_from = models.DateTimeField(null=True, blank=True)
    return_to = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey("people.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "oncall_swap"
        ordering = ["starts_at", "id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="swap_has_length"),
            models.CheckConstraint(
                condition=models.Q(state__in=["open", "agreed", "done", "declined", "withdrawn", "expired"]),
                name="swap_state_known",
            ),
        ]
        indexes = [models.Index(fields=["state", "starts_at"])]


class SwapOffer(models.Model):
    """A counter-offer: ``user`` takes the stretch if the requester takes theirs in return."""

    swap = models.ForeignKey(Swap, on_delete=models.CASCADE, related_name="offers")
    user = models.ForeignKey("people.User", on_delete=models.CASCADE, related_name="swap_offers")
    return_from = models.DateTimeField()
    return_to = models.DateTimeField()
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "oncall_swap_offer"
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["swap", "user"], name="swap_offer_once")]


class HandoffNote(models.Model):
    """What whoever goes off call leaves for whoever comes next; it stays before them until they have opened it."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="notes")
    author = models.ForeignKey("people.User", null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.TextField()
    created_at = models.DateTimeField()
    opened_by = models.ForeignKey("people.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    opened_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "oncall_handoff_note"
        ordering = ["-id"]
        indexes = [models.Index(fields=["schedule", "-id"])]
