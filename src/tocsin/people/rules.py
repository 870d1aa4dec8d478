"""Who may do what, and what makes a person or a team valid. Pure: plain values in, plain values out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from tocsin.platform.actor import Actor
from tocsin.platform.errors import Forbidden


class Deed(StrEnum):
    """What an actor may want to do; the least role that may is in ``MAY``."""

    READ = "read"
    RESPOND = "respond"  # acknowledge, resolve, note, escalate ... any incident
    OVERRIDE = "override"  # put a person on call
    CONFIGURE = "configure"  # services, sources, schedules, policies, rules of a team
    ADMINISTER = "administer"  # people, tokens of others, organisation settings


RANK = {"observer": 0, "responder": 1, "manager": 2, "admin": 3}
MAY = {Deed.READ: 0, Deed.RESPOND: 1, Deed.OVERRIDE: 1, Deed.CONFIGURE: 2, Deed.ADMINISTER: 3}
SCOPE = {
    Deed.READ: {"read", "respond", "configure", "admin"},
    Deed.RESPOND: {"respond", "configure", "admin"},
    Deed.OVERRIDE: {"respond", "configure", "admin"},
    Deed.CONFIGURE: {"configure", "admin"},
    Deed.ADMINISTER: {"admin"},
}
SCOPES = ("read", "respond", "configure", "admin")


def may(actor: Actor | None, deed: Deed, team_id: int | None = None) -> bool:
    """Whether ``actor`` may do ``deed``, for the things of a team when ``team_id`` is given.

    A responder who manages the team may configure what the team owns.
    """
    if actor is None:
        return False
    if actor.kind == "system":
        return True
    if actor.scopes is not None and not actor.scopes & SCOPE[deed]:
        return False
    if RANK.get(actor.role, 0) >= MAY[deed]:
        return True
    return deed is Deed.CONFIGURE and team_id is not None and team_id in actor.managed


def require(actor: Actor | None, deed: Deed, team_id: int | None = None) -> None:
    """Raise Forbidden unless ``may``."""
    if not may(actor, deed, team_id):
        who = actor.name if actor else "Somebody who is not signed in"
        raise Forbidden(f"{who} may not {deed.value} here; ask an administrator for the right role or token scope.")


def may_edit_person(actor: Actor | None, user_id: int) -> bool:
    """Whether ``actor`` may change how a person is reached: the person themselves, and administrators.

    A token of the person needs the scope ``configure``: one that may only respond must not redirect pages.
    """
    if may(actor, Deed.ADMINISTER):
        return True
    if actor is None or actor.kind not in ("user", "token") or actor.user_id != user_id:
        return False
    return actor.scopes is None or bool(actor.scopes & SCOPE[Deed.CONFIGURE])


def require_edit_person(actor: Actor | None, user_id: int) -> None:
    """Raise Forbidden unless ``may_edit_person``."""
    if not may_edit_person(actor, user_id):
        raise Forbidden("Only the person themselves and administrators may change this.")


ROLES = tuple(RANK)
URGENCIES = ("high", "low")
TEAM_ROLES = ("manager", "member")
MAX_DELAY_S = 24 * 3600
# a slug must not look like a primary key: both name a thing in addresses and on the command line
SLUG = re.compile(r"(?=.*[a-z])[a-z0-9](?:[a-z0-9_-]{0,98}[a-z0-9])?")
# RFC 5321 limits, and no more opinion on what a mailbox may be called than that
EMAIL = re.compile(r"[^\s@<>(),;:\\\"\[\]]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class ContactMethodSpec:
    """One way to reach a person.

    ``config`` holds what else the channel asks for. Secrets go in through ``secret``, encrypted, and never come out.
    """

    channel: str
    address: str
    label: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    secret: str | None = None  # None: leave what is stored


@dataclass(frozen=True, slots=True)
class NotificationRuleSpec:
    """For pages of ``urgency``, use the contact method with this channel and address after ``delay_s`` seconds."""

    urgency: str
    channel: str
    address: str
    delay_s: int = 0


@dataclass(frozen=True, slots=True)
class UserSpec:
    """A person as configuration; ``email`` is the natural key. ``None`` for a list means: leave it as it is."""

    email: str
    name: str
    zone: str = "UTC"
    role: str = "responder"
    contact_methods: list[ContactMethodSpec] | None = None
    rules: list[NotificationRuleSpec] | None = None
    active: bool = True
    manager: str = ""  # the manager's e-mail address
    quiet: str = ""  # "22:00-07:00" on their own clock: pages of low urgency wait until it is over


@dataclass(frozen=True, slots=True)
class TeamSpec:
    """A team as configuration; ``slug`` is the natural key, made from the name when empty.

    ``members`` maps e-mail addresses to ``manager`` or ``member``; None: leave them as they are.
    """

    name: str
    slug: str = ""
    description: str = ""
    members: dict[str, str] | None = None


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def known_zone(zone: str) -> bool:
    """Whether this is the name of an IANA time zone."""
    return zone in _zones()


def one_of(values: Iterable[str]) -> str:
    """``a, b or c``: what would be right, for a problem's text."""
    *most, last = list(values)
    return f"{', '.join(most)} or {last}" if most else last


def check_email(email: str) -> str | None:
    """What is wrong with an e-mail address, or None."""
    if len(email) > 254 or not EMAIL.fullmatch(email) or ".." in email:
        return "an e-mail address such as alice@example.org"
    return None


def check_slug(slug: str) -> str | None:
    """What is wrong with a slug, or None."""
    if not SLUG.fullmatch(slug):
        return "up to 100 small letters, digits, - and _, at least one letter"
    return None


def check_contact_method(spec: ContactMethodSpec, channels: Iterable[str]) -> dict[str, str]:
    """Problems of one contact method by field; ``channels`` are the names of the installed ones."""
    problems: dict[str, str] = {}
    known = sorted(channels)
    if spec.channel not in known:
        problems["channel"] = f"one of the installed channels: {one_of(known) if known else 'none is installed'}"
    if not spec.address.strip() or len(spec.address) > 1000 or "\x00" in spec.address:
        problems["address"] = "1 to 1,000 characters"
    elif spec.channel == "email" and (wrong := check_email(spec.address.strip())):
        problems["address"] = wrong
    if len(spec.label) > 60 or "\x00" in spec.label:
        problems["label"] = "up to 60 characters"
    return problems


def quiet_hours(text: str) -> tuple[int, int] | None:
    """``22:00-07:00`` -> (1320, 420), minutes of the day; empty: None. Raises ValueError that says what is right."""
    if not text.strip():
        return None
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)", text.strip())
    if found is None or found[1] + found[2] == found[3] + found[4]:
        raise ValueError("from and to, such as 22:00-07:00, or empty")
    start, end = (int(found[n]) * 60 + int(found[n + 1]) for n in (1, 3))
    return start, end


def quiet_text(start: int | None, end: int | None) -> str:
    """The inverse of ``quiet_hours``."""
    if start is None or end is None:
        return ""
    return f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"


def check_user(spec: UserSpec, channels: Iterable[str]) -> dict[str, str]:
    """Problems of a person by dotted field name; empty when all is well."""
    problems: dict[str, str] = {}
    if wrong := check_email(spec.email.strip()):
        problems["email"] = wrong
    if not spec.name.strip() or len(spec.name) > 150 or "\x00" in spec.name:
        problems["name"] = "1 to 150 characters"
    if not known_zone(spec.zone):
        problems["zone"] = "an IANA time zone such as Europe/Zurich"
    if spec.role not in ROLES:
        problems["role"] = one_of(ROLES)
    try:
        quiet_hours(spec.quiet)
    except ValueError as error:
        problems["quiet"] = str(error)
    if spec.manager and spec.manager.strip().lower() == spec.email.strip().lower():
        problems["manager"] = "somebody else: nobody is their own manager"
    names = list(channels)
    seen: set[tuple[str, str]] = set()
    for number, method in enumerate(spec.contact_methods or []):
        for name, text in check_contact_method(method, names).items():
            problems[f"contact_methods.{number}.{name}"] = text
        key = (method.channel, method.address.strip())
        if key in seen:
            problems[f"contact_methods.{number}.address"] = "each channel and address once"
        seen.add(key)
    for number, rule in enumerate(spec.rules or []):
        where = f"rules.{number}"
        if rule.urgency not in URGENCIES:
            problems[f"{where}.urgency"] = one_of(URGENCIES)
        if not 0 <= rule.delay_s <= MAX_DELAY_S:
            problems[f"{where}.delay_s"] = f"0 to {MAX_DELAY_S} seconds"
        if spec.contact_methods is not None and (rule.channel, rule.address.strip()) not in seen:
            problems[f"{where}.address"] = "channel and address of one of the person's contact methods"
    return problems


def check_team(spec: TeamSpec) -> dict[str, str]:
    """Problems of a team by dotted field name; empty when all is well. ``slug`` must be filled in already."""
    problems: dict[str, str] = {}
    if not spec.name.strip() or len(spec.name) > 100 or "\x00" in spec.name:
        problems["name"] = "1 to 100 characters"
    if wrong := check_slug(spec.slug):
        problems["slug"] = wrong
    for email, role in (spec.members or {}).items():
        if role not in TEAM_ROLES:
            problems[f"members.{email}"] = one_of(TEAM_ROLES)
    return problems


def default_rules(methods: list[tuple[str, str]]) -> list[NotificationRuleSpec]:
    """Notification rules for a person who has made none: every (channel, address) in turn, two minutes apart, for
    high urgency; the first one only for low urgency."""
    rules = [
        NotificationRuleSpec(urgency="high", channel=channel, address=address, delay_s=120 * number)
        for number, (channel, address) in enumerate(methods)
    ]
    if methods:
        rules.append(NotificationRuleSpec(urgency="low", channel=methods[0][0], address=methods[0][1]))
    return rules


def mask(address: str) -> str:
    """An address as others than its owner may see it: enough to recognise it, not enough to use it."""
    if "@" in address and "/" not in address:
        name, _, domain = address.partition("@")
        return f"{name[:1]}…@{domain}"
    return f"{address[:4]}…{address[-2:]}" if len(address) > 8 else "…"


def holds_credential(channel: str, address: str) -> bool:
    """Whether an address is itself a secret: every Apprise URL, every subscription to push, and any URL with a name
    or password before its host."""
    if channel in ("apprise", "webpush", "unifiedpush"):
        return True
    _, found, rest = address.partition("://")
    return bool(found) and "@" in rest.partition("/")[0]


def check_scopes(scopes: Iterable[str]) -> dict[str, str]:
    """Problems of a token's scopes."""
    chosen = list(scopes)
    if not chosen or set(chosen) - set(SCOPES):
        return {"scopes": f"one or more of {one_of(SCOPES)}"}
    return {}


def may_create_token(actor: Actor | None, user_id: int) -> bool:
    """Whether ``actor`` may make a token that acts for the person ``user_id``.

    A person for themselves when signed in; administrators for everybody. A narrowed token may not make wider ones:
    only one with the scope ``admin`` may make tokens at all.
    """
    if may(actor, Deed.ADMINISTER):
        return True
    if actor is None or actor.kind not in ("user", "token") or actor.user_id != user_id:
        return False
    return actor.scopes is None or "admin" in actor.scopes
