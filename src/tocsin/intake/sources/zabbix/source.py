"""Zabbix, by a media type with a script."""

from pathlib import Path

from tocsin.intake.contract import SourceKind
from tocsin.intake.sources.zabbix import parser

source = SourceKind(
    kind="zabbix",
    label="Zabbix",
    summary="A media type of Zabbix posts problems, their acknowledgements and their end.",
    folder=Path(__file__).parent,
    parse=parser.parse,
)
