"""What others may read of intake."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db.models import Q, QuerySet, Sum

from tocsin.intake.contract import ParseError, Request, Signal, SourceKind
from tocsin.intake.kinds import all_kinds, kind_of, open_config
from tocsin.intake.models import Heartbeat, Inbox, Refusal, RefusalCount, Source
from tocsin.intake.rules import SourceSpec
from tocsin.people.rules import Deed, may, require
from tocsin.platform import clock, secrets, settings
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Conflict, NotFound


@dataclass(frozen=True)
class Address:
    """Where a sender sends: the key and the whole address. ``mail``: for a source of mail, when mail is taken in."""

    key: str
    url: str
    mail: str = ""


def kinds() -> list[SourceKind]:
    """Every installed kind of source, by label."""
    return sorted(all_kinds().values(), key=lambda kind: kind.label)


def kind(name: str) -> SourceKind:
    """The kind that a name or alias means. Raises NotFound."""
    found = kind_of(name)
    if found is None:
        raise NotFound("There is no such kind of source.", {"kind": f"one of {', '.join(sorted(all_kinds()))}"})
    return found


def sources(actor: Actor, *, service: Iterable[int] = (), kind: str = "", q: str = "") -> QuerySet[Source]:
    """Sources, with their service, by service and name."""
    require(actor, Deed.READ)
    found = Source.objects.select_related("service", "service__team").order_by("service__name", "name")
    wanted = list(service)
    if wanted:
        found = found.filter(service_id__in=wanted)
    if kind:
        found = found.filter(kind=kind)
    if q:
        found = found.filter(name__icontains=q) | found.filter(service__name__icontains=q)
    return found


def source(actor: Actor, id: int) -> Source:
    """One source. Raises NotFound."""
    found = sources(actor).filter(pk=id).first()
    if found is None:
        raise NotFound("There is no such source.")
    return found


def may_see_key(actor: Actor, source: Source) -> bool:
    """Whether the actor may see the source's key: who may configure it may."""
    return may(actor, Deed.CONFIGURE, source.service.team_id)


def key_of(source: Source) -> str:
    """The key of a source, decrypted; show it only to who ``may_see_key``."""
    return secrets.decrypt(source.key_secret)


def address_of(source: Source, base: str = "") -> Address:
    """The key and the address for senders; ``base`` is the address of this installation when not the configured one."""
    key = key_of(source)
    known = kind_of(source.kind)
    configured = settings.get()
    base = base.rstrip("/") or configured.public_url
    if known is None:
        return Address(key, f"{base}/in/{source.kind}/{key}")
    mail = f"{key}@{configured.mail_domain}" if known.listener == "mail" and configured.mail_domain else ""
    return Address(key, known.address(base, key), mail)


def guide_of(source: Source, base: str = "") -> str:
    """How to connect the tool, Markdown, with this source's address and key filled in."""
    known = kind_of(source.kind)
    if known is None:
        return ""
    address = address_of(source, base)
    said = {
        "{url}": address.url,
        "{key}": address.key,
        "{mail}": address.mail or f"{address.key}@(the domain of TOCSIN_MAIL_DOMAIN, which is not set)",
        "{syslog}": _syslog_ports(),
    }
    guide = known.guide()
    for name, text in said.items():
        guide = guide.replace(name, text)
    return guide


def _syslog_ports() -> str:
    """Where syslog is taken in, for people; as far as this process knows."""
    configured = settings.get()
    host = urlsplit(configured.public_url).hostname or "this host"
    plain, secure = configured.syslog_address, configured.syslog_tls_address
    said = [f"{host} port {plain[1]} (UDP and TCP)"] if plain else []
    said += [f"{host} port {secure[1]} (TLS)"] if secure else []
    return " and ".join(said) or "a port that `TOCSIN_SYSLOG_LISTEN` names; it is not set here"


def export_sources() -> list[SourceSpec]:
    """Every source as a description, without keys."""
    return [
        SourceSpec(
            name=found.name,
            service=found.service.slug,
            kind=found.kind,
            config=open_config(found.kind, found.config),
            limit_per_minute=found.limit_per_minute,
            enabled=found.enabled,
        )
        for found in Source.objects.select_related("service").order_by("service__slug", "name")
    ]


def heartbeats(actor: Actor) -> QuerySet[Heartbeat]:
    """Heartbeats with their sources, late ones first."""
    require(actor, Deed.READ)
    return Heartbeat.objects.select_related("source", "source__service").order_by("-missed", "due_at")


def refusals(actor: Actor, *, source: int | None = None, reason: str = "") -> QuerySet[Refusal]:
    """Refused requests that were kept, newest first."""
    require(actor, Deed.READ)
    found = Refusal.objects.select_related("source").order_by("-id")
    if not may(actor, Deed.CONFIGURE):  # bodies may tell what a confidential incident is about
        secret = Q(source__service__confidential=True) & ~Q(source__service__team_id__in=actor.managed)
        found = found.filter(Q(source=None) | ~secret)
    if source is not None:
        found = found.filter(source_id=source)
    if reason:
        found = found.filter(reason=reason)
    return found


def refusal_counts(actor: Actor, *, since: datetime | None = None) -> list[dict[str, Any]]:
    """How many requests were refused by reason and source since then (24 hours when not given), most first."""
    require(actor, Deed.READ)
    start = since or clock.now() - timedelta(hours=24)
    rows = (
        RefusalCount.objects.filter(hour__gte=start.replace(minute=0, second=0, microsecond=0))
        .values("reason", "source_id", "source__name")
        .annotate(total=Sum("count"))
        .order_by("-total", "reason")
    )
    return [dict(row) for row in rows]


def waiting() -> int:
    """Signals accepted but not yet decided."""
    return Inbox.objects.count()


@dataclass(frozen=True)
class Tried:
    """What a source would make of a payload: signals; what it leaves out or refuses, and why; what it would answer."""

    signals: list[Signal]
    refused: list[str]
    status: int


def tried(actor: Actor, source: Source, payload: bytes) -> Tried:
    """What the source would make of a payload, sent to its address. Nothing is stored.

    For who may configure the source. Raises Forbidden, NotFound, Conflict (its secrets cannot be read).
    """
    require(actor, Deed.CONFIGURE, source.service.team_id)
    known = kind(source.kind)
    try:
        config = known.defaults() | {
            name: secrets.decrypt(value) if name in known.secrets else value for name, value in source.config.items()
        }
    except secrets.SecretUnreadable as error:
        raise Conflict("The secrets of this source were stored under another TOCSIN_SECRET_KEY.") from error
    path = known.paths[0] if known.paths else f"/in/{known.kind}/key"
    # a mail that is tried out has no envelope, and a syslog message came from nowhere
    request = Request(payload, now=clock.now(), path=path, headers={"content-type": "application/json"})
    try:
        if known.key is not None:
            known.key(request)
        parsed = known.parse(request, config)
    except ParseError as error:
        return Tried([], error.errors, error.status)
    return Tried(parsed.signals, parsed.refused, parsed.answer.status)


SourceRow = Source


def sources_by_id(ids: Iterable[int]) -> dict[int, SourceRow]:
    """Sources with their services, by id; for rooms that hold a source's id without a foreign key."""
    return {row.pk: row for row in Source.objects.select_related("service").filter(pk__in=list(ids))}


def source_ids(service_ids: Iterable[int] | QuerySet[Any, Any]) -> QuerySet[Source, int]:
    """Ids of the sources of these services, for conditions."""
    return Source.objects.filter(service_id__in=service_ids).order_by().values_list("pk", flat=True)


def waiting_signal(signal_id: int) -> Inbox | None:
    """A signal that is accepted and not yet decided, or None."""
    return Inbox.objects.filter(pk=signal_id).first()


def source_of_key(key: str, kind: str) -> Source | None:
    """The source of this kind that has this key, unless it is switched off. The key itself is the permission."""
    if not key or len(key) > 200:
        return None
    found = Source.objects.select_related("service").filter(key_digest=secrets.digest(key), kind=kind, enabled=True)
    return found.first()


def waits(source_id: int | None, dedup_key: str) -> bool:
    """Whether a signal of this source (None: of any) with this key is accepted and not yet decided."""
    rows = Inbox.objects.filter(dedup_key=dedup_key)
    return (rows if source_id is None else rows.filter(source_id=source_id)).exists()
