"""Which blocks go to workers next, and how much at once."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from routilux_dist.coordinator import commit, ending, lanes, moves, posting, pressure, rates
from routilux_dist.coordinator.commands import Dispatch, SetTimer
from routilux_dist.coordinator.state import Carried, Flight, Job, Lane, Queued
from routilux_dist.ids import JobStatus
from routilux_dist.plan.plan import GroupKind
from routilux_dist.wire.block import Block, split
from routilux_dist.wire.slices import JobNote, Kept, Slice

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine

#: Most blocks in one slice: what it costs to send them must stay small.
MAX_BLOCKS = 256
#: Most bytes in one slice, unless a single block is larger.
MAX_BYTES = 32 << 20
#: Messages per block towards a port whose cost nobody knows yet.
UNKNOWN_ROWS = 16
#: Above this many ports the advice is not sent along: it would outweigh the messages.
MAX_ADVICE = 512
#: Seconds that a lane gathers messages per second spent on copying its state, and at most.
REST_FACTOR, MAX_REST = 10.0, 1.0
#: Slices shorter than this cost more to manage than they balance.
MIN_SECONDS = 0.002
#: So much longer slices may be while there is one job only: one that comes meanwhile waits for the two that a worker has.
LONG = 2.0
#: Then the last ones differ by so little that shorter slices would cost more than they balance.
LAST_SECONDS = 0.02
#: Messages are steady whose slices take, within so much, what was expected.
STEADY = 0.25
#: Seconds of its one thread that a coordinator on Ray spends on a slice, see docs/design/performance.md.
SLICE_COST = 0.001
#: With more workers than this slices grow with their number, so that sending them takes half of the coordinator's time.
FEW_WORKERS = 40


def settle(machine: Machine) -> None:
    """Dispatch whatever can be dispatched now; without workers nothing, also where homes are."""
    if not machine.workers:
        return
    machine.held = pressure.held(machine)
    # Stateful lanes first: what waits there is started work.
    callers = _callers(machine)
    for lane in callers:
        if lane.group.is_async:
            _serve_hosts(machine, lane)
        elif lane.group.kind is not GroupKind.TASKS:
            _serve(machine, lane)
    machine.held = pressure.held(machine) if machine.held else machine.held  # some may have caught up
    for lane in callers:
        if lane.group.kind is GroupKind.TASKS and not lane.group.is_async:
            _serve(machine, lane)
    ending.watch_for_stall(machine)


def _callers(machine: Machine) -> list[Lane]:
    """Return the lanes that may have something to send, in their order."""
    found = {**machine.board.ready, **machine.pools} if machine.pools else machine.board.ready
    return [found[number] for number in sorted(found)]


def _must_rest(machine: Machine, lane: Lane) -> bool:
    """Whether a lane waits for more messages, so that copying its state costs a tenth of its time at most."""
    if machine.now >= lane.rest_until:
        return False
    if len(machine.flights) == lane.flying:
        return False  # nothing else runs that could send more
    machine.order(SetTimer(("rest",), lane.rest_until))
    return True


def _serve(machine: Machine, lane: Lane) -> None:
    if lane.rest_until and _must_rest(machine, lane):
        return
    while lanes.ready(lane, machine.held) and _has_room(machine, lane):
        most = rates.allowance(machine, lane)
        if not most:
            return
        target = _target(machine, lane)
        blocks = _assemble(machine, lane, most, target)
        _send(machine, lane, blocks, target)


def _serve_hosts(machine: Machine, lane: Lane) -> None:
    """Serve the hosts of an async pool: each has one slice out, as long as there is something to begin or to go on with."""
    for host in (*lane.carried, *range(lane.group.size or 1)) if lane.order or lane.carried else ():
        if host in lane.out:
            continue
        carried = lane.carried.pop(host, None)
        if carried is None and not lanes.ready(lane, machine.held):
            continue
        most = rates.allowance(machine, lane) if lanes.ready(lane, machine.held) else 0
        if carried is None and not most:
            return
        carried = carried if carried is not None else Carried()
        room = lane.group.max_concurrency - len(carried.known) - len(carried.told)
        if any(number in machine.crashes for number in (*carried.known, *carried.told)):
            room = 0  # what is suspect stays alone until it has ended
        _send(machine, lane, _fill(machine, lane, room, most), slice_seconds(machine), host, carried)


def _fill(machine: Machine, lane: Lane, room: int, most: int) -> list[Queued]:
    """Take what fills the room of an async host, and what can follow within a slice."""
    taken: list[Queued] = []
    rows, seconds, nbytes = 0, 0.0, 0
    while lanes.ready(lane, machine.held) and len(taken) < MAX_BLOCKS and nbytes < MAX_BYTES and rows < most:
        number, block = lanes.peek(lane, machine.held)
        suspect = number in machine.crashes  # runs alone, so that it takes nobody along
        if suspect and (taken or room < lane.group.max_concurrency):
            break
        known = _block_seconds(machine, block)
        if rows >= room and (not room or known is None or seconds + known > slice_seconds(machine)):
            break
        taken.append(_take(machine, lane, most - rows))
        if suspect:
            break
        rows += taken[-1].block.rows
        nbytes += block.nbytes
        seconds += known or 0.0
    return taken


def _has_room(machine: Machine, lane: Lane) -> bool:
    group = lane.group
    if lane.homed:
        return lane.flying < 1  # order is the promise: what a slice leaves over comes before what the next one takes
    workers = min(machine.workers, machine.slots.get(group.index, machine.workers))
    if group.size:
        workers = min(workers, group.size)
    if group.at_once:
        workers = min(workers, group.at_once)
    bounded = group.at_once or group.rate_limit  # none runs ahead of its time
    # Nothing waits behind a suspect: if its worker dies, it is to be clear who ran.
    ahead = machine.lookahead and group.index not in machine.beside and not machine.crashes and not bounded
    depth = 2 if ahead and _seconds_waiting(machine, lane) is not None else 1
    if lane.flying >= workers * depth:
        return False
    # Every lane may have one slice out, else lanes could wait for each other.
    return lane.flying == 0 or machine.board.busy < machine.workers * depth


def _seconds_waiting(machine: Machine, lane: Lane) -> float | None:
    """Estimate the work that waits in a lane, None if some of it is unknown."""
    total = 0.0
    for port, rows in lane.rows.items():
        if rows:
            cost = machine.costs.get(port)
            if cost is None or cost.seconds is None:
                return None
            total += rows * cost.seconds
    return total


def _assemble(machine: Machine, lane: Lane, most: int, target: float) -> list[Queued]:
    """Take the blocks of one slice: so many messages at most, and work for so many seconds."""
    if lane.group.kind is GroupKind.SOLO:
        return _next_in_line(lane)
    taken: list[Queued] = []
    rows, seconds, nbytes, sent, share = 0, 0.0, 0, 0.0, pressure.share(machine)
    while lanes.ready(lane, machine.held) and len(taken) < MAX_BLOCKS and rows < most:
        number, block = lanes.peek(lane, machine.held)
        known = _block_seconds(machine, block)
        suspect = number in machine.crashes  # runs alone, so that it takes nobody along
        each = pressure.leads_to(machine, block.port)
        room = int((share - sent) / each) if each else most
        full = nbytes + block.nbytes > MAX_BYTES or known is None or seconds + known > target or room < 1
        if taken and (full or suspect):
            break
        taken.append(_take(machine, lane, min(most - rows, max(room, 1))))
        rows += taken[-1].block.rows
        sent += taken[-1].block.rows * each
        if suspect:
            break
        nbytes += block.nbytes
        if known is None or room < block.rows:  # a block of unknown cost goes alone; one that was cut fills the slice
            break
        seconds += known
        if seconds >= target:
            break
    return taken


def _take(machine: Machine, lane: Lane, most: int) -> Queued:
    """Take the next block, or its first `most` messages; the others keep their place."""
    queued = lanes.take(lane, held=machine.held)
    number, block = queued
    if block.rows <= most:
        return queued
    head, rest = split(number, block, most)
    again, job = machine.number("block"), machine.jobs[block.job]
    if number in machine.crashes:
        machine.crashes[again] = machine.crashes[number]
    job.pending -= rest.rows  # it is still counted, and put back
    commit.put_back(machine, {job.id: job}, lane, again, rest)
    return Queued(number, head)


def _next_in_line(lane: Lane) -> list[Queued]:
    """Take one entry block, or else all that is left of the tree of an earlier one: only together do they keep their order."""
    taken = [lanes.take(lane, rotate=False)]
    job = taken[0].block.job
    while not taken[0].block.entry and lane.order and lane.order[0] == job and not lanes.peek(lane).block.entry:
        taken.append(lanes.take(lane, rotate=False))
    if lane.order and lane.order[0] == job:
        lane.order.rotate(-1)  # the next job's turn, unless this one's tree does not end within the slice
    return taken


def slice_seconds(machine: Machine) -> float:
    """Return how much work a slice should hold while there is enough of it."""
    return machine.tuning.slice_seconds * max(1.0, machine.workers / FEW_WORKERS)


def least_seconds(machine: Machine) -> float:
    """Return how much a slice should hold at least: a worker is not through before all others could be sent one.

    Without that, a coordinator that falls behind would see few messages, cut small slices, and fall further behind.
    """
    return max(MIN_SECONDS, machine.workers * SLICE_COST)


def _target(machine: Machine, lane: Lane) -> float:
    """Return how many seconds of work the next slice should hold."""
    target = slice_seconds(machine)
    if lane.shares_work:
        waiting = _seconds_waiting(machine, lane)
        if waiting is not None:
            least = least_seconds(machine)
            if len(machine.jobs) == 1 and _is_steady(machine, lane, waiting):
                # Nobody else waits, and it takes what it is thought to take.
                target = max(target, LONG * machine.tuning.slice_seconds)
                least = max(least, min(LAST_SECONDS, waiting / machine.workers))
            # Towards the end smaller slices, so that all workers finish together.
            target = min(target, max(waiting / (2 * machine.workers), least))
    return target


def _is_steady(machine: Machine, lane: Lane, waiting: float) -> bool:
    """Whether what waits, of so many seconds, took what was expected so far: of unlike messages, short slices balance better."""
    off = 0.0
    for port, rows in lane.rows.items():
        if rows:
            cost = machine.costs[port]
            off += rows * (cost.seconds or 0.0) * cost.error
    return off <= STEADY * waiting


def _block_seconds(machine: Machine, block: Block) -> float | None:
    if block.rows == 0:
        return 0.0
    cost = machine.costs.get(block.port)
    return None if cost is None or cost.seconds is None else cost.seconds * block.rows


def _send(
    machine: Machine,
    lane: Lane,
    taken: list[Queued],
    target: float,
    host: int | None = None,
    carried: Carried | None = None,
) -> None:
    """Send a slice; for async pools, to a host that goes on with what it carried."""
    notes: dict[str, JobNote] = {}
    known, told, jobs = _goes_on(carried) if carried is not None else ({}, {}, {})
    rows = 0
    for _, block in taken:
        job = jobs[block.job] = machine.jobs[block.job]
        job.pending -= block.rows
        job.flying += block.rows
        rows += block.rows
        if block.entry:
            posting.leave_door(machine, block)
        if block.job not in notes:
            notes[block.job] = _note(job)
            if job.status is JobStatus.PENDING:
                moves.move(job, JobStatus.RUNNING)
                job.started = machine.now
    course = array("q", (lane.group.index, lane.partition, rows, *(queued.id for queued in taken)))
    machine.numbers["course"] = zlib.crc32(course, machine.numbers["course"])
    work = Slice(
        id=machine.number("slice"),
        attempt=1,
        group=lane.group.index,
        partition=lane.partition if host is None else host,
        blocks=[*told.items(), *((queued.id, queued.block) for queued in taken)],
        budget=_budget(machine, lane, taken, target),
        jobs=notes,
        block_rows=machine.advice if len(machine.advice) <= MAX_ADVICE else {},
        default_rows=min(UNKNOWN_ROWS, machine.tuning.block_rows),
        # Who is told all of its state has nothing to forget; a job that was rolled back may be on the list.
        forget=() if lane.cold else tuple(lane.forget),
        apart=_apart(machine, lane),
        spread=machine.workers,
        running=tuple(known),
        alone=bool(machine.crashes),
        state=_state(lane) if lane.cold else None,
    )
    rates.begin(machine, lane, rows)
    lane.cold = False
    lane.forget.clear()
    lanes.fly(lane, 1)
    if host is not None:
        lane.out.add(host)
    machine.flights[work.id] = Flight(work, lane, {**known, **dict(work.blocks)}, jobs, machine.now)
    machine.order(Dispatch(work))


def _goes_on(carried: Carried) -> tuple[dict[int, Block], dict[int, Block], dict[str, Job]]:
    """Return what a host goes on with, of living jobs: blocks that it knows, blocks that it has to be told, and the jobs."""
    known, told = (
        {n: b for n, b in some.items() if carried.jobs[b.job].alive} for some in (carried.known, carried.told)
    )
    return known, told, {b.job: carried.jobs[b.job] for b in (*known.values(), *told.values())}


def _state(lane: Lane) -> tuple[Kept, ...]:
    return tuple(Kept(job, *place, body) for job, pieces in lane.kept.items() for place, body in pieces.items())


def _apart(machine: Machine, lane: Lane) -> AbstractSet[int]:
    """Return the ports whose messages should be shared among workers."""
    ports: AbstractSet[int] = machine.apart.get(lane.group.index, frozenset())
    return ports if machine.workers > 1 and len(ports) <= MAX_ADVICE else frozenset()


def _note(job: Job) -> JobNote:
    return JobNote(job.metadata, job.correlation_id, job.stream, job.ordered, job.data or None)


def _budget(machine: Machine, lane: Lane, taken: list[Queued], target: float) -> float:
    """Return how long a slice for so many seconds of work may go on with what its own messages lead to."""
    # What costs nobody knows how much should come back soon, with a measure of it.
    known = all(_block_seconds(machine, block) is not None for _, block in taken)
    seconds = max(slice_seconds(machine), target) if known else machine.tuning.slice_seconds
    if lane.group.is_async and not taken and machine.workers == 1:
        # The only worker should not wait while there is work.
        others = any(other.order for other in machine.lanes.values() if other is not lane)
        return seconds / 8 if others else seconds
    if not lane.shares_work or machine.workers == 1:
        return seconds
    # While workers are idle, what this slice emits should soon be theirs.
    idle = not lane.order and machine.board.busy + 1 < machine.workers
    return seconds / 8 if idle else seconds
