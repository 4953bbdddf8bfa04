"""One activation by itself, in whoever's process: its exception is the user's own, with the frames that a debugger wants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from routilux_dist.flow.context import ACTIVITY
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Packed
from routilux_dist.wire.slices import JobNote, Kept, Slice
from routilux_workers import keeping
from routilux_workers.host import Host


def activate(host: Host, block: Block, note: JobNote, cells: Sequence[Packed] = ()) -> dict[str, list[Any]]:
    """Run the one message of a block; return what it emitted, by event.

    Args:
        host: A host of a plan in which the events of the routine are connected to nothing.
        block: The message.
        note: What is known of its job.
        cells: The state of its routine that it sees, see `keeping.seen`; where its key has none, it sees a new one.

    Raises:
        BaseException: Whatever the routine raises.
    """
    activity, step = host.activity, host.wiring.steps[block.port]
    [payload] = codec.rows_of(block).payloads
    token = ACTIVITY.set(activity)
    try:
        host._begin(Slice(0, 1, host.group.index, 0, [(0, block)], math.inf, {block.job: note}, {}, 1), host.clock())
        if cells and step.stateful is not None:
            home = block.job if step.stateful.per_job else ""
            keeping.load(host.wiring.stateful, [Kept(home, step.index, n, cell) for n, cell in enumerate(cells)])
        activity.enter(0, block, note)
        activity.turn_to(0, None)
        activity.step, activity.depth = step, block.hops + 1
        result = step.call(payload)
        if result is not None:
            step.returned(result)
        emitted: dict[str, list[Any]] = {}
        for outbox, sent, _ in activity.boxed:
            emitted.setdefault(host.plan.ports[outbox.port].name, []).extend(outbox.told(sent))
        return emitted
    finally:
        ACTIVITY.reset(token)
