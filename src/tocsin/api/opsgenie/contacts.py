"""How people are reached, in Opsgenie's words: contacts, and the notification rules that use them (read only)."""

from collections.abc import Mapping
from typing import Any

import phonenumbers

from tocsin.api.opsgenie.managing import Answer, Call, created, data, missing, needed, person, speaking, told, wrong
from tocsin.api.opsgenie.names import made_id, number_of
from tocsin.people import actions
from tocsin.people import queries as people
from tocsin.people.models import ContactMethod, User
from tocsin.people.rules import ContactMethodSpec, require_edit_person

METHODS = {"email": "email", "sms": "sms", "voice": "voice"}
MOBILE = frozenset({"pocket", "webpush", "unifiedpush", "ntfy"})
PUSH = "email, sms or voice; for pushes the person sets up their device on their own page"
URGENCIES = {"high": "Urgent pages", "low": "Pages that can wait"}


def _method(contact: ContactMethod) -> str:
    return "mobile" if contact.channel in MOBILE else METHODS.get(contact.channel, "")


def _to(contact: ContactMethod) -> str:
    """The address; numbers as Opsgenie writes them: country code, hyphen, the rest."""
    if contact.channel not in ("sms", "voice") or not contact.address.startswith("+"):
        return contact.address
    try:
        number = phonenumbers.parse(contact.address, None)
    except phonenumbers.NumberParseException:
        return contact.address
    return f"{number.country_code}-{phonenumbers.national_significant_number(number)}"


def _address(channel: str, to: str) -> str:
    """The inverse of ``_to``: ``41-791234567`` is ``+41791234567``."""
    if channel == "email" or to.startswith(("+", "00")):
        return to
    return "+" + to.replace("-", "").replace(" ", "")


def _contacts(call: Call, user: User) -> list[ContactMethod]:
    """The person's contact methods that Opsgenie has a word for."""
    return [row for row in people.contact_methods(call.actor, user.pk) if _method(row)]


def _contact(call: Call, user: User, text: str) -> ContactMethod:
    number = number_of("contact", text)
    row = next((row for row in _contacts(call, user) if row.pk == number), None)
    if row is None:
        raise missing("Contact", text)
    return row


def _status(contact: ContactMethod) -> dict[str, Any]:
    known: dict[str, Any] = {"enabled": contact.disabled_at is None}
    return known if contact.disabled_at is None else known | {"disabledReason": contact.disabled_reason}


def _shape(contact: ContactMethod) -> dict[str, Any]:
    return {
        "id": made_id("contact", contact.pk),
        "method": _method(contact),
        "to": _to(contact),
        "status": _status(contact),
    }


def short(call: Call, user: User) -> list[dict[str, Any]]:
    """Contacts as they stand within a user."""
    return [
        {"id": made_id("contact", row.pk), "contactMethod": _method(row), "to": _to(row), **_status(row)}
        for row in _contacts(call, user)
    ]


def listed(call: Call, identifier: str) -> Answer:
    """How a person is reached."""
    rows = _contacts(call, person(call, identifier))
    return data([_shape(row) | {"applyOrder": place} for place, row in enumerate(rows)])


def one(call: Call, identifier: str, contact: str) -> Answer:
    """One way to reach a person."""
    return data(_shape(_contact(call, person(call, identifier), contact)))


def create(call: Call, identifier: str) -> Answer:
    """Add a way to reach a person; it is used at once and verified when the person says so."""
    user = person(call, identifier)
    method = needed(call.body, "method", limit=20).lower()
    if method not in METHODS:
        raise wrong("method", PUSH)
    spec = ContactMethodSpec(METHODS[method], _address(method, needed(call.body, "to", limit=300)))
    with speaking(address="to", channel="method"):
        row = actions.add_contact_method(user.pk, spec, actor=call.actor)
    return created(id=made_id("contact", row.pk))


def update(call: Call, identifier: str, contact: str) -> Answer:
    """Give a contact another address, which has to be verified again."""
    user = person(call, identifier)
    require_edit_person(call.actor, user.pk)  # a masked address must not become the real one
    row = _contact(call, user, contact)
    if _method(row) == "mobile":
        raise wrong("to", "a device is changed by the person on their own page")
    spec = ContactMethodSpec(
        row.channel, _address(row.channel, needed(call.body, "to", limit=300)), row.label, row.config
    )
    with speaking(address="to"):
        actions.update_contact_method(row.pk, spec, actor=call.actor)
    return told("Updated", id=made_id("contact", row.pk))


def delete(call: Call, identifier: str, contact: str) -> Answer:
    """Remove a way to reach a person."""
    row = _contact(call, person(call, identifier), contact)
    actions.delete_contact_methods([row.pk], actor=call.actor)
    return told("Deleted")


def enable(call: Call, identifier: str, contact: str) -> Answer:
    """Use a contact again."""
    row = _contact(call, person(call, identifier), contact)
    actions.enable_contact_methods([row.pk], actor=call.actor)
    return told("Enabled", id=made_id("contact", row.pk))


def disable(call: Call, identifier: str, contact: str) -> Answer:
    """Stop using a contact."""
    row = _contact(call, person(call, identifier), contact)
    actions.disable_contact_methods([row.pk], "switched off through Opsgenie's API", actor=call.actor)
    return told("Disabled", id=made_id("contact", row.pk))


# -- notification rules ------------------------------------------------------------------------------------------------


def _rule_meta(user: User, place: int, urgency: str) -> dict[str, Any]:
    return {
        "id": made_id("rule", user.pk * 2 + place),
        "name": URGENCIES[urgency],
        "actionType": "create-alert",
        "order": place,
        "enabled": True,
    }


def _steps(call: Call, user: User, urgency: str) -> list[dict[str, Any]]:
    shown: Mapping[int, ContactMethod] = {row.pk: row for row in _contacts(call, user)}
    place = list(URGENCIES).index(urgency)
    rows = user.notification_rules.filter(urgency=urgency).order_by("delay_s", "position")
    return [
        {
            "_parent": {"id": made_id("rule", user.pk * 2 + place), "name": URGENCIES[urgency]},
            "id": made_id("step", row.pk),
            "sendAfter": _duration(row.delay_s),
            "contact": {"method": _method(shown[row.contact_method_id]), "to": _to(shown[row.contact_method_id])},
            "enabled": shown[row.contact_method_id].disabled_at is None,
        }
        for row in rows
        if row.contact_method_id in shown
    ]


def _duration(seconds: int) -> dict[str, Any]:
    if seconds % 60:
        return {"timeAmount": seconds, "timeUnit": "seconds"}
    return {"timeAmount": seconds // 60, "timeUnit": "minutes"}


def rules(call: Call, identifier: str) -> Answer:
    """When a person's contacts are used: a rule for urgent pages and one for those that can wait."""
    user = person(call, identifier)
    return data([_rule_meta(user, place, urgency) for place, urgency in enumerate(URGENCIES)])


def _rule(user: User, text: str) -> tuple[int, str]:
    number = number_of("rule", text)
    for place, urgency in enumerate(URGENCIES):
        if number == user.pk * 2 + place:
            return place, urgency
    raise missing("Notification rule", text)


def rule(call: Call, identifier: str, rule_identifier: str) -> Answer:
    """One rule with its steps."""
    user = person(call, identifier)
    place, urgency = _rule(user, rule_identifier)
    return data(_rule_meta(user, place, urgency) | {"steps": _steps(call, user, urgency)})


def steps(call: Call, identifier: str, rule_identifier: str) -> Answer:
    """The steps of a rule: which contact after how long."""
    user = person(call, identifier)
    return data(_steps(call, user, _rule(user, rule_identifier)[1]))


def step(call: Call, identifier: str, rule_identifier: str, step_identifier: str) -> Answer:
    """One step of a rule."""
    known: list[dict[str, Any]] = steps(call, identifier, rule_identifier)[1]["data"]
    for one_step in known:
        if one_step["id"] == step_identifier.lower():
            return data(one_step)
    raise missing("Step", step_identifier)
