"""How jobs end: done, failed, out of time, over a limit, or standing still."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routilux_dist.coordinator import lanes, moves, posting, views
from routilux_dist.coordinator.commands import Abort, Report, SetTimer
from routilux_dist.coordinator.state import Job
from routilux_dist.flow.state import partition_of
from routilux_dist.ids import JobStatus
from routilux_dist.plan.plan import GroupKind, RoutinePlan
from routilux_dist.wire.failure import Failure

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine

#: Seconds that unwanted work has to stop by itself.
GRACE_SECONDS = 5.0
#: How many ended jobs the machine remembers.
REMEMBERED = 1000


def advance(machine: Machine, job: Job) -> None:
    """If a job is quiet, run the next `finish`; after the last one it is done."""
    stages = machine.plan.stages
    while job.alive and job.closed and job.blocks == 0 and job.status is not JobStatus.PAUSED:
        if job.stage > 0 and _must_flush_again(machine, job, stages[job.stage - 1]):
            job.stage -= 1
        if job.stage >= len(stages):
            _complete(machine, job)
            return
        job.stage += 1
        for routine_id in stages[job.stage - 1]:
            routine = machine.plan.routines[routine_id]
            for partition in _homes(machine, job, routine):
                posting.enqueue(machine, job, posting.control_block(job.id, routine.finish_port, partition))


def _must_flush_again(machine: Machine, job: Job, stage: tuple[str, ...]) -> bool:
    """Whether flushing a cycle put new messages into its batches."""
    for routine_id in stage:
        routine = machine.plan.routines[routine_id]
        counts = job.counts.get(routine.index)
        if routine.flushes and counts is not None and counts.waiting > 0:
            return True
    return False


def _homes(machine: Machine, job: Job, routine: RoutinePlan) -> list[int]:
    """Return the partitions where a routine has something to finish for a job."""
    group = machine.plan.groups[routine.group]
    if group.kind is GroupKind.SOLO:
        return [0]
    if routine.keyed:
        # Wherever the job was: what a home sends to itself is not seen here.
        return sorted(partition for index, partition in job.lanes if index == routine.group)
    owner = job.id if routine.scope == "job" else ""
    return [partition_of(owner, machine.partitions.get(routine.group, 1))]


def _complete(machine: Machine, job: Job) -> None:
    for index, counts in sorted(job.counts.items(), key=lambda item: item[0]):
        if counts.waiting:
            text = f"{counts.waiting} messages still waited for others when the job ended; they were never consumable"
            machine.note(job, "waiting", text, machine.names[index])
    _end(machine, job, JobStatus.COMPLETED)


def fail(machine: Machine, job: Job, failure: Failure) -> None:
    """End a job with an error."""
    if not job.alive:
        return
    job.failure = failure
    if failure not in job.failures:
        job.failures.append(failure)
    machine.note(job, "failed", f"{failure.error_type}: {failure.message}"[:500], failure.routine)
    discard(machine, job)
    _end(machine, job, JobStatus.FAILED)


def cancel(machine: Machine, job: Job, reason: str) -> None:
    """End a job because somebody wants it to."""
    machine.note(job, "cancelled", reason)
    discard(machine, job)
    _end(machine, job, JobStatus.CANCELLED)


def discard(machine: Machine, job: Job) -> None:
    """Drop everything that waits; receipts that are still out will find the job gone."""
    for place in job.lanes:
        for queued in lanes.drop(machine.lanes[place], job.id):
            if queued.block.entry:
                posting.leave_door(machine, queued.block)
            machine.crashes.pop(queued.id, None)
    # What a slice in flight does with its messages is not committed any more.
    job.discarded = job.accepted - job.done - job.dead
    job.pending = job.flying = job.blocks = 0
    for number in job.sleeping:
        machine.crashes.pop(number, None)
    job.sleeping.clear()
    for slice_id, flight in machine.flights.items():
        if flight.jobs.get(job.id) is not job:
            continue
        if any(other.alive and other is not job for other in flight.jobs.values()):
            # Others are served there: only if it goes on for long does its process end, and they begin anew.
            machine.order(SetTimer(("abort", slice_id), machine.now + GRACE_SECONDS))
        else:
            abort(machine, slice_id, force=False)


def abort(machine: Machine, slice_id: int, force: bool) -> None:
    """Ask whoever runs an unwanted slice to stop; after a while, make it stop."""
    flight = machine.flights.get(slice_id)
    if flight is None:
        return
    flight.aborted = True
    if not force:
        machine.order(Abort(slice_id, force=False))
        machine.order(SetTimer(("abort", slice_id), machine.now + GRACE_SECONDS))
        return
    lane = flight.lane
    place = (lane.group.index, lane.partition)
    if lane.homed and not machine.keeps and any(place in job.lanes for job in machine.jobs.values()):
        # Its process holds the state of living jobs: it has to come to its end by itself.
        machine.order(SetTimer(("abort", slice_id), machine.now + GRACE_SECONDS))
        return
    flight.forced = True
    machine.order(Abort(slice_id, force=True))


def _end(machine: Machine, job: Job, status: JobStatus) -> None:
    moves.move(job, status)
    job.ended = machine.now
    machine.note(job, str(status), "")
    del machine.jobs[job.id]
    for place in job.lanes:
        lane = machine.lanes[place]
        if lane.homed:
            lane.forget.append(job.id)
            lane.kept.pop(job.id, None)
    for client in (job.client, *job.watchers):
        machine.order(report(machine, job, client))
    job.lanes = {}
    if not machine.keeps:  # the client holds the messages from here on
        job.outputs = []
    remember(machine, job)


def remember(machine: Machine, job: Job) -> None:
    """Keep a job that has ended for whoever asks later; the oldest ones are forgotten, the newest never."""
    machine.ended[job.id] = job
    machine.ended_bytes += weight(job)
    while len(machine.ended) > 1 and (
        len(machine.ended) > REMEMBERED or machine.ended_bytes > machine.tuning.max_ended_bytes
    ):
        forget(machine, next(iter(machine.ended)))


def forget(machine: Machine, job_id: str) -> None:
    """Let go of a job that has ended, if it is remembered."""
    job = machine.ended.pop(job_id, None)
    if job is not None:
        machine.ended_bytes -= weight(job)


def weight(job: Job) -> int:
    """Return the bytes of messages and state that a job holds when it has ended."""
    held = sum(block.nbytes for block in job.outputs) + sum(letter.block.nbytes for letter in job.letters)
    for checkpoint in job.checkpoints.values():
        held += sum(block.nbytes for block in checkpoint.blocks)
        held += sum(piece.nbytes for cells in checkpoint.kept.values() for piece in cells.values())
    return held


def report(machine: Machine, job: Job, client: str) -> Report:
    """Return what a client is told of a job that has ended."""
    return Report(
        client=client,
        job=job.id,
        status=str(job.status),
        outputs=tuple(job.outputs),
        failure=job.failure,
        failures=tuple(job.failures),
        letters=tuple(job.letters),
        data=job.data or None,
        summary=views.summary(machine, job),
    )


def time_out(machine: Machine, job_id: str) -> None:
    """A job's time is up."""
    job = machine.jobs.get(job_id)
    seconds = machine.plan.limits.execution_timeout
    if job is None or seconds is None or machine.now < job.created + seconds:
        return  # it has ended, and so has the name: this is another job
    fail(
        machine,
        job,
        Failure(
            job=job.id,
            routine="",
            kind="timeout",
            error_type="JobTimeoutError",
            message=f"the job ran longer than execution_timeout={seconds:g} s; {views.describe(machine, job)}",
        ),
    )


def too_many(machine: Machine, job: Job) -> None:
    """A job accepted more messages than it may."""
    limit = machine.plan.limits.max_messages
    busiest = max(job.counts.items(), key=lambda item: item[1].activations, default=None)
    where = "" if busiest is None else f"; routine {machine.names[busiest[0]]!r} ran most often"
    message = f"the job accepted {job.accepted} messages, more than max_messages={limit}{where}"
    fail(
        machine,
        job,
        Failure(
            job=job.id,
            routine="",
            kind="limit",
            error_type="LimitExceededError",
            message=f"{message}; look for a cycle that does not end, or raise rd.Flow(max_messages=…)",
        ),
    )


def watch_for_stall(machine: Machine) -> None:
    """Start the no-progress clock when work waits and nothing runs."""
    seconds = machine.plan.limits.no_progress_timeout
    if (
        seconds is None
        or machine.flights
        or not any(lane.order and lane.alarm <= machine.now for lane in machine.lanes.values())
    ):
        machine.stall_mark = None
        return
    if machine.stall_mark != machine.commits:
        machine.stall_mark = machine.commits
        machine.order(SetTimer(("stall",), machine.now + seconds))


def stalled(machine: Machine) -> None:
    """The no-progress clock rang: fail the jobs that stood still all the while."""
    if machine.stall_mark is None or machine.stall_mark != machine.commits:
        return
    machine.stall_mark = None
    seconds = machine.plan.limits.no_progress_timeout
    for job in list(machine.jobs.values()):
        if job.blocks and job.status is not JobStatus.PAUSED:
            message = f"nothing happened for no_progress_timeout={seconds:g} s; {views.describe(machine, job)}"
            fail(
                machine,
                job,
                Failure(job=job.id, routine="", kind="stall", error_type="NoProgressError", message=message),
            )
