"""Grafana's webhook contact point into signals.

The body is Alertmanager's (payload version ``1`` of Grafana), with values and links of its own; the signature is a hex
HMAC-SHA256 of the body, or of ``<seconds>:<body>`` when the contact point names a header for the moment.
"""

from collections.abc import Mapping
from typing import Any

from tocsin.intake.contract import Parsed, Request, check_signature
from tocsin.intake.sources.alertmanager import parser as alertmanager

HEADER = "X-Grafana-Alerting-Signature"


def parse(request: Request, config: Mapping[str, Any]) -> Parsed:
    """A signal for each alert, or one for the notification when the source's ``identity`` is ``group``."""
    header = config.get("signature_header") or HEADER
    check_signature(request, config, header, stamp=config.get("timestamp_header") or "")
    return alertmanager.parse(request, config, "Grafana")
