"""Tocsin's own figures, for Prometheus. They come from the database: any web process tells the whole installation's."""

from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path

from django.conf import settings
from django.db.models import Count, Min, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tocsin import __version__
from tocsin.delivery import canaries, objective
from tocsin.delivery.models import Attempt, Delivery, ProviderHealth
from tocsin.escalation.models import Page, Run
from tocsin.incidents.models import OPEN_STATES, PRIORITIES, Incident
from tocsin.intake import partners
from tocsin.intake.models import Inbox, RefusalCount
from tocsin.people.queries import authenticate_token
from tocsin.people.rules import Deed, may
from tocsin.platform import clock, nodes
from tocsin.project.ledger import reconciling
from tocsin.triage.models import Alert

OUTCOMES = ("delivered", "accepted", "try_later", "rejected", "unknown")


def spool_bytes() -> int:
    """What waits on this machine's disk for the database, bytes."""
    folder = Path(settings.TOCSIN.data_dir) / "spool"
    return sum(file.stat().st_size for file in folder.glob("*.spool")) if folder.exists() else 0


def _gauge(name: str, text: str, values: Iterable[tuple[str, float]], label: str) -> Metric:
    family = GaugeMetricFamily(f"tocsin_{name}", text, labels=[label])
    for value, number in values:
        family.add_metric([value], number)
    return family


def _nodes() -> Iterator[Metric]:
    configured = settings.TOCSIN
    wanted = ["web", "engine"]
    wanted += ["mail"] if configured.mail_domain else []
    wanted += ["syslog"] if configured.syslog_listen or configured.syslog_tls_listen else []
    kinds = [(kind, float(len(nodes.alive(kind)))) for kind in wanted]
    yield _gauge("nodes", "Processes that reported lately.", kinds, "kind")
    version = GaugeMetricFamily("tocsin_build", "The version that answers; always 1.", labels=["version"])
    version.add_metric([__version__], 1)
    yield version


def _queues() -> Iterator[Metric]:
    now = clock.now()

    def late(at: object) -> float:
        return max(0.0, (now - at).total_seconds()) if at else 0.0  # type: ignore[operator]

    inbox = Inbox.objects.aggregate(n=Count("id"), at=Min("received_at"))
    runs = Run.objects.filter(state="waiting").aggregate(n=Count("id"), at=Min("due_at"))
    messages = Delivery.objects.filter(state="pending").aggregate(n=Count("id"), at=Min("next_at"))
    work = {"triage": inbox, "escalation": runs, "delivery": messages}
    yield _gauge(
        "waiting", "Signals, escalation runs and messages that wait.", ((k, v["n"]) for k, v in work.items()), "work"
    )
    yield _gauge(
        "late_seconds",
        "How long the most overdue of them has been due.",
        ((k, late(v["at"])) for k, v in work.items()),
        "work",
    )
    yield GaugeMetricFamily("tocsin_spool_bytes", "What waits on this machine's disk for the database.", spool_bytes())


def _incidents() -> Iterator[Metric]:
    rows = Incident.objects.filter(state__in=OPEN_STATES, drill=False).values_list("priority").annotate(n=Count("id"))
    found = dict(rows.order_by())
    yield _gauge(
        "incidents_open", "Open incidents, drills apart.", ((p, found.get(p, 0)) for p in PRIORITIES), "priority"
    )
    alerts = Alert.objects.filter(state="open", source_id__gt=0)
    yield GaugeMetricFamily("tocsin_alerts_open", "Open alerts.", alerts.count())


def _totals() -> Iterator[Metric]:
    def counter(name: str, text: str, label: str, rows: Iterable[tuple[str, float]]) -> Metric:
        family = CounterMetricFamily(f"tocsin_{name}", text, labels=[label])
        for value, number in rows:
            family.add_metric([value], number)
        return family

    refused = RefusalCount.objects.values_list("reason").annotate(n=Sum("count")).order_by()
    yield counter("refusals", "Requests of senders that were refused.", "reason", refused)
    tried = dict(Attempt.objects.filter(delivery_id__gt=0).values_list("outcome").annotate(n=Count("id")).order_by())
    yield counter("attempts", "Tries to deliver a message.", "outcome", ((o, tried.get(o, 0)) for o in OUTCOMES))
    told = ProviderHealth.objects.values_list("provider__slug", "refused")
    yield counter("provider_refusals", "Requests in a provider's name that had no good signature.", "provider", told)
    gaps = Q(user=None, reason__kind="gap")  # a webhook is nobody either, and no gap
    pages = Page.objects.filter(incident_id__gt=0).aggregate(
        all=Count("id"), nobody=Count("id", filter=gaps), webhook=Count("id", filter=Q(reason__kind="webhook"))
    )
    yield counter(
        "pages", "Pages planned.", "to",
        (("somebody", pages["all"] - pages["nobody"] - pages["webhook"]), ("nobody", pages["nobody"]),
         ("webhook", pages["webhook"])),
    )  # fmt: skip


def _promise() -> Iterator[Metric]:
    lately, period = objective.measured(), objective.kept()
    took = [("0.5", lately.p50_s), ("0.99", lately.p99_s)]
    yield _gauge(
        "page_handover_seconds",
        "From a page's plan to a provider's taking it over, urgent pages of the last hour.",
        ((quantile, value) for quantile, value in took if value is not None),
        "quantile",
    )
    shares = [("1h", lately.share), *([("30d", period.share)] if period else [])]
    yield _gauge(
        "pages_in_time_ratio",
        f"Share of urgent pages that were taken over within {objective.WITHIN_S:g} s.",
        shares,
        "period",
    )
    found = {one["what"]: float(one["count"]) for one in reconciling.last().get("found", ())}
    yield _gauge(
        "findings",
        "What should have happened and has not, as of the last look.",
        ((what, found.get(what, 0.0)) for what in reconciling.WHAT),
        "what",
    )


def _providers() -> Iterator[Metric]:
    now = clock.now()
    rows = ProviderHealth.objects.filter(provider__enabled=True).values_list("provider__slug", "open_until")
    resting = ((slug, float(until is not None and until > now)) for slug, until in rows)
    yield _gauge("provider_resting", "Whether a provider of SMS and calls rests after failures.", resting, "provider")


def _canary() -> Iterator[Metric]:
    going = canaries.status()
    late = "For how long the canary has been late; 0 while it arrives or is switched off."
    yield GaugeMetricFamily("tocsin_canary_late_seconds", late, going.late_s)
    took = [("0.5", going.p50_s), ("0.99", going.p99_s)]
    yield _gauge(
        "canary_round_trip_seconds",
        "From a canary's signal to its page's arrival, last day.",
        ((quantile, value) for quantile, value in took if value is not None),
        "quantile",
    )


def _partners() -> Iterator[Metric]:
    well: dict[str, float] = {}
    for one in partners.watched():
        if one.state != "waiting":  # two services may have a partner of one name: the worse of them counts
            well[one.name] = min(well.get(one.name, 1.0), float(one.state == "well"))
    text = "Whether a partner says that it is well and takes our word."
    yield _gauge("partner_well", text, well.items(), "partner")


PARTS: tuple[Callable[[], Iterator[Metric]], ...] = (
    _nodes, _queues, _incidents, _totals, _providers, _promise, _canary, _partners,
)  # fmt: skip


class _Database(Collector):
    def collect(self) -> Iterable[Metric]:
        for part in PARTS:
            yield from part()


def permitted(request: HttpRequest) -> bool:
    """Whether this request may see the figures: from this machine itself, or with a token that may read."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return may(authenticate_token(token.strip()), Deed.READ)
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures in Prometheus's text format; 403 unless ``permitted``."""
    if not permitted(request):
        return HttpResponse(
            "The metrics need a token with the scope `read` (Authorization: Bearer ...).\n",
            status=403,
            content_type="text/plain",
        )
    registry = CollectorRegistry()
    registry.register(_Database())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
