"""SMS: a short text to a phone, through the providers that an administrator has added; answered by replying."""

from typing import ClassVar

from tocsin.delivery.channels.sms.words import text_of
from tocsin.delivery.contract import (
    Channel,
    Context,
    Descriptor,
    Errand,
    Field,
    Message,
    Method,
    Rejected,
    Result,
)


class Sms(Channel):
    """One text a message, of at most two segments; which provider takes it is not the channel's business."""

    descriptor: ClassVar[Descriptor] = Descriptor(
        kind="sms",
        label="SMS",
        summary="A text message to a phone; reply ACK, RES or ESC to act.",
        address=Field(
            "address",
            "Phone number",
            "phone",
            "With its country code, such as +41 79 123 45 67",
            required=True,
            max_length=40,
            placeholder="+41 79 123 45 67",
        ),
        actions=True,
        bundles=True,
        bundle_size=100,
        concurrency=16,
        timeout_s=25.0,
        resolved=False,
        icon="message-square",
    )

    async def send(self, message: Message, method: Method, context: Context) -> Result:
        """Have it carried."""
        if context.carry is None:
            return Rejected("nothing here carries SMS")
        return await context.carry(Errand(method.address, message, text=text_of(message)))


channel = Sms()
