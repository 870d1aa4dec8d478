"""How people are reached: contact methods, and the notification rules that use them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tocsin.api.pagerduty import fields, ids, users
from tocsin.api.pagerduty.asking import Answer, Asked, number_of
from tocsin.api.pagerduty.errors import Refused
from tocsin.delivery import numbers
from tocsin.people import actions, rules
from tocsin.people import queries as people
from tocsin.people.rules import ContactMethodSpec, NotificationRuleSpec

PHONES = {"phone_contact_method": "voice", "sms_contact_method": "sms"}
CHANNELS = {"email_contact_method": "email", **PHONES}
TYPES = {channel: kind for kind, channel in CHANNELS.items()}
PUSH = "push_notification_contact_method"  # everything else: push, ntfy, a webhook of one's own
TWICE = "User Contact method must be unique"
MINUTE = 60


def kind_of(method: Any) -> str:
    """PagerDuty's type of a contact method."""
    return TYPES.get(method.channel, PUSH)


def _named(asked: Asked, kind: str, number: int, user_id: int, summary: str) -> dict[str, Any]:
    plain = asked.thing(kind, number, summary)
    at = f"{asked.base}/users/{ids.write('user', user_id)}/{kind}s/{plain['id']}"
    return plain | {"self": at, "html_url": None}


def reference(asked: Asked, method: Any) -> dict[str, Any]:
    """A contact method, named only."""
    summary = method.label or method.channel
    named = _named(asked, "contact_method", method.pk, method.user_id, summary)
    return named | {"type": f"{kind_of(method)}_reference"}


def shape(asked: Asked, method: Any, *, own: bool) -> dict[str, Any]:
    """A contact method; ``own``: whoever asks may read the address."""
    kind = kind_of(method)
    found = reference(asked, method) | {
        "type": kind,
        "label": method.label or method.channel,
        "address": method.address if own else rules.mask(method.address),
        "enabled": method.disabled_at is None,
    }
    if kind in PHONES:
        code = numbers.country(method.address)
        found["country_code"] = int(code) if code != numbers.ELSEWHERE else 1
        found["blacklisted"] = False
        if own:
            found["address"] = method.address.removeprefix(code)
    elif kind == "email_contact_method":
        found["send_short_email"] = False
    else:
        found |= {"device_type": "android", "blacklisted": False, "sounds": []}
        found["address"] = rules.mask(method.address)  # a push address is a credential
    return found


def _spec(given: fields.Given, old: ContactMethodSpec | None = None, shown: Mapping[str, Any] | None = None) -> Any:
    """What is wanted of a contact method; what is not named stays as it was."""
    kind = fields.kind_of(given) or (str(shown["type"]) if shown else "")
    if shown and kind != shown["type"]:
        raise fields.wrong("type", "what it was; add another contact method instead")
    if kind == PUSH and shown and old:
        fields.usual(given, "address", shown["address"], instead="what it was; a device registers itself")
        return replace(old, label=fields.text(given, "label", 60, old.label))
    if kind not in CHANNELS:
        raise fields.wrong("type", f"one of {', '.join(CHANNELS)}; a device that gets push registers itself")
    address = fields.needed(given, "address", 1000, str(shown["address"]) if shown else "")
    if kind in PHONES:
        code = fields.whole(given, "country_code", 1, 1999, int(shown["country_code"]) if shown else 1)
        plain = "".join(char for char in address if char.isdigit())
        address = address if address.startswith("+") else f"+{code}{plain}"
    else:
        fields.usual(given, "send_short_email", False, instead="false: mails are short already")
    label = fields.text(given, "label", 60, old.label if old else "")
    if old is not None:
        return replace(old, address=address, label=label)
    return ContactMethodSpec(CHANNELS[kind], address, label)


def _method(asked: Asked, user_id: int, method: str) -> Any:
    number = fields.number("contact_method", method)
    row = next((one for one in people.contact_methods(asked.actor, user_id) if one.pk == number), None)
    if row is None:
        raise Refused(404)
    return row


def _shown(asked: Asked, row: Any) -> dict[str, Any]:
    return shape(asked, row, own=rules.may_edit_person(asked.actor, row.user_id))


def listed(asked: Asked, user: str) -> Answer:
    """How somebody is reached."""
    rows = people.contact_methods(asked.actor, users.found(asked, user).pk)
    return Answer({"contact_methods": [_shown(asked, row) for row in rows]})


def told(asked: Asked, user: str, method: str) -> Answer:
    """One contact method."""
    return Answer({"contact_method": _shown(asked, _method(asked, users.found(asked, user).pk, method))})


def create(asked: Asked, user: str) -> Answer:
    """One more way to reach somebody."""
    given, person = asked.given("contact_method"), users.found(asked, user)
    with fields.taken(TWICE):
        row = actions.add_contact_method(person.pk, _spec(given), actor=asked.actor)
    _switch(asked, row, given)
    return Answer(
        {"contact_method": _shown(asked, _method(asked, person.pk, ids.write("contact_method", row.pk)))}, 201
    )


def update(asked: Asked, user: str, method: str) -> Answer:
    """Change a contact method."""
    given, person = asked.given("contact_method"), users.found(asked, user)
    row = _method(asked, person.pk, method)
    rules.require_edit_person(asked.actor, person.pk)
    old = ContactMethodSpec(row.channel, row.address, row.label, row.config)
    with fields.taken(TWICE):
        actions.update_contact_method(row.pk, _spec(given, old, _shown(asked, row)), actor=asked.actor)
    _switch(asked, row, given)
    return told(asked, user, method)


def _switch(asked: Asked, row: Any, given: fields.Given) -> None:
    """Use a contact method, or stop using it."""
    wanted = fields.flag(given, "enabled", default=row.disabled_at is None)
    if wanted and row.disabled_at is not None:
        actions.enable_contact_methods([row.pk], actor=asked.actor)
    elif not wanted and row.disabled_at is None:
        actions.disable_contact_methods([row.pk], f"switched off by {asked.actor.name}", actor=asked.actor)


def delete(asked: Asked, user: str, method: str) -> Answer:
    """Remove a contact method with the rules that use it."""
    row = _method(asked, users.found(asked, user).pk, method)
    actions.delete_contact_methods([row.pk], actor=asked.actor)
    return Answer(None, 204)


# -- notification rules ------------------------------------------------------------------------------------------------


def rule_reference(asked: Asked, row: Any) -> dict[str, Any]:
    """A notification rule, named only."""
    summary = f"{row.delay_s // MINUTE} minutes: {row.contact_method.label or row.contact_method.channel}"
    named = _named(asked, "notification_rule", row.pk, row.user_id, summary)
    return named | {"type": "assignment_notification_rule_reference"}


def rule_shape(asked: Asked, row: Any, *, own: bool) -> dict[str, Any]:
    """A notification rule."""
    whole = asked.includes("contact_methods")
    method = row.contact_method
    return rule_reference(asked, row) | {
        "type": "assignment_notification_rule",
        "start_delay_in_minutes": row.delay_s // MINUTE,
        "contact_method": shape(asked, method, own=own) if whole else reference(asked, method),
        "urgency": row.urgency,
    }


def _rules(asked: Asked, user_id: int) -> list[Any]:
    return people.notification_rules(asked.actor, user_id)


def _rule(asked: Asked, user_id: int, rule: str) -> Any:
    number = fields.number("notification_rule", rule)
    row = next((one for one in _rules(asked, user_id) if one.pk == number), None)
    if row is None:
        raise Refused(404)
    return row


def _rule_shown(asked: Asked, row: Any) -> dict[str, Any]:
    return rule_shape(asked, row, own=rules.may_edit_person(asked.actor, row.user_id))


def _rule_spec(asked: Asked, user_id: int, given: fields.Given, old: Any = None) -> NotificationRuleSpec:
    delay, method, urgency = 0, None, ""
    if old is not None:
        delay, method, urgency = old.delay_s, old.contact_method, old.urgency
    if (old is None or "start_delay_in_minutes" in given) and (
        minutes := fields.whole(given, "start_delay_in_minutes", 0, rules.MAX_DELAY_S // MINUTE)
    ) != delay // MINUTE:
        delay = minutes * MINUTE
    if old is None or "contact_method" in given:
        number = number_of("contact_method", given.get("contact_method"), "contact_method")
        # addresses as they are kept: who may change the rules may read them
        rules.require_edit_person(asked.actor, user_id)
        method = next((one for one in people.contact_methods(asked.actor, user_id) if one.pk == number), None)
        if method is None:
            raise fields.wrong("contact_method", "one of the person's contact methods")
    if old is None or "urgency" in given:
        urgency = fields.chosen(given, "urgency", {one: one for one in rules.URGENCIES}, "")
        if not urgency:
            raise fields.wrong("urgency", "high or low")
    fields.usual(given, "type", "assignment_notification_rule", "assignment_notification_rule_reference",
                 instead="assignment_notification_rule")  # fmt: skip
    return NotificationRuleSpec(urgency, getattr(method, "channel", ""), getattr(method, "address", ""), delay)


def rules_listed(asked: Asked, user: str) -> Answer:
    """Somebody's notification rules."""
    wanted = asked.query.get("urgency") or "high"
    if wanted not in ("high", "low", "all"):
        raise Refused(400, ["urgency: high, low or all"], code=2002)
    rows = _rules(asked, users.found(asked, user).pk)
    rows = [row for row in rows if wanted in ("all", row.urgency)]
    return Answer({"notification_rules": [_rule_shown(asked, row) for row in rows]})


def rule_told(asked: Asked, user: str, rule: str) -> Answer:
    """One notification rule."""
    return Answer({"notification_rule": _rule_shown(asked, _rule(asked, users.found(asked, user).pk, rule))})


def rule_create(asked: Asked, user: str) -> Answer:
    """One more notification rule."""
    given, person = asked.given("notification_rule"), users.found(asked, user)
    spec = _rule_spec(asked, person.pk, given)
    with fields.naming(delay_s="start_delay_in_minutes"):
        row = actions.add_notification_rule(person.pk, spec, actor=asked.actor)
    return Answer({"notification_rule": _rule_shown(asked, row)}, 201)


def rule_update(asked: Asked, user: str, rule: str) -> Answer:
    """Change a notification rule."""
    given, person = asked.given("notification_rule"), users.found(asked, user)
    row = _rule(asked, person.pk, rule)
    spec = _rule_spec(asked, person.pk, given, row)
    with fields.naming(delay_s="start_delay_in_minutes"):
        row = actions.update_notification_rule(row.pk, spec, actor=asked.actor)
    return Answer({"notification_rule": _rule_shown(asked, row)})


def rule_delete(asked: Asked, user: str, rule: str) -> Answer:
    """Remove a notification rule."""
    row = _rule(asked, users.found(asked, user).pk, rule)
    actions.delete_notification_rules([row.pk], actor=asked.actor)
    return Answer(None, 204)


def none_of_handoff(asked: Asked, user: str) -> Answer:
    """Reminders of shifts go to everybody alike, by no rules of their own."""
    users.found(asked, user)
    return Answer({"oncall_handoff_notification_rules": []})


def none_of_status(asked: Asked, user: str) -> Answer:
    """There are no rules of their own for status updates."""
    users.found(asked, user)
    return Answer({"status_update_notification_rules": []})


_METHOD = "/users/{id}/contact_methods/{contact_method_id}"
_RULE = "/users/{id}/notification_rules/{notification_rule_id}"
ROUTES = (
    ("GET", "/users/{id}/contact_methods", listed),
    ("POST", "/users/{id}/contact_methods", create),
    ("GET", _METHOD, told),
    ("PUT", _METHOD, update),
    ("DELETE", _METHOD, delete),
    ("GET", "/users/{id}/notification_rules", rules_listed),
    ("POST", "/users/{id}/notification_rules", rule_create),
    ("GET", _RULE, rule_told),
    ("PUT", _RULE, rule_update),
    ("DELETE", _RULE, rule_delete),
    ("GET", "/users/{id}/oncall_handoff_notification_rules", none_of_handoff),
    ("GET", "/users/{id}/status_update_notification_rules", none_of_status),
)
