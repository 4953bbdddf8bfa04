"""Reading the machine: plain data about jobs, for people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from routilux_dist.coordinator import lanes
from routilux_dist.coordinator.state import Job, RoutineCounts

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine


def summary(machine: Machine, job: Job) -> dict[str, Any]:
    """Return everything but messages about a job, as plain data. Times are wall-clock seconds."""
    offset = machine.wall_offset
    queued, running = moving(machine, job) if job.pending or job.flying else (Counter(), Counter())
    seen = {machine.names[index]: counts for index, counts in job.counts.items()}
    return {
        "job_id": job.id,
        "flow": machine.plan.flow,
        "status": str(job.status),
        "created": job.created + offset,
        "started": None if job.started is None else job.started + offset,
        "ended": None if job.ended is None else job.ended + offset,
        "seconds": (job.ended if job.ended is not None else machine.now) - job.created,
        "correlation_id": job.correlation_id,
        "messages": {
            "accepted": job.accepted,
            "done": job.done,
            "dead": job.dead,
            "discarded": job.discarded,
            "retracted": job.retracted,
            "pending": job.pending,
            "in_flight": job.flying,
            "outputs": job.output_rows,
        },
        "routines": {
            name: _counts(seen.get(name) or RoutineCounts(), queued[name], running[name])
            for name in sorted({*seen, *queued, *running}, key=lambda name: machine.plan.routines[name].index)
        },
        "waiting": sum(c.waiting for c in job.counts.values()),
        "history": recent(machine.plan.limits, job.history, machine.now + offset),
        "checkpoints": {name: checkpoint.time + offset for name, checkpoint in job.checkpoints.items()},
        "generation": job.generation,
        "waits_for": describe(machine, job) if job.alive else "",
    }


def recent(
    limits: Any, history: Iterable[tuple[float, str, str, str]], wall: float
) -> list[tuple[float, str, str, str]]:
    """Return a history without what is too old at a wall-clock time."""
    age = limits.history_ttl_seconds
    return [(time, kind, routine, text) for time, kind, routine, text in history if age is None or time >= wall - age]


def _counts(counts: RoutineCounts, queued: int, running: int) -> dict[str, int]:
    return {
        "activations": counts.activations,
        "errors": counts.errors,
        "waiting": counts.waiting,
        "queued": queued,
        "running": running,
    }


def moving(machine: Machine, job: Job) -> tuple[Counter[str], Counter[str]]:
    """Return a job's messages by routine: those that wait (for a worker or a retry), and those that are with one."""
    queued: Counter[str] = Counter()
    running: Counter[str] = Counter()
    ports = machine.plan.ports
    for place in job.lanes:
        queue = machine.lanes[place].queues.get(job.id)
        for waiting in (*queue.inner, *queue.entry) if queue else ():
            queued[ports[waiting.block.port].routine] += waiting.block.rows
    for block in job.sleeping.values():
        queued[ports[block.port].routine] += block.rows
    for flight in machine.flights.values() if job.flying else ():
        for block in flight.blocks.values():
            if block.job == job.id:
                running[ports[block.port].routine] += block.rows
    return queued, running


def overview(machine: Machine) -> dict[str, Any]:
    """Return what the running flow as a whole is doing."""
    return {
        "flow": machine.plan.flow,
        "workers": machine.workers,
        "jobs": {job.id: str(job.status) for job in (*machine.ended.values(), *machine.jobs.values())},
        "slices_in_flight": len(machine.flights),
        "slices_committed": machine.commits,
        "waiting": {f"{lane.group.name}/{lane.partition}": lanes.waiting(lane) for lane in machine.lanes.values()},
        "seconds_per_message": {
            machine.plan.ports[port].path: cost.seconds for port, cost in sorted(machine.costs.items())
        },
    }


def describe(machine: Machine, job: Job) -> str:
    """Say what a job waits for."""
    parts = []
    for place in job.lanes:
        lane = machine.lanes[place]
        queue = lane.queues.get(job.id)
        if queue:
            rows: dict[str, int] = {}
            for queued in (*queue.inner, *queue.entry):
                path = machine.plan.ports[queued.block.port].path
                rows[path] = rows.get(path, 0) + queued.block.rows
            listed = ", ".join(f"{n} at {path}" for path, n in rows.items())
            parts.append(f"messages wait for a worker of {lane.group.name}: {listed}")
    waiting = {p for place in job.lanes for p in machine.lanes[place].rows if machine.lanes[place].rows[p]} & {
        port for port, jobs in machine.held.items() if jobs is None or job.id in jobs
    }
    if waiting:
        paths = ", ".join(sorted(machine.plan.ports[port].path for port in waiting))
        parts.append(f"{paths}: held up until what comes behind has caught up")
    flying = [f for f in machine.flights.values() if any(b.job == job.id for b in f.blocks.values())]
    for flight in flying[:5]:
        ports = sorted({machine.plan.ports[b.port].path for b in flight.blocks.values() if b.job == job.id})
        parts.append(f"running for {machine.now - flight.since:.1f} s: {', '.join(ports)}")
    if job.sleeping:
        parts.append(f"{len(job.sleeping)} messages wait for a retry")
    for index, counts in sorted(job.counts.items(), key=lambda item: item[0]):
        if counts.waiting:
            parts.append(f"{counts.waiting} messages wait in {machine.names[index]} for messages on its other slots")
    if not job.closed:
        parts.append("more input is promised")
    return "; ".join(parts) or "nothing waits"
