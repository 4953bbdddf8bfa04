"""Queues of blocks: putting, taking, moving out of the way."""

from __future__ import annotations

from routilux_dist.coordinator.state import Job, JobQueue, Lane, Queued
from routilux_dist.ids import JobStatus
from routilux_dist.plan.plan import GroupKind


def put(lane: Lane, job: Job, queued: Queued, front: bool = False) -> None:
    """Queue a block."""
    queue = lane.queues.get(job.id)
    if queue is None:
        queue = lane.queues[job.id] = JobQueue()
        job.lanes[lane.group.index, lane.partition] = None
    if not queue and job.status is not JobStatus.PAUSED and job.id not in lane.held:
        lane.order.append(job.id)
    block = queued.block
    if lane.group.kind is GroupKind.SOLO and block.rows and not block.entry and job.id in lane.order:
        # Jobs take turns between two messages from outside, not in the midst of what follows from one.
        lane.order.remove(job.id)
        lane.order.appendleft(job.id)
    side = queue.entry if block.entry else queue.inner
    side.appendleft(queued) if front else side.append(queued)
    lane.rows[block.port] = lane.rows.get(block.port, 0) + block.rows


def peek(lane: Lane) -> Queued:
    """Return the block that `take` would return."""
    queue = lane.queues[lane.order[0]]
    return queue.inner[0] if queue.inner else queue.entry[0]


def take(lane: Lane, rotate: bool = True) -> Queued:
    """Take the next block: started work before new work, jobs in turn if `rotate`."""
    job = lane.order[0]
    queue = lane.queues[job]
    queued = queue.inner.popleft() if queue.inner else queue.entry.popleft()
    lane.rows[queued.block.port] -= queued.block.rows
    if not queue:
        lane.order.popleft()
        del lane.queues[job]
    elif rotate:
        lane.order.rotate(-1)
    return queued


def drop(lane: Lane, job: str) -> list[Queued]:
    """Take all blocks of a job."""
    queue = lane.queues.pop(job, None)
    if queue is None:
        return []
    lane.held.pop(job, None)
    if job in lane.order:  # a paused job is not
        lane.order.remove(job)
    dropped = [*queue.inner, *queue.entry]
    for queued in dropped:
        lane.rows[queued.block.port] -= queued.block.rows
    return dropped


def park(lane: Lane, job: str) -> None:
    """Keep a job's blocks, but do not serve them."""
    if job in lane.queues and job in lane.order:
        lane.order.remove(job)


def unpark(lane: Lane, job: str) -> None:
    """Serve a parked job again."""
    if job in lane.queues and job not in lane.order and job not in lane.held:
        lane.order.append(job)


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
