"""The machine's whole memory as plain data and wire records, and back: what a snapshot holds.

Lists, dicts, numbers and texts, with blocks, failures, letters and pieces of state in between. Ports, groups and routines are
their numbers in the plan that belongs to the picture. What can be worked out again is not in it.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import TYPE_CHECKING, Any

from routilux_dist.coordinator import ending, lanes
from routilux_dist.coordinator.state import Checkpoint, Cost, Entry, Flight, Job, JobQueue, Lane, Queued, RoutineCounts
from routilux_dist.ids import JobStatus
from routilux_dist.wire.block import Block
from routilux_dist.wire.slices import Slice

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine

Picture = dict[str, Any]

#: Fields of a job that are not plain as they are.
_MADE = {
    "status",
    "paused_as",
    "outputs",
    "watchers",
    "failures",
    "letters",
    "data",
    "history",
    "counts",
    "lanes",
    "sleeping",
    "checkpoints",
}
_PLAIN = [field.name for field in dataclasses.fields(Job) if field.name not in _MADE]


def take(machine: Machine) -> Picture:
    """Return a machine's memory."""
    return {
        "now": machine.now,
        "workers": machine.workers,
        "slots": dict(machine.slots),
        "jobs": [_job(job) for job in machine.jobs.values()],
        "ended": [_job(job) for job in machine.ended.values()],
        "lanes": [_lane(lane) for lane in machine.lanes.values()],
        "flights": [_flight(flight) for flight in machine.flights.values()],
        "crashes": dict(machine.crashes),
        "costs": {port: _slots(cost) for port, cost in machine.costs.items()},
        "requests": dict(machine.requests),
        "advice": dict(machine.advice),
        "apart": {group: sorted(ports) for group, ports in machine.apart.items()},
        "door_open": machine.door_open,
        "commits": machine.commits,
        "stall_mark": machine.stall_mark,
        "numbers": dict(machine.numbers),
    }


def restore(machine: Machine, picture: Picture) -> None:
    """Give a fresh machine, of the same plan, the memory of another one."""
    machine.now = picture["now"]
    machine.workers, machine.slots = picture["workers"], dict(picture["slots"])
    for given in picture["jobs"]:
        job = _as_job(given)
        machine.jobs[job.id] = job
    for given in picture["ended"]:
        job = _as_job(given)
        ending.remember(machine, job)
    for given in picture["lanes"]:
        _restore_lane(machine, given)
    for given in picture["flights"]:
        _restore_flight(machine, given)
    machine.crashes.update(picture["crashes"])
    machine.costs.update({port: Cost(*values) for port, values in picture["costs"].items()})
    machine.requests.update(picture["requests"])
    machine.advice.update(picture["advice"])
    machine.apart = {group: set(ports) for group, ports in picture["apart"].items()}
    machine.door_open = picture["door_open"]
    machine.commits, machine.stall_mark = picture["commits"], picture["stall_mark"]
    machine.numbers.update(picture["numbers"])


def _slots(record: Any) -> list[Any]:
    return [getattr(record, name) for name in type(record).__slots__]


# ---- jobs ------------------------------------------------------------------------------------------------------------


def _job(job: Job) -> dict[str, Any]:
    return {
        **{name: getattr(job, name) for name in _PLAIN},
        "status": str(job.status),
        "paused_as": None if job.paused_as is None else str(job.paused_as),
        "outputs": list(job.outputs),
        "watchers": list(job.watchers),
        "failures": list(job.failures),
        "letters": list(job.letters),
        "data": {key: list(value) for key, value in job.data.items()},
        "history": [list(entry) for entry in job.history],
        "counts": {index: _slots(counts) for index, counts in job.counts.items()},
        "lanes": [list(place) for place in job.lanes],
        "sleeping": dict(job.sleeping),
        "checkpoints": {name: _checkpoint(checkpoint) for name, checkpoint in job.checkpoints.items()},
    }


def _as_job(given: dict[str, Any]) -> Job:
    return Job(
        **{name: given[name] for name in _PLAIN if name in given},  # older ones lack what was added since
        status=JobStatus(given["status"]),
        paused_as=None if given["paused_as"] is None else JobStatus(given["paused_as"]),
        outputs=list(given["outputs"]),
        watchers=list(given["watchers"]),
        failures=list(given["failures"]),
        letters=list(given["letters"]),
        data={key: (reducer, value) for key, (reducer, value) in given["data"].items()},
        history=deque(Entry(*entry) for entry in given["history"]),
        counts={index: RoutineCounts(*values) for index, values in given["counts"].items()},
        lanes=dict.fromkeys((group, partition) for group, partition in given["lanes"]),
        sleeping=dict(given["sleeping"]),
        checkpoints={name: _as_checkpoint(checkpoint) for name, checkpoint in given["checkpoints"].items()},
    )


def _checkpoint(checkpoint: Checkpoint) -> list[Any]:
    kept = [[*place, _pieces(pieces)] for place, pieces in checkpoint.kept.items()]
    return [checkpoint.time, _job(checkpoint.job), list(checkpoint.blocks), kept]


def _as_checkpoint(given: list[Any]) -> Checkpoint:
    time, job, blocks, kept = given
    places = {(group, partition): _as_pieces(pieces) for group, partition, pieces in kept}
    return Checkpoint(time, _as_job(job), list(blocks), places)


def _pieces(pieces: dict[tuple[int, int], Any]) -> list[Any]:
    return [[routine, cell, body] for (routine, cell), body in pieces.items()]


def _as_pieces(given: list[Any]) -> dict[tuple[int, int], Any]:
    return {(routine, cell): body for routine, cell, body in given}


# ---- lanes and flights -----------------------------------------------------------------------------------------------


def _lane(lane: Lane) -> dict[str, Any]:
    return {
        "place": [lane.group.index, lane.partition],
        "queues": {
            job: [[list(queued) for queued in queue.inner], [list(queued) for queued in queue.entry]]
            for job, queue in lane.queues.items()
        },
        "order": list(lane.order),
        "held": dict(lane.held),
        "rows": dict(lane.rows),  # with its order: sums of floats depend on it
        "rest_until": lane.rest_until,
        "paced": [lane.paced, lane.alarm],
        "kept": {job: _pieces(pieces) for job, pieces in lane.kept.items()},
        "cold": lane.cold,
        "forget": list(lane.forget),
    }


def _restore_lane(machine: Machine, given: dict[str, Any]) -> None:
    group, partition = given["place"]
    lane = machine.lanes[group, partition]
    for job, sides in given["queues"].items():
        inner, entry = (deque(Queued(*queued) for queued in side) for side in sides)
        lane.queues[job] = JobQueue(inner, entry)
        for _, block in entry:
            machine.door_blocks += 1
            machine.door_bytes += block.nbytes
    lane.order.extend(given["order"])
    lanes.show(lane)
    for job in lane.order:
        lanes.count_all(lane, lane.queues[job].inner)
    lane.rows, lane.held = dict(given["rows"]), dict(given["held"])
    lane.rest_until, lane.cold = given["rest_until"], given["cold"]
    lane.paced, lane.alarm = given["paced"]
    lane.kept = {job: _as_pieces(pieces) for job, pieces in given["kept"].items()}
    lane.forget = list(given["forget"])


def _flight(flight: Flight) -> dict[str, Any]:
    return {
        "id": flight.slice.id,
        "place": [flight.lane.group.index, flight.lane.partition],
        "partition": flight.slice.partition,
        "blocks": dict(flight.blocks),
        "gone": [job_id for job_id, job in flight.jobs.items() if not job.alive],
        "jobs": list(flight.jobs),
        "since": flight.since,
        "attempt": flight.attempt,
        "aborted": flight.aborted,
        "forced": flight.forced,
    }


def _restore_flight(machine: Machine, given: dict[str, Any]) -> None:
    group, partition = given["place"]
    lane = machine.lanes[group, partition]
    blocks: dict[int, Block] = given["blocks"]
    jobs = {job: _gone(job) if job in given["gone"] else machine.jobs[job] for job in given["jobs"]}
    work = Slice(given["id"], given["attempt"], group, given["partition"], list(blocks.items()), 0.0, {}, {}, 1)
    machine.flights[work.id] = Flight(
        work, lane, dict(blocks), jobs, given["since"], given["attempt"], given["aborted"], given["forced"]
    )
    lanes.fly(lane, 1)
    if lane.group.is_async:
        lane.out.add(work.partition)


def _gone(job: str) -> Job:
    """A job that ended, or was rolled back, while a slice of it was out."""
    return Job(job, "", False, False, None, None, 0.0, JobStatus.CANCELLED)
