"""Lanes: one channel at work in the deliverer, and what waits for each contact method in it.

Inside a lane that can bundle, every contact method has a mailbox: its first page goes out alone and at once, and what
arrives while that is under way leaves together in the next message.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tocsin.delivery import rules
from tocsin.delivery.contract import Accepted, Channel, Delivered, Rejected, Result, TryLater
from tocsin.delivery.queries import Prepared
from tocsin.delivery.rules import Release, Settled, pacing
from tocsin.delivery.rules.pacing import Hush

HELD = 1000  # most deliveries of one bundling channel in memory
FRESH_S = 1.0  # a delivery that waited in memory for longer goes back, so that its fence is judged again
RECENT_S = 60.0  # somebody who heard from us within this time gets bundles at once


class Owner(Protocol):
    """What a lane needs of the deliverer."""

    stopping: bool
    tasks: set[asyncio.Task[None]]

    def time(self) -> float:
        """The loop's clock."""

    def freed(self, lane: "Lane", box: "Mailbox") -> None:
        """The lane has places again."""

    def settled(self, item: Settled) -> None:
        """Something came of a delivery."""

    async def hushed(self, channel: Channel, items: Sequence[Prepared]) -> Hush | None:
        """Take the right to send these as one message; or how long they go back into the outbox."""

    async def attempt(self, channel: Channel, items: Sequence[Prepared]) -> Result:
        """Send one message."""

    async def refund(self, channel: Channel, items: Sequence[Prepared]) -> None:
        """It was not taken: it does not count."""


@dataclass(slots=True)
class Item:
    """A prepared delivery and when we got it, by the loop's clock."""

    prepared: Prepared
    got: float
    alone: bool = False  # a bundle that held it was refused: it is tried by itself
    family: "Family | None" = None


@dataclass(slots=True)
class Family:
    """What was one refused bundle: when its first member is refused alone too, so are the rest."""

    reason: str
    refused: bool | None = None


@dataclass(slots=True)
class Mailbox:
    """What waits for one contact method."""

    key: object
    method_id: int | None
    waiting: deque[Item] = field(default_factory=deque)
    under_way: int = 0
    since: float = 0.0


class Lane:
    """One channel at work."""

    def __init__(self, kind: str, channel: Channel, owner: Owner) -> None:
        self.kind = kind
        self.channel = channel
        self.owner = owner
        self.mailboxes: dict[object, Mailbox] = {}
        self.ready: deque[Mailbox] = deque()
        self.active = 0
        self.held = 0
        self.heard: dict[object, float] = {}

    def room(self) -> int:
        """How many more deliveries this lane can take now."""
        descriptor = self.channel.descriptor
        if descriptor.bundles:
            return HELD - self.held
        return descriptor.concurrency - self.held

    def hungry(self) -> bool:
        """Whether it is worth asking the outbox for more: half of the places are free."""
        descriptor = self.channel.descriptor
        return self.room() * 2 >= (HELD if descriptor.bundles else descriptor.concurrency)

    def busy(self, now: float) -> list[int]:
        """Contact methods that have enough to do."""
        most = 2 * self.channel.descriptor.bundle_size
        return [
            box.method_id
            for box in self.mailboxes.values()
            if box.method_id and (len(box.waiting) >= most or (box.under_way and now - box.since > FRESH_S / 2))
        ]

    def add(self, prepared: Prepared, now: float) -> None:
        """Put a delivery in line."""
        key: object = prepared.mailbox if self.channel.descriptor.bundles else prepared.delivery.id
        box = self.mailboxes.get(key)
        if box is None:
            box = self.mailboxes[key] = Mailbox(key, prepared.method.id)
            self.ready.append(box)
        box.waiting.append(Item(prepared, now))
        self.held += 1

    def pump(self) -> None:
        """Start as many messages as may be under way."""
        while self.ready and self.active < self.channel.descriptor.concurrency and not self.owner.stopping:
            box = self.ready.popleft()
            items = self._take(box)
            if not items:
                self._rest(box)
                continue
            box.under_way = len(items)
            box.since = self.owner.time()
            self.active += 1
            task = asyncio.get_running_loop().create_task(self._send(box, items))
            self.owner.tasks.add(task)
            task.add_done_callback(self.owner.tasks.discard)

    def _take(self, box: Mailbox) -> list[Item]:
        """The deliveries of the next message; what waited too long goes back into the outbox."""
        now = self.owner.time()
        fresh: deque[Item] = deque()
        for item in box.waiting:
            if now - item.got > FRESH_S:
                self._settle(item, Release(), now, now)
            else:
                fresh.append(item)
        # the best rank goes first, whenever it came; what was in a refused bundle is dealt with before
        box.waiting = fresh = deque(sorted(fresh, key=lambda item: (not item.alone, item.prepared.delivery.rank)))
        if not fresh:
            return []
        if fresh[0].alone:
            return [fresh.popleft()]
        joint = sum(not item.alone for item in fresh)
        recent = now - self.heard.get(box.key, -RECENT_S) < RECENT_S
        recent = recent or any(item.prepared.delivery.reason == pacing.HUSHED for item in fresh)
        size = rules.bundles(joint, size=self.channel.descriptor.bundle_size, alone_first=not recent)[0]
        return [fresh.popleft() for _ in range(size)]

    async def _send(self, box: Mailbox, items: list[Item]) -> None:
        prepared = [item.prepared for item in items]
        # what was in a refused bundle is tried alone, now: nobody would know that any more after the outbox
        hush = None if items[0].alone else await self.owner.hushed(self.channel, prepared)
        if hush is not None:
            self._put_back((*items, *box.waiting), hush)
            box.waiting.clear()
            self._end(box)
            return
        started = self.owner.time()
        result = await self.owner.attempt(self.channel, prepared)
        now = self.owner.time()
        if self.channel.descriptor.bundles:
            self.heard[box.key] = now
            if len(self.heard) > 10_000:
                self.heard = {key: moment for key, moment in self.heard.items() if now - moment < RECENT_S}
        if not isinstance(result, Accepted | Delivered) and not items[0].alone:
            await self.owner.refund(self.channel, prepared)
        if isinstance(result, Rejected) and len(items) > 1:
            self._take_apart(box, items, result, now)
        else:
            for item in items:
                self._settle(item, result, started, now)
        if isinstance(result, TryLater):
            # the address does not answer: what waits for it need not find that out one by one
            late = TryLater(result.after_s, f"not tried, the same address failed a moment ago: {result.reason}")
            while box.waiting:
                self._settle(box.waiting.popleft(), late, now, now)
        elif len(items) == 1 and (family := items[0].family) is not None and family.refused is None:
            family.refused = isinstance(result, Rejected)
            if isinstance(result, Rejected):
                kept: deque[Item] = deque()
                for item in box.waiting:
                    if item.family is family:
                        self._settle(item, result, now, now)
                    else:
                        kept.append(item)
                box.waiting = kept
        self._end(box)

    def _put_back(self, items: Sequence[Item], hush: Hush) -> None:
        """Into the outbox, each for as long as it has to wait."""
        now = self.owner.time()
        for item in items:
            delivery = item.prepared.delivery
            seconds = hush.urgent_s if pacing.urgent(delivery.rank, delivery.reason) else hush.other_s
            self._settle(item, Release(pacing.HUSHED, seconds), now, now)

    def _end(self, box: Mailbox) -> None:
        """A message is through: the next ones may go."""
        self.active -= 1
        box.under_way = 0
        self._rest(box)
        self.pump()
        self.owner.freed(self, box)

    def _take_apart(self, box: Mailbox, items: list[Item], result: Rejected, now: float) -> None:
        """A refused bundle says nothing about its members: each is tried alone."""
        family = Family(result.reason)
        for item in reversed(items):
            item.alone, item.family, item.got = True, family, now
            box.waiting.appendleft(item)

    def _rest(self, box: Mailbox) -> None:
        """Put the mailbox back in line, or away."""
        if box.waiting:
            self.ready.append(box)
        else:
            self.mailboxes.pop(box.key, None)

    def _settle(self, item: Item, result: Result | Release, started: float, now: float) -> None:
        self.held -= 1
        self.owner.settled(
            Settled(item.prepared.delivery, result, max(0.0, started - item.got), max(0.0, now - item.got))
        )

    def give_back(self) -> None:
        """We stop: everything in line goes back into the outbox."""
        now = self.owner.time()
        for box in self.mailboxes.values():
            while box.waiting:
                self._settle(box.waiting.popleft(), Release(), now, now)
        self.ready.clear()
