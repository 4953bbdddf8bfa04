"""A job whose state was found invalid: it goes back to its last good checkpoint, or ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routilux_dist.coordinator import ending, rollbacks
from routilux_dist.coordinator.state import Job
from routilux_dist.wire.failure import Failure

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine

#: Times that a job goes back without its last good checkpoint having come any further.
MAX_ROLLBACKS = 3


def begin(machine: Machine, job: Job) -> None:
    """A job was made: there is something to go back to from its first slice on."""
    if machine.plan.guarded and machine.keeps and not job.stream:
        rollbacks.take(machine, job, rollbacks.LAST_GOOD)


def violated(machine: Machine, job: Job, failure: Failure) -> None:
    """A slice left a state that is not valid; what it did is not committed."""
    checkpoint = job.checkpoints.get(rollbacks.LAST_GOOD)
    if checkpoint is None or not job.alive:
        ending.fail(machine, job, failure)
        return
    if checkpoint.job.done > job.rolled_at:
        job.rolled, job.rolled_at = 0, checkpoint.job.done
    if job.rolled >= MAX_ROLLBACKS:
        machine.note(
            job, "invalid", f"it went back to {rollbacks.LAST_GOOD!r} {job.rolled} times already", failure.routine
        )
        ending.fail(machine, job, failure)
        return
    job.rolled += 1
    machine.note(job, "invalid", failure.message[:500], failure.routine)
    rollbacks.restore(machine, job, rollbacks.LAST_GOOD, asked=False)
