"""VictorOps' REST endpoint, which Splunk On-Call has kept: any sender that speaks it works by changing its host."""

from pathlib import Path

from tocsin.intake.contract import SourceKind
from tocsin.intake.sources.victorops import parser

source = SourceKind(
    kind="victorops",
    label="VictorOps, Splunk On-Call",
    summary="Anything that can send to the REST endpoint of VictorOps: change its address and key.",
    folder=Path(__file__).parent,
    aliases=("splunk-on-call", "splunk-oncall", "splunk_on_call"),
    roots=(parser.ROOT,),
    takes=parser.takes,
    parse=parser.parse,
    key=parser.key,
    refuse=parser.refuse,
    unknown_text="no source has this API key",
)
