"""The rules that hold after every call of `handle`, by name."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from routilux_dist.coordinator import ending, lanes
from routilux_dist.errors import InternalError
from routilux_dist.ids import JobStatus

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine


def check(machine: Machine) -> None:
    """Raise `InternalError` naming every broken rule."""
    broken = [f"{rule.__name__}: {text}" for rule in RULES for text in rule(machine)]
    if broken:
        raise InternalError("broken invariants:\n  " + "\n  ".join(broken) + "\n" + machine.story.tell())


def conserve(machine: Machine) -> list[str]:
    """Accepted = done + dead + discarded + retracted + pending + in flight, for every job."""
    return [
        f"job {j.id}: {j.accepted} != {j.done} + {j.dead} + {j.discarded} + {j.retracted} + {j.pending} + {j.flying}"
        for j in (*machine.jobs.values(), *machine.ended.values())
        if j.accepted != j.done + j.dead + j.discarded + j.retracted + j.pending + j.flying
    ]


def one_place(machine: Machine) -> list[str]:
    """A block is in one lane, in one slice in flight, or asleep."""
    places = Counter(
        queued.id
        for lane in machine.lanes.values()
        for queue in lane.queues.values()
        for queued in (*queue.inner, *queue.entry)
    )
    places.update(n for flight in machine.flights.values() for n in flight.blocks)
    places.update(n for job in machine.jobs.values() for n in job.sleeping)
    return [f"block {n} is in {count} places" for n, count in places.items() if count > 1]


def counted(machine: Machine) -> list[str]:
    """What jobs and lanes count is what is there."""
    blocks: Counter[str] = Counter()
    pending: Counter[str] = Counter()
    flying: Counter[str] = Counter()
    faults = []
    for lane in machine.lanes.values():
        rows: Counter[int] = Counter()
        for job, queue in lane.queues.items():
            for queued in (*queue.inner, *queue.entry):
                blocks[job] += 1
                pending[job] += queued.block.rows
                rows[queued.block.port] += queued.block.rows
        if +rows != +Counter(lane.rows):
            faults.append(f"lane {lane.group.name}/{lane.partition}: rows {lane.rows} != {dict(rows)}")
        out = sum(1 for f in machine.flights.values() if f.lane is lane)
        if lane.flying != out:
            faults.append(f"lane {lane.group.name}/{lane.partition}: flying {lane.flying} != {out}")
    for flight in machine.flights.values():
        for block in flight.blocks.values():
            if flight.jobs[block.job] is not machine.jobs.get(block.job):
                continue  # of a job that has ended
            blocks[block.job] += 1
            flying[block.job] += block.rows
    for job_id, state in machine.jobs.items():
        blocks[job_id] += len(state.sleeping)
        pending[job_id] += sum(b.rows for b in state.sleeping.values())
        seen = (blocks[job_id], pending[job_id], flying[job_id])
        if (state.blocks, state.pending, state.flying) != seen:
            faults.append(f"job {job_id}: counts {(state.blocks, state.pending, state.flying)} != {seen}")
    return faults


def served(machine: Machine) -> list[str]:
    """A lane's order holds exactly the jobs with waiting blocks that are not paused or held up, once each."""
    faults = []
    for lane in machine.lanes.values():
        expected = {j for j in lane.queues if machine.jobs[j].status is not JobStatus.PAUSED and j not in lane.held}
        if len(lane.order) != len(set(lane.order)) or set(lane.order) != expected:
            faults.append(f"lane {lane.group.name}/{lane.partition}: order {list(lane.order)} != {sorted(expected)}")
    return faults


def backlog(machine: Machine) -> list[str]:
    """The backlog of a lane is what has begun and waits, of the jobs that it serves."""
    faults = []
    for lane in machine.lanes.values():
        seen: dict[int, tuple[int, int]] = {}
        for job in lane.order:
            for _, block in lane.queues[job].inner:
                if block.rows:
                    blocks, nbytes = seen.get(block.port, (0, 0))
                    seen[block.port] = blocks + 1, nbytes + block.nbytes
        totals = sum(blocks for blocks, _ in seen.values()), sum(nbytes for _, nbytes in seen.values())
        if (lane.backlog, lane.backlog_blocks, lane.backlog_bytes) != (seen, *totals):
            faults.append(f"lane {lane.group.name}/{lane.partition}: backlog {lane.backlog} != {seen}")
    return faults


def flowing(machine: Machine) -> list[str]:
    """Whoever holds others up has work that is not held up itself."""
    if not machine.held:
        return []
    late = [
        lane
        for lane in machine.lanes.values()
        if any(machine.held.get(port, frozenset()) is not None for port in lane.backlog)
    ]
    return [] if late or machine.flights else ["all that waits is held up"]


def ended(machine: Machine) -> list[str]:
    """An ended job holds nothing; a living one is among the living."""
    faults = [f"job {j.id} has ended and holds {j.blocks} blocks" for j in machine.ended.values() if j.blocks]
    held = sum(ending.weight(job) for job in machine.ended.values())
    if machine.ended_bytes != held:
        faults.append(f"ended jobs hold {held} bytes, counted are {machine.ended_bytes}")
    faults += [f"job {j.id} is {j.status} and among the living" for j in machine.jobs.values() if not j.alive]
    return faults


def door(machine: Machine) -> list[str]:
    """The door counts the entry blocks that wait."""
    waiting = [
        queued.block for lane in machine.lanes.values() for queue in lane.queues.values() for queued in queue.entry
    ]
    seen = (len(waiting), sum(b.nbytes for b in waiting))
    if (machine.door_blocks, machine.door_bytes) != seen:
        return [f"door counts {(machine.door_blocks, machine.door_bytes)}, there are {seen}"]
    return []


def shown(machine: Machine) -> list[str]:
    """The board says what is so."""
    board, all_lanes = machine.board, machine.lanes.values()
    ready = {lane.number for lane in all_lanes if lane.order and not (lane.homed and lane.flying)}
    late = {x.number for x in all_lanes if x.backlog_blocks >= x.most_blocks or x.backlog_bytes >= x.most_bytes}
    out = sum(lanes.weight(lane) for lane in all_lanes)
    seen = (set(board.ready), set(board.late), board.busy)
    return [] if seen == (ready, late, out) else [f"the board shows {seen}, and so it is: {(ready, late, out)}"]


def kept(machine: Machine) -> list[str]:
    """State is kept for living jobs alone, which know that they have been there."""
    return [
        f"lane {lane.group.name}/{lane.partition}: keeps state of job {job}, which has ended or never was there"
        for place, lane in machine.lanes.items()
        for job in lane.kept
        if job and (job not in machine.jobs or place not in machine.jobs[job].lanes)
    ]


RULES = (conserve, one_place, counted, served, backlog, flowing, ended, door, kept, shown)
