"""Backpressure inside a flow: what may not begin for now, because those it leads to are far behind.

A *late* routine has more messages waiting than its lane's share of what may wait. Everything that leads to it, and that it does
not lead back to, waits until it has caught up: of all jobs, or only of those that would be too many by themselves. Of several
late routines the last one along the flow is held up by nobody, has work and gets a slice: something always runs, and in the end
nothing is late. Within a cycle nobody waits for anybody: there, `max_messages` is the bound.

What is with workers is not called back. So each port learns how many bytes its messages lead to, and a slice takes no more than
fit: the bound is passed by as much again at most, and not by whatever a slice of 80 ms happens to emit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from routilux_dist.coordinator.lanes import Held
from routilux_dist.coordinator.state import Lane
from routilux_dist.plan.plan import GroupKind, GroupPlan, Plan, PortKind
from routilux_dist.plan.tuning import Tuning
from routilux_dist.wire.slices import Receipt

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine


def held(machine: Machine) -> Held:
    """Return the ports whose messages should wait: those of some jobs, or of all."""
    ports: dict[int, frozenset[str] | None] = {}
    for lane in machine.board.late.values():
        jobs = _to_blame(lane)
        for port in {port for routine in _late(machine, lane) for port in _before(machine, routine)}:
            others = ports.get(port, frozenset())
            ports[port] = None if jobs is None or others is None else others | jobs
    return ports


def _to_blame(lane: Lane) -> frozenset[str] | None:
    """Return the jobs of which more than half of what may wait in a late lane does, if without these it is not late; else None.

    So a job that emits more at once than may wait holds up itself, and not those that have hardly begun.
    """
    # Of a job only the blocks are known: their bytes are taken for those of all.
    each = lane.backlog_bytes / lane.backlog_blocks
    half = min(lane.most_blocks, lane.most_bytes / each if each else math.inf) / 2
    waiting = {job: len(lane.queues[job].inner) for job in lane.order}
    large = {job: count for job, count in waiting.items() if count >= half}
    return frozenset(large) if lane.backlog_blocks - sum(large.values()) < half else None


def bounds(tuning: Tuning, group: GroupPlan, homes: int) -> tuple[float, float]:
    """Return how many blocks and bytes may wait in a lane of a group before it is late."""
    if group.kind is GroupKind.SOLO:
        return math.inf, math.inf  # the whole flow in one line: what has begun comes first anyway
    return tuning.max_pending_blocks / homes, tuning.max_pending_bytes / homes


def weigh(machine: Machine, receipt: Receipt) -> None:
    """Learn how many bytes the messages of a slice led to; what it gives back of its own is none of them."""
    if len(receipt.costs) != 1:  # nobody knows which of them led to what
        return
    [(port, (rows, _))] = receipt.costs.items()
    cost = machine.costs.get(port)
    if rows > 0 and cost is not None:
        cost.weigh(sum(block.nbytes for block in receipt.blocks if block.port != port) / rows)


def leads_to(machine: Machine, port: int) -> float:
    """Return how many bytes a message leads to that have to wait for another slice; 0 if nobody knows."""
    cost = machine.costs.get(port)
    return cost.sent if cost is not None else 0.0


def share(machine: Machine) -> float:
    """Return how many bytes a slice may lead to: those that are out together fill what may wait, two for each worker."""
    return machine.tuning.max_pending_bytes / (2 * max(1, machine.workers))


def _late(machine: Machine, lane: Lane) -> set[str]:
    """Return the routines of a late lane that are far behind."""
    # If together they are too many, one of them at least has more than its part.
    ports = len(lane.backlog)
    return {
        machine.plan.ports[port].routine
        for port, (blocks, nbytes) in lane.backlog.items()
        if blocks * ports >= lane.most_blocks or nbytes * ports >= lane.most_bytes
    }


def _before(machine: Machine, routine: str) -> frozenset[int]:
    found = machine.before.get(routine)
    if found is None:
        found = machine.before[routine] = before(machine.plan, routine)
    return found


def before(plan: Plan, routine: str) -> frozenset[int]:
    """Return the ports of all routines that lead to a routine and to which it does not lead."""
    targets = {
        one.id: {
            plan.ports[port].routine
            for ports in one.events.values()
            for port in ports
            if plan.ports[port].kind is PortKind.SLOT
        }
        for one in plan.routines.values()
    }
    sources: dict[str, set[str]] = {name: set() for name in targets}
    for source, names in targets.items():
        for name in names:
            sources[name].add(source)
    ahead = _reached(sources, routine) - _reached(targets, routine) - {routine}
    return frozenset(
        port.index for port in plan.ports if port.routine in ahead and port.kind in (PortKind.SLOT, PortKind.LOGIC)
    )


def _reached(links: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    rest = [start]
    while rest:
        for name in links[rest.pop()] - found:
            found.add(name)
            rest.append(name)
    return found
