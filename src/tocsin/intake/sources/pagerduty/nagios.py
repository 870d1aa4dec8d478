"""PagerDuty's address for Nagios (``/nagios/2010-04-15/create_event``), which its ``pagerduty_nagios.pl`` posts to.

The form holds Nagios' macros; ``CONTACTPAGER`` (or ``service_key``) is the key. Host and service description are the
incident key, and ``pd_nagios_object`` says which of the two the notification is about. What the macros mean is read as
in the source for Nagios itself; the script takes any 2xx for success, and drops what is answered with 4xx.
"""

from collections.abc import Mapping

import msgspec

from tocsin.intake.contract import Answer, Facts, Parsed, ParseError, Request, form_of
from tocsin.intake.sources.nagios import parser as nagios

PATH = "/nagios/2010-04-15/create_event"
KEYS = ("CONTACTPAGER", "SERVICE_KEY", "PD_SERVICE_KEY")


def meant(request: Request) -> bool:
    """Whether the request is one of Nagios' script."""
    return request.path.rstrip("/") == PATH or request.tail.strip("/").endswith("nagios/2010-04-15/create_event")


def _macros(request: Request) -> Mapping[str, str]:
    """The form's fields by their names in capitals."""
    return {name.upper(): value for name, value in form_of(request).items()}


def key(request: Request) -> str:
    """The service key of the form. Raises ParseError when there is none."""
    macros = _macros(request)
    found = next((macros[name].strip() for name in KEYS if macros.get(name, "").strip()), "")
    if len(found) != 32 or not (found.isascii() and found.isalnum()):
        raise ParseError(["'CONTACTPAGER' must be the service key: 32 letters and digits"])
    return found


def parse(request: Request) -> Parsed:
    """One notification is one signal; the answer names its incident key. Raises ParseError."""
    macros = {name: value for name, value in _macros(request).items() if name not in KEYS}
    if macros.get("PD_NAGIOS_OBJECT", "").strip().lower() == "host":
        macros.pop("SERVICEDESC", None)
    parsed = nagios.read(Facts(macros))
    message = "Event processed" if parsed.signals else "Event ignored: it is nothing that pages"
    answer = {"status": "success", "message": message}
    if parsed.signals:
        answer["incident_key"] = parsed.signals[0].dedup_key
    return Parsed(parsed.signals, Answer(200, msgspec.json.encode(answer)))
