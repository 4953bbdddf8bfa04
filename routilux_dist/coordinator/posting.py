"""Messages come in: from clients, from retries that have waited, from alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routilux_dist.coordinator import ending, guarding, lanes, rollbacks
from routilux_dist.coordinator.commands import Refuse, SetDoor, SetTimer
from routilux_dist.coordinator.events import Posted
from routilux_dist.coordinator.state import Job, Queued
from routilux_dist.plan.plan import GroupKind
from routilux_dist.wire.block import Block, Rows
from routilux_dist.wire.failure import Failure, Letter

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine


def posted(machine: Machine, event: Posted) -> None:
    """Take in a client's messages."""
    if machine.repeated(event.client, event.request):
        return
    job = machine.jobs.get(event.job)
    made = job is None
    if job is None:
        if event.must_exist or event.job in machine.ended:
            ended = "has ended and takes no more messages; give another job_id, or none for a fresh one"
            what = ended if event.job in machine.ended else "does not exist"
            machine.order(Refuse(client=event.client, job=event.job, reason=f"job {event.job!r} {what}"))
            return
        job = _create(machine, event)
    elif event.client and event.client not in (job.client, *job.watchers):
        job.watchers.append(event.client)  # it waits for the job as well
    for block in event.blocks:
        accept(machine, job, block) if job.stage == 0 else _too_late(machine, job, block)
    job.closed = job.closed or event.last
    if made:
        guarding.begin(machine, job)
    limit = machine.plan.limits.max_messages
    if limit is not None and job.accepted > limit:
        ending.too_many(machine, job)
    elif job.closed:
        ending.advance(machine, job)


def _create(machine: Machine, event: Posted) -> Job:
    job = machine.jobs[event.job] = Job(
        id=event.job,
        client=event.client,
        stream=event.stream,
        ordered=event.ordered,
        metadata=event.metadata,
        correlation_id=event.correlation_id,
        created=machine.now,
    )
    machine.note(job, "posted", "")
    if machine.plan.limits.execution_timeout is not None:
        machine.order(SetTimer(("timeout", job.id), machine.now + machine.plan.limits.execution_timeout))
    return job


def accept(machine: Machine, job: Job, block: Block) -> None:
    """Queue new messages of a job."""
    job.accepted += block.rows
    rollbacks.also(machine, job, block)
    if block.entry:
        enter_door(machine, block)
    enqueue(machine, job, block)


def _too_late(machine: Machine, job: Job, block: Block) -> None:
    """A message came while the job was finishing: what it should be counted in has been told already."""
    port = machine.plan.ports[block.port]
    failure = Failure(
        job=job.id,
        routine=port.routine,
        slot=port.name,
        kind="late",
        error_type="StateError",
        message=f"the message came when job {job.id!r} was finishing; post it to a new job, or keep the job open: close=False",
        strategy="continue",
    )
    job.accepted += block.rows
    job.dead += block.rows
    job.letters.append(Letter(failure, block._replace(entry=False)))
    job.failures.append(failure)
    machine.note(job, "late", failure.message, port.routine)


def enter_door(machine: Machine, block: Block) -> None:
    """A block of entry messages waits at the door."""
    machine.door_blocks += 1
    machine.door_bytes += block.nbytes
    tuning = machine.tuning
    full = machine.door_blocks >= tuning.max_pending_blocks or machine.door_bytes >= tuning.max_pending_bytes
    if full and machine.door_open:
        machine.door_open = False
        machine.order(SetDoor(False))


def leave_door(machine: Machine, block: Block) -> None:
    """A block of entry messages is no longer waiting at the door."""
    machine.door_blocks -= 1
    machine.door_bytes -= block.nbytes
    tuning = machine.tuning
    # Open at half, so that the door does not flap with every block.
    if not machine.door_open and (
        machine.door_blocks <= tuning.max_pending_blocks // 2 and machine.door_bytes <= tuning.max_pending_bytes // 2
    ):
        machine.door_open = True
        machine.order(SetDoor(True))


def enqueue(machine: Machine, job: Job, block: Block, number: int | None = None) -> None:
    """Queue a block of a job, whose messages are accepted already. Suspects go first: they have waited once."""
    job.blocks += 1
    job.pending += block.rows
    number = machine.number("block") if number is None else number
    lanes.put(machine.lane(block.port, block.partition), job, Queued(number, block), front=number in machine.crashes)


def sleep(machine: Machine, job: Job, delay: float, block: Block, number: int | None = None) -> None:
    """Keep messages until their next try is due. In a sequential flow they keep their place, and what is behind them waits."""
    number = machine.number("block") if number is None else number
    lane = machine.lane(block.port, block.partition)
    if delay <= 0 and lane.group.kind is not GroupKind.SOLO:
        enqueue(machine, job, block, number)
        return
    job.blocks += 1
    job.pending += block.rows
    if lane.group.kind is GroupKind.SOLO:
        lanes.put(lane, job, Queued(number, block), front=True)
        if delay > 0:
            lanes.hold(lane, job, number)
            machine.order(SetTimer(("hold", job.id, number, lane.group.index, lane.partition), machine.now + delay))
        return
    job.sleeping[number] = block
    machine.order(SetTimer(("retry", job.id, number), machine.now + delay))


def wake_retry(machine: Machine, job_id: str, number: int) -> None:
    """A message's next try is due."""
    job = machine.jobs.get(job_id)
    if job is None or number not in job.sleeping:
        return  # the job ended meanwhile
    block = job.sleeping.pop(number)
    job.blocks -= 1
    job.pending -= block.rows
    enqueue(machine, job, block, number)


def release(machine: Machine, job_id: str, number: int, *place: int) -> None:
    """The next try of the message is due that a sequential job waits for."""
    job = machine.jobs.get(job_id)
    lane = machine.lanes[place[0], place[1]]
    if job is not None and lane.held.get(job_id) == number:
        lanes.release(lane, job)


def wake_routine(machine: Machine, job_id: str, port: int, partition: int) -> None:
    """A time-driven policy is due."""
    job = machine.jobs.get(job_id)
    if job is not None:
        enqueue(machine, job, control_block(job.id, port, partition))


def control_block(job: str, port: int, partition: int) -> Block:
    """Return a block that asks a routine to finish or to look at the time."""
    return Block(job, port, partition, 0, 0, 1, 0, False, "", Rows([None]))
