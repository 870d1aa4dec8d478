"""Heartbeats: silence becomes a signal."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.heartbeat import parser

source = SourceKind(
    kind="heartbeat",
    label="Heartbeat",
    summary="A job checks in at intervals; when it does not, somebody is told.",
    folder=Path(__file__).parent,
    aliases=("heart-beat", "check-in", "checkin", "dead-man", "deadman", "cron"),
    fields=(
        Field(
            "interval_s",
            "Expected every, seconds",
            "Counted from the last check-in.",
            type="number",
            required=True,
            default=3600,
            minimum=10,
            maximum=366 * 86_400,
        ),
        Field(
            "grace_s",
            "Grace, seconds",
            "How late is still fine.",
            type="number",
            default=60,
            minimum=0,
            maximum=30 * 86_400,
        ),
        Field("description", "Description", "What checks in here; told to whoever is paged."),
        Field("message", "Title of the incident", "Empty: that it missed its check-in."),
        Field(
            "priority",
            "Priority of the incident",
            type="choice",
            default="matrix",
            choices={"matrix": "by impact and urgency", **{name: name for name in ("P1", "P2", "P3", "P4", "P5")}},
        ),
        Field("tags", "Tags", "Separated by commas; the label tags of the signal."),
    ),
    methods=frozenset({"GET", "HEAD", "POST", "PUT"}),
    parse=parser.parse,
)
