"""All rules of `coordinator.invariants` in one pass that only says yes or no: it is made after every event of a simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routilux_dist.coordinator import invariants
from routilux_dist.ids import JobStatus

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine
    from routilux_dist.coordinator.state import Lane


class _Sums:
    """What is there, counted block by block."""

    __slots__ = ("blocks", "door_blocks", "door_bytes", "flying", "ids", "out", "pending", "places")

    def __init__(self) -> None:
        self.places = 0
        self.ids: set[int] = set()
        self.out: dict[int, int] = {}
        self.blocks: dict[str, int] = {}
        self.pending: dict[str, int] = {}
        self.flying: dict[str, int] = {}
        self.door_blocks = self.door_bytes = 0


def holds(machine: Machine) -> bool:
    """Return whether no rule is broken. Which one it is, is for `invariants.check` to say."""
    sums = _Sums()
    return (
        _flights(machine, sums)
        and all(_lane(machine, lane, sums) for lane in machine.lanes.values())
        and _jobs(machine, sums)
        and len(sums.ids) == sums.places
        and (machine.door_blocks, machine.door_bytes) == (sums.door_blocks, sums.door_bytes)
        and not invariants.flowing(machine)
    )


def _flights(machine: Machine, sums: _Sums) -> bool:
    jobs, out, counts, flying = machine.jobs, sums.out, sums.blocks, sums.flying
    for flight in machine.flights.values():
        lane, blocks = id(flight.lane), flight.blocks
        out[lane] = out.get(lane, 0) + 1
        sums.places += len(blocks)
        sums.ids.update(blocks)
        for block in blocks.values():
            job = block.job
            if flight.jobs[job] is jobs.get(job):  # else it has ended
                counts[job] = counts.get(job, 0) + 1
                flying[job] = flying.get(job, 0) + block.rows
    return True


def _lane(machine: Machine, lane: Lane, sums: _Sums) -> bool:
    if lane.flying != sums.out.get(id(lane), 0) or (lane.kept and not _kept(machine, lane)):
        return False
    if not lane.queues:
        empty = not (lane.order or lane.backlog or lane.backlog_blocks or lane.backlog_bytes)
        return empty and not any(lane.rows.values())
    return _queues(machine, lane, sums)


def _queues(machine: Machine, lane: Lane, sums: _Sums) -> bool:
    rows: dict[int, int] = {}
    backlog: dict[int, tuple[int, int]] = {}
    order, counts, pending = set(lane.order), sums.blocks, sums.pending
    if len(order) != len(lane.order):
        return False
    for job, queue in lane.queues.items():
        served = machine.jobs[job].status is not JobStatus.PAUSED and job not in lane.held
        if served is not (job in order):
            return False
        order.discard(job)
        waiting = 0
        for side in (queue.inner, queue.entry):
            for number, block in side:
                sums.ids.add(number)
                waiting += block.rows
                rows[block.port] = rows.get(block.port, 0) + block.rows
                if side is queue.entry:
                    sums.door_bytes += block.nbytes
                elif served and block.rows:
                    blocks, nbytes = backlog.get(block.port, (0, 0))
                    backlog[block.port] = blocks + 1, nbytes + block.nbytes
        sums.door_blocks += len(queue.entry)
        sums.places += len(queue)
        counts[job] = counts.get(job, 0) + len(queue)
        pending[job] = pending.get(job, 0) + waiting
    if order or lane.backlog != backlog or any(rows.get(port, 0) != count for port, count in lane.rows.items()):
        return False
    totals = sum(blocks for blocks, _ in backlog.values()), sum(nbytes for _, nbytes in backlog.values())
    return (lane.backlog_blocks, lane.backlog_bytes) == totals and sum(rows.values()) == sum(lane.rows.values())


def _kept(machine: Machine, lane: Lane) -> bool:
    place = lane.group.index, lane.partition
    return not any(job and (job not in machine.jobs or place not in machine.jobs[job].lanes) for job in lane.kept)


def _jobs(machine: Machine, sums: _Sums) -> bool:
    for name, job in machine.jobs.items():
        blocks, pending = sums.blocks.get(name, 0), sums.pending.get(name, 0)
        if job.sleeping:
            blocks += len(job.sleeping)
            pending += sum(block.rows for block in job.sleeping.values())
            sums.places += len(job.sleeping)
            sums.ids.update(job.sleeping)
        if (job.blocks, job.pending, job.flying) != (blocks, pending, sums.flying.get(name, 0)) or not job.alive:
            return False
        if job.accepted != job.done + job.dead + job.discarded + job.retracted + pending + job.flying:
            return False
    return not any(
        job.blocks or job.accepted != job.done + job.dead + job.discarded + job.retracted + job.pending + job.flying
        for job in machine.ended.values()
    )
