"""Sequential flows: one queue, strictly first in, first out.

A message from outside enters the queue when it is empty. What is left of the queue when the time is up is given back, and lined
up again before anything else is taken from it. A message that is tried again keeps its place: what is behind it waits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Items, Mark
from routilux_workers import blame, endings, forks
from routilux_workers.forks import Fork
from routilux_workers.stateful import Redo

if TYPE_CHECKING:
    from routilux_workers.host import Host
    from routilux_workers.steps import Step

#: Seconds of running that a queue gets per second that it took to line up.
LINE_UP_FACTOR = 20.0


@dataclass(slots=True)
class Root:
    """A message that a slice was given: what follows from it shares its identity.

    Attributes:
        block_id, block: Where it came from.
        row: Its place there.
        mark: Its place in a stream, or None.
        ordinal: Activations so far.
        sequence: Messages of an ordered stream that have left the slice so far.
    """

    block_id: int
    block: Block
    row: int
    mark: Mark | None
    ordinal: int = 0
    sequence: int = 0


#: (root, fork, place in it, step, payload, hops); see `forks`.
Queued = tuple[Root, Fork | None, int, "Step", Any, int]


class Line:
    """The queue of a host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._queue: deque[Queued] = deque()
        #: Messages of the job that were begun or are in line.
        self._taken = 0

    def run(self) -> None:
        """Run the blocks of the host's slice, which are of one job, in order, until the budget is spent."""
        host, started = self._host, self._host.clock()
        self._queue.clear()
        self._taken = 0
        blocks = host.slice.blocks
        for place, (block_id, block) in enumerate(blocks):
            if place and host.clock() >= host.deadline and not self._queue:
                host.receipt.untouched.extend(b for b, _ in blocks[place:])
                break
            if block.job in host.receipt.stopped:
                continue
            if block.entry:
                self._enter(block_id, block)
                continue
            if block.rows:
                self._line_up(block_id, block)
            if place + 1 == len(blocks) or not blocks[place + 1][1].rows or not block.rows:
                if self._queue:
                    # What a long queue costs to line up, and to give back, must not eat the time for running it.
                    now = host.clock()
                    host.deadline = now + max(host.slice.budget, LINE_UP_FACTOR * (now - started))
                    self._drain()
                if not block.rows:
                    host.activity.enter(block_id, block, host.note(block.job))
                    local = list(endings.messages(host, block))
                    fork = forks.asked(host.activity, block, local)
                    self._queue.extend(
                        (Root(block_id, block, 0, None), fork, nth, *message) for nth, message in enumerate(local)
                    )
                    self._drain()
        if blocks:
            host.settle_job(blocks[0][1].job, self._taken)

    def _line_up(self, block_id: int, block: Block) -> None:
        payloads, items = codec.rows_of(block)
        step = self._host.wiring.steps[block.port]
        for row, payload in enumerate(payloads):
            self._queue.append((Root(block_id, block, row, _mark(items, row)), None, 0, step, payload, block.hops))
        self._taken += len(payloads)
        self._host.begun(block, len(payloads), items)

    def _enter(self, block_id: int, block: Block) -> None:
        """Take in messages from outside, one after another."""
        host = self._host
        payloads, items = codec.rows_of(block)
        step, started, begun = host.wiring.steps[block.port], host.clock(), 0
        for row, payload in enumerate(payloads):
            self._queue.append((Root(block_id, block, row, _mark(items, row)), None, 0, step, payload, block.hops))
            begun += 1
            if self._drain() or block.job in host.receipt.stopped:
                break
        self._taken += begun
        host.begun(block, begun, items)
        if begun < len(payloads) and block.job not in host.receipt.stopped:
            host.give_back(block_id, block, payloads, items, begun)
        before = host.receipt.costs.get(block.port, (0, 0.0))
        host.receipt.costs[block.port] = (before[0] + begun, before[1] + host.clock() - started)

    def _drain(self) -> bool:  # noqa: C901 - calls cost too much here
        """Run messages until the queue is empty or time is up; return whether it is up."""
        host, queue = self._host, self._queue
        activity, stopped = host.activity, host.receipt.stopped
        while queue:
            root, fork, nth, step, payload, hops = queue.popleft()
            self._turn_to(root, fork, nth)
            activity.step, activity.depth = step, hops + 1
            try:
                if hops > host.max_hops:
                    raise blame.TooFar(hops)
                result = step.call(payload)
                if result is not None:
                    step.returned(result)
            except Redo:
                raise
            except (
                BaseException
            ) as exc:  # user code may raise anything, SystemExit included: it is one message's affair
                retries = len(host.receipt.retries)
                blame.fail(host, activity, step, payload, hops, exc)
                if len(host.receipt.retries) > retries and not step.control:
                    host.deadline = 0.0  # it keeps its place: nothing may overtake it
            if not step.count:
                host.touched.append(step)
            step.count += 1
            if activity.writes or activity.traces:
                activity.commit_data()
            for outbox, sent, depth in activity.boxed:
                outbox.add(activity, sent, depth)
            activity.boxed.clear()
            if activity.local:
                self._append(root, fork, nth, hops)
            root.ordinal, root.sequence = activity.ordinal + 1, activity.sequence
            if activity.job_id in stopped:
                queue.clear()
                return True
            if host.clock() >= host.deadline:
                self._give_back()
                return True
        return False

    def _append(self, root: Root, fork: Fork | None, nth: int, hops: int) -> None:
        """Line up what an activation emitted; its message is the n-th of a fork, if it is of one."""
        activity = self._host.activity
        if len(activity.local) > 1:
            fork, nth = Fork(activity, hops, activity.local), 0
        self._queue.extend((root, fork, nth + n, *message) for n, message in enumerate(activity.local))
        activity.local.clear()

    def _give_back(self) -> None:
        """Give back what is in line, in order."""
        for root, fork, nth, *message in self._queue:
            self._turn_to(root, fork, nth)
            self._host.spill(self._host.activity, *message)
            root.sequence = self._host.activity.sequence
        self._queue.clear()

    def _turn_to(self, root: Root, fork: Fork | None, nth: int) -> None:
        activity = self._host.activity
        activity.enter(root.block_id, root.block, self._host.note(root.block.job))
        activity.row, activity.fork, activity.nth = root.row, fork, nth
        if root.mark is not None:
            activity.place(root.mark)
        activity.ordinal, activity.sequence = root.ordinal, root.sequence
        if root.ordinal:
            activity.attempt = 1


def _mark(items: Items, row: int) -> Mark | None:
    return None if items is None else items + row if isinstance(items, int) else items[row]
