"""Forms of the verbs. Labels and hints are sentences; what is right is decided by the actions."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django import forms

from tocsin.catalogue.models import Service
from tocsin.escalation.rules import REASONS
from tocsin.incidents import queries, rules
from tocsin.incidents.models import Incident
from tocsin.people.models import Team, User
from tocsin.platform.actor import Actor
from tocsin.platform.moments import zone
from tocsin.web.fields import set_choices

LEVELS = [("high", "High"), ("medium", "Medium"), ("low", "Low")]
EMPTY = [("", "—")]


class Note(forms.Form):
    text = forms.CharField(
        label="Note", max_length=20_000, widget=forms.Textarea(attrs={"rows": 5}), help_text="Markdown is understood."
    )


class Ending(forms.Form):
    note = forms.CharField(
        label="What ended it", required=False, max_length=5_000, widget=forms.Textarea(attrs={"rows": 3})
    )


class Reason(forms.Form):
    reason = forms.CharField(label="Why", required=False, max_length=300)


class Escalation(forms.Form):
    reason_code = forms.ChoiceField(label="Why", choices=[(code, text.capitalize()) for code, text in REASONS.items()])
    reason = forms.CharField(
        label="In words",
        required=False,
        max_length=500,
        help_text="Another reason needs them; they stand on the timeline.",
    )


class NextStep(Escalation):
    confidential = forms.BooleanField(
        required=False,
        label="Keep it confidential",
        help_text="From now on only those who are called see it: for security and personal matters.",
    )


class TeamCall(Escalation):
    team = forms.ModelChoiceField(
        label="Team", queryset=Team.objects.order_by("name"), empty_label="Choose a team",
        help_text="Whoever is on call in its schedules is paged; all its members where nobody is.",
    )  # fmt: skip
    field_order = ("team", "reason_code", "reason")


class Title(forms.Form):
    title = forms.CharField(label="Title", max_length=1024)


class Nothing(forms.Form):
    """Only a button."""


class Snooze(forms.Form):
    CHOICES = [
        ("30", "30 minutes"), ("60", "1 hour"), ("120", "2 hours"), ("240", "4 hours"), ("480", "8 hours"),
        ("morning", "Until 09:00 tomorrow"), ("at", "Until the moment below"),
    ]  # fmt: skip
    period = forms.ChoiceField(label="For how long", choices=CHOICES, initial="60")
    at = forms.DateTimeField(
        label="Until", required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
    )  # fmt: skip

    def until(self, now: datetime, zone_name: str) -> datetime:
        """The moment at which it pages again."""
        there: ZoneInfo = zone(zone_name)
        chosen = self.cleaned_data["period"]
        if chosen == "at":
            at: datetime = self.cleaned_data["at"]
            return at.replace(tzinfo=there)
        if chosen == "morning":
            tomorrow = now.astimezone(there) + timedelta(days=1)
            return tomorrow.replace(hour=9, minute=0, second=0, microsecond=0)
        return now + timedelta(minutes=int(chosen))

    def clean(self) -> None:
        super().clean()
        if self.cleaned_data.get("period") == "at" and not self.cleaned_data.get("at"):
            self.add_error("at", "Say until when.")


class People(forms.Form):
    users = forms.ModelMultipleChoiceField(
        label="Who", queryset=User.objects.none(), widget=forms.CheckboxSelectMultiple(attrs={"class": "checkbox"})
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["users"].queryset = User.objects.filter(is_active=True).order_by("name")  # type: ignore[attr-defined]


class LetIn(People):
    reason = forms.CharField(label="Why", required=False, max_length=300, help_text="It stands on the timeline.")
    field_order = ("users", "reason")


class Lift(forms.Form):
    reason = forms.CharField(label="Why everybody may see it", max_length=300)


class Call(People):
    message = forms.CharField(
        label="What to tell them", required=False, max_length=500, help_text="Goes along with the page."
    )


class Priority(forms.Form):
    impact = forms.ChoiceField(label="Impact: how much is hurt", choices=LEVELS)
    urgency = forms.ChoiceField(label="Urgency: how soon it must be dealt with", choices=LEVELS)
    priority = forms.ChoiceField(
        label="Priority", required=False, choices=[("", "As the matrix says"), *((p, p) for p in rules.PRIORITIES)]
    )
    reason = forms.CharField(
        label="Why it differs from the matrix",
        required=False,
        max_length=500,
        help_text="Only for a priority of your own.",
    )


class Merge(forms.Form):
    target = forms.ChoiceField(label="Into", help_text="Its timeline goes on; the others are resolved and point to it.")

    def __init__(self, *args: object, ids: list[int], actor: Actor, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        rows = Incident.objects.filter(queries.readable(actor), state__in=rules.OPEN).order_by("-id")
        rows = rows.filter(pk__in=ids) if len(ids) > 1 else rows.exclude(pk__in=ids)
        choices = [(str(one.pk), f"INC-{one.pk} {one.title}"[:120]) for one in rows[:100]]
        set_choices(self, "target", choices)


class Declare(forms.Form):
    title = forms.CharField(
        label="What is wrong", max_length=1024, widget=forms.TextInput(attrs={"autofocus": True}),
        help_text="One line that a person who was just woken understands.",
    )  # fmt: skip
    service = forms.ModelChoiceField(
        label="Service", queryset=Service.objects.filter(enabled=True).order_by("name"), empty_label="Choose a service",
        help_text="Its policy decides who is paged, at once.",
    )  # fmt: skip
    urgency = forms.ChoiceField(label="Urgency", choices=LEVELS, initial="high")
    impact = forms.ChoiceField(label="Impact", required=False, choices=[("", "As the service's tier says"), *LEVELS])
    priority = forms.ChoiceField(
        label="Priority", required=False, choices=[("", "As the matrix says"), *((p, p) for p in rules.PRIORITIES)]
    )
    priority_reason = forms.CharField(label="Why this priority", required=False, max_length=500)
    details = forms.CharField(
        label="What is known so far", required=False, max_length=20_000, widget=forms.Textarea(attrs={"rows": 4})
    )
    confidential = forms.BooleanField(
        label="Confidential: only those who are called see it", required=False,
        help_text="And administrators. For security incidents and personal matters.",
    )  # fmt: skip
