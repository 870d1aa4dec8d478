"""Every write to people: users, teams, contact methods, tokens, sign-in."""

from tocsin.people.actions.contact_methods import (
    add_contact_method,
    channel_names,
    delete_contact_methods,
    disable_contact_methods,
    enable_contact_methods,
    set_notification_rules,
    update_contact_method,
    verify_contact_methods,
)
from tocsin.people.actions.crowd import add_users
from tocsin.people.actions.notification_rules import (
    add_notification_rule,
    delete_notification_rules,
    update_notification_rule,
)
from tocsin.people.actions.teams import delete_teams, remove_members, save_team, set_members
from tocsin.people.actions.tokens import create_token, revoke_tokens
from tocsin.people.actions.users import delete_users, save_user, set_active, set_quiet_hours, set_theme

__all__ = [
    "add_contact_method",
    "add_notification_rule",
    "add_users",
    "channel_names",
    "create_token",
    "delete_contact_methods",
    "delete_notification_rules",
    "delete_teams",
    "delete_users",
    "disable_contact_methods",
    "enable_contact_methods",
    "remove_members",
    "revoke_tokens",
    "save_team",
    "save_user",
    "set_active",
    "set_members",
    "set_notification_rules",
    "set_quiet_hours",
    "set_theme",
    "update_contact_method",
    "update_notification_rule",
    "verify_contact_methods",
]
