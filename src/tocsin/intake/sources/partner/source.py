"""Two installations watch each other."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.partner import parser

source = SourceKind(
    kind="partner",
    label="Another Tocsin",
    summary="Two installations tell each other once a minute how they are; silence becomes an incident.",
    folder=Path(__file__).parent,
    aliases=("tocsin",),
    fields=(
        Field(
            "url",
            "Our address over there",
            "What the other installation shows for its source of this kind. Without it we only listen.",
            type="secret",
        ),
        Field(
            "after_minutes",
            "Page after, minutes",
            "Of silence, of no answer, or of a word that it is not well.",
            type="number",
            default=3,
            minimum=2,
            maximum=1440,
        ),
    ),
    parse=parser.parse,
    check=parser.problems,
)
