"""SMS: a short text to a phone, through the providers that an administrator has added; answered by replying."""

from typing import ClassVar

from tocsin.delivery.channels.phone import PhoneChannel, described
from tocsin.delivery.channels.sms.words import text_of
from tocsin.delivery.contract import Descriptor, Errand, Message


class Sms(PhoneChannel):
    """One text a message, of at most two segments."""

    descriptor: ClassVar[Descriptor] = described(
        "sms", "SMS", "A text message to a phone; reply ACK, RES or ESC to act.", "message-square"
    )
    uncarried = "nothing here carries SMS"

    def errand(self, message: Message, number: str) -> Errand:
        """The text."""
        return Errand(number, message, text=text_of(message))


channel = Sms()
