"""Control blocks: what there is to flush and to finish when a job ends, or when a time-driven policy is due."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from routilux_dist.wire import codec
from routilux_dist.wire.block import Block

if TYPE_CHECKING:
    from routilux_workers.host import Host
    from routilux_workers.steps import Message


#: Messages of an ending that are got ready together. A job may have a million keys, and a slice time for some thousands.
PART = 256


def parts(host: Host, block: Block) -> Iterator[list[Message]]:
    """Yield what a control block asks for in parts, those of one cell together: their names tell them apart.

    What a wake asks for is one part: all cells have to be looked at, so that those whose time has not come are armed again.
    """
    wakes = block.port == host.wiring.endings[block.port][0].plan.wake_port
    part: list[Message] = []
    for message in messages(host, block):
        if not wakes and len(part) >= PART and message[1] is not part[-1][1]:
            yield part
            part = []
        part.append(message)
    if part:
        yield part


def messages(host: Host, block: Block) -> Iterator[Message]:
    """Yield what a control block asks for, in order: flush what waits, then finish; or only what is due."""
    stateful, flush, finish = host.wiring.endings[block.port]
    host.ending_port = block.port
    only = codec.rows_of(block).payloads[0]
    if only is not None:  # one cell's finish, tried again
        yield finish, stateful.reopened(only[0]), block.hops
        return
    if block.port == stateful.plan.wake_port:
        for cell in stateful.due_cells():
            yield flush, cell, block.hops
        return
    for cell in stateful.ending_cells():
        if stateful.plan.flushes:
            # As often as it takes: a batch is at most its size.
            waiting = max((len(q) for q in cell.queues), default=0)
            size = getattr(stateful.policy, "size", max(waiting, 1))
            times = -(-waiting // size) if waiting else int(bool(cell.fresh))
            for _ in range(times):
                yield flush, cell, block.hops
        # Only what is left to do: this may be one of many slices that the ending of a job takes.
        if stateful.unfinished(cell):
            yield finish, cell, block.hops
