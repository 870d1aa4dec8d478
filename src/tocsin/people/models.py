"""Tables of people: users, teams, how to reach them, and the tokens that act for them."""

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower

ROLES = [("admin", "Administrator"), ("manager", "Manager"), ("responder", "Responder"), ("observer", "Observer")]
URGENCIES = [("high", "High"), ("low", "Low")]


class Team(models.Model):
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True)
    description = models.TextField(blank=True)

    class Meta:
        db_table = "people_team"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save()
        return user

    def get_by_natural_key(self, email: str | None) -> "User":
        return self.get(email__iexact=email)


class User(AbstractBaseUser):
    """A person. Signs in by e-mail address; is paged through contact methods in the order of notification rules."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=150)
    zone = models.CharField(max_length=60, default="UTC", help_text="IANA time zone")
    # minutes of the day on the person's own clock, between which pages of low urgency wait; both empty: never
    quiet_from = models.SmallIntegerField(null=True, blank=True)
    quiet_to = models.SmallIntegerField(null=True, blank=True)
    role = models.CharField(max_length=20, choices=ROLES, default="responder")
    is_active = models.BooleanField(default=True)
    left_at = models.DateTimeField(null=True, blank=True, help_text="since when not active; empty: for ever")
    manager = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="reports")
    theme = models.CharField(
        max_length=20, default="system", choices=[(v, v) for v in ("system", "light", "dark", "contrast")]
    )
    created_at = models.DateTimeField()
    teams = models.ManyToManyField(Team, through="Membership", related_name="users")

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        db_table = "people_user"
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_ci_unique"),
            models.CheckConstraint(condition=models.Q(role__in=[role for role, _ in ROLES]), name="user_role_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_staff(self) -> bool:
        return self.role == "admin"

    @property
    def is_superuser(self) -> bool:
        return self.role == "admin"


class Membership(models.Model):
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=[("manager", "Manager"), ("member", "Member")], default="member")

    class Meta:
        db_table = "people_membership"
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="membership_once")]


class ContactMethod(models.Model):
    """One way to reach one person: a channel and an address (an e-mail address, a number, a URL, a topic).

    ``address`` may hold a credential (a webhook's URL, a topic) and is shown in full only to the person and to
    administrators; what is really secret (a webhook's signing key, a token) is in ``secret``, encrypted.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="contact_methods")
    channel = models.CharField(max_length=40)
    label = models.CharField(max_length=60, blank=True)
    address = models.CharField(max_length=1000)
    secret = models.TextField(blank=True, help_text="encrypted; see platform.secrets")
    config = models.JSONField(default=dict, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    reached_at = models.DateTimeField(null=True, blank=True, help_text="somebody last answered what it received")
    asked_at = models.DateTimeField(null=True, blank=True, help_text="asked whether it still reaches its person")
    changed_at = models.DateTimeField(null=True, blank=True, help_text="its address was given or changed")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="no longer used from then on")
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "people_contact_method"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["user", "channel", "address"], name="contact_method_once"),
        ]


class ContactCode(models.Model):
    """A contact method that is being verified: the word that its code is made of, how long it is good, how many tries.

    ``day`` and ``sent`` count the codes of a day.
    """

    contact_method = models.OneToOneField(
        ContactMethod, primary_key=True, on_delete=models.CASCADE, related_name="code"
    )
    word = models.CharField(max_length=32)
    made_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    tries = models.SmallIntegerField(default=0)
    day = models.DateTimeField(null=True)
    sent = models.SmallIntegerField(default=0)

    class Meta:
        db_table = "people_contact_code"


class NotificationRule(models.Model):
    """For pages of this urgency, use this contact method after this delay, unless the person has answered."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notification_rules")
    urgency = models.CharField(max_length=10, choices=URGENCIES)
    position = models.SmallIntegerField()
    delay_s = models.IntegerField(default=0)
    contact_method = models.ForeignKey(ContactMethod, on_delete=models.CASCADE, related_name="rules")

    class Meta:
        db_table = "people_notification_rule"
        ordering = ["user_id", "urgency", "delay_s", "position"]
        constraints = [
            models.UniqueConstraint(fields=["user", "urgency", "position"], name="notification_rule_position"),
            models.CheckConstraint(condition=models.Q(delay_s__gte=0), name="notification_rule_delay"),
        ]


class ApiToken(models.Model):
    """A bearer token that acts for a person, narrowed to scopes; only its SHA-256 is stored."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12, help_text="its first characters, to recognise it by")
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "people_api_token"
        ordering = ["-id"]


class SignInLink(models.Model):
    """A one-time sign-in link, as `tocsin up` and `tocsin user link` print it; used once, then worthless."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "people_sign_in_link"
