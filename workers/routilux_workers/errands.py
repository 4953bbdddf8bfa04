"""Async pools: many messages are awaited at once, in one thread, and longer than one slice if need be.

An *errand* is the tree of one entry message, run by an asyncio task. Its effects are its own until it ends; then they go into the
receipt of the slice that runs at that time. What has not ended when a slice's budget is spent is *carried*: it stays where it is,
and the coordinator names it in the host's next slice. What a slice does not name is cancelled.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from routilux_dist.errors import SerializationError
from routilux_dist.flow.context import ACTIVITY
from routilux_dist.wire import codec, reducing
from routilux_dist.wire.block import Block, Mark, Rows
from routilux_dist.wire.names import name_of
from routilux_dist.wire.slices import Receipt
from routilux_workers import blame, forks
from routilux_workers.activity import Activity
from routilux_workers.outbox import numbers_of
from routilux_workers.steps import emit_returned
from routilux_workers.timing import GRACE
from routilux_workers.waiting import timely

if TYPE_CHECKING:
    from routilux_workers.host import Host
    from routilux_workers.outbox import Outbox
    from routilux_workers.steps import Message, Step

#: Once everything is begun and something has ended, a slice goes on for this part of its budget at most, so that what has
#: ended is committed and what came meanwhile is begun.
LINGER = 0.25


@dataclass(slots=True, eq=False)
class Errand:
    """A message on its way through the pool.

    Attributes:
        block_id: The block that it is the only message of; None while it is one of several.
        block: That block, or the one that it came in.
        mark: Its place in a stream, or None.
        key: Its idempotency key.
        sent: What its activations emitted to other places.
        at: The message that is being served; what it led to before and what was not served yet is on the `stack`.
        first: Whether that is the message that it began with.
        dropped: Whether nobody wants it any more.
    """

    block_id: int | None
    block: Block
    payload: Any
    mark: Mark | None
    key: str
    activity: Activity
    started: float
    task: asyncio.Task[None] | None = None
    sent: list[tuple[Outbox, Any, int]] = field(default_factory=list)
    at: Message = field(init=False)
    stack: list[Any] = field(default_factory=list)
    first: bool = True
    dropped: bool = False

    def count(self, host: Host) -> None:
        """Count the message that was served."""
        tally = self.activity.receipt.tally(self.block.job)
        tally.done += 1 - host.postponed
        tally.emitted += not self.first
        host.postponed = 0
        self.first = False

    def as_block(self, host: Host) -> Block:
        """Return its message as a block of its own.

        Raises:
            SerializationError: Its routine has put something into it that cannot travel.
        """
        nbytes, body = host.packer.body([self.payload], None if self.mark is None else [self.mark])
        return self.block._replace(rows=1, nbytes=nbytes, entry=False, origin=self.key, body=body, part=None)

    def drop(self) -> None:
        """Cancel it; whatever it still does has no effect."""
        self.dropped = True
        if self.task is not None:
            self.task.cancel()


class Source:
    """The messages of a slice that have not been begun, in order."""

    def __init__(self, blocks: list[tuple[int, Block]]) -> None:
        self.blocks = deque(blocks)
        #: The block that is being begun, its rows, and how many of them were.
        self.present: tuple[int, Block, Rows] | None = None
        self.begun = 0

    def take(self, receipt: Receipt) -> tuple[int, Block, int, Rows] | None:
        """Return the next message as (block id, block, row, rows of the block); those of stopped jobs are left out."""
        while self.present is None or self.begun == len(self.present[2].payloads):
            if not self.blocks:
                return None
            number, block = self.blocks.popleft()
            if block.job not in receipt.stopped:
                self.present, self.begun = (number, block, codec.rows_of(block)), 0
        if self.present[1].job in receipt.stopped:
            self.present = None
            return self.take(receipt)
        number, block, rows = self.present
        self.begun += 1
        return number, block, self.begun - 1, rows

    def give_back(self, host: Host) -> None:
        """Give back what is left."""
        stopped = host.receipt.stopped
        if self.present is not None:
            number, block, (payloads, items) = self.present
            if self.begun < len(payloads) and block.job not in stopped:
                host.give_back(number, block, payloads, items, self.begun)
        host.receipt.untouched.extend(left for left, _ in self.blocks)


class Errands:
    """The errands of a host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        #: Errands that are not booked, in the order of their beginning.
        self.running: dict[Errand, None] = {}
        #: Those of them whose task has ended.
        self.ended: list[Errand] = []
        #: What the slice has not begun.
        self.source = Source([])
        #: Set when there is something to do for the slice that runs.
        self._news = asyncio.Event()
        #: Cancelled tasks that have not ended: the loop itself holds on to its tasks weakly.
        self._leaving: set[asyncio.Task[None]] = set()

    def run(self) -> None:
        """Run the blocks of the host's slice, at most `max_concurrency` messages at once."""
        self._host.loop.run(self._run())

    def drop_all(self) -> None:
        """Cancel everything."""
        for errand in list(self.running):
            self._drop(errand)

    async def _run(self) -> None:
        host, loop = self._host, asyncio.get_running_loop()
        source = self.source = Source(self._take_up())
        budget, most = host.slice.budget, host.group.max_concurrency
        linger = host.deadline - (1 - LINGER) * budget
        # Two clocks: the host's may stand still in a test, that of the loop never does.
        rung: list[float] = []
        alarms = [loop.call_later(seconds, self._ring, rung, seconds) for seconds in (LINGER * budget, budget)]
        while True:
            booked = self.book()
            more = True
            while more and len(self.running) < most and (not self.running or not self._late(rung, 2, host.deadline)):
                more = self._begin(source)
            if not self.running or self._late(rung, 2, host.deadline):
                break
            if booked and not more and self._late(rung, 1, linger):
                break
            self._news.clear()
            await self._news.wait()
        for alarm in alarms:
            alarm.cancel()
        source.give_back(host)
        await self._carry()

    def _ring(self, rung: list[float], seconds: float) -> None:
        rung.append(seconds)
        self._news.set()

    def _late(self, rung: list[float], alarms: int, deadline: float) -> bool:
        return len(rung) >= alarms or self._host.clock() >= deadline

    def _take_up(self) -> list[tuple[int, Block]]:
        """Cancel what the slice does not name; return the blocks that have to be begun."""
        work, receipt = self._host.slice, self._host.receipt
        by_id = {errand.block_id: errand for errand in self.running if errand.block_id is not None}
        by_key = {errand.key: errand for errand in self.running if errand.block_id is None}
        wanted: set[Errand] = set()
        for number in work.running:
            if number in by_id:
                wanted.add(by_id[number])
            else:  # another process began it, and is gone
                receipt.untouched.append(number)
        new = []
        for number, block in work.blocks:
            errand = by_key.get(block.origin)
            if errand is None:
                new.append((number, block))
            else:
                errand.block_id, errand.block = number, block
                wanted.add(errand)
        for errand in [e for e in self.running if e not in wanted]:
            self._drop(errand)
        return new

    def _begin(self, source: Source) -> bool:
        """Begin the next message; return whether there was one."""
        host = self._host
        taken = source.take(host.receipt)
        if taken is None:
            return False
        number, block, row, (payloads, items) = taken
        activity = Activity(host.plan.flow, host.activity.is_cancelled, host.codec)
        activity.receipt = Receipt(0, 0)
        activity.enter(number, block, host.note(block.job))
        activity.turn_to(row, items)
        mark = None if items is None else items + row if isinstance(items, int) else items[row]
        alone = number if block.rows == 1 else None
        errand = Errand(alone, block, payloads[row], mark, name_of(number, block, row), activity, host.clock())
        errand.task = asyncio.ensure_future(_tree(host, errand))
        errand.task.add_done_callback(lambda task: self._end(errand))
        self.running[errand] = None
        return True

    def _end(self, errand: Errand) -> None:
        if not errand.dropped:
            self.ended.append(errand)
            self._news.set()

    def _drop(self, errand: Errand) -> None:
        del self.running[errand]
        errand.drop()
        if errand.task is not None:
            self._leaving.add(errand.task)
            errand.task.add_done_callback(self._leaving.discard)

    def book(self) -> bool:
        """Put the effects of what has ended into the slice's receipt; return whether the receipt holds any."""
        host = self._host
        for errand in self.ended:
            if errand.dropped:  # its job was stopped meanwhile
                continue
            del self.running[errand]
            block, activity = errand.block, errand.activity
            if errand.task is not None and errand.task.done():
                errand.task.result()  # a fault of the engine
            for outbox, payload, depth in errand.sent:
                outbox.add(activity, payload, depth)
            if errand.mark is not None:
                host.receipt.items.setdefault(block.job, ([], [], []))[1].extend(numbers_of([errand.mark]))
            seconds = (host.clock() - errand.started) / host.group.max_concurrency
            before = host.receipt.costs.get(block.port, (0, 0.0))
            host.receipt.costs[block.port] = (before[0] + 1, before[1] + seconds)
            _merge(host.receipt, activity.receipt)
            if block.job in host.receipt.stopped:
                for other in [e for e in self.running if e.block.job == block.job]:
                    self._drop(other)
        self.ended.clear()
        return bool(host.receipt.tallies)

    async def _carry(self) -> None:
        """Say what goes on after this slice."""
        host, receipt = self._host, self._host.receipt
        for errand in list(self.running):
            if errand.block_id is not None:
                receipt.running.append(errand.block_id)
                continue
            try:
                receipt.carried.append(errand.as_block(host))
            except SerializationError:  # it has to end here
                assert errand.task is not None
                await asyncio.wait({errand.task})
        self.book()


def _merge(into: Receipt, one: Receipt) -> None:
    """Add the effects of an errand to those of a slice."""
    into.retries += one.retries
    into.letters += one.letters
    into.failures += one.failures
    into.traces += one.traces
    for job, failure in one.stopped.items():
        into.stop(job, failure)
    for job, counts in one.tallies.items():
        tally = into.tally(job)
        tally.emitted += counts.emitted
        tally.done += counts.done
        tally.dead += counts.dead
        for index, (runs, errors) in counts.routines.items():
            total = tally.routines.setdefault(index, [0, 0])
            total[0] += runs
            total[1] += errors
    for job, writes in one.data.items():
        data = into.data.setdefault(job, {})
        for key, (reducer, value) in writes.items():
            try:
                data[key] = reducing.fold(data.get(key), reducer, value)
            except TypeError as exc:  # errands that ran side by side disagree about the type
                into.stop(job, reducing.disagreement(job, key, reducer, exc))
    for job, (ranges, singles, added) in one.items.items():
        for whole, part in zip(into.items.setdefault(job, ([], [], [])), (ranges, singles, added)):
            whole.extend(part)


async def _tree(host: Host, errand: Errand) -> None:
    """Run a message and all that follows from it in this host, one after another."""
    activity, block = errand.activity, errand.block
    ACTIVITY.set(activity)  # the task has a context of its own
    stack = errand.stack
    stack.append((host.wiring.steps[block.port], errand.payload, block.hops))
    tally = activity.receipt.tally(activity.job_id)
    while stack and not activity.receipt.stopped:
        step, payload, hops = top = stack.pop()
        if step is None:
            activity.fork, activity.nth = payload, hops
            continue
        activity.nth += 1
        errand.at = top
        activity.step, activity.depth = step, hops + 1
        counts = tally.routines.setdefault(step.index, [0, 0])
        counts[0] += 1
        try:
            if hops > host.max_hops:
                raise blame.TooFar(hops)
            await _activation(host, activity, step, payload)
        except BaseException as exc:  # user code may raise anything; it is one message's affair
            if errand.dropped:
                return
            errors = step.errors
            blame.fail(host, activity, step, payload, hops, exc)
            counts[1] += step.errors - errors
            step.errors = 0
        errand.count(host)
        if activity.writes or activity.traces:
            activity.commit_data()
        errand.sent += activity.boxed
        activity.boxed.clear()
        if len(activity.local) > 1:
            forks.begin(activity, hops, activity.local, stack)
        elif activity.local:
            activity.nth -= 1  # what follows alone is called after this one
        stack.extend(reversed(activity.local))
        activity.local.clear()
        activity.ordinal += 1
        activity.attempt = 1


async def _activation(host: Host, activity: Activity, step: Step, payload: Any) -> None:
    result = step.call(payload)
    if inspect.isasyncgen(result):
        result = _emit_each(activity, step, host.routines[step.routine_id], result)
    if inspect.isawaitable(result):
        result = await _in_time(host, activity, step, result)
    if result is not None:
        emit_returned(activity, step, host.routines[step.routine_id], result)


async def _in_time(host: Host, activity: Activity, step: Step, awaitable: Any) -> Any:
    """Await; cancel what takes longer than the routine's timeout, until it ends."""
    if step.timeout is None:
        return await awaitable
    steps = host.watchdog.steps(awaitable, step.timeout, step.routine_id, activity)
    task = asyncio.ensure_future(timely(steps))
    try:
        done, _ = await asyncio.wait({task}, timeout=step.timeout)
        if done:
            return task.result()
        while not done:
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=GRACE)
    finally:  # whoever is cancelled here takes along what it waits for
        task.cancel()
    if not task.cancelled():
        task.exception()  # it was seen
    raise TimeoutError(f"routine {step.routine_id!r} ran longer than its timeout of {step.timeout:g} s") from None


async def _emit_each(activity: Activity, step: Step, routine: Any, generator: Any) -> None:
    async for item in generator:
        emit_returned(activity, step, routine, item)
