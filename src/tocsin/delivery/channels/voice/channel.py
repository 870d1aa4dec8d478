"""Voice: a call to a phone, through the providers that an administrator has added; answered with a key."""

from typing import ClassVar

from tocsin.delivery.channels.voice.words import script_of
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


class Voice(Channel):
    """One call a message. What it says is decided here; that nobody has acknowledged meanwhile, when it is picked
    up."""

    descriptor: ClassVar[Descriptor] = Descriptor(
        kind="voice",
        label="Phone call",
        summary="A call that reads the incident; press 4 to acknowledge, 6 to resolve, 5 to pass it on.",
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
        pace=Pace(free=2, spacing_s=120.0, urgent_s=45.0),
        concurrency=16,
        timeout_s=25.0,
        resolved=False,
        icon="phone-call",
    )

    async def send(self, message: Message, method: Method, context: Context) -> Result:
        """Have it carried."""
        if context.carry is None:
            return Rejected("nothing here makes calls")
        return await context.carry(Errand(method.address, message, script=script_of(message)))


channel = Voice()
