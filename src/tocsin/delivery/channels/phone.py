"""What SMS and calls have in common: a number as address, and a provider that carries."""

from abc import abstractmethod
from typing import ClassVar

from tocsin.delivery.contract import (
    Channel,
    Context,
    Descriptor,
    Errand,
    Field,
    Message,
    Method,
    Pace,
    Rejected,
    Result,
)

ADDRESS = Field(
    "address",
    "Phone number",
    "phone",
    "With its country code, such as +41 79 123 45 67",
    required=True,
    max_length=40,
    placeholder="+41 79 123 45 67",
)


def described(kind: str, label: str, summary: str, icon: str, pace: Pace | None = None) -> Descriptor:
    """The descriptor of a channel to phones: one message speaks of everything that waits, and resolution is no reason
    to disturb anybody."""
    return Descriptor(
        kind=kind,
        label=label,
        summary=summary,
        address=ADDRESS,
        actions=True,
        bundles=True,
        bundle_size=100,
        pace=pace,
        concurrency=16,
        timeout_s=25.0,
        resolved=False,
        icon=icon,
    )


class PhoneChannel(Channel):
    """Hands an errand to whoever carries; which provider takes it is not the channel's business."""

    uncarried: ClassVar[str]  # said when nothing carries at all

    @abstractmethod
    def errand(self, message: Message, number: str) -> Errand:
        """What is to be carried."""

    async def send(self, message: Message, method: Method, context: Context) -> Result:
        """Have it carried."""
        if context.carry is None:
            return Rejected(self.uncarried)
        return await context.carry(self.errand(message, method.address))
