"""GitLab's webhooks: what changed."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.gitlab import parser

source = SourceKind(
    kind="gitlab",
    label="GitLab (changes)",
    summary="Deployments, releases, pipelines and pushes of GitLab as changes; they never page.",
    folder=Path(__file__).parent,
    fields=(
        Field(
            "secret",
            "Secret token",
            "The webhook's token. With it, only requests that carry it are taken.",
            type="secret",
        ),
        Field(
            "pushes",
            "Pushes",
            "Which of them count as changes.",
            type="choice",
            default="default",
            choices={"default": "to the default branch", "all": "to every branch", "none": "none"},
        ),
    ),
    parse=parser.parse,
)
