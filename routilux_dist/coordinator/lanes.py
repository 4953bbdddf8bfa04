"""Queues of blocks: putting, taking, moving out of the way.

`held` are ports whose messages wait for now, of all jobs (None) or of some, see `pressure`; control blocks never do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from routilux_dist.coordinator.state import Job, JobQueue, Lane, Queued
from routilux_dist.ids import JobStatus
from routilux_dist.plan.plan import GroupKind
from routilux_dist.wire.block import Block

Held = Mapping[int, AbstractSet[str] | None]
NOTHING: Held = {}


def show(lane: Lane) -> None:
    """Say on the board whether a lane could be served."""
    if lane.order and not (lane.flying and lane.homed):
        lane.board.ready[lane.number] = lane
    else:
        lane.board.ready.pop(lane.number, None)


def fly(lane: Lane, change: int) -> None:
    """Count slices that were sent, or are no longer out."""
    before = weight(lane)
    lane.flying += change
    lane.board.busy += weight(lane) - before
    show(lane)


def weight(lane: Lane) -> int:
    """Return how many workers' worth of slices of a lane is out."""
    return lane.flying if lane.shares_work else min(lane.flying, 1)


def put(lane: Lane, job: Job, queued: Queued, front: bool = False) -> None:
    """Queue a block."""
    queue = lane.queues.get(job.id)
    if queue is None:
        queue = lane.queues[job.id] = JobQueue()
        job.lanes[lane.group.index, lane.partition] = None
    served = job.status is not JobStatus.PAUSED and job.id not in lane.held
    if not queue and served:
        lane.order.append(job.id)
        show(lane)
    block = queued.block
    if served:
        _count(lane, block, 1)
    if lane.group.kind is GroupKind.SOLO and block.rows and not block.entry and job.id in lane.order:
        # Jobs take turns between two messages from outside, not in the midst of what follows from one.
        lane.order.remove(job.id)
        lane.order.appendleft(job.id)
    side = queue.entry if block.entry else queue.inner
    side.appendleft(queued) if front else side.append(queued)
    lane.rows[block.port] = lane.rows.get(block.port, 0) + block.rows


def ready(lane: Lane, held: Held = NOTHING) -> bool:
    """Whether there is a block to take; if so, the first job in turn has one."""
    if not held:
        return bool(lane.order)
    for _ in range(len(lane.order)):
        if _next(lane.queues[lane.order[0]], held) is not None:
            return True
        lane.order.rotate(-1)
    return False


def peek(lane: Lane, held: Held = NOTHING) -> Queued:
    """Return the block that `take` would return; for a lane that is `ready`."""
    queue = lane.queues[lane.order[0]]
    if held and (found := _next(queue, held)) is not None:
        return found[0][found[1]]
    return queue.inner[0] if queue.inner else queue.entry[0]


def take(lane: Lane, rotate: bool = True, held: Held = NOTHING) -> Queued:
    """Take the next block: started work before new work, jobs in turn if `rotate`."""
    job = lane.order[0]
    queue = lane.queues[job]
    if held and (found := _next(queue, held)) is not None:
        side, place = found
        queued = side[place]
        del side[place]
    else:
        queued = queue.inner.popleft() if queue.inner else queue.entry.popleft()
    _count(lane, queued.block, -1)
    lane.rows[queued.block.port] -= queued.block.rows
    if not queue:
        lane.order.popleft()
        del lane.queues[job]
        show(lane)
    elif rotate:
        lane.order.rotate(-1)
    return queued


def waits(block: Block, held: Held) -> bool:
    """Whether a block is held up."""
    if not block.rows or block.port not in held:
        return False
    jobs = held[block.port]
    return jobs is None or block.job in jobs


def _next(queue: JobQueue, held: Held) -> tuple[deque[Queued], int] | None:
    """Return where a job's next block is that is not held, or None."""
    for side in (queue.inner, queue.entry):
        for place, queued in enumerate(side):
            if not waits(queued.block, held):
                return side, place
    return None


def _count(lane: Lane, block: Block, sign: int) -> None:
    """Keep the backlog of a lane: what has begun and waits, of jobs that are served."""
    if block.entry or not block.rows:
        return
    blocks, nbytes = lane.backlog.get(block.port, (0, 0))
    blocks, nbytes = blocks + sign, nbytes + sign * block.nbytes
    lane.backlog_blocks += sign
    lane.backlog_bytes += sign * block.nbytes
    if blocks:
        lane.backlog[block.port] = blocks, nbytes
    else:
        del lane.backlog[block.port]
    if lane.backlog_blocks >= lane.most_blocks or lane.backlog_bytes >= lane.most_bytes:
        lane.board.late[lane.number] = lane
    else:
        lane.board.late.pop(lane.number, None)


def count_all(lane: Lane, queue: Iterable[Queued], sign: int = 1) -> None:
    """Add a job's waiting blocks to the backlog, or take them out of it."""
    for queued in queue:
        _count(lane, queued.block, sign)


def drop(lane: Lane, job: str) -> list[Queued]:
    """Take all blocks of a job."""
    queue = lane.queues.pop(job, None)
    if queue is None:
        return []
    lane.held.pop(job, None)
    if job in lane.order:  # a paused job is not
        lane.order.remove(job)
        show(lane)
        count_all(lane, queue.inner, -1)
    dropped = [*queue.inner, *queue.entry]
    for queued in dropped:
        lane.rows[queued.block.port] -= queued.block.rows
    return dropped


def park(lane: Lane, job: str) -> None:
    """Keep a job's blocks, but do not serve them."""
    if job in lane.queues and job in lane.order:
        lane.order.remove(job)
        show(lane)
        count_all(lane, lane.queues[job].inner, -1)


def unpark(lane: Lane, job: str) -> None:
    """Serve a parked job again."""
    if job in lane.queues and job not in lane.order and job not in lane.held:
        lane.order.append(job)
        show(lane)
        count_all(lane, lane.queues[job].inner)


def hold(lane: Lane, job: Job, number: int) -> None:
    """Do not serve a job until its first block is due."""
    lane.held[job.id] = number
    park(lane, job.id)


def release(lane: Lane, job: Job) -> None:
    """Serve a job again whose first block is due."""
    del lane.held[job.id]
    if job.status is not JobStatus.PAUSED:
        unpark(lane, job.id)


def waiting(lane: Lane) -> int:
    """Return how many messages wait."""
    return sum(lane.rows.values())
