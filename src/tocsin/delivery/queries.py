"""What others may read of delivery: deliveries and attempts, what a message will say, the pocket, and how it goes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.db.models import Count, F, Min, Prefetch, Q, QuerySet

from tocsin.delivery import rules
from tocsin.delivery.contract import Channel, IncidentFacts, Link, Message, Method
from tocsin.delivery.models import WAITING, Attempt, Delivery, PocketMessage, Webhook
from tocsin.delivery.rules import Claimed
from tocsin.incidents.queries import readable
from tocsin.people.actions import verifying
from tocsin.people.rules import Deed, may, require
from tocsin.platform import clock, plugins, prepared, secrets
from tocsin.platform.actor import Actor
from tocsin.platform.canary import SINK

GROUP = "tocsin.channels"
ALONE = ("test", "notice", "code", "check")  # messages that are about no incident


# --- channels -----------------------------------------------------------------------------------------------------


def channels() -> dict[str, Channel]:
    """All channels that are installed and work, by kind: a broken one must not stop everybody's pages."""
    return cast(dict[str, Channel], plugins.loadable(GROUP))


def check_method(
    channel: str, address: object, secret: object = "", config: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """What is wrong with a contact method somebody wants to save, by field name; empty when nothing is."""
    known = channels()
    if channel not in known:
        return {"channel": "must be one of " + ", ".join(known)}
    return known[channel].descriptor.check(address, secret, config)


# --- composing ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prepared:
    """A claimed delivery with everything its message needs; ``problem`` says why it cannot be sent at all."""

    delivery: Claimed
    method: Method
    to: str = ""
    incident: IncidentFacts | None = None
    reason: object = None
    others: tuple[str, ...] = ()
    problem: str = ""
    zone: str = "UTC"
    notice: tuple[str, str, str, str] | None = None  # title, body, path, the mail that it answers

    @property
    def why(self) -> str:
        """Why this person, in a clause; worked out when somebody asks, as most messages of a storm never do."""
        return rules.why_of(_json(self.reason)) if self.reason is not None else ""

    @property
    def mailbox(self) -> tuple[str, object, str]:
        """Deliveries of one mailbox may become one message; an answer belongs to its thread and goes alone."""
        if self.notice is not None and self.notice[3]:
            return (self.delivery.channel, self.delivery.key, self.delivery.kind)
        return (self.delivery.channel, self.method.id or self.method.address, self.delivery.kind)


@lru_cache(maxsize=4096)
def _clear(stored: str) -> str:
    return secrets.decrypt(stored)


_INCIDENTS = """
SELECT i.id, i.title, i.state, i.priority, i.urgency, i.severity, i.service_id, s.name, i.opened_at, i.updated_at,
       i.alert_count, i.drill, coalesce(u.name, ''), i.confidential
FROM incidents_incident i JOIN catalogue_service s ON s.id = i.service_id
LEFT JOIN people_user u ON u.id = i.acknowledged_by_id WHERE i.id = ANY(%s)
"""
_PAGES = """
SELECT p.id, p.incident_id, p.generation, p.user_id, u.name, CASE WHEN p.id = ANY(%s) THEN p.reason END
FROM escalation_page p LEFT JOIN people_user u ON u.id = p.user_id
JOIN incidents_incident i ON i.id = p.incident_id AND i.generation = p.generation
WHERE p.incident_id = ANY(%s) ORDER BY p.id
"""
_NOTICES = """
SELECT n.id, n.title, n.body, n.path, coalesce(m.message_id, '') FROM delivery_notice n
LEFT JOIN delivery_incoming_mail m ON m.notice_id = n.id WHERE n.id = ANY(%s)
"""
_METHODS = """
SELECT u.id, u.name, u.is_active, u.zone, m.id, m.secret, m.config, m.label, m.disabled_at IS NOT NULL,
       m.disabled_reason
FROM people_user u LEFT JOIN people_contact_method m ON m.user_id = u.id AND m.id = ANY(%s) WHERE u.id = ANY(%s)
"""


def prepare(deliveries: Sequence[Claimed]) -> list[Prepared]:
    """Everything that the messages of these deliveries need, in three queries for all of them, in the order given."""
    incident_ids = sorted({item.incident_id for item in deliveries if item.incident_id})
    page_ids = sorted({item.page_id for item in deliveries if item.page_id})
    user_ids = sorted({item.user_id for item in deliveries if item.user_id})
    method_ids = sorted({item.contact_method_id for item in deliveries if item.contact_method_id})
    base = settings.TOCSIN.public_url
    few = len(deliveries) <= prepared.FEW
    notice_ids = [one for item in deliveries if item.kind == "notice" and (one := rules.notice_id(item.key))]
    notices: dict[int, tuple[str, str, str, str]] = {}
    if notice_ids:
        notices = {row[0]: row[1:] for row in prepared.fetch(_NOTICES, [notice_ids], few=few)}
    incidents: dict[int, IncidentFacts] = {}
    why: dict[int, object] = {}
    names: dict[tuple[int, int], dict[int, str]] = {}
    users: dict[int, tuple[str, bool, str]] = {}
    methods: dict[int, tuple[int, str, Any, str, bool, str]] = {}
    if incident_ids:
        for row in prepared.fetch(_INCIDENTS, [incident_ids], few=few):
            facts = IncidentFacts(*[*row[:10], f"{base}/incidents/{row[0]}/", *row[10:]])
            incidents[row[0]] = rules.redacted(facts) if facts.confidential else facts
    if page_ids:
        for page, incident_id, generation, user, name, reason in prepared.fetch(
            _PAGES, [page_ids, incident_ids], few=few
        ):
            if user is not None:
                names.setdefault((incident_id, generation), {})[user] = name
            if reason is not None:
                why[page] = reason
    if user_ids:
        for row in prepared.fetch(_METHODS, [method_ids, user_ids], few=few):
            user, name, active, zone, method_id, secret, config, label, disabled, disabled_reason = row
            users[user] = (name, active, zone)
            if method_id is not None:
                methods[method_id] = (user, secret, _json(config), label, disabled, disabled_reason)
    hooks = _webhooks({hook for item in deliveries if (hook := rules.webhook_id(item.key))})
    result = []
    for item in deliveries:
        name, active, zone = users.get(item.user_id or 0, ("", True, "UTC"))
        found = methods.get(item.contact_method_id or 0)
        problem = ""
        method = Method(address=item.address, user_id=item.user_id)
        if found:
            try:
                secret = _clear(found[1]) if found[1] else ""
            except secrets.SecretUnreadable:
                secret, problem = "", "its secret was stored under another TOCSIN_SECRET_KEY"
            method = Method(item.address, secret, found[2] or {}, found[3], item.user_id, item.contact_method_id)
            if found[4]:
                problem = f"the contact method is disabled: {found[5]}"
        elif item.user_id:
            problem = "the contact method was removed"
        elif hook := rules.webhook_id(item.key):
            name, method, problem = hooks.get(hook, ("", method, "the webhook was removed"))
        if not active:
            problem = "the person's account is disabled"
        incident = incidents.get(item.incident_id or 0)
        notice = notices.get(rules.notice_id(item.key) or 0) if item.kind == "notice" else None
        if item.kind == "notice" and notice is None:
            problem = "the notice is gone"
        elif item.kind not in ALONE and incident is None:
            problem = "the incident is gone"
        everyone = names.get((item.incident_id or 0, item.generation or 0), {})
        others = tuple(other for user, other in everyone.items() if user != item.user_id)
        reason = why.get(item.page_id or 0)
        if incident is not None and incident.confidential:  # policies, teams and names tell what it is about
            others, reason = (), None
        result.append(Prepared(item, method, name, incident, reason, others, problem, zone, notice))
    return result


def _webhooks(ids: set[int]) -> dict[int, tuple[str, Method, str]]:
    """Webhooks by id: name, where the message goes, and why it cannot."""
    found = {}
    for row in Webhook.objects.filter(pk__in=ids) if ids else ():
        problem = "" if row.enabled else "the webhook is switched off"
        try:
            secret = _clear(row.secret) if row.secret else ""
            config = {"authorization": _clear(row.authorization)} if row.authorization else {}
            config["format"] = row.format
        except secrets.SecretUnreadable:
            secret, config, problem = "", {}, "its secret was stored under another TOCSIN_SECRET_KEY"
        found[row.pk] = (row.name, Method(row.url, secret, config, row.name), problem)
    return found


def _json(value: object) -> Any:
    """JSON columns come as text where Django has told the driver so."""
    return json.loads(value) if isinstance(value, str) else value


def message_of(items: Sequence[Prepared]) -> Message:
    """The message for one delivery, or for several of one mailbox."""
    expires = items[0].delivery.at + timedelta(hours=rules.LINK_HOURS)
    if len(items) == 1:
        return _single(items[0], expires)
    messages = [_part(item) for item in items]
    base = settings.TOCSIN.public_url
    first = items[0].delivery
    acknowledge = ""
    if first.kind == "page" and first.user_id and len(items) <= 100:
        ids = sorted({item.incident.id for item in items if item.incident})
        acknowledge = action_url(ids, first.user_id, "acknowledge", first.id, expires)
    key = f"bundle:{first.key}:{len(items)}"
    state = "resolved" if first.kind == "resolved" else "triggered"
    url = f"{base}/" if first.kind == "notice" else f"{base}/incidents/?state={state}"
    made = rules.bundle(messages, key=key, url=url, acknowledge=acknowledge)
    return replace(made, why=items[0].why)


def action_url(incident: int | list[int], user_id: int, verb: str, delivery_id: int, expires: datetime) -> str:
    """The address of a signed action link: one verb, one person, these incidents, until ``expires``."""
    value = {"i": incident, "u": user_id, "v": verb, "d": delivery_id, "e": int(expires.timestamp())}
    token = secrets.sign(value, "action", compress=isinstance(incident, list))
    return f"{settings.TOCSIN.public_url}/a/{token}"


def confirm_url(method_id: int, at: datetime) -> str:
    """The address that proves that a message of this moment reached its contact method."""
    return f"{settings.TOCSIN.public_url}/v/{secrets.sign({'m': method_id, 'at': at.isoformat()}, 'verify')}"


def _part(item: Prepared) -> Message:
    """What a bundle needs of one of its deliveries: neither text nor links."""
    delivery, incident = item.delivery, item.incident
    if delivery.kind == "test" or incident is None:
        return _single(item, delivery.at)
    page = delivery.kind == "page"
    return Message(
        kind=delivery.kind,
        about=delivery.kind,
        key=delivery.key,
        title=rules.title_of_page(incident) if page else rules.title_of_resolved(incident),
        body="",
        at=delivery.at,
        to=item.to,
        incidents=(incident,),
        loud=page and delivery.urgency == "high",
        drill=incident.drill,
        delivery_ids=(delivery.id,),
    )


def _single(item: Prepared, expires: datetime) -> Message:
    """The message of one delivery, with links that work until ``expires``."""
    delivery, incident = item.delivery, item.incident
    base = settings.TOCSIN.public_url
    if item.notice is not None:
        title, body, path, answered = item.notice
        made = rules.notice_message(
            key=delivery.key, title=title, body=body, at=delivery.at, to=item.to, url=f"{base}{path}",
            delivery_id=delivery.id,
        )  # fmt: skip
        return replace(made, answers=answered, incidents=(incident,) if answered and incident else ())
    if delivery.kind in ("code", "check"):
        return _asking(item)
    if delivery.kind == "test" or incident is None:
        channel = channels().get(delivery.channel)
        answers = channel is not None and channel.descriptor.confirms and delivery.contact_method_id
        return rules.trial_message(
            key=delivery.key,
            at=delivery.at,
            to=item.to,
            url=f"{base}/",
            delivery_id=delivery.id,
            received=confirm_url(delivery.contact_method_id or 0, delivery.at) if answers else "",
        )
    links = [Link("view", rules.LINK_TEXT["view"], incident.url)]
    page = delivery.kind == "page"
    if page and delivery.user_id:
        links += [
            Link(verb, rules.LINK_TEXT[verb], action_url(incident.id, delivery.user_id, verb, delivery.id, expires))
            for verb in rules.LINK_VERBS
        ]
    return Message(
        kind=delivery.kind,
        about=delivery.kind,
        key=delivery.key,
        title=rules.title_of_page(incident) if page else rules.title_of_resolved(incident),
        body=rules.body_of_page(incident, why=item.why, others=item.others, zone=item.zone)
        if page
        else rules.body_of_resolved(incident),
        at=delivery.at,
        to=item.to,
        incidents=(incident,),
        links=tuple(links),
        why=item.why,
        others=item.others,
        loud=page and delivery.urgency == "high",
        drill=incident.drill,
        delivery_ids=(delivery.id,),
    )


def _asking(item: Prepared) -> Message:
    """The code that verifies a contact method, or the question whether it still reaches its person."""
    delivery, base = item.delivery, settings.TOCSIN.public_url
    method_id = delivery.contact_method_id or 0
    confirm = confirm_url(method_id, delivery.at)
    facts: dict[str, Any] = {"key": delivery.key, "at": delivery.at, "to": item.to, "url": f"{base}/settings/you/",
                             "confirm": confirm, "delivery_id": delivery.id}  # fmt: skip
    if delivery.kind == "check":
        return rules.check_message(days=verifying.LAPSES_AFTER.days, **facts)
    code = verifying.code_of(method_id, delivery.key.rpartition(":")[2])
    return rules.code_message(code=code, minutes=int(verifying.LASTS.total_seconds() // 60), **facts)


def compose(deliveries: Sequence[Claimed]) -> list[tuple[Message, Method]]:
    """The messages of these deliveries, one each, with where they go; a few queries for all."""
    return [(message_of([item]), item.method) for item in prepare(deliveries)]


# --- the queue ----------------------------------------------------------------------------------------------------

_NEXT = """
SELECT extract(epoch FROM least(
  (SELECT min(q.next_at) FROM unnest(%s::text[]) AS c(channel) CROSS JOIN LATERAL (
     SELECT d.next_at FROM delivery_delivery d WHERE d.state = 'pending' AND d.channel = c.channel
     ORDER BY d.next_at LIMIT 1) q),
  (SELECT min(claimed_until) FROM delivery_delivery WHERE state = 'sending')) - tocsin_now())
"""


def next_due() -> float | None:
    """Seconds until the next delivery is due or a lease ends, not below zero; None when nothing waits."""
    value = prepared.fetch(_NEXT, [[*channels(), SINK]])[0][0]
    return None if value is None else max(0.0, float(value))


@dataclass(frozen=True, slots=True)
class Health:
    """How delivery goes. ``overdue_s``: age of the oldest delivery that should have gone out; 0 when none waits."""

    waiting: int
    due: int
    sending: int
    overdue_s: float
    failed_last_hour: int
    sent_last_hour: int
    channels: tuple["ChannelHealth", ...]


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """How one channel goes, over the last hour; ``last_problem`` is its newest failure's reason."""

    kind: str
    label: str
    waiting: int
    due: int
    sent: int
    failed: int
    last_problem: str


def delivery_health() -> Health:
    """How delivery goes, over all channels; three queries on indexed, short-lived rows."""
    now = clock.now()
    hour = now - timedelta(hours=1)
    queue = {
        row["channel"]: row
        for row in Delivery.objects.filter(state__in=WAITING)
        .values("channel")
        .annotate(
            waiting=Count("id", filter=Q(state="pending")),
            due=Count("id", filter=Q(state="pending", next_at__lte=now)),
            sending=Count("id", filter=Q(state="sending")),
            oldest=Min("next_at", filter=Q(state="pending", next_at__lte=now)),
        )
    }
    newest = Delivery.objects.order_by("-id").values_list("id", flat=True).first() or 0
    ended = {
        row["channel"]: row
        for row in Delivery.objects.filter(id__gt=newest - 100_000, ended_at__gte=hour)
        .values("channel")
        .annotate(
            sent=Count("id", filter=Q(state__in=["delivered", "accepted"])),
            failed=Count("id", filter=Q(state="failed")),
        )
    }
    problems: dict[str, str] = {}
    for channel, reason in (
        Delivery.objects.filter(id__gt=newest - 100_000, ended_at__gte=hour, state="failed")
        .order_by("-ended_at")
        .values_list("channel", "reason")[:200]
    ):
        problems.setdefault(channel, reason)
    known = channels()
    kinds = sorted(known.keys() | queue.keys() | ended.keys())
    oldest = min((row["oldest"] for row in queue.values() if row["oldest"]), default=None)
    return Health(
        waiting=sum(row["waiting"] for row in queue.values()),
        due=sum(row["due"] for row in queue.values()),
        sending=sum(row["sending"] for row in queue.values()),
        overdue_s=(now - oldest).total_seconds() if oldest else 0.0,
        failed_last_hour=sum(row["failed"] for row in ended.values()),
        sent_last_hour=sum(row["sent"] for row in ended.values()),
        channels=tuple(
            ChannelHealth(
                kind,
                known[kind].descriptor.label if kind in known else kind,
                _number(queue, kind, "waiting"),
                _number(queue, kind, "due"),
                _number(ended, kind, "sent"),
                _number(ended, kind, "failed"),
                problems.get(kind, ""),
            )
            for kind in kinds
        ),
    )


def _number(rows: Mapping[str, Mapping[str, Any]], kind: str, name: str) -> int:
    return int(rows[kind][name]) if kind in rows else 0


# --- for pages, incidents and people ------------------------------------------------------------------------------


def _deliveries(actor: Actor) -> QuerySet[Delivery]:
    found = Delivery.objects.select_related("user", "contact_method").filter(readable(actor, "incident_id"))
    return found.prefetch_related(Prefetch("attempt_rows", queryset=Attempt.objects.order_by("id")))


def of_pages(actor: Actor, page_ids: Iterable[int]) -> dict[int, list[Delivery]]:
    """Deliveries by page, each with ``attempt_rows`` loaded, in the order of the person's rules."""
    require(actor, Deed.READ)
    found: dict[int, list[Delivery]] = {page: [] for page in page_ids}
    for row in _deliveries(actor).filter(page_id__in=list(found)).order_by("rule_position", "id"):
        found[cast(int, row.page_id)].append(row)
    return found


def of_incidents(actor: Actor, incident_ids: Iterable[int]) -> dict[int, list[Delivery]]:
    """Deliveries by incident, each with ``attempt_rows`` loaded, in the order in which they were planned."""
    require(actor, Deed.READ)
    found: dict[int, list[Delivery]] = {incident: [] for incident in incident_ids}
    for row in _deliveries(actor).filter(incident_id__in=list(found)).order_by("id"):
        found[cast(int, row.incident_id)].append(row)
    return found


def sent_between(actor: Actor, since: datetime, until: datetime, channels: Iterable[str]) -> QuerySet[Delivery]:
    """Deliveries to people over these channels that were planned in that time, newest first."""
    require(actor, Deed.READ)
    found = Delivery.objects.select_related("user").filter(readable(actor, "incident_id") | Q(incident=None))
    found = found.filter(created_at__gte=since, created_at__lt=until, channel__in=list(channels), user__isnull=False)
    return found.order_by("-id")


def counts(actor: Actor, incident_ids: Iterable[int]) -> dict[int, int]:
    """How many deliveries to people incidents had; those without any are left out."""
    require(actor, Deed.READ)
    found = Delivery.objects.filter(readable(actor, "incident_id"), incident_id__in=list(incident_ids))
    return dict(found.filter(user__isnull=False).values_list("incident_id").annotate(Count("id")).order_by())


def delivery(actor: Actor, delivery_id: int) -> Delivery | None:
    """One delivery with its attempts; None when there is none, or none that the actor may read."""
    require(actor, Deed.READ)
    return _deliveries(actor).filter(id=delivery_id).first()


def shown_address(actor: Actor, item: Delivery) -> str:
    """The address as this actor may see it: in full only to the person and administrators; it may be a credential."""
    if rules.webhook_id(item.key) is not None:
        return item.address  # its name
    if actor.user_id == item.user_id or may(actor, Deed.ADMINISTER):
        return item.address
    return masked(item.channel, item.address)


def masked(channel: str, address: str) -> str:
    """An address that can be recognised but not used."""
    if channel == "email" and "@" in address:
        name, _, domain = address.partition("@")
        return f"{name[:1]}…@{domain}"
    if channel in ("sms", "voice") and len(address) > 8:
        return f"{address[:3]}…{address[-2:]}"
    if "://" in address:
        scheme, _, rest = address.partition("://")
        host = rest.split("/")[0].rpartition("@")[2]
        return f"{scheme}://{host}/…"
    return address[:2] + "…" if len(address) > 4 else "…"


def pocket(actor: Actor, user_id: int, *, limit: int = 50) -> list[PocketMessage]:
    """What a person's demo phone has received, newest first; on another's, nothing of what the actor may not read."""
    found = PocketMessage.objects.filter(user_id=user_id).select_related("incident", "delivery").order_by("-id")
    return list((found if actor.user_id == user_id else found.filter(readable(actor, "incident_id")))[:limit])


def pocket_unread(user_id: int) -> int:
    """How many messages on the demo phone are new."""
    return PocketMessage.objects.filter(user_id=user_id, read_at=None).count()


def latest_failures(actor: Actor, limit: int = 20) -> list[Delivery]:
    """Deliveries that failed most recently."""
    return list(_deliveries(actor).filter(state="failed").order_by(F("ended_at").desc())[:limit])
