"""Opsgenie's Alert API v2: any sender that speaks it works by changing its host name and key."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.opsgenie import parser


class Opsgenie(SourceKind):
    """Senders of this kind carry the key in a header, so that all of them share one address."""

    def address(self, base: str, key: str) -> str:
        return f"{base}/v2/alerts"


source = Opsgenie(
    kind="opsgenie",
    label="Opsgenie Alert API v2",
    summary="Anything that can send to Opsgenie or to JSM Operations: change its host name and key.",
    folder=Path(__file__).parent,
    aliases=("opsgenie-v2", "opsgenie-alerts", "jsm", "jsm-operations"),
    fields=(
        Field(
            "long_message",
            "Messages over 130 characters",
            "Opsgenie refuses them; its clients cut them.",
            type="choice",
            default="refuse",
            choices={"refuse": "refuse, as Opsgenie does", "cut": "accept and cut"},
        ),
    ),
    roots=parser.ROOTS,
    takes=parser.takes,
    elsewhere=parser.of_person,
    methods=frozenset({"POST", "DELETE"}),
    parse=parser.parse,
    key=parser.key,
    refuse=parser.refuse,
    unknown=401,
    unknown_text="no source has this key; give it as 'Authorization': GenieKey and the key",
)
