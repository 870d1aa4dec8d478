"""Syslog, from servers and devices."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.syslog import parser

source = SourceKind(
    kind="syslog",
    label="Syslog",
    summary="Servers, switches, anything that logs: over UDP, TCP or TLS, RFC 5424 and the older form.",
    folder=Path(__file__).parent,
    aliases=("rsyslog", "syslog-ng"),
    fields=(
        Field(
            "opens",
            "Open an alert at",
            "Messages that are less severe are left out, unless a line of the rules says otherwise.",
            type="choice",
            default="err",
            choices={
                "emerg": "Emergency (0)",
                "alert": "Alert (1) and worse",
                "crit": "Critical (2) and worse",
                "err": "Error (3) and worse",
                "warning": "Warning (4) and worse",
                "notice": "Notice (5) and worse",
                "info": "Info (6) and worse",
                "debug": "Everything",
            },
        ),
        Field(
            "rules",
            "Rules",
            "A line each: open, acknowledge, resolve, ignore, key, critical, error, warning or info; then message, "
            "host, app, msgid, facility, severity, data or any; then a pattern. The first that fits decides.",
            type="lines",
        ),
        Field(
            "identity",
            "The same alert is",
            "What makes two messages one alert, unless a line of the rules names a key.",
            type="choice",
            default="message",
            choices={
                "message": "The same text, numbers aside, of the same program and host",
                "kind": "The same MSGID of the same program and host",
                "host": "Everything of one host",
            },
        ),
        Field(
            "senders",
            "Senders",
            "Addresses or networks, as 10.1.0.0/16, whose messages are this source's when they carry no key.",
        ),
        Field(
            "certificates",
            "Names in certificates",
            "Of clients over TLS (common name or DNS name) whose messages are this source's.",
        ),
        Field("default", "Takes the rest", "What belongs to no other source of syslog.", type="flag", default=False),
    ),
    parse=parser.parse,
    check=parser.problems,
    listener="syslog",
)
