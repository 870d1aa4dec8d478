"""Silences: maintenance windows for alerts with certain labels, made by clients of Alertmanager.

A person silences alerts of every service that they may configure; whoever holds a source's key, of the source's own
service alone. An incident that is paging already, and whose open alerts the silence all covers, is snoozed until its
end; when the silence is ended early, it pages again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID, uuid4

from django.db import transaction

from tocsin.catalogue.models import Service
from tocsin.incidents import actions as incidents
from tocsin.incidents.actions import use_book
from tocsin.incidents.queries import readable
from tocsin.intake import queries as intake
from tocsin.people.rules import Deed, may, require
from tocsin.platform import cel, clock
from tocsin.platform.actor import Actor
from tocsin.platform.errors import Forbidden, Invalid, NotFound
from tocsin.triage import rules
from tocsin.triage.actions.config import end_windows, ends_of, keep_window
from tocsin.triage.models import Alert, Silence

LONGEST = timedelta(days=366)
SNOOZE_MAX = timedelta(days=7)
MOST_MATCHERS = 50


def save_silence(spec: rules.SilenceSpec, *, actor: Actor, id: UUID | None = None) -> Silence:
    """Make a silence, or change the one of this id.

    As in Alertmanager, one that is over is not changed, nor the matchers of any or the beginning of one that has
    begun: that ends the old one and makes another, with an id of its own. Raises Invalid, NotFound, Forbidden.
    """
    with transaction.atomic(), use_book() as book:
        now = book.now
        old = _locked(id, actor) if id is not None else None
        if old is not None and _changeable(old, spec, now):
            _check(spec, now)
            services: Sequence[Service] = list(old.window.services.all())
            silence, starts_at = old, spec.starts_at
        else:
            _check(spec, now)
            starts_at = max(spec.starts_at, now)
            # windows last whole seconds; what was asked for is when it ends
            starts_at = spec.ends_at - timedelta(seconds=_seconds(spec.ends_at - starts_at))
            services = _services(actor)
            source_id = actor.id if actor.kind == "source" else None
            silence = Silence(id=uuid4(), source_id=source_id)
            if old is not None:
                _end(old, actor)
        comment = " ".join(spec.comment.split())
        window = keep_window(
            rules.WindowSpec(
                name=f"Silence {str(silence.id)[:8]}: {comment}"[:200].rstrip(": "),
                services=[service.slug for service in services],
                starts_at=starts_at,
                duration_s=_seconds(spec.ends_at - starts_at),
                note=spec.comment,
                condition=rules.condition_of(spec.matchers),
            ),
            services,
            actor=actor,
            id=silence.window_id,
        )
        silence.window = window
        silence.matchers = [matcher.to_json() for matcher in spec.matchers]
        silence.author = spec.author[:200]
        silence.updated_at = now
        silence.save()
        if starts_at <= now:
            _quieten(silence, spec.matchers, actor, now)
    return silence


def end_silence(id: UUID, *, actor: Actor) -> None:
    """End a silence now; one that is over stays as it is. Raises NotFound, Forbidden."""
    with transaction.atomic(), use_book():
        _end(_locked(id, actor), actor)


def _seconds(stretch: timedelta) -> int:
    return max(1, ceil(stretch.total_seconds()))


def _locked(id: UUID, actor: Actor) -> Silence:
    """The silence, which this actor may change. Raises NotFound, Forbidden."""
    silence = Silence.objects.select_for_update().select_related("window").filter(pk=id).first()
    if silence is None or not rules.is_silence(silence.matchers, silence.window.condition, silence.window.rrule):
        raise NotFound(f"There is no silence {id}.")
    services = list(silence.window.services.all())
    if actor.kind == "source":
        own = _own_service(actor)
        if own not in services:
            raise NotFound(f"There is no silence {id}.")
        if services != [own]:
            raise Forbidden("The key of a source may only change silences of its own service.")
        return silence
    if not all(may(actor, Deed.CONFIGURE, service.team_id) for service in services):
        raise Forbidden(f"{actor.name} may not change the silences of all services that this one covers.")
    return silence


def _own_service(actor: Actor) -> Service:
    source = intake.sources_by_id([actor.id or 0]).get(actor.id or 0)
    if source is None:
        raise Forbidden("This source is gone.")
    service: Service = source.service
    return service


def _services(actor: Actor) -> list[Service]:
    """What a new silence of this actor covers. Raises Forbidden."""
    if actor.kind == "source":
        return [_own_service(actor)]
    found = [one for one in Service.objects.order_by("slug") if may(actor, Deed.CONFIGURE, one.team_id)]
    if not found:
        require(actor, Deed.CONFIGURE)
        raise Invalid("There is no service yet that could be silenced.", {"matchers": "no service"})
    return found


def _check(spec: rules.SilenceSpec, now: datetime) -> None:
    """Raises Invalid; the message is Alertmanager's where it has one."""
    if not spec.matchers:
        raise Invalid("invalid silence: at least one matcher required")
    if len(spec.matchers) > MOST_MATCHERS:
        raise Invalid(f"invalid silence: at most {MOST_MATCHERS} matchers")
    if all(matcher.accepts("") for matcher in spec.matchers):
        raise Invalid("invalid silence: at least one matcher must not match the empty string")
    if len(rules.condition_of(spec.matchers)) > cel.MAX_LENGTH:
        raise Invalid("invalid silence: the matchers are too long")
    if spec.ends_at <= spec.starts_at:
        raise Invalid("Failed to create silence: start time must be before end time")
    if spec.ends_at <= now:
        raise Invalid("Failed to create silence: end time can't be in the past")
    if spec.ends_at - max(spec.starts_at, now) > LONGEST:
        raise Invalid(f"Failed to create silence: it must end within {LONGEST.days} days")


def _changeable(silence: Silence, spec: rules.SilenceSpec, now: datetime) -> bool:
    """Whether this change leaves the silence what it is."""
    window = silence.window
    if silence.matchers != [matcher.to_json() for matcher in spec.matchers]:
        return False
    if window.ended_at is not None or ends_of(window) <= now or spec.ends_at <= now:
        return False
    if window.starts_at <= now:
        return abs(window.starts_at - spec.starts_at) < timedelta(seconds=1)
    return spec.starts_at >= now


def _end(silence: Silence, actor: Actor) -> None:
    window = silence.window
    now = clock.now()
    if window.ended_at is not None or ends_of(window) <= now:
        return
    # the permission was checked for the silence; the window is its own
    end_windows([window.pk], actor=actor, checked=True)
    Silence.objects.filter(pk=silence.pk).update(updated_at=now)


def _quieten(silence: Silence, matchers: Sequence[rules.Matcher], actor: Actor, now: datetime) -> None:
    """Snooze incidents that page, and that the silence covers whole."""
    rows = Alert.objects.filter(state="open", incident__state="triggered")
    mine = rows.filter(readable(actor, "incident_id"), service__in=silence.window.services.all())
    ids = set(mine.order_by().values_list("incident_id", flat=True).distinct())
    left = set()
    services = set(silence.window.services.values_list("pk", flat=True))
    for alert in rows.filter(incident_id__in=ids).only("incident_id", "service_id", "data", "title", "severity"):
        labels = rules.labels_of(alert.data.get("labels") or {}, alert.title, alert.severity)
        if alert.service_id not in services or not rules.all_accept(matchers, labels):
            left.add(alert.incident_id)
    covered = sorted(key for key in ids - left if key is not None)
    if covered:
        incidents.snooze(covered, until=min(ends_of(silence.window), now + SNOOZE_MAX), actor=actor)
