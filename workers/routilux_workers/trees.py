"""The loop that runs messages: each entry message and all that follows from it in this host, before the next one.

Everything here runs once per message. There is no lock, no log and no copy on the way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from routilux_dist.wire import codec
from routilux_dist.wire.block import Block
from routilux_workers import blame, endings
from routilux_workers.stateful import Redo

if TYPE_CHECKING:
    from routilux_workers.host import Host
    from routilux_workers.steps import Message


def run(host: Host) -> None:
    """Run the blocks of the host's slice, in order, until the budget is spent."""
    job, host.roots = "", 0
    blocks = host.slice.blocks
    for place, (block_id, block) in enumerate(blocks):
        if place and host.clock() >= host.deadline:
            host.receipt.untouched.extend(b for b, _ in blocks[place:])
            break
        if block.job != job:
            if job:
                host.settle_job(job, host.roots)
            job, host.roots = block.job, 0
        if job in host.receipt.stopped:
            continue
        host.activity.enter(block_id, block, host.note(job))
        if block.rows == 0:
            _end(host, block)
        else:
            host.place = place
            host.roots += _run_block(host, block)
    if job:
        host.settle_job(job, host.roots)


def _run_block(host: Host, block: Block) -> int:
    """Run the rows of a block; return how many were begun."""
    activity, step = host.activity, host.wiring.steps[block.port]
    payloads, items = host.rows = codec.rows_of(block)
    started = host.clock()
    queue: deque[Message] = deque()
    host.queue = queue
    hops, attempt = block.hops, block.attempt
    stopped = host.receipt.stopped
    row = 0
    for row, payload in enumerate(payloads):
        activity.turn_to(row, items)
        activity.attempt = attempt
        late = _drain(host, queue, (step, payload, hops))
        if late or block.job in stopped:
            break
    begun = row + 1
    host.begun(block, begun, items)
    if begun < len(payloads) and block.job not in stopped:
        host.give_back(block, payloads, items, begun)
    _cost(host, block.port, begun, host.clock() - started)
    return begun


def _drain(host: Host, queue: deque[Message], first: Message | None) -> bool:  # noqa: C901 - calls would cost too much here
    """Run messages until the queue is empty or time is up; return whether it is up."""
    activity, touched, deadline = host.activity, host.touched, host.deadline
    local, boxed, writes, traces = activity.local, activity.boxed, activity.writes, activity.traces
    max_hops, clock, apart = host.max_hops, host.clock, host.slice.apart
    message = first if first is not None else queue.pop()
    while True:
        step, payload, hops = message
        activity.step = step
        activity.depth = hops + 1
        try:
            if hops > max_hops:
                raise blame.TooFar(hops)
            result = step.call(payload)
            if result is not None:
                step.returned(result)
        except Redo:
            raise
        except BaseException as exc:  # user code may raise anything, SystemExit included: it is one message's affair
            blame.fail(host, activity, step, payload, hops, exc)
        if not step.count:
            touched.append(step)
        step.count += 1
        if writes or traces:
            activity.commit_data()
        if boxed:
            for outbox, sent, depth in boxed:
                outbox.add(activity, sent, depth)
            boxed.clear()
        activity.ordinal += 1
        activity.attempt = 1
        if local:
            if len(local) == 1:
                message = local.pop()
                if clock() < deadline:
                    continue
                queue.append(message)
            elif apart:
                _sort_out(host, queue, apart)
            else:
                queue.extend(reversed(local))
            local.clear()
        if not queue:
            return clock() >= deadline
        if clock() >= deadline or activity.job_id in host.receipt.stopped:
            if activity.job_id not in host.receipt.stopped:
                for left in reversed(queue):
                    host.spill(activity, *left)
            queue.clear()
            return True
        message = queue.pop()


def _sort_out(host: Host, queue: deque[Message], apart: AbstractSet[int]) -> None:
    """Give back those of several messages that other workers should share; queue the others."""
    local, stay = host.activity.local, []
    # Siblings of an ordered stream leave together, or what leaves would be numbered before what runs here.
    together = host.activity.path is not None and any(message[0].port in apart for message in local)
    for message in local:
        if together or message[0].port in apart:
            host.spill(host.activity, *message)
        else:
            stay.append(message)
    queue.extend(reversed(stay))


def _end(host: Host, block: Block) -> None:
    """Serve a control block."""
    queue = deque(reversed(list(endings.messages(host, block))))
    if queue:
        _drain(host, queue, None)


def _cost(host: Host, port: int, rows: int, seconds: float) -> None:
    before = host.receipt.costs.get(port, (0, 0.0))
    host.receipt.costs[port] = (before[0] + rows, before[1] + seconds)
