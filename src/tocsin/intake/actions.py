"""Every write of intake: sources and their keys, Tocsin's own signals, heartbeats, and what was refused."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from tocsin.catalogue.models import Service
from tocsin.catalogue.queries import service_named
from tocsin.intake import rules
from tocsin.intake.contract import SourceKind, checked_config, clean_text
from tocsin.intake.contract.signal import Signal
from tocsin.intake.kinds import all_kinds, kind_of, open_config
from tocsin.intake.models import Heartbeat, Refusal, RefusalCount, Source
from tocsin.intake.rules import HeartbeatMissed, SourceSpec
from tocsin.intake.sources.aws_sns.parser import of_amazon
from tocsin.people.rules import Deed, require
from tocsin.platform import audit, clock, events, secrets
from tocsin.platform.actor import SYSTEM, Actor
from tocsin.platform.canary import SOURCE
from tocsin.platform.errors import Conflict, Invalid, NotFound
from tocsin.platform.models import Setting

KEY_LENGTH = 32
CONFIRMATIONS = "subscriptions_to_confirm"  # the setting that holds them, by address
COUNTS_KEPT = timedelta(days=400)


# -- sources ---------------------------------------------------------------------------------------------------------


def create_source(
    service: int | str,
    kind: str,
    *,
    actor: Actor,
    name: str = "",
    config: dict[str, Any] | None = None,
    limit_per_minute: int = 100_000,
) -> Source:
    """A new source of a service (its id, slug or name) with a key of its own.

    Without a name it is called after its kind. Raises Invalid, NotFound, Forbidden, Conflict.
    """
    found = _service(service)
    known = kind_of(kind)
    if known is None:
        raise Invalid("There is no such kind of source.", {"kind": f"one of {', '.join(sorted(all_kinds()))}"})
    spec = SourceSpec(
        name=name.strip() or _free_name(found, known),
        service=found.slug,
        kind=known.kind,
        config=config or {},
        limit_per_minute=limit_per_minute,
    )
    return save_source(spec, actor=actor)


def save_source(spec: SourceSpec, *, actor: Actor, id: int | None = None, key: str | None = None) -> Source:
    """Create the source, or change the one with this id.

    A new one gets a random key, unless ``key`` is given (32 letters or digits), so that senders can be moved without
    being told. Raises Invalid (by field), NotFound, Forbidden, Conflict.
    """
    service = _service(spec.service)
    known, config = _judged(spec)
    with transaction.atomic():
        source = _locked(id) if id is not None else None
        config = _sealed(known, config, source.config if source is not None else {})
        require(actor, Deed.CONFIGURE, service.team_id)
        if source is not None and source.service_id != service.pk:
            require(actor, Deed.CONFIGURE, source.service.team_id)
        name = spec.name.strip()
        taken = Source.objects.filter(service=service, name=name).exclude(pk=source.pk if source else 0).exists()
        if taken:
            raise Conflict(f"{service.name} has a source called {name} already.", {"name": "another name"})
        before = _facts(source) if source else None
        # the key stands in a mail address then, and some programs write these in small letters
        small = known.listener == "mail"
        if source is None:
            source = Source(created_at=clock.now())
            key = key or secrets.random_key(KEY_LENGTH)
            _set_key(source, key.lower() if small else key)
        elif key is not None:
            _set_key(source, key.lower() if small else key)
        source.name, source.service, source.kind = name, service, known.kind
        source.config, source.limit_per_minute, source.enabled = config, spec.limit_per_minute, spec.enabled
        source.save()
        _keep_heartbeat(source)
        after = _facts(source)
        if before != after:
            verb = "changed" if before else "created"
            audit.record(actor, verb, "source", source.pk, source.name, before, after)
        events.wake("sources")
    return source


def update_source(id: int, *, actor: Actor, **changes: Any) -> Source:
    """Change some of a source: name, service, kind, config, limit_per_minute, enabled. Raises as ``save_source``."""
    source = Source.objects.select_related("service").filter(pk=id).first()
    if source is None:
        raise NotFound("There is no such source.")
    unknown = changes.keys() - SourceSpec.__dataclass_fields__.keys()
    if unknown:
        raise Invalid("A source has no such field.", dict.fromkeys(unknown, "not known"))
    facts: dict[str, Any] = {
        "name": source.name,
        "service": source.service.slug,
        "kind": source.kind,
        "config": open_config(source.kind, source.config),
        "limit_per_minute": source.limit_per_minute,
        "enabled": source.enabled,
    }
    return save_source(SourceSpec(**(facts | changes)), actor=actor, id=id)


def rotate_key(id: int, *, actor: Actor) -> Source:
    """Give the source a new key; the old one is refused from now on."""
    with transaction.atomic():
        source = _locked(id)
        require(actor, Deed.CONFIGURE, source.service.team_id)
        key, known = secrets.random_key(KEY_LENGTH), kind_of(source.kind)
        _set_key(source, key.lower() if known is not None and known.listener == "mail" else key)
        source.save(update_fields=["key_digest", "key_secret"])
        audit.record(actor, "gave a new key to", "source", source.pk, source.name)
        events.wake("sources")
    return source


def set_enabled(ids: Iterable[int], enabled: bool, *, actor: Actor) -> list[int]:
    """Switch sources on or off; the signals of one that is off are refused. Returns the ids that changed."""
    with transaction.atomic():
        found = list(Source.objects.select_for_update(of=["self"]).select_related("service").filter(pk__in=list(ids)))
        changed = []
        for source in found:
            require(actor, Deed.CONFIGURE, source.service.team_id)
            if source.enabled != enabled:
                source.enabled = enabled
                source.save(update_fields=["enabled"])
                verb = "switched on" if enabled else "switched off"
                audit.record(actor, verb, "source", source.pk, source.name)
                changed.append(source.pk)
        if changed:
            events.wake("sources")
    return changed


def delete_source(ids: Iterable[int], *, actor: Actor) -> list[int]:
    """Delete sources; their alerts stay. Returns the ids that were there."""
    with transaction.atomic():
        found = list(Source.objects.select_for_update(of=["self"]).select_related("service").filter(pk__in=list(ids)))
        deleted = []
        for source in found:
            require(actor, Deed.CONFIGURE, source.service.team_id)
            number, facts = source.pk, _facts(source)
            source.delete()
            audit.record(actor, "deleted", "source", number, source.name, facts)
            deleted.append(number)
        if deleted:
            events.wake("sources")
    return deleted


def _service(service: int | str) -> Service:
    found = service_named(str(service))
    if found is None:
        raise NotFound(f"There is no service {str(service)[:100]!r}.", {"service": "the slug or name of a service"})
    return found


def _locked(id: int) -> Source:
    source = Source.objects.select_for_update(of=["self"]).select_related("service").filter(pk=id).first()
    if source is None:
        raise NotFound("There is no such source.")
    return source


def _judged(spec: SourceSpec) -> tuple[SourceKind, dict[str, Any]]:
    """The kind and the complete configuration. Raises Invalid."""
    known = kind_of(spec.kind)
    problems = rules.problems_of(spec, {spec.kind: known} if known else all_kinds())
    config: dict[str, Any] = {}
    if known is not None:
        config, wrong = checked_config(known, spec.config)
        problems |= {f"config.{name}": text for name, text in wrong.items()}
    if problems or known is None:
        raise Invalid("This source cannot be saved.", problems)
    return known, config


def _sealed(kind: SourceKind, config: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with what is secret encrypted; what is left out stays as it is stored."""
    kept = dict(config)
    for name in kind.secrets:
        value = kept.get(name, stored.get(name))
        if value is not None:
            kept[name] = value if value == stored.get(name) else secrets.encrypt(value)
    return kept


def _free_name(service: Service, kind: SourceKind) -> str:
    taken = set(Source.objects.filter(service=service).values_list("name", flat=True))
    name, number = kind.label[:110], 1
    while name in taken:
        number += 1
        name = f"{kind.label[:110]} {number}"
    return name


def _set_key(source: Source, key: str) -> None:
    if len(key) != KEY_LENGTH or not (key.isascii() and key.isalnum()):
        raise Invalid("This key cannot be used.", {"key": f"{KEY_LENGTH} letters or digits"})
    digest = secrets.digest(key)
    if Source.objects.filter(key_digest=digest).exclude(pk=source.pk).exists():
        raise Conflict("Another source has this key.", {"key": "a key that no other source has"})
    source.key_digest, source.key_secret = digest, secrets.encrypt(key)


def _facts(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "kind": source.kind,
        "service": source.service_id,
        "config": open_config(source.kind, source.config),
        "limit_per_minute": source.limit_per_minute,
        "enabled": source.enabled,
    }


def _keep_heartbeat(source: Source) -> None:
    """The heartbeat of a source that owes check-ins follows its configuration; other kinds have none."""
    owed = rules.check_ins_owed(source.kind, source.config)
    if owed is None:
        Heartbeat.objects.filter(source=source).delete()
        return
    interval, grace = owed
    beat, _ = Heartbeat.objects.select_for_update().get_or_create(
        source=source, defaults={"interval_s": interval, "grace_s": grace}
    )
    if (beat.interval_s, beat.grace_s) != (interval, grace):
        beat.interval_s, beat.grace_s = interval, grace
        if beat.last_at is not None:
            beat.due_at = rules.heartbeat_due(beat.last_at, interval, grace)
        beat.save(update_fields=["interval_s", "grace_s", "due_at"])
    events.wake("triage")


# -- Tocsin's own signals --------------------------------------------------------------------------------------------

_ACCEPT = """
INSERT INTO intake_inbox
  (source_id, bucket, action, dedup_key, severity, title, data, occurred_at, received_at)
SELECT item.*, moment.at
FROM (SELECT tocsin_now() AS at, pg_notify('tocsin_wake', 'triage') OFFSET 0) AS moment,
     unnest(%s::int4[], %s::int2[], %s::text[], %s::text[], %s::text[], %s::text[], %s::jsonb[],
            %s::timestamptz[]) AS item
"""


def accept(items: Sequence[tuple[int, Signal]]) -> int:
    """Put signals into the inbox, in the caller's transaction, and wake triage. Returns how many.

    For signals that Tocsin makes itself; those of senders come through the door.
    """
    if not items:
        return 0
    rows = [rules.row_of(source_id, signal) for source_id, signal in items]
    with connection.cursor() as cursor:
        cursor.execute(_ACCEPT, [list(column) for column in zip(*rows, strict=True)])
    return len(rows)


# -- heartbeats ------------------------------------------------------------------------------------------------------


def heartbeats_checked_in(items: Iterable[tuple[int, datetime]]) -> int:
    """Note check-ins of sources (id, moment); called by triage for ``check_in`` signals. Returns how many counted.

    The first check-in of a missed heartbeat also resolves the alert, by a signal.
    """
    latest: dict[int, datetime] = {}
    for source_id, at in items:
        latest[source_id] = max(at, latest.get(source_id, at))
    if not latest:
        return 0
    with transaction.atomic():
        beats = list(
            Heartbeat.objects.select_for_update(of=["self"])
            .select_related("source")
            .filter(source_id__in=latest)
            .order_by("source_id")
        )
        returned = []
        for beat in beats:
            at = latest[beat.source_id]
            if beat.last_at is not None and at < beat.last_at:
                continue
            beat.last_at = at
            beat.due_at = rules.heartbeat_due(at, beat.interval_s, beat.grace_s)
            if beat.missed:
                beat.missed = False
                returned.append((beat.source_id, rules.returned_signal(beat.source.name, at)))
        Heartbeat.objects.bulk_update(beats, ["last_at", "due_at", "missed"])
        accept(returned)
    return len(beats)


def confirmations_asked(items: Iterable[tuple[int, str, str]]) -> int:
    """Keep requests to confirm a subscription (source's id, topic, address to open); called by triage.

    Only those of SNS sources, and only addresses of SNS itself. An engine opens them. Returns how many were kept.
    """
    wanted = [item for item in items if of_amazon(item[2])]
    known = set(Source.objects.filter(pk__in=[item[0] for item in wanted], kind="aws-sns").values_list("pk", flat=True))
    now = clock.now().isoformat()
    asked = {url: {"topic": topic, "asked_at": now, "next_at": now} for number, topic, url in wanted if number in known}
    if not asked:
        return 0
    with transaction.atomic():
        Setting.objects.get_or_create(name=CONFIRMATIONS, defaults={"value": {}})
        row = Setting.objects.select_for_update().get(name=CONFIRMATIONS)
        # triage sends its statements in one go and does not count rows, as ``save`` would
        Setting.objects.filter(pk=row.pk).update(value=asked | row.value)
    return len(asked)


def miss_heartbeats(limit: int = 1000) -> int:
    """Raise a signal for each heartbeat whose check-in is late. Returns how many."""
    now = clock.now()
    with transaction.atomic():
        beats = list(
            Heartbeat.objects.select_for_update(of=["self"], skip_locked=True)
            .select_related("source")
            .filter(missed=False, due_at__lte=now)
            .order_by("due_at")[:limit]
        )
        signals = []
        for beat in beats:
            beat.missed = True
            if beat.source.enabled and beat.last_at is not None and beat.due_at is not None:
                source = beat.source
                missed = HeartbeatMissed(source.pk, source.name, beat.last_at, beat.due_at, source.config)
                signals.append((beat.source_id, rules.missed_signal(missed)))
        Heartbeat.objects.bulk_update(beats, ["missed"])
        accept(signals)
    return len(signals)


# -- what was refused ------------------------------------------------------------------------------------------------


def note_refusal(
    reason: str, status: int, place: str, source: int | None, remote: str, errors: Sequence[str], body: bytes
) -> None:
    """Write down what was not accepted, in the caller's transaction; for listeners, as the door does for requests.

    ``reason``: see the model; ``status``: what the sender was answered; ``place``: what it was sent to, without keys.
    """
    now = clock.now()
    Refusal.objects.create(
        at=now,
        reason=reason,
        status=status,
        path=place[:500],
        source_id=source,
        remote=remote[:60],
        errors=[clean_text(rules.masked(error))[:300] for error in errors[:20]],
        excerpt=rules.excerpt(body),
    )
    hour = now.replace(minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO intake_refusal_count AS c (hour, reason, source_id, count) VALUES (%s, %s, %s, 1)"
            " ON CONFLICT (hour, reason, source_id) DO UPDATE SET count = c.count + 1",
            [hour, reason, source],
        )


def prune_refusals(*, actor: Actor = SYSTEM) -> int:
    """Drop refusals beyond the newest KEPT_REFUSALS and old counts. Returns how many rows went."""
    require(actor, Deed.ADMINISTER)
    with transaction.atomic():
        newest = Refusal.objects.aggregate(newest=Max("id"))["newest"] or 0
        kept = list(Refusal.objects.order_by("-id").values_list("id", flat=True)[: rules.KEPT_REFUSALS])
        dropped, _ = Refusal.objects.filter(id__lt=kept[-1]).delete() if kept and newest else (0, {})
        counts, _ = RefusalCount.objects.filter(hour__lt=clock.now() - COUNTS_KEPT).delete()
    return dropped + counts


def heard_of(last: Mapping[int, datetime]) -> None:
    """Note when sources were last heard of, in triage's transaction; at most every five seconds for each."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE intake_source s SET last_signal_at = w.at FROM unnest(%s::int[], %s::timestamptz[]) AS w(id, at)"
            " WHERE s.id = w.id AND (s.last_signal_at IS NULL OR s.last_signal_at < w.at - interval '5 seconds')",
            [list(last), list(last.values())],
        )


# -- canaries --------------------------------------------------------------------------------------------------------


def keep_canary_source(service_id: int) -> None:
    """The source of canaries, made when there is none. It stands in no list, see ``platform.canary``."""
    if Source._base_manager.filter(pk=SOURCE).exists():
        return
    source = Source(pk=SOURCE, service_id=service_id, name="Canary", kind="generic", created_at=clock.now())
    _set_key(source, secrets.random_key(KEY_LENGTH))
    source.save(force_insert=True)
    clock.configuration_changed()
    events.wake("sources")


def canary_key() -> str:
    """The key under which canaries come in by the door."""
    return secrets.decrypt(Source._base_manager.get(pk=SOURCE).key_secret)


# -- trying out ------------------------------------------------------------------------------------------------------


def send_test_signal(id: int, *, actor: Actor) -> str:
    """Put a test signal of this source into the inbox, as if its tool had sent it; returns its dedup key.

    Everything that follows is real: rules, incident, pages. Raises NotFound, Forbidden, Conflict (switched off).
    """
    require(actor, Deed.RESPOND)
    source = Source.objects.select_related("service").filter(pk=id).first()
    if source is None:
        raise NotFound("There is no such source.")
    if not source.enabled:
        raise Conflict(f"{source.name} is switched off; switch it on first.")
    key = f"tocsin-test-{secrets.random_key(8)}"
    signal = Signal(
        action="trigger",
        dedup_key=key,
        title=f"Test signal of {source.name}, sent by {actor.name}",
        severity="critical",
        labels={"tocsin_test": "true"},
        details={"sent_by": actor.name},
        origin="Tocsin",
    )
    with transaction.atomic():
        accept([(source.pk, signal)])
    return key
