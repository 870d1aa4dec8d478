"""Amazon SNS over HTTPS: CloudWatch's alarms."""

from pathlib import Path

from tocsin.intake.contract import Field, SourceKind
from tocsin.intake.sources.aws_sns import parser

source = SourceKind(
    kind="aws-sns",
    label="AWS CloudWatch (SNS)",
    summary="Alarms of CloudWatch by way of an SNS topic, or of EventBridge.",
    folder=Path(__file__).parent,
    aliases=(
        "aws",
        "sns",
        "cloudwatch",
        "aws_sns",
        "aws-cloudwatch",
    ),
    fields=(
        Field(
            "topic",
            "Topic (ARN)",
            "Messages of other topics are refused, and the subscription of this one is confirmed by itself. Without it,"
            " confirm by the link in the change that the request becomes.",
        ),
        Field(
            "unsigned",
            "Take unsigned messages",
            "For raw message delivery and EventBridge, which do not sign. The address is the only secret then.",
            type="flag",
            default=False,
        ),
        Field(
            "severity",
            "Severity of alarms",
            type="choice",
            default="error",
            choices={"critical": "critical", "error": "error", "warning": "warning", "info": "info"},
        ),
    ),
    needs=parser.needs,
    check=parser.problems,
    parse=parser.parse,
)
