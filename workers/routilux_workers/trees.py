"""The loop that runs messages: each entry message and all that follows from it in this host, before the next one.

Everything here runs once per message. There is no lock, no log and no copy on the way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Set as AbstractSet
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Rows
from routilux_workers import blame, endings, forks
from routilux_workers.stateful import Redo

if TYPE_CHECKING:
    from routilux_workers.host import Host


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
    host.rows = codec.rows_of(block)
    started = host.clock()
    host.queue = deque()
    begun = _drain(host, host.queue, host.rows, block)
    host.begun(block, begun, host.rows.items)
    if begun < len(host.rows.payloads) and block.job not in host.receipt.stopped:
        host.give_back(host.activity.block_id, block, *host.rows, begun)
    _cost(host, block.port, begun, host.clock() - started)
    return begun


def _drain(host: Host, queue: deque[Any], rows: Rows, block: Block) -> int:  # noqa: C901 - calls cost too much here
    """Run the messages of a queue, then rows of a block and what follows from each, until time is up; return the rows begun."""
    activity, touched, deadline, stopped = host.activity, host.touched, host.deadline, host.receipt.stopped
    local, boxed, writes, traces = activity.local, activity.boxed, activity.writes, activity.traces
    max_hops, clock, apart = host.max_hops, host.clock, host.slice.apart
    payloads, items = rows
    root, total, begun = host.wiring.steps[block.port], len(payloads), 0
    result: Any = None
    while True:
        if queue:
            step, payload, hops = queue.pop()
            if step is None:
                activity.fork, activity.nth = payload, hops
                continue
            activity.nth += 1
        elif begun == total:
            return begun
        else:
            step, payload, hops = root, payloads[begun], block.hops
            activity.turn_to(begun, items)
            activity.attempt = block.attempt
            begun += 1
        while True:  # along a chain, without a queue
            activity.step = step
            activity.depth = depth = hops + 1
            onward = None
            try:
                if hops > max_hops:
                    raise blame.TooFar(hops)
                result = step.call(payload)
                if result is not None:
                    if type(result) is GeneratorType or (onward := step.sole) is None:
                        step.returned(result)
                    elif local:
                        local.append((onward, result, depth))
            except Redo:
                raise
            except (
                BaseException
            ) as exc:  # user code may raise anything, SystemExit included: it is one message's affair
                onward = None
                blame.fail(host, activity, step, payload, hops, exc)
            if not step.count:
                touched.append(step)
            step.count += 1
            if writes or traces:
                activity.commit_data()
            if boxed:
                for outbox, sent, sent_depth in boxed:
                    outbox.add(activity, sent, sent_depth)
                boxed.clear()
            activity.ordinal += 1
            activity.attempt = 1
            if local:
                if len(local) == 1:
                    onward, result, depth = local[0]
                else:
                    onward = None
                    forks.begin(activity, hops, local, queue)
                    if apart:
                        _sort_out(host, queue, apart)
                    else:
                        queue.extend(reversed(local))
                local.clear()
            if onward is None:
                break
            step, payload, hops = onward, result, depth
            if clock() >= deadline:
                if activity.job_id not in stopped:
                    host.spill(activity, step, payload, hops)
                break
        if clock() >= deadline or (stopped and activity.job_id in stopped):
            if activity.job_id not in stopped:
                forks.spill_stack(host, activity, reversed(queue))
            queue.clear()
            return begun


def _sort_out(host: Host, queue: deque[Any], apart: AbstractSet[int]) -> None:
    """Give back those of several messages that other workers should share; queue the others."""
    activity, local, stay = host.activity, host.activity.local, []
    # Siblings of an ordered stream leave together, or what leaves would be numbered before what runs here.
    together = activity.path is not None and any(message[0].port in apart for message in local)
    for nth, message in enumerate(local):
        if together or message[0].port in apart:
            activity.nth = nth
            host.spill(activity, *message)
        else:
            stay.append((nth, message))
    for nth, message in reversed(stay):
        queue.append(message)
        queue.append((None, activity.fork, nth - 1))


def _end(host: Host, block: Block) -> None:
    """Serve a control block, until the budget is spent."""
    activity = host.activity
    for nth, local in enumerate(endings.parts(host, block)):
        if activity.job_id in host.receipt.stopped:
            return
        if nth and host.clock() >= host.deadline:
            host.repeat_ending(activity.job_id)
            return
        activity.fork, activity.nth = forks.asked(activity, block, local), -1
        queue: deque[Any] = deque(reversed(local))
        _drain(host, queue, Rows([]), block)


def _cost(host: Host, port: int, rows: int, seconds: float) -> None:
    before = host.receipt.costs.get(port, (0, 0.0))
    host.receipt.costs[port] = (before[0] + rows, before[1] + seconds)
