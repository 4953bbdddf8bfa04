"""Slices that will never be finished: their blocks run again, and a message that kills its worker is found and put aside."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from routilux_dist.coordinator import commit, ending, lanes, posting
from routilux_dist.coordinator.commands import Deliver
from routilux_dist.coordinator.events import SliceLost
from routilux_dist.coordinator.state import Carried, Flight, Job
from routilux_dist.plan.plan import GroupKind
from routilux_dist.wire.block import Block, cut
from routilux_dist.wire.failure import Failure, Letter
from routilux_dist.wire.names import name_of

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine

#: Workers that may die under a message before it becomes a dead letter.
MAX_CRASHES = 3
#: Suspect messages that are tried one by one at once; more are cut into the square root of their number of parts first.
FEW = 16
#: Seconds before suspects run again, by the number of workers that died under them.
DELAYS = (0.0, 0.0, 0.2)


def lost(machine: Machine, event: SliceLost) -> None:
    """A slice will never be finished: run its blocks again, unless their state died with the worker."""
    flight = machine.flights.get(event.slice_id)
    if flight is None or flight.attempt != event.attempt:
        return
    del machine.flights[event.slice_id]
    lanes.fly(flight.lane, -1)
    flight.lane.out.discard(flight.slice.partition)
    machine.commits += 1
    machine.story.add(machine.now, f"slice {event.slice_id}", f"lost: {event.reason}")
    jobs = commit.land(machine, flight, flight.blocks.keys())
    innocent = event.innocent or flight.aborted
    homed = flight.lane.homed
    flight.lane.cold = homed and machine.keeps  # also if it never ran: what it was to bring along did not arrive
    if flight.lane.group.is_async and event.innocent:
        # Its host lives on, and must not go on with what is put back here.
        flight.lane.carried[flight.slice.partition] = Carried()
    # Nobody was told of these: a later job of the same name must not find their state.
    flight.lane.forget[:0] = flight.slice.forget
    if innocent or (homed and not machine.keeps):
        for number, block in reversed(flight.blocks.items()):
            commit.put_back(machine, jobs, flight.lane, number, block)
        # A process that was to be ended held no state of living jobs. One that died by itself may have, whatever it ran.
        if homed and not machine.keeps and not (event.innocent or flight.forced):
            _state_lost(machine, flight, event)
        return
    size = _part_size(machine, flight)
    for number, block in reversed(flight.blocks.items()):
        if block.job in jobs and jobs[block.job].alive:
            _suspect(machine, jobs[block.job], flight, (number, block), size, event)
    for job in jobs.values():
        ending.advance(machine, job)


def _part_size(machine: Machine, flight: Flight) -> int:
    """Return how many messages of a slice that took its worker down run together next.

    Two steps lead from any number to single messages: with k = 3 a message is alone at its last two tries at most, so that
    nobody else is ever blamed for it, and it kills three workers.
    """
    rows = sum(block.rows for block in flight.blocks.values())
    if flight.lane.group.kind is GroupKind.SOLO:
        return max(rows, 1)  # its messages keep their order only together
    if rows <= FEW or any(number in machine.crashes for number in flight.blocks):
        return 1
    return math.isqrt(rows)


def _suspect(
    machine: Machine, job: Job, flight: Flight, queued: tuple[int, Block], size: int, event: SliceLost
) -> None:
    """Try the messages of a block again in smaller parts, or put aside the one that is left."""
    number, block = queued
    crashes = machine.crashes.pop(number, 0) + 1
    if crashes >= MAX_CRASHES:
        _put_aside(machine, job, flight, queued, crashes, event)
        return
    parts = cut(number, block, size) if block.rows > size else [block]
    for part in reversed(parts):  # each goes before those that wait
        again = number if part is block else machine.number("block")
        machine.crashes[again] = crashes
        if flight.lane.homed:  # in their place, at once: those behind them have to wait for them
            commit.put_back(machine, {job.id: job}, flight.lane, again, part)
        else:
            posting.sleep(machine, job, max(DELAYS[crashes], event.pause), part._replace(entry=False), again)


def _put_aside(
    machine: Machine, job: Job, flight: Flight, queued: tuple[int, Block], crashes: int, event: SliceLost
) -> None:
    """Make a dead letter of a message that killed its workers; its routine's strategy decides about the job."""
    number, block = queued
    port = machine.plan.ports[block.port]
    strategy = machine.plan.routines[port.routine].last_resort
    # A `finish` cannot be put aside, nor can what is more than one message.
    stops = block.rows != 1 or (strategy == "stop" and not job.stream)
    failure = Failure(
        job=job.id,
        routine=port.routine,
        slot=port.name,
        kind="lost",
        error_type="WorkerLostError",
        message=_text(f"{crashes} workers died while they ran it", flight, event),
        strategy="stop" if strategy == "stop" else "continue",
        attempts=crashes,
        key=name_of(number, block),
    )
    job.dead += block.rows
    letter = Letter(failure, block._replace(entry=False))
    commit.failed(machine, job, failure)
    if job.stream:
        machine.order(Deliver(client=job.client, job=job.id, outputs=(), items=None, letters=(letter,)))
        return
    job.letters.append(letter)
    if stops:
        ending.fail(machine, job, failure)


def _state_lost(machine: Machine, flight: Flight, event: SliceLost) -> None:
    place = (flight.lane.group.index, flight.lane.partition)
    for job in [j for j in machine.jobs.values() if place in j.lanes]:
        message = _text("the worker that held its state died", flight, event)
        failure = Failure(job=job.id, routine="", kind="lost", error_type="WorkerLostError", message=message)
        ending.fail(machine, job, failure)


def _text(what: str, flight: Flight, event: SliceLost) -> str:
    routines = ", ".join(flight.lane.group.routines[:5])
    if event.lost_body:
        return (
            f"{event.reason}; it was for {routines}. Large messages of jobs that are not saved go down with the node that made "
            f"them: run it again, or save the job with checkpoint="
        )
    return (
        f"{what} ({event.reason}); it ran {routines}; look for crashes in native code, os._exit, or memory running out"
    )
