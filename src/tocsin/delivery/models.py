"""Tables of delivery: outbox, attempts, the demo phone's messages, webhooks, providers and what they took, mail in."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

WAITING = ["pending", "sending"]
ENDED = ["delivered", "accepted", "failed", "dropped"]


class Notice(models.Model):
    """What people are told beside incidents: a gap in who can be paged, a shift that begins, a swap that is asked for.

    Its deliveries (kind ``notice``) name it in their keys: ``notice:ID:CONTACT_METHOD``.
    """

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=200, unique=True, help_text="the same notice is never sent twice")
    title = models.CharField(max_length=150)
    body = models.TextField(blank=True)
    path = models.CharField(max_length=300, default="/", help_text="the page that it is about")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "delivery_notice"
        indexes = [models.Index(fields=["created_at"])]


class Webhook(models.Model):
    """An address outside that policies call beside people: signed HTTP requests, see the channel ``webhook``.

    Deliveries to it name it in their keys (``rules.webhook_key``). ``url`` may hold a credential; ``secret`` and
    ``authorization`` are encrypted.
    """

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=120, unique=True)
    team = models.ForeignKey("people.Team", null=True, blank=True, on_delete=models.SET_NULL, related_name="webhooks")
    url = models.CharField(max_length=1000)
    secret = models.TextField(blank=True, help_text="signs every body; encrypted, see platform.secrets")
    authorization = models.TextField(blank=True, help_text="value of the Authorization header; encrypted")
    enabled = models.BooleanField(default=True)
    format = models.CharField(
        max_length=20, default="pagerduty", db_default="pagerduty", help_text="shape of the requests; see the channel"
    )

    class Meta:
        db_table = "delivery_webhook"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Canary(models.Model):
    """A page that Tocsin sent itself, and when it arrived; see ``project.canary``. What it left on its way is gone."""

    id = models.BigAutoField(primary_key=True)
    sent_at = models.DateTimeField()
    arrived_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True, help_text="when the administrators were told that it is late")
    cleared = models.BooleanField(default=False, help_text="what it left on its way was taken away")

    class Meta:
        db_table = "delivery_canary"
        indexes = [models.Index(fields=["sent_at"], name="canary_sent")]


class Provider(models.Model):
    """An account at a company, or a device, that SMS and calls go through; see ``provider_contract``.

    ``secret`` is encrypted. ``position``: lower is asked first. ``countries``: dialling prefixes; empty: all.
    """

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=120, unique=True)
    kind = models.CharField(max_length=40)
    config = models.JSONField(default=dict, blank=True)
    secret = models.TextField(blank=True, help_text="encrypted, see platform.secrets")
    countries = models.JSONField(default=list, blank=True)
    position = models.SmallIntegerField(default=0)
    enabled = models.BooleanField(default=True)

    class Meta:
        db_table = "delivery_provider"
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name


class ProviderHealth(models.Model):
    """How a provider behaves: its circuit (``rules.providers.Circuit``), and requests in its name that were refused.

    Apart from the provider, because every failure writes here, and nobody must wait for who edits the provider.
    """

    provider = models.OneToOneField(Provider, primary_key=True, on_delete=models.CASCADE, related_name="health")
    failures = models.IntegerField(default=0)
    open_until = models.DateTimeField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    refused = models.BigIntegerField(default=0)
    refused_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "delivery_provider_health"


class Handover(models.Model):
    """Something given to one provider: an SMS or a call, for one or more deliveries.

    ``begun``: asked, no answer yet; ``accepted``; ``delivered``; ``failed``: accepted, and it did not arrive;
    ``refused``: the provider's own fault; ``rejected``: the number's. Success rates and limits per number are counted
    here, so that they need no join. ``script``: what a call says; ``machine``: an answering machine took it.
    """

    id = models.BigAutoField(primary_key=True)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="handovers", db_index=False)
    channel = models.CharField(max_length=10)
    number = models.CharField(max_length=40)
    country = models.CharField(max_length=8)
    deliveries = models.JSONField(default=list)
    ref = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=10, default="begun")
    reason = models.CharField(max_length=500, blank=True)
    script = models.JSONField(null=True)
    machine = models.BooleanField(default=False)
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "delivery_handover"
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["begun", "accepted", "delivered", "failed", "refused", "rejected"]),
                name="handover_state_known",
            ),
        ]
        indexes = [
            models.Index(fields=["at"], name="handover_at"),
            models.Index(fields=["number", "-at"], name="handover_number"),
            models.Index(fields=["provider", "ref"], name="handover_ref", condition=~Q(ref="")),
        ]


class Received(models.Model):
    """What a person sent back, an SMS or a key in a call, and what they were told; each is acted on once."""

    id = models.BigAutoField(primary_key=True)
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="received", db_index=False)
    ref = models.CharField(max_length=330)
    channel = models.CharField(max_length=10)
    number = models.CharField(max_length=40)
    user = models.ForeignKey("people.User", null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.CharField(max_length=200, blank=True, help_text="its beginning")
    answer = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "delivery_received"
        constraints = [models.UniqueConstraint(fields=["provider", "ref"], name="received_once")]
        indexes = [models.Index(fields=["number", "-at"], name="received_number")]


class ContactPace(models.Model):
    """When a contact method got its last messages, see ``rules.pacing``; kept for all engines together."""

    contact_method = models.OneToOneField(
        "people.ContactMethod", primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    sent = ArrayField(models.DateTimeField(), default=list)

    class Meta:
        db_table = "delivery_contact_pace"


class IncomingMail(models.Model):
    """A mail that came to one of our addresses, a reply or a bounce, and what became of it.

    ``content`` is there until that is decided (``next_at`` says when to look), and then forgotten. ``sender`` is what
    its From says: written down, never believed. ``key`` names recipient and Message-ID: the same mail is taken once.
    """

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=10, help_text="reply or bounce")
    token = models.CharField(max_length=64)
    envelope_sender = models.CharField(max_length=320, blank=True)
    client = models.CharField(max_length=64, blank=True, help_text="address of the server that handed it over")
    size = models.IntegerField()
    content = models.BinaryField(null=True)
    received_at = models.DateTimeField()
    next_at = models.DateTimeField(null=True)
    tries = models.SmallIntegerField(default=0)
    message_id = models.CharField(max_length=300, blank=True)
    sender = models.CharField(max_length=320, blank=True)
    delivery_id = models.BigIntegerField(null=True)
    contact_method_id = models.BigIntegerField(null=True)
    user = models.ForeignKey("people.User", null=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    outcome = models.CharField(max_length=12, blank=True, help_text="see rules.incoming; empty: not yet decided")
    text = models.CharField(max_length=200, blank=True, help_text="the beginning of what somebody wrote themselves")
    answer = models.CharField(max_length=500, blank=True, help_text="what was said or done about it")
    notice = models.ForeignKey(Notice, null=True, on_delete=models.SET_NULL, related_name="answers")
    handled_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "delivery_incoming_mail"
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome="", next_at__isnull=False, content__isnull=False, handled_at__isnull=True)
                | (~Q(outcome="") & Q(next_at__isnull=True, content__isnull=True, handled_at__isnull=False)),
                name="incoming_mail_waits_or_is_done",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="incoming_mail_due"),
            models.Index(fields=["contact_method_id", "-received_at"], name="incoming_mail_method"),
            models.Index(fields=["received_at"], name="incoming_mail_received"),
        ]


class Delivery(models.Model):
    """A message to one contact method, or to a bare address.

    ``pending`` has ``next_at``; ``sending`` has a lease (``claimed_until``, ``claim``): when it runs out the outcome is
    unknown, and unknown is sent again. ``accepted``: the provider has it; ``delivered``: it says the person has it;
    ``failed``: exhausted or rejected; ``dropped``: overtaken (``reason`` says by what).
    ``generation`` is the incident's when the page was planned: it is checked again at hand-off. Empty: not fenced (a
    notice of resolution, a test).
    ``rank`` orders the queue: lower first; the first page of an incident comes before everything else.
    """

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=100, help_text="idempotency key, given to providers that take one")
    kind = models.CharField(max_length=12, help_text="page, resolved, test, notice")
    # No index of their own: a row is written three times on the fast path, and every index is written with it. No
    # foreign key to rows of the same transaction either: each would lock and dirty the other row.
    page = models.ForeignKey(
        "escalation.Page", null=True, on_delete=models.CASCADE, related_name="deliveries", db_index=False,
        db_constraint=False,
    )  # fmt: skip
    incident = models.ForeignKey(
        "incidents.Incident", null=True, on_delete=models.CASCADE, related_name="deliveries", db_index=False,
        db_constraint=False,
    )  # fmt: skip
    generation = models.IntegerField(null=True)
    user = models.ForeignKey(
        "people.User", null=True, on_delete=models.CASCADE, related_name="deliveries",
        db_index=False, db_constraint=False,
    )  # fmt: skip
    contact_method = models.ForeignKey(
        "people.ContactMethod", null=True, on_delete=models.SET_NULL, related_name="deliveries",
        db_index=False, db_constraint=False,
    )  # fmt: skip
    channel = models.CharField(max_length=40)
    address = models.CharField(max_length=1000)
    rule_position = models.SmallIntegerField(default=0, help_text="which of the person's notification rules")
    state = models.CharField(max_length=10, default="pending")
    rank = models.SmallIntegerField(default=50)
    attempts = models.SmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True)
    claim = models.BigIntegerField(null=True)
    provider_ref = models.CharField(max_length=300, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "delivery_delivery"
        constraints = [
            models.UniqueConstraint(fields=["key"], name="delivery_key_once"),
            models.CheckConstraint(condition=Q(state__in=WAITING + ENDED), name="delivery_state_known"),
            models.CheckConstraint(
                condition=Q(state="pending", next_at__isnull=False, claim__isnull=True, claimed_until__isnull=True)
                | Q(state="sending", claim__isnull=False, claimed_until__isnull=False, next_at__isnull=True)
                | Q(state__in=ENDED, next_at__isnull=True, claim__isnull=True, claimed_until__isnull=True),
                name="delivery_pending_or_claimed_or_ended",
            ),
            models.CheckConstraint(
                condition=Q(state__in=WAITING, ended_at__isnull=True) | Q(state__in=ENDED, ended_at__isnull=False),
                name="delivery_ended_has_moment",
            ),
        ]
        indexes = [
            models.Index(fields=["channel", "next_at", "rank"], condition=Q(state="pending"), name="delivery_due"),
            models.Index(fields=["claimed_until"], condition=Q(state="sending"), name="delivery_leased"),
            models.Index(fields=["incident", "id"]),
            models.Index(fields=["page"]),
            models.Index(fields=["user", "-id"]),
        ]


class Attempt(models.Model):
    """One try at a delivery, or what its provider said later (of the same number); append-only.

    ``outcome``: delivered, accepted, try_later, rejected, unknown.
    """

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="attempt_rows", db_index=False, db_constraint=False
    )
    number = models.SmallIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10)
    detail = models.CharField(max_length=1000, blank=True)
    provider_ref = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "delivery_attempt"
        ordering = ["delivery_id", "id"]
        indexes = [models.Index(fields=["delivery", "id"])]


class PocketMessage(models.Model):
    """What a demo phone has received."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey("people.User", on_delete=models.CASCADE, related_name="pocket_messages")
    delivery = models.OneToOneField(Delivery, on_delete=models.CASCADE, related_name="pocket_message")
    incident = models.ForeignKey("incidents.Incident", null=True, on_delete=models.CASCADE)
    title = models.CharField(max_length=1024)
    body = models.TextField()
    links = models.JSONField(default=list)
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "delivery_pocket_message"
        ordering = ["-id"]
