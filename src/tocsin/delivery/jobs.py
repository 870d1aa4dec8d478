"""The deliverer: takes due deliveries under a lease, sends them side by side, and records what came of them.

One asyncio loop, a few threads for the database. Every channel has a lane of its own (``lanes``), so that a slow
provider never holds up another channel.
"""

import asyncio
import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError

from tocsin.delivery import actions, canaries, mailboxes, provider_queries, queries
from tocsin.delivery.carrier import Carrier, Stored
from tocsin.delivery.contract import (
    Accepted,
    Channel,
    Context,
    Delivered,
    Message,
    Method,
    Rejected,
    Result,
    TryLater,
)
from tocsin.delivery.lanes import HELD, Lane, Mailbox
from tocsin.delivery.queries import Prepared
from tocsin.delivery.rules import Settled, pacing
from tocsin.delivery.rules.pacing import Hush
from tocsin.delivery.threads import Database
from tocsin.platform import addresses, outbound, prepared

log = structlog.get_logger("tocsin.delivery")

AWAY = (OperationalError, InterfaceError)  # the database cannot be reached, or asks to try again

IDLE_S = 5.0  # look again after this even when nothing woke us: another engine may have died


class Deliverer:
    """Delivers, in any number of engines at once. ``run_forever`` for a thread, ``run_once`` for tests and commands."""

    def __init__(self, *, lease_s: float = actions.LEASE_S, http: outbound.Client | None = None) -> None:
        self.lease_s = lease_s
        self.stopping = False
        self.tasks: set[asyncio.Task[None]] = set()
        self.lanes = {kind: Lane(kind, channel, self) for kind, channel in canaries.ways_out().items()}
        self._http = http
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = False
        self._bell: asyncio.Event | None = None
        self._results: list[Settled] = []
        self._limited: set[str] = set()  # lanes that got all they had asked for: there may be more
        self._passed_over: set[int | None] = set()  # contact methods that were left alone, having enough to do
        self._settler: asyncio.Task[None] | None = None
        self._claims = Database("delivery-claim")
        self._writes = Database("delivery-settle")
        self._pocket = Database("delivery-pocket")
        self._carry = Database("delivery-carry", 2)
        self._paces = Database("delivery-pace")
        self._keeping: list[tuple[Message, Method, asyncio.Future[str]]] = []
        self._push_keys: dict[str, str] = {}
        self._expired_at = 0.0
        self._storm = False  # the last claim got all that it had asked for
        self.context: Context | None = None

    # --- for the engine ---

    def wake(self) -> None:
        """There may be work; callable from any thread."""
        self._woken = True
        loop = self._loop
        if loop is not None and not loop.is_closed():
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._ring)

    def stop(self) -> None:
        """Finish what is under way and return from ``run``; callable from any thread."""
        self.stopping = True
        self.wake()

    def run_forever(self) -> None:
        """Deliver until ``stop``; blocks this thread with a loop of its own."""
        try:
            import uvloop

            factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
        except ImportError:
            factory = None
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(self.run())

    async def run(self) -> None:
        """Deliver until ``stop``."""
        await self._open()
        try:
            pause = 0.05
            while not self.stopping:
                try:
                    await self._turn()
                    pause = 0.05
                except AWAY as error:
                    log.warning("delivery.waiting", error=str(error)[:200])
                    await asyncio.sleep(pause)
                    pause = min(2.0, pause * 2)
                except Exception:  # one bad row must not stop everybody's pages
                    log.exception("delivery.fault")
                    await asyncio.sleep(pause)
                    pause = min(2.0, pause * 2)
        finally:
            await self._close()

    async def run_once(self) -> int:
        """Deliver everything that is due now, record it, let go; returns how many deliveries were taken."""
        await self._open()
        total = 0
        try:
            await self._claims(actions.expire)
            while True:
                count = await self._round()
                total += count
                while self.tasks:
                    await asyncio.gather(*self.tasks)
                await self._flush()
                if not count:
                    return total
        finally:
            await self._close()

    # --- inside ---

    def time(self) -> float:
        """The loop's clock."""
        return asyncio.get_running_loop().time()

    def _ring(self) -> None:
        if self._bell is not None:
            self._bell.set()

    def freed(self, lane: Lane, box: Mailbox) -> None:
        """A lane has places again: ask for more, if the last claim left something behind for want of them."""
        if (lane.kind in self._limited and lane.hungry()) or (box.method_id in self._passed_over and not box.waiting):
            self._ring()

    async def _open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._bell = asyncio.Event()
        configured = settings.TOCSIN
        self._owned = self._http is None
        self.context = Context(
            http=self._http or outbound.Client(),
            public_url=configured.public_url,
            smtp_url=configured.smtp_url.get_secret_value(),
            email_from=configured.email_from,
            keep=self._keep,
            refuses=addresses.refuses,
            push_key=self._push_key,
            mailbox=functools.partial(_mailbox, configured.mail_domain),
        )
        carrier = Carrier(self.context.http, self.context.public_url, Stored(self._carry), provider_queries.kinds())
        self.context = replace(self.context, carry=carrier.carry)
        self._settler = asyncio.create_task(self._settle_forever())

    async def _keep(self, message: Message, method: Method) -> str:
        """Keep a message for a pocket phone, together with all that come while the last ones are being written."""
        place: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._keeping.append((message, method, place))
        async with self._kept:
            if not place.done():
                batch, self._keeping = self._keeping, []
                try:
                    refs = await self._pocket(actions.keep, [(message, method) for message, method, _ in batch])
                except Exception as error:  # noqa: BLE001 - told to everybody who waits
                    for _, _, waiting in batch:
                        if not waiting.done():
                            waiting.set_exception(error)
                else:
                    for ref, (_, _, waiting) in zip(refs, batch, strict=True):
                        if not waiting.done():
                            waiting.set_result(ref)
        return await place

    async def _push_key(self, public: str) -> str:
        """The private half of a key pair for web push; it never changes, so it is read once."""
        if public not in self._push_keys:
            found = await self._claims(actions.private_key, public)
            if not found:
                return ""
            self._push_keys[public] = found
        return self._push_keys[public]

    @functools.cached_property
    def _kept(self) -> asyncio.Lock:
        return asyncio.Lock()

    async def _turn(self) -> None:
        """Claim once; then wait for a wake-up, the next due row, or a lane's freed place."""
        assert self._bell is not None  # noqa: S101 - set by _open
        self._bell.clear()
        self._woken = False
        if self.time() - self._expired_at > IDLE_S:
            self._expired_at = self.time()
            await self._claims(actions.expire)
        await self._round()
        if self._woken or any(self.lanes[kind].hungry() for kind in self._limited):
            await asyncio.sleep(0)
            return
        if self._limited or self._passed_over:
            wait = 0.25
        else:
            due = await self._claims(queries.next_due)
            if due == 0.0:
                if await self._claims(actions.expire):
                    return
                due = 0.02
            wait = min(IDLE_S, IDLE_S if due is None else due)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._bell.wait()

    async def _round(self) -> int:
        """Claim what there is room for and start sending; returns how many deliveries were claimed."""
        now = self.time()
        few = not self._storm
        most = prepared.FEW if few else HELD
        limits = {kind: min(lane.room(), most) for kind, lane in self.lanes.items() if lane.room() > 0}
        self._limited = self.lanes.keys() - limits.keys()
        if not limits or self.stopping:
            return 0
        busy = [method for lane in self.lanes.values() for method in lane.busy(now)]
        self._passed_over = set(busy)
        found = await self._claims(self._claim, limits, busy, few)
        now = self.time()
        counts = Counter(item.delivery.channel for item in found)
        self._storm = any(counts[kind] >= limit for kind, limit in limits.items())
        self._limited |= {kind for kind, limit in limits.items() if counts[kind] >= limit}
        for item in found:
            if item.problem:
                self.settled(Settled(item.delivery, Rejected(item.problem), 0.0, 0.0))
            else:
                self.lanes[item.delivery.channel].add(item, now)
        for lane in self.lanes.values():
            lane.pump()
        return len(found)

    def _claim(self, limits: dict[str, int], busy: Sequence[int], few: bool) -> list[Prepared]:
        claimed = actions.claim(HELD, self.lease_s, channels=limits, busy=busy, few=few)
        return queries.prepare(claimed) if claimed else []

    async def hushed(self, channel: Channel, items: Sequence[Prepared]) -> Hush | None:
        """Take the right to send these as one message; or how long they go back into the outbox.

        A test is never made to wait. That the count cannot be kept is no reason to be silent: then they go.
        """
        pace, method = channel.descriptor.pace, items[0].method.id
        if pace is None or not method or items[0].delivery.kind == "test":
            return None
        urgent = any(pacing.urgent(item.delivery.rank, item.delivery.reason) for item in items)
        try:
            return await self._paces(actions.reserve, method, pace, urgent=urgent)
        except Exception:
            log.exception("delivery.pace", contact_method=method)
            return None

    async def refund(self, channel: Channel, items: Sequence[Prepared]) -> None:
        """What was not taken does not count."""
        method = items[0].method.id
        if channel.descriptor.pace is not None and method and items[0].delivery.kind != "test":
            try:
                await self._paces(actions.refund, method)
            except Exception:
                log.exception("delivery.pace", contact_method=method)

    async def attempt(self, channel: Channel, items: Sequence[Prepared]) -> Result:
        """Send one message; whatever happens is a result."""
        assert self.context is not None  # noqa: S101 - set by _open
        limit = channel.descriptor.timeout_s
        try:
            message = queries.message_of(items)
            async with asyncio.timeout(limit):
                result = await channel.send(message, items[0].method, self.context)
        except TimeoutError:
            return TryLater(None, f"no answer within {limit:.0f} s")
        except Exception as error:
            log.exception("delivery.channel", channel=channel.descriptor.kind)
            return TryLater(None, f"fault in the channel: {type(error).__name__}: {error}"[:300])
        if type(result) not in (Delivered, Accepted, TryLater, Rejected):
            return TryLater(None, f"fault in the channel: it answered {type(result).__name__}")
        return result

    def settled(self, item: Settled) -> None:
        """Note an outcome; it is recorded with all others that are ready."""
        self._results.append(item)
        if self._settler is not None and len(self._results) == 1:
            self._settle_bell.set()

    @functools.cached_property
    def _settle_bell(self) -> asyncio.Event:
        return asyncio.Event()

    @functools.cached_property
    def _flushing(self) -> asyncio.Lock:
        return asyncio.Lock()

    async def _settle_forever(self) -> None:
        while True:
            await self._settle_bell.wait()
            self._settle_bell.clear()
            pause = 0.05
            while self._results:
                try:
                    await self._flush()
                except AWAY as error:
                    log.warning("delivery.outcomes_waiting", error=str(error)[:200], count=len(self._results))
                    await asyncio.sleep(pause)
                    pause = min(2.0, pause * 2)

    async def _flush(self) -> None:
        """Record all outcomes there are; when this returns, they are recorded, by whomever.

        Raises the database's error when it is away; nothing is lost by that.
        """
        async with self._flushing:
            while self._results:
                batch = self._results[:1000]
                del self._results[:1000]
                try:
                    await self._record(batch)
                except BaseException:
                    self._results[:0] = batch
                    raise
                if not all(isinstance(item.result, Accepted | Delivered) for item in batch):
                    self._ring()  # something is due again, or a next contact method was brought forward

    async def _record(self, batch: list[Settled]) -> None:
        """Record outcomes together; one that cannot be recorded must not take the others with it."""
        try:
            await self._writes(actions.settle, batch)
        except AWAY:
            raise
        except Exception:
            log.exception("delivery.settle", count=len(batch))
            if len(batch) > 1:
                for item in batch:
                    await self._record([item])
            # a single one is left to its lease: when that runs out it is tried again, or given up

    async def _close(self, grace_s: float = 10.0) -> None:
        """Give back what was not begun, wait for what was, record everything, let go of everything."""
        for lane in self.lanes.values():
            lane.give_back()
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=grace_s)
            for task in late:
                task.cancel()  # its lease runs out and somebody else sends it again
        if self._settler is not None:
            self._settler.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._settler
        with contextlib.suppress(DatabaseError):
            await self._flush()
        for lane in self.lanes.values():
            await lane.channel.close()
        if self._owned and self.context is not None:
            await self.context.http.aclose()
        for pool in (self._claims, self._writes, self._pocket, self._carry, self._paces):
            await asyncio.to_thread(pool.close)


def _mailbox(domain: str, kind: str, message: Message) -> str:
    return mailboxes.address(kind, message, domain)


def deliver_due() -> int:
    """Deliver everything that is due now, in this process, for tests and commands; returns how many were taken."""
    return asyncio.run(Deliverer().run_once())
