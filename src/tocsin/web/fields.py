"""Form fields that several rooms use."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

from django import forms

from tocsin.delivery.contract import Field


class LocalMoment(forms.DateTimeField):
    """A moment as people write it, without a zone: what comes out is naive; the view knows whose wall clock it is."""

    def __init__(self, **more: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(widget=widget, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"], **more)

    def to_python(self, value: Any) -> datetime | None:
        moment = super().to_python(value)
        return moment.replace(tzinfo=None) if moment else None

    def prepare_value(self, value: Any) -> Any:
        return value.strftime("%Y-%m-%dT%H:%M") if isinstance(value, datetime) else value


class Minutes(forms.FloatField):
    """Minutes on the page, seconds (an int) in the form's data; the field's initial value is in seconds too."""

    def __init__(self, **more: Any) -> None:
        more.setdefault("min_value", 0)
        super().__init__(widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}), **more)

    def clean(self, value: Any) -> Any:
        minutes = super().clean(value)
        return None if minutes is None else round(minutes * 60)

    def prepare_value(self, value: Any) -> Any:
        return f"{value / 60:g}" if isinstance(value, int) else value


class Zone(forms.CharField):
    """An IANA time zone; the browser offers the known ones."""

    def __init__(self, **more: Any) -> None:
        more.setdefault("help_text", "An IANA zone such as Europe/Berlin.")
        super().__init__(max_length=60, **more)
        self.widget.attrs |= {"list": "zones", "autocomplete": "off", "spellcheck": "false"}

    def clean(self, value: Any) -> str:
        zone = str(super().clean(value))
        if zone and zone not in available_timezones():
            raise forms.ValidationError("There is no such zone; write an IANA name such as Europe/Berlin.")
        return zone


def choice(items: Iterable[tuple[Any, str]], empty: str | None = None) -> list[tuple[str, str]]:
    """Choices of a select; with ``empty`` as the first one, which stands for nothing."""
    choices = [(str(value), text) for value, text in items]
    return choices if empty is None else [("", empty), *choices]


def set_choices(form: forms.Form, name: str, choices: Iterable[tuple[str, str]]) -> None:
    """Set what a select of a form offers. Raises TypeError where the field is none."""
    field = form.fields[name]
    if not isinstance(field, forms.ChoiceField):
        raise TypeError(f"{name} offers no choices")
    field.choices = list(choices)


def zones() -> list[str]:
    """Zones to offer: those of regions, sorted."""
    return sorted(
        zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix/", "right/"))
    )


class PhoneInput(forms.TextInput):
    """A field for which phones show their dialling keys."""

    input_type = "tel"


def form_field(item: Field) -> forms.Field:
    """A form's field for one of a descriptor."""
    common: dict[str, Any] = {
        "label": item.label,
        "help_text": item.hint,
        "required": item.required,
        "initial": item.default,
    }
    if item.kind == "bool":
        return forms.BooleanField(**(common | {"required": False}))
    if item.choices:
        return forms.ChoiceField(choices=item.choices, **common)
    widgets: dict[str, type[forms.Widget]] = {"email": forms.EmailInput, "url": forms.URLInput, "phone": PhoneInput}
    widget = widgets.get(item.kind, forms.TextInput)()
    if item.kind == "secret":
        widget = forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False)
    if item.placeholder:
        widget.attrs["placeholder"] = item.placeholder
    return forms.CharField(max_length=item.max_length, widget=widget, **common)
