"""Checkpoints of a job: what it was like, and going back to it.

Blocks, outputs and pieces of state are immutable, so that a checkpoint shares them with the job and costs a few lists.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from routilux_dist.coordinator import ending, lanes, moves, posting
from routilux_dist.coordinator.commands import SetTimer
from routilux_dist.coordinator.state import Checkpoint, Job
from routilux_dist.ids import JobStatus
from routilux_dist.wire.block import Block

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine

#: The name of the checkpoint that the engine itself takes, again and again.
LAST_GOOD = "last_good"


def take(machine: Machine, job: Job, name: str) -> None:
    """Note what a living job is like. What is with a worker counts as waiting: it is not committed."""
    kept = {}
    for place in job.lanes:
        lane = machine.lanes[place]
        if lane.homed:
            kept[place] = dict(lane.kept.get(job.id, {}))
    job.checkpoints[name] = Checkpoint(machine.now, _copy(job), _blocks(machine, job), kept)
    machine.note(job, "checkpoint", name)


def also(machine: Machine, job: Job, block: Block) -> None:
    """A message was posted. Where jobs go back by themselves it belongs to what they go back to: nobody asked to retract it."""
    checkpoint = job.checkpoints.get(LAST_GOOD) if machine.plan.guarded else None
    if checkpoint is not None:
        checkpoint.blocks.append(block)
        checkpoint.job.accepted += block.rows


def _blocks(machine: Machine, job: Job) -> list[Block]:
    found = [
        block
        for flight in machine.flights.values()
        if flight.jobs.get(job.id) is job
        for block in flight.blocks.values()
        if block.job == job.id
    ]
    for place in job.lanes:
        queue = machine.lanes[place].queues.get(job.id)
        if queue is not None:
            found += [queued.block for queued in (*queue.inner, *queue.entry)]
    return [*found, *job.sleeping.values()]


def _copy(job: Job) -> Job:
    """Return a job's record by itself: without history, checkpoints and messages in lanes."""
    return dataclasses.replace(
        job,
        outputs=list(job.outputs),
        failures=list(job.failures),
        letters=list(job.letters),
        data=dict(job.data),
        counts={index: dataclasses.replace(counts) for index, counts in job.counts.items()},
        history=deque(),
        lanes={},
        sleeping={},
        checkpoints={},
        blocks=0,
        pending=0,
        flying=0,
    )


def restore(machine: Machine, job: Job, name: str, asked: bool = True) -> None:
    """Make a job what it was like; one that has ended lives again. What came after is retracted.

    Args:
        machine: The machine.
        job: The job.
        name: The checkpoint.
        asked: Whether a client wants it; if not, what clients wanted since (no more input, a pause) stays.
    """
    checkpoint = job.checkpoints.get(name)
    if checkpoint is None or job.stream:
        return  # its client has asked for the names before
    places = {**job.lanes, **checkpoint.kept}
    was_paused = job.status is JobStatus.PAUSED
    if job.alive:
        ending.discard(machine, job)
        moves.move(job, JobStatus.CANCELLED)  # receipts that are out find it gone
    ending.forget(machine, job.id)
    again = machine.jobs[job.id] = _copy(checkpoint.job)
    again.history, again.checkpoints = job.history, job.checkpoints
    again.client, again.watchers = job.client, job.watchers
    again.generation = job.generation + 1
    again.rolled, again.rolled_at = job.rolled, job.rolled_at
    if not asked:
        _leave_as_asked(again, was_paused, job.closed)
    again.accepted = job.accepted
    again.retracted += job.accepted - checkpoint.job.accepted
    again.created = machine.now - (checkpoint.time - checkpoint.job.created)
    _put_state_back(machine, again, checkpoint, places)
    for block in checkpoint.blocks:
        if block.entry:
            posting.enter_door(machine, block)
        posting.enqueue(machine, again, block)
    if again.status is JobStatus.PAUSED:
        for place in again.lanes:
            lanes.park(machine.lanes[place], again.id)
    seconds = machine.plan.limits.execution_timeout
    if seconds is not None:
        machine.order(SetTimer(("timeout", again.id), again.created + seconds))
    machine.note(again, "rolled back", name)
    ending.advance(machine, again)


def _put_state_back(machine: Machine, again: Job, checkpoint: Checkpoint, places: Iterable[tuple[int, int]]) -> None:
    for place in places:
        lane = machine.lanes[place]
        if lane.homed:
            lane.kept.pop(again.id, None)
            if checkpoint.kept.get(place):
                lane.kept[again.id] = dict(checkpoint.kept[place])
            lane.cold = True
    for place in checkpoint.kept:
        again.lanes[place] = None  # it has state there


def _leave_as_asked(again: Job, paused: bool, closed: bool) -> None:
    """Leave a job that goes back by itself closed, paused or going, as its clients wanted it last."""
    again.closed = closed
    going = again.paused_as if again.status is JobStatus.PAUSED and again.paused_as is not None else again.status
    again.status, again.paused_as = (JobStatus.PAUSED, going) if paused else (going, None)
