"""Tables of escalation: policies, and runs, which are policies at work for incidents."""

from django.db import models
from django.db.models import Q, Value


def major() -> list[str]:
    """Priorities of which executives are told unless a policy says otherwise."""
    return ["P1"]


class Policy(models.Model):
    """Who must know next, and when. Steps run in order, ``repeats`` more times; then the fallback is paged."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=120, unique=True)
    team = models.ForeignKey("people.Team", null=True, blank=True, on_delete=models.SET_NULL, related_name="policies")
    description = models.TextField(blank=True)
    repeats = models.SmallIntegerField(default=0, help_text="how often all steps run again when nobody answers")
    ack_timeout_s = models.IntegerField(
        null=True, blank=True, help_text="an acknowledged incident pages again after this; empty: never"
    )
    # [{"kind": "user" | "schedule" | "team", "id": 1}, {"kind": "owner"},
    #  {"kind": "manager", "of": "user" | "schedule" | "team", "id": 1}]; in steps {"kind": "webhook", "id": 1} too
    # paged when a step finds nobody and when nobody answered
    fallback = models.JSONField(default=list, blank=True)
    # targets too: told quietly of incidents of these priorities
    executives = models.JSONField(default=list, db_default=Value([], models.JSONField()), blank=True)
    # [{"name": "L2", "when": "a condition"}]: when an incident may enter the tiers that steps name
    tiers = models.JSONField(default=list, db_default=Value([], models.JSONField()), blank=True)
    executive_priorities = models.JSONField(default=major, db_default=Value(["P1"], models.JSONField()), blank=True)
    confidential = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="stands_in_for", db_index=False,
        help_text="the policy that confidential incidents follow instead; empty: this one",
    )  # fmt: skip
    version = models.IntegerField(default=1)

    class Meta:
        db_table = "escalation_policy"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class PolicyStep(models.Model):
    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="steps")
    position = models.SmallIntegerField()
    targets = models.JSONField(default=list)  # as Policy.fallback
    wait_s = models.IntegerField(default=300, help_text="how long to wait for an answer before the next step")
    when = models.TextField(default="", db_default="", blank=True, help_text="a condition; empty: always")
    tier = models.CharField(max_length=40, default="", db_default="", blank=True)
    warn_s = models.IntegerField(
        null=True, blank=True, help_text="managers are warned when an incident is in the tier for so long"
    )
    urgency = models.CharField(
        max_length=4, default="", db_default="", blank=True, help_text="empty: as the priority says"
    )
    rotate = models.BooleanField(
        default=False, db_default=False, help_text="one of the people it finds, in turn from incident to incident"
    )
    acks = models.SmallIntegerField(
        default=1, db_default=1, help_text="how many people have to acknowledge; 0: all that it finds"
    )

    class Meta:
        db_table = "escalation_policy_step"
        ordering = ["policy_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "position"], name="policy_step_position"),
            models.CheckConstraint(condition=Q(wait_s__gte=0), name="policy_step_wait"),
            models.CheckConstraint(condition=Q(acks__gte=0), name="policy_step_acks"),
        ]


class Run(models.Model):
    """One policy at work for one incident, under one generation.

    ``snapshot`` is the policy as it was when the run began (escalation.rules.PolicySnapshot as JSON): an edit never
    changes a running page. ``state``: ``waiting`` has a ``due_at``; ``done`` ran to its end; ``stopped`` was overtaken
    by an answer. ``purpose``: ``escalate`` pages step by step; ``ack_timeout`` and ``snooze`` only watch, and wake the
    incident up when due.
    """

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(
        "incidents.Incident", on_delete=models.CASCADE, related_name="runs", db_index=False, db_constraint=False
    )
    generation = models.IntegerField()
    purpose = models.CharField(max_length=12, default="escalate")
    policy = models.ForeignKey(
        Policy, null=True, on_delete=models.SET_NULL, related_name="runs", db_index=False, db_constraint=False
    )
    snapshot = models.JSONField()
    state = models.CharField(max_length=8, default="waiting")
    step = models.SmallIntegerField(default=0, help_text="the step that runs next, from 0")
    loop = models.SmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "escalation_run"
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["waiting", "done", "stopped"]), name="run_state_known"),
            models.CheckConstraint(
                condition=Q(state="waiting", due_at__isnull=False, ended_at__isnull=True)
                | Q(state__in=["done", "stopped"], due_at__isnull=True, ended_at__isnull=False),
                name="run_waiting_is_due",
            ),
            models.UniqueConstraint(fields=["incident"], condition=Q(state="waiting"), name="run_one_live_generation"),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="waiting"), name="run_due"),
            models.Index(fields=["incident", "-id"]),
        ]


class Page(models.Model):
    """One attempt of the engine to reach one person for one step, with the whole reason.

    ``reason`` (escalation.rules.PageReason as JSON): policy, step, loop, target, schedule, layer or override, shift, or
    why the fallback. ``user`` is empty when there was nobody to page: the gap itself is on record.
    """

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(
        "incidents.Incident", on_delete=models.CASCADE, related_name="pages", db_index=False, db_constraint=False
    )
    run = models.ForeignKey(Run, null=True, on_delete=models.CASCADE, related_name="pages", db_constraint=False)
    generation = models.IntegerField()
    user = models.ForeignKey(
        "people.User", null=True, on_delete=models.SET_NULL, related_name="pages", db_index=False, db_constraint=False
    )
    step = models.SmallIntegerField()
    loop = models.SmallIntegerField()
    urgency = models.CharField(max_length=10)
    at = models.DateTimeField()
    reason = models.JSONField()
    answered_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=20, blank=True)

    class Meta:
        db_table = "escalation_page"
        indexes = [models.Index(fields=["incident", "id"]), models.Index(fields=["user", "-id"])]


class TierWatch(models.Model):
    """In which tier an incident is since when, while its policy warns if that lasts; gone with the warning."""

    incident = models.OneToOneField(
        "incidents.Incident", primary_key=True, on_delete=models.CASCADE, related_name="tier_watch", db_constraint=False
    )
    tier = models.CharField(max_length=40)
    policy = models.CharField(max_length=120)
    policy_id = models.IntegerField(null=True)
    since = models.DateTimeField()
    due_at = models.DateTimeField()

    class Meta:
        db_table = "escalation_tier_watch"
        indexes = [models.Index(fields=["due_at"], name="tier_watch_due")]


class KnownGap(models.Model):
    """A counter-example to "somebody reachable is always paged" as the last proof found it, so that only news is told.

    ``key`` names the step (``proving.CounterExample.key``). ``spans``: all its gaps, [[microseconds since 1970, ...]].
    """

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=200, unique=True)
    text = models.TextField()
    spans = models.JSONField(default=list)
    found_at = models.DateTimeField()

    class Meta:
        db_table = "escalation_known_gap"
