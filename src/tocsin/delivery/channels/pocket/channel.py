"""Pocket: a demo phone that is a page in the browser, showing what a phone would receive, with buttons."""

from typing import ClassVar

from tocsin.delivery.contract import (
    Channel,
    Context,
    Delivered,
    Descriptor,
    Field,
    Message,
    Method,
    Rejected,
    Result,
    TryLater,
)


class Pocket(Channel):
    """Keeps the message in our own database, so "delivered" is the truth."""

    descriptor: ClassVar[Descriptor] = Descriptor(
        kind="pocket",
        label="Pocket phone",
        summary="A phone in the browser, to try Tocsin out without any provider. Open it under Pocket.",
        address=Field("address", "Name of the phone", hint="Any name", required=True, default="pocket", max_length=60),
        actions=True,
        verifies=True,
        concurrency=200,
        icon="smartphone",
    )

    async def send(self, message: Message, method: Method, context: Context) -> Result:
        """Keep the message for the person."""
        if context.keep is None or method.user_id is None:
            return Rejected("a pocket phone belongs to a person")
        try:
            return Delivered(await context.keep(message, method))
        except Exception as error:  # noqa: BLE001 - whatever the database says, it may work later
            return TryLater(None, f"{type(error).__name__}: {error}"[:300])


channel = Pocket()
