"""PagerDuty Events v2 and v1: any sender that speaks it works by changing its address and key."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.pagerduty import events_v1, nagios, parser


class PagerDuty(SourceKind):
    """Senders of this kind carry the key in the body, so that all of them share one address."""

    def address(self, base: str, key: str) -> str:
        return f"{base}/v2/enqueue"


source = PagerDuty(
    kind="pagerduty",
    label="PagerDuty Events v2",
    summary="Anything that can send to PagerDuty: change its address, keep everything else.",
    folder=Path(__file__).parent,
    aliases=("pagerduty-events-v2", "events-v2", "events_v2", "pagerduty_events_v2", "pagerduty-v2", "pd"),
    fields=(
        Field(
            "severity",
            "Unknown severities",
            "Senders with templates may send a severity that the format does not have, such as page.",
            type="choice",
            default="strict",
            choices={"strict": "refuse, as PagerDuty does", "lenient": "accept and translate"},
        ),
    ),
    paths=("/v2/enqueue", "/v2/change/enqueue", events_v1.PATH, nagios.PATH),
    parse=parser.parse,
    key=parser.key,
    refuse=parser.refuse,
    unknown=400,
    unknown_text="Invalid routing key",
)
