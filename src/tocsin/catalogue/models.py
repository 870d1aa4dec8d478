"""Tables of the catalogue: what people depend on, who owns it, what depends on what, what was changed."""

from django.db import models

from tocsin.platform.canary import Real


class Service(models.Model):
    """Something people depend on. Its policy says who is paged; its grouping says which alerts are one incident."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=120, unique=True)
    description = models.TextField(blank=True)
    team = models.ForeignKey("people.Team", null=True, blank=True, on_delete=models.PROTECT, related_name="services")
    policy = models.ForeignKey(
        "escalation.Policy", null=True, blank=True, on_delete=models.PROTECT, related_name="services"
    )
    tier = models.SmallIntegerField(default=3, help_text="1 is the most important, 4 the least")
    impact = models.CharField(
        max_length=10,
        default="",
        blank=True,
        help_text="impact of an incident on this service when nothing says otherwise; empty: by tier",
    )
    # {"by": "service" | "alert" | "fields" | "dependency", "fields": [...], "window_s": 0}; see triage.rules.Grouping
    grouping = models.JSONField(default=dict, blank=True)
    auto_resolve_s = models.IntegerField(
        null=True, blank=True, help_text="resolve an incident nobody touches after this"
    )
    enabled = models.BooleanField(default=True)
    runbook_url = models.URLField(max_length=1000, blank=True)
    zone = models.CharField(
        max_length=60, default="", db_default="", blank=True, help_text="IANA time zone of its hours; empty: UTC"
    )
    # windows as of oncall.rules.RestrictionSpec; empty: Monday to Friday, 09:00 to 17:00
    hours = models.JSONField(default=list, db_default=models.Value([], models.JSONField()), blank=True)
    confidential = models.BooleanField(
        default=False, db_default=False, help_text="incidents that open on it are confidential from the first moment"
    )
    created_at = models.DateTimeField()
    dependencies = models.ManyToManyField("self", through="Dependency", symmetrical=False, related_name="dependants")

    objects = Real["Service"]()

    class Meta:
        db_table = "catalogue_service"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=models.Q(tier__gte=1, tier__lte=4), name="service_tier_1_to_4"),
        ]

    def __str__(self) -> str:
        return self.name


class Dependency(models.Model):
    """``service`` needs ``needs`` to work."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="needs")
    needs = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="needed_by")

    class Meta:
        db_table = "catalogue_dependency"
        constraints = [
            models.UniqueConstraint(fields=["service", "needs"], name="dependency_once"),
            models.CheckConstraint(condition=~models.Q(service=models.F("needs")), name="dependency_not_on_itself"),
        ]


class Change(models.Model):
    """A deploy, a flag, a configuration change; evidence for incidents, never a page."""

    id = models.BigAutoField(primary_key=True)
    service = models.ForeignKey(Service, null=True, on_delete=models.SET_NULL, related_name="changes")
    at = models.DateTimeField()
    summary = models.CharField(max_length=1024)
    origin = models.CharField(max_length=300, blank=True)
    links = models.JSONField(default=list)
    details = models.JSONField(null=True)
    signal_id = models.BigIntegerField(null=True)

    class Meta:
        db_table = "catalogue_change"
        indexes = [models.Index(fields=["service", "-at"]), models.Index(fields=["-at"])]
