"""Voice: a call to a phone, through the providers that an administrator has added; answered with a key."""

from typing import ClassVar

from tocsin.delivery.channels.phone import PhoneChannel, described
from tocsin.delivery.channels.voice.words import script_of
from tocsin.delivery.contract import Descriptor, Errand, Message, Pace


class Voice(PhoneChannel):
    """One call a message. What it says is decided here; that nobody has acknowledged meanwhile, when it is picked
    up."""

    descriptor: ClassVar[Descriptor] = described(
        "voice",
        "Phone call",
        "A call that reads the incident; press 4 to acknowledge, 6 to resolve, 5 to pass it on.",
        "phone-call",
        pace=Pace(free=2, spacing_s=120.0, urgent_s=45.0),
    )
    uncarried = "nothing here makes calls"

    def errand(self, message: Message, number: str) -> Errand:
        """The script."""
        return Errand(number, message, script=script_of(message))


channel = Voice()
