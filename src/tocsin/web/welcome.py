"""First steps: from nothing to a page on a phone, each step with a button of its own, in under five minutes."""

from typing import Any

from django.http import HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_POST

from tocsin.catalogue.actions import save_service
from tocsin.catalogue.models import Service
from tocsin.catalogue.rules import ServiceSpec
from tocsin.delivery.models import PocketMessage
from tocsin.delivery.pages import note_of
from tocsin.escalation.actions.policies import save_policy
from tocsin.escalation.models import Policy
from tocsin.escalation.rules import PolicySpec, StepSpec
from tocsin.incidents.models import Incident
from tocsin.incidents.queries import readable
from tocsin.intake import actions as intake
from tocsin.intake.models import Source
from tocsin.intake.queries import kinds
from tocsin.people.actions import add_contact_method, set_notification_rules
from tocsin.people.models import ContactMethod, User
from tocsin.people.rules import ContactMethodSpec, Deed, NotificationRuleSpec, may, require
from tocsin.platform import nodes
from tocsin.platform.errors import Conflict, Invalid
from tocsin.web.shortcuts import Request, done, page, signed_in

HERE = "/welcome/"


def _phone(user: User) -> ContactMethod | None:
    return ContactMethod.objects.filter(user=user, channel="pocket", disabled_at=None).first()


def _policy(user: User) -> Policy | None:
    """A policy that pages this person first: what these steps make, and what they may safely try out on."""
    mine = [{"kind": "user", "id": user.pk}]
    return Policy.objects.filter(steps__targets=mine, steps__position=0).order_by("-id").first()


def _service(user: User) -> Service | None:
    policy = _policy(user)
    return Service.objects.filter(policy=policy, enabled=True).order_by("-id").first() if policy else None


@require_GET
@signed_in
def welcome(request: Request) -> HttpResponse:
    """Where one stands, and the next button."""
    user = request.user
    phone, service = _phone(user), _service(user)
    source = Source.objects.filter(service=service, enabled=True).order_by("-id").first() if service else None
    visible = Incident.objects.filter(readable(request.actor), service=service, imported=False).order_by("-id")
    incident = visible.first() if service else None
    message = (
        PocketMessage.objects.filter(user=user, incident=incident).select_related("incident").order_by("-id").first()
        if incident
        else None
    )
    answered = incident is not None and incident.state != "triggered"
    steps = [phone is not None, service is not None, source is not None, incident is not None, answered]
    return page(
        request,
        "web/welcome.html",
        {
            "title": "First steps",
            "phone": phone,
            "service": service,
            "source": source,
            "incident": incident,
            "note": note_of(message) if message else None,
            "answered": answered,
            "at": steps.index(False) + 1 if False in steps else 6,
            "done_count": sum(steps),
            "kinds": [kind for kind in kinds() if kind.kind not in ("heartbeat", "partner")],
            "engine": bool(nodes.alive("engine")),
            "may_configure": may(request.actor, Deed.CONFIGURE),
        },
    )


@require_POST
@signed_in
def phone(request: Request) -> HttpResponse:
    """Give oneself a pocket phone that is tried first."""
    user = request.user
    if _phone(user) is None:
        method = add_contact_method(user.pk, ContactMethodSpec(channel="pocket", address="pocket"), actor=request.actor)
        wanted = [NotificationRuleSpec("high", method.channel, method.address)]
        for rule in user.notification_rules.select_related("contact_method").order_by("urgency", "delay_s", "position"):
            if rule.contact_method_id != method.pk:
                delay = rule.delay_s + (120 if rule.urgency == "high" else 0)
                other = rule.contact_method
                wanted.append(NotificationRuleSpec(rule.urgency, other.channel, other.address, min(delay, 86_400)))
        set_notification_rules(user.pk, wanted, actor=request.actor)
    return done(request, HERE)


@require_POST
@signed_in
def service(request: Request) -> HttpResponse:
    """Make a service whose incidents page oneself."""
    require(request.actor, Deed.CONFIGURE)
    name = request.POST.get("name", "").strip()[:120]
    if not name:
        raise Invalid("The service needs a name.", {"name": "1 to 120 characters"})
    user = request.user
    policy = _policy(user)
    if policy is None:
        me = f"user:{user.email}"
        title = f"Page {user.name}"[:110]
        taken = set(Policy.objects.filter(name__startswith=title).values_list("name", flat=True))
        title = next(text for text in (title, *(f"{title} {n}" for n in range(2, 100))) if text not in taken)
        spec = PolicySpec(
            name=title, steps=[StepSpec([me], 300)], repeats=1, fallback=[me], description="Made by First steps."
        )
        policy = save_policy(spec, actor=request.actor)
    save_service(ServiceSpec(name=name, policy=policy.slug, tier=2), actor=request.actor)
    return done(request, HERE)


@require_POST
@signed_in
def source(request: Request) -> HttpResponse:
    """Give the service a source of the chosen kind."""
    found = _service(request.user)
    if found is None:
        raise Conflict("First make a service.")
    intake.create_source(found.pk, request.POST.get("kind", ""), actor=request.actor)
    return done(request, HERE)


@require_POST
@signed_in
def signal(request: Request) -> HttpResponse:
    """Send a test signal: what follows is real."""
    found = _service(request.user)
    row: Any = Source.objects.filter(service=found, enabled=True).order_by("-id").first() if found else None
    if row is None:
        raise Conflict("First give the service a source.")
    intake.send_test_signal(row.pk, actor=request.actor)
    return done(request, HERE)


urlpatterns: list[URLPattern] = [
    path("welcome/", welcome, name="welcome"),
    path("welcome/phone/", phone, name="welcome-phone"),
    path("welcome/service/", service, name="welcome-service"),
    path("welcome/source/", source, name="welcome-source"),
    path("welcome/signal/", signal, name="welcome-signal"),
]
