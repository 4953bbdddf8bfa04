"""The loop for async routines: many messages are awaited at once, in one thread.

The tree of an entry message runs in one asyncio task; each activation has an `Activity` of its own, so that effects never mix.
"""

from __future__ import annotations

import asyncio
import inspect
from time import perf_counter
from typing import TYPE_CHECKING, Any

from routilux_dist.flow.context import ACTIVITY
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block
from routilux_workers import blame
from routilux_workers.activity import Activity
from routilux_workers.steps import emit_returned

if TYPE_CHECKING:
    from routilux_workers.host import Host
    from routilux_workers.steps import Step


def run(host: Host) -> None:
    """Run the blocks of the host's slice, at most `max_concurrency` messages at once."""
    host.loop.run(_run(host))


async def _run(host: Host) -> None:
    running: set[asyncio.Task[None]] = set()
    blocks = host.slice.blocks
    for place, (block_id, block) in enumerate(blocks):
        if place and perf_counter() >= host.deadline:
            host.receipt.untouched.extend(b for b, _ in blocks[place:])
            break
        if block.job not in host.receipt.stopped:
            await _run_block(host, block_id, block, running)
    if running:
        await asyncio.gather(*running)


async def _run_block(host: Host, block_id: int, block: Block, running: set[asyncio.Task[None]]) -> None:
    step = host.wiring.steps[block.port]
    payloads, items = codec.unpack(block.body)
    started = perf_counter()
    begun = 0
    for row, payload in enumerate(payloads):
        if len(running) >= host.group.max_concurrency:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        if (row and perf_counter() >= host.deadline) or block.job in host.receipt.stopped:
            break
        activity = _activity(host, block_id, block)
        activity.turn_to(row, items)
        task = asyncio.ensure_future(_tree(host, activity, step, payload, block.hops))
        running.add(task)
        task.add_done_callback(running.discard)
        begun = row + 1
    host.begun(block, begun, items)
    if begun < len(payloads) and block.job not in host.receipt.stopped:
        host.give_back(block, payloads, items, begun)
    before = host.receipt.costs.get(block.port, (0, 0.0))
    host.receipt.costs[block.port] = (before[0] + begun, before[1] + perf_counter() - started)


def _activity(host: Host, block_id: int, block: Block) -> Activity:
    activity = Activity(host.plan.flow, host.activity.is_cancelled)
    activity.receipt = host.receipt
    activity.enter(block_id, block, host.note(block.job))
    return activity


async def _tree(host: Host, activity: Activity, step: Step, payload: Any, hops: int) -> None:
    """Run a message and all that follows from it in this host, one after another."""
    ACTIVITY.set(activity)  # the task has a context of its own
    stack = [(step, payload, hops)]
    tally = host.tally(activity.job_id)
    first = True
    while stack and activity.job_id not in host.receipt.stopped:
        step, payload, hops = stack.pop()
        activity.step, activity.depth = step, hops + 1
        counts = tally.routines.setdefault(step.index, [0, 0])
        counts[0] += 1
        try:
            if hops > host.max_hops:
                raise blame.TooFar(hops)
            await _activation(host, activity, step, payload)
        except BaseException as exc:  # user code may raise anything; it is one message's affair
            errors = step.errors
            blame.fail(host, activity, step, payload, hops, exc)
            counts[1] += step.errors - errors
            step.errors = 0
        tally.done += 1 - host.postponed
        tally.emitted += not first
        host.postponed = 0
        first = False
        if activity.writes or activity.traces:
            activity.commit_data()
        for outbox, sent, depth in activity.boxed:
            outbox.add(activity, sent, depth)
        activity.boxed.clear()
        stack.extend(reversed(activity.local))
        activity.local.clear()
        activity.ordinal += 1
        activity.attempt = 1


async def _activation(host: Host, activity: Activity, step: Step, payload: Any) -> None:
    result = step.call(payload)
    if inspect.isasyncgen(result):
        result = _emit_each(activity, step, host.routines[step.routine_id], result)
    if inspect.isawaitable(result):
        result = await _in_time(result, step)
    if result is not None:
        emit_returned(activity, step, host.routines[step.routine_id], result)


async def _in_time(awaitable: Any, step: Step) -> Any:
    """Await; cancel what takes longer than the routine's timeout."""
    if step.timeout is None:
        return await awaitable
    task = asyncio.ensure_future(awaitable)
    done, _ = await asyncio.wait({task}, timeout=step.timeout)
    if done:
        return task.result()
    task.cancel()
    await asyncio.wait({task})
    raise TimeoutError(f"routine {step.routine_id!r} ran longer than its timeout of {step.timeout:g} s") from None


async def _emit_each(activity: Activity, step: Step, routine: Any, generator: Any) -> None:
    async for item in generator:
        emit_returned(activity, step, routine, item)
