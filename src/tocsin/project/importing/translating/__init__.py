"""Exports of other products -> configuration of ours, and findings. Pure: plain values in, plain values out."""

from collections.abc import Callable

from tocsin.project.importing.shapes import Export, Translation
from tocsin.project.importing.translating import grafana_oncall, opsgenie, pagerduty

TRANSLATORS: dict[str, Callable[[Export], Translation]] = {
    "opsgenie": opsgenie.translate,
    "pagerduty": pagerduty.translate,
    "grafana-oncall": grafana_oncall.translate,
}


def translate(export: Export) -> Translation:
    """What an export becomes here."""
    return TRANSLATORS[export.product](export)
