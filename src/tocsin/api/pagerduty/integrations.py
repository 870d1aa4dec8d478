"""Integrations of services, which are our sources; and vendors, which are the kinds of sources that there are."""

from typing import Any
from zlib import crc32

from tocsin.api.pagerduty import fields, ids, services
from tocsin.api.pagerduty.asking import Answer, Asked, number_of, told
from tocsin.api.pagerduty.errors import Refused
from tocsin.intake import actions
from tocsin.intake import queries as intake
from tocsin.intake.contract import SourceKind

EVENTS, TRANSFORMED = "events_api_v2_inbound_integration", "event_transformer_api_inbound_integration"
KINDS = {
    EVENTS: "pagerduty",
    "generic_events_api_inbound_integration": "pagerduty",
    "aws_cloudwatch_inbound_integration": "aws-sns",
    "nagios_inbound_integration": "nagios",
}
TYPES = {"pagerduty": EVENTS, "aws-sns": "aws_cloudwatch_inbound_integration", "nagios": "nagios_inbound_integration"}


def vendor_number(kind: str) -> int:
    """A kind's number: of its name, because kinds are code and have none."""
    return crc32(kind.encode())


def _vendor_reference(asked: Asked, kind: str) -> dict[str, Any] | None:
    known = next((one for one in intake.kinds() if one.kind == kind), None)
    return asked.reference("vendor", vendor_number(kind), known.label) if known else None


def _plain(asked: Asked, source: Any) -> dict[str, Any]:
    plain = asked.thing("integration", source.pk, source.name, page=services.page(source.service_id))
    at = f"{asked.base}/services/{ids.write('service', source.service_id)}/integrations/{plain['id']}"
    return plain | {"self": at, "type": TYPES.get(source.kind, TRANSFORMED)}


def reference(asked: Asked, source: Any) -> dict[str, Any]:
    """An integration, named only."""
    plain = _plain(asked, source)
    return plain | {"type": f"{plain['type']}_reference"}


def shape(asked: Asked, source: Any) -> dict[str, Any]:
    """An integration, with its key for who may configure the service."""
    vendor = vendor_shape(asked, intake.kind(source.kind)) if asked.includes("vendors") else None
    key = intake.key_of(source) if intake.may_see_key(asked.actor, source) else None
    return _plain(asked, source) | {
        "name": source.name,
        "service": services.reference(asked, source.service_id, source.service.name),
        "created_at": told(source.created_at),
        "vendor": vendor or _vendor_reference(asked, source.kind),
        "integration_key": key,
        # where this kind of sender posts to, which is not the same for every vendor here
        "integration_url": intake.address_of(source, asked.pages).url if key else None,
    }


def either(asked: Asked, source: Any) -> dict[str, Any]:
    """As the service's ``include[]`` asks for it."""
    return shape(asked, source) if asked.includes("integrations") else reference(asked, source)


def _found(asked: Asked, service: str, integration: str) -> Any:
    row = services.found(asked, service)
    number = fields.number("integration", integration)
    source = intake.sources(asked.actor, service=[row.pk]).filter(pk=number).first()
    if source is None:
        raise Refused(404)
    return source


def one(asked: Asked, service: str, integration: str) -> Answer:
    """One integration."""
    return Answer({"integration": shape(asked, _found(asked, service, integration))})


def _wanted(given: fields.Given) -> str:
    """The kind of source that a body asks for. Raises Refused."""
    kind = given.get("type")
    if given.get("vendor") is not None and kind not in (EVENTS, "generic_events_api_inbound_integration"):
        number = number_of("vendor", given["vendor"], "vendor")
        known = next((known for known in intake.kinds() if vendor_number(known.kind) == number), None)
        if known is None:
            raise fields.wrong("vendor", "one of /vendors", code=5001)
        return known.kind
    if kind not in KINDS:
        raise fields.wrong("type", f"one of {', '.join(KINDS)}, or a vendor of /vendors")
    return KINDS[str(kind)]


def create(asked: Asked, service: str) -> Answer:
    """A new source of signals, with a key of its own."""
    row, given = services.found(asked, service), asked.given("integration")
    for name in ("email_parsers", "email_filters"):
        fields.usual(given, name, [], instead="nothing: mail is no source here")
    with fields.taken("Name has already been taken"):
        source = actions.create_source(row.pk, _wanted(given), actor=asked.actor, name=fields.text(given, "name", 120))
    return Answer({"integration": shape(asked, source)}, 201)


def update(asked: Asked, service: str, integration: str) -> Answer:
    """Give an integration another name."""
    source, given = _found(asked, service, integration), asked.given("integration")
    shown = shape(asked, source)
    kind = shown["type"]
    fields.usual(given, "type", kind, f"{kind}_reference", "generic_events_api_inbound_integration" if kind == EVENTS
                 else kind, instead=f"{kind}: make another integration")  # fmt: skip
    for name in ("vendor", "service"):
        there = given.get(name)
        if isinstance(there, dict) and there.get("id") != (shown[name] or {}).get("id"):
            raise fields.wrong(name, "what it was: make another integration")
    fields.usual(given, "integration_key", shown["integration_key"], instead="what it was")
    with fields.taken("Name has already been taken"):
        actions.update_source(source.pk, actor=asked.actor, name=fields.needed(given, "name", 120, source.name))
    return one(asked, service, integration)


# -- vendors -----------------------------------------------------------------------------------------------------------


def vendor_shape(asked: Asked, kind: SourceKind) -> dict[str, Any]:
    """A kind of source."""
    return asked.thing("vendor", vendor_number(kind.kind), kind.label) | {
        "name": kind.label,
        "description": kind.summary,
        "website_url": None,
        "logo_url": None,
        "thumbnail_url": None,
        "integration_guide_url": None,
        "generic_service_type": TYPES.get(kind.kind, TRANSFORMED).removesuffix("_inbound_integration"),
    }


def vendors(asked: Asked) -> Answer:
    """The kinds of sources by their name."""
    known = intake.kinds()
    if wanted := asked.query.get("query", "").strip().lower():
        known = [kind for kind in known if wanted in kind.label.lower() or wanted in kind.kind]
    return asked.listed("vendors", known, lambda page: [vendor_shape(asked, kind) for kind in page])


def vendor(asked: Asked, text: str) -> Answer:
    """One kind of source."""
    number = fields.number("vendor", text, code=5001)
    known = next((kind for kind in intake.kinds() if vendor_number(kind.kind) == number), None)
    if known is None:
        raise Refused(404, code=5001)
    return Answer({"vendor": vendor_shape(asked, known)})


_INTEGRATION = "/services/{id}/integrations/{integration_id}"
ROUTES = (
    ("POST", "/services/{id}/integrations", create),
    ("GET", _INTEGRATION, one),
    ("PUT", _INTEGRATION, update),
    ("GET", "/vendors", vendors),
    ("GET", "/vendors/{id}", vendor),
)
