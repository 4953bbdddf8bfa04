"""Receipts are committed: once, as a whole, for jobs that are still alive."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from routilux_dist.coordinator import dispatch, ending, guarding, lanes, posting, pressure, rates
from routilux_dist.coordinator.commands import Deliver, SetTimer
from routilux_dist.coordinator.events import SliceFinished
from routilux_dist.coordinator.state import Carried, Flight, Job, Lane, Queued, RoutineCounts
from routilux_dist.errors import InternalError
from routilux_dist.wire import reducing
from routilux_dist.wire.block import Block
from routilux_dist.wire.failure import Failure
from routilux_dist.wire.slices import Receipt, Tally

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine

#: Errors kept per job; further ones are counted only.
MAX_FAILURES = 1000


def finished(machine: Machine, event: SliceFinished) -> None:
    """A worker ran a slice."""
    receipt = event.receipt
    flight = machine.flights.get(receipt.slice_id)
    if flight is None or flight.attempt != receipt.attempt:
        machine.story.add(machine.now, f"slice {receipt.slice_id}", "late receipt, ignored")
        return
    del machine.flights[receipt.slice_id]
    lanes.fly(flight.lane, -1)
    flight.lane.out.discard(flight.slice.partition)
    flight.lane.rest_until = machine.now + min(dispatch.REST_FACTOR * receipt.overhead, dispatch.MAX_REST)
    machine.commits += 1
    untouched = set(receipt.untouched)
    jobs = land(machine, flight, untouched, set(receipt.running))
    if machine.validate:
        check_conservation(machine, flight, receipt, jobs)
    for number in reversed(receipt.untouched):
        put_back(machine, jobs, flight.lane, number, flight.blocks[number])
    _fold_data(jobs, receipt)
    _keep(flight.lane, jobs, receipt)
    for job_id, failure in receipt.stopped.items():
        if job_id in jobs:
            record(machine, jobs[job_id], receipt)
            end = guarding.violated if failure.kind == "invalid" else ending.fail
            end(machine, jobs.pop(job_id), failure)
    _messages(machine, jobs, receipt, flight.lane)
    if flight.lane.group.rate_limit:
        rates.begin(machine, flight.lane, -_not_begun(machine, flight, receipt))
    if receipt.running or receipt.carried:
        _carry_on(machine, flight, jobs, receipt)
    for job in jobs.values():
        record(machine, job, receipt)
    _deliver(machine, jobs, receipt)
    for port, (rows, seconds) in receipt.costs.items():
        machine.learn(port, rows, seconds)
    pressure.weigh(machine, receipt)
    for job in jobs.values():
        _settle_job(machine, job)


def land(
    machine: Machine, flight: Flight, untouched: AbstractSet[int], running: AbstractSet[int] = frozenset()
) -> dict[str, Job]:
    """Take the slice's blocks out of the air, except those that still run; return the living jobs they belong to."""
    jobs: dict[str, Job] = {}
    for number, block in flight.blocks.items():
        if number not in untouched and number not in running:
            machine.crashes.pop(number, None)
        job = flight.jobs[block.job]
        if not job.alive:
            machine.crashes.pop(number, None)
            continue  # it ended while the slice was out: discarded then
        jobs[block.job] = job
        if number in running:
            continue
        job.blocks -= 1
        job.flying -= block.rows
    return jobs


def _not_begun(machine: Machine, flight: Flight, receipt: Receipt) -> int:
    """Return how many messages a slice gives back; what has a rate limit sends nothing to itself."""
    rows = sum(flight.blocks[number].rows for number in receipt.untouched)
    return rows + sum(b.rows for b in receipt.blocks if machine.lane(b.port, b.partition) is flight.lane)


def _carry_on(machine: Machine, flight: Flight, jobs: dict[str, Job], receipt: Receipt) -> None:
    """Keep what still runs for the next slice of its host, which is sent at once: even if it names nothing, it says so."""
    carried = flight.lane.carried[flight.slice.partition] = Carried(jobs=jobs)
    for number in receipt.running:
        block = flight.blocks[number]
        if block.job in jobs:
            carried.known[number] = block
    for block in receipt.carried:
        job = jobs.get(block.job)
        if job is not None:
            job.blocks += 1
            job.flying += block.rows
            carried.told[machine.number("block")] = block


def put_back(machine: Machine, jobs: dict[str, Job], lane: Lane, number: int, block: Block) -> None:
    """Put a block that was with a worker back to the head of its queue."""
    job = jobs.get(block.job)
    if job is None:
        return
    job.blocks += 1
    job.pending += block.rows
    if block.entry:
        machine.door_blocks += 1
        machine.door_bytes += block.nbytes
    lanes.put(lane, job, Queued(number, block), front=True)


def _messages(machine: Machine, jobs: dict[str, Job], receipt: Receipt, lane: Lane) -> None:
    """Queue what the slice emitted or left over."""
    left = []
    for block in receipt.blocks:
        # What a home did not get to comes before whatever arrived meanwhile: it sees messages in the order of their commits.
        # Elsewhere that holds for messages from outside, so that they are begun in the order in which they came.
        if block.entry or (lane.homed and machine.lane(block.port, block.partition) is lane):
            left.append(block)
        elif block.job in jobs:
            posting.enqueue(machine, jobs[block.job], block)
    for block in reversed(left):
        if block.job in jobs:
            put_back(machine, jobs, lane, machine.number("block"), block)
    for delay, block in receipt.retries:
        job = jobs.get(block.job)
        if job is not None:
            posting.sleep(machine, job, delay, block)
    for job_id, port, seconds in receipt.wakes:
        if job_id in jobs:
            machine.order(SetTimer(("wake", job_id, port, lane.partition), machine.now + seconds))


def _keep(lane: Lane, jobs: dict[str, Job], receipt: Receipt) -> None:
    """Keep the state that a home has changed. What belongs to the running flow counts whatever became of the slice's jobs."""
    for piece in receipt.kept:
        if not piece.job or piece.job in jobs:
            lane.kept.setdefault(piece.job, {})[piece.routine, piece.cell] = piece.body


def _fold_data(jobs: dict[str, Job], receipt: Receipt) -> None:
    """Fold the slice's job data into what is known; a job whose workers disagree about a type is stopped."""
    for job_id, job in jobs.items():
        for key, (reducer, value) in receipt.data.get(job_id, {}).items():
            try:
                job.data[key] = reducing.fold(job.data.get(key), reducer, value)
            except TypeError as exc:
                receipt.stop(job_id, reducing.disagreement(job_id, key, reducer, exc))


def record(machine: Machine, job: Job, receipt: Receipt) -> None:
    """Book counts, errors, job data and history of a job."""
    tally = receipt.tallies.get(job.id)
    if tally is not None:
        job.accepted += tally.emitted
        job.done += tally.done
        job.dead += tally.dead
        for index, (activations, errors) in tally.routines.items():
            counts = _counts(job, index)
            counts.activations += activations
            counts.errors += errors
        for index, change in tally.waiting.items():
            _counts(job, index).waiting += change
    for failure in receipt.failures:
        if failure.job == job.id:
            failed(machine, job, failure)
    for letter in receipt.letters:
        if letter.failure.job == job.id:
            job.letters.append(letter)
            failed(machine, job, letter.failure)
    for job_id, index, text in receipt.traces:
        if job_id == job.id:
            machine.note(job, "trace", text, machine.names[index])


def _counts(job: Job, index: int) -> RoutineCounts:
    counts = job.counts.get(index)
    if counts is None:
        counts = job.counts[index] = RoutineCounts()
    return counts


def failed(machine: Machine, job: Job, failure: Failure) -> None:
    """Book an error."""
    machine.note(job, failure.strategy, f"{failure.error_type}: {failure.message}"[:500], failure.routine)
    if failure.strategy != "retry" and len(job.failures) < MAX_FAILURES:
        job.failures.append(failure)


def _deliver(machine: Machine, jobs: dict[str, Job], receipt: Receipt) -> None:
    """Hand outputs to streams at once, keep those of other jobs until they end."""
    streams: dict[str, list[Block]] = {job.id: [] for job in jobs.values() if job.stream}
    for block in receipt.outputs:
        job = jobs.get(block.job)
        if job is None:
            continue
        job.output_rows += block.rows
        (streams[job.id] if job.stream else job.outputs).append(block)
    for job_id, blocks in streams.items():
        items = receipt.items.get(job_id)
        letters = tuple(letter for letter in receipt.letters if letter.failure.job == job_id)
        if blocks or items or letters:
            client = jobs[job_id].client
            machine.order(Deliver(client=client, job=job_id, outputs=tuple(blocks), items=items, letters=letters))
        if letters:
            jobs[job_id].letters.clear()  # they are the client's now


def _settle_job(machine: Machine, job: Job) -> None:
    seconds = machine.plan.limits.execution_timeout
    if seconds is not None and machine.now >= job.created + seconds:
        ending.time_out(machine, job.id)  # its timer may ring after this commit
        return
    limit = machine.plan.limits.max_messages
    if limit is not None and job.accepted > limit:
        ending.too_many(machine, job)
    else:
        ending.advance(machine, job)


def check_conservation(machine: Machine, flight: Flight, receipt: Receipt, jobs: dict[str, Job]) -> None:
    """No message may appear or vanish in a slice."""
    for job_id in jobs:
        if job_id in receipt.stopped:
            continue
        tally = receipt.tallies.get(job_id, Tally())
        kept = {*receipt.untouched, *receipt.running}
        consumed = sum(b.rows for n, b in flight.blocks.items() if b.job == job_id and n not in kept)
        left = sum(b.rows for b in (*receipt.blocks, *receipt.carried) if b.job == job_id)
        left += sum(b.rows for _, b in receipt.retries if b.job == job_id)
        if consumed + tally.emitted != tally.done + tally.dead + left:
            raise InternalError(
                f"slice {receipt.slice_id} does not conserve messages of job {job_id!r}: consumed {consumed} + emitted "
                f"{tally.emitted} != done {tally.done} + dead {tally.dead} + left {left}\n{machine.story.tell(job_id)}"
            )
