"""Mail, for what can send nothing else."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.email import parser

source = SourceKind(
    kind="email",
    label="E-mail",
    summary="Mail to an address of its own: rules say what opens, what resolves and what is left out.",
    folder=Path(__file__).parent,
    aliases=("mail", "e-mail", "smtp"),
    fields=(
        Field(
            "identity",
            "The same alert is",
            "What makes two mails one alert, unless a line of the rules names a key.",
            type="choice",
            default="subject",
            choices={
                "subject": "Mail with the same subject (Re: and Fwd: aside)",
                "thread": "Mail of one conversation",
                "mail": "Each mail alone",
                "all": "All mail of this source",
            },
        ),
        Field(
            "rules",
            "Rules",
            "A line each: open, acknowledge, resolve, ignore, key, critical, error, warning or info; then subject, "
            "body, from, to, headers or any; then a pattern. The first that fits decides.",
            type="lines",
        ),
        Field(
            "otherwise",
            "Other mail",
            "Mail that no such line is about.",
            type="choice",
            default="open",
            choices={"open": "opens an alert", "ignore": "is left out"},
        ),
        Field(
            "severity",
            "Severity",
            "Unless a line of the rules or the mail's own importance says otherwise.",
            type="choice",
            default="error",
            choices={"critical": "Critical", "error": "Error", "warning": "Warning", "info": "Info"},
        ),
        Field(
            "senders",
            "Allowed senders",
            "Addresses, or domains as @example.org, with commas between. Empty: whoever knows the address.",
        ),
        Field(
            "checked_by",
            "Senders checked by",
            "Your mail server, by its name in Authentication-Results. Only mail that it found to be its "
            "sender's (DMARC) is taken then.",
        ),
    ),
    parse=parser.parse,
    check=parser.problems,
    listener="mail",
)
