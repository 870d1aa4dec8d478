"""GitHub's webhooks: what changed."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.github import parser

source = SourceKind(
    kind="github",
    label="GitHub (changes)",
    summary="Deployments, releases, workflow runs and pushes of GitHub as changes; they never page.",
    folder=Path(__file__).parent,
    fields=(
        Field(
            "secret",
            "Secret",
            "The webhook's secret. With it, only signed requests are taken.",
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
