"""Every schedule of a small world: two messages, two workers, a few faults.

``python -m tests.simulation.exhaustive [faults] [mode]`` tells what there is. A schedule is a row of actions. Each world is lived
through from the start again, which is simpler than to copy it, and what came to the same state before is not looked at twice.
Breadth first, so the first breach is a shortest one.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from routilux_dist.coordinator.machine import Machine
from routilux_dist.coordinator.state import Job, Lane
from routilux_dist.testing import dangers
from routilux_dist.testing.search import Breach, Scenario, no_collection
from routilux_dist.testing.story import tell
from routilux_dist.testing.tape import Tape
from routilux_dist.testing.world import World
from routilux_dist.wire.block import Block


@dataclass(slots=True)
class Explored:
    """What was seen."""

    states: int = 0
    worlds: int = 0
    ends: int = 0
    depth: int = 0
    complete: bool = True
    breach: Breach | None = None
    seen: dict[Any, int] = field(default_factory=dict)


def explore(scenario: Scenario, faults: int, *, most: int = 1_000_000) -> Explored:
    """Live through every schedule.

    Args:
        scenario: What to run; its worlds must not draw anything that matters.
        faults: Faults per schedule.
        most: Worlds to live through.
    """
    found = Explored()
    rows: deque[tuple[int, ...]] = deque([()])
    with no_collection():
        while rows:
            if found.worlds >= most:
                found.complete = False
                break
            row = rows.popleft()
            found.worlds += 1
            world = scenario.world(Tape(entries=()))
            world.kinds, world.hasty = scenario.faults.kinds, True
            try:
                count = _follow(world, row, faults, found)
                if count == 0:
                    found.ends += 1
                    world.calm_down()
                    scenario.check(world)
            except Exception as exc:  # an invariant, a promise, or a fault of the engine: all are findings
                found.breach = Breach(0, row, exc, tuple(tell(world.program.plan, world.trace)))
                break
            finally:
                world.close()
            found.depth = max(found.depth, len(row))
            rows.extend((*row, n) for n in range(count))
    found.states = len(found.seen)
    return found


def _follow(world: World, row: tuple[int, ...], faults: int, found: Explored) -> int:
    """Do what a row says; return how many ways there are to go on, or -1 if they are known already."""
    left = faults
    actions = _actions(world, left)
    for choice in row:
        action = actions[choice]
        left -= action[0] in dangers.DANGERS
        world.do(action)
        actions = _actions(world, left)
    state = picture(world)
    if found.seen.get(state, -1) >= left:
        return -1
    found.seen[state] = left
    return len(actions)


def _actions(world: World, left: int) -> list[Any]:
    return [*world.calm(), *(dangers.wild(world) if left else ())]


def picture(world: World) -> Any:
    """All that decides what may happen from here on, as one value that can be compared."""
    machine = world.machine
    return repr(
        (
            [(one.slice.id, one.ran, one.doomed, one.unwanted) for one in world.sent.values()],
            [(type(mail.event).__name__, mail.sent.slice.id, mail.sent.told) for mail in world.mail],
            [(mail.sent.slice.id, type(mail.event).__name__, mail.sent.told) for mail in world.old_mail],
            [
                (process.place, process.alive, list(process.queue), _cells(process))
                for process in world.processes.values()
            ],
            sorted((round(at - world.now, 6), key) for at, key in world.timers),
            [len(client.steps) for client in world.clients],
            [(one.name, one.status, one.paused, [_block(b) for b in one.outputs]) for one in world.ledger.all],
            _machine(machine),
        )
    )


def _machine(machine: Machine) -> Any:
    return (
        [_job(job) for job in (*machine.jobs.values(), *machine.ended.values())],
        [_lane(lane) for lane in machine.lanes.values()],
        [(number, flight.aborted, flight.forced) for number, flight in machine.flights.items()],
        sorted(machine.crashes.items()),
        machine.workers,
        machine.numbers,
    )


def _job(job: Job) -> Any:
    counts = [(index, one.waiting) for index, one in job.counts.items()]
    return (
        job.id, str(job.status), str(job.paused_as), job.closed, job.stage, job.accepted, job.done, job.dead, job.blocks, counts,
        sorted(job.data.items()), sorted(job.sleeping), [_block(letter.block) for letter in job.letters],
    )  # fmt: skip


def _lane(lane: Lane) -> Any:
    queues = [(job, [(n, _block(b)) for n, b in (*queue.inner, *queue.entry)]) for job, queue in lane.queues.items()]
    return lane.partition, queues, list(lane.order), lane.flying, list(lane.forget)


def _block(block: Block) -> Any:
    return block.port, block.partition, block.attempt, block.entry, getattr(block.body, "payloads", None)


def _cells(process: Any) -> Any:
    host = process._host
    if host is None:
        return None
    return [
        (home, key, cell.data, [list(q) for q in cell.queues])
        for stateful in host.wiring.stateful
        for home, cells in stateful.cells.items()
        for key, cell in cells.items()
    ]


def main(faults: int = 1, mode: str = "distributed") -> None:
    """Explore, and tell what was seen."""
    from tests.simulation.scenarios import Small

    started = time.perf_counter()
    found = explore(Small(mode), faults)
    seconds = time.perf_counter() - started
    sys.stdout.write(
        f"{mode}, {faults} faults: {found.states} states, {found.worlds} worlds, {found.ends} ends, {found.depth} events; "
        f"{'complete' if found.complete else 'cut off'}; {seconds:.0f} s\n{found.breach or 'nothing broken'}\n"
    )
    sys.exit(found.breach is not None)


if __name__ == "__main__":
    main(*(int(a) if a.isdigit() else a for a in sys.argv[1:]))
