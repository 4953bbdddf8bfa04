"""What clients may ask of a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from routilux_dist.coordinator import ending, lanes, moves, posting, rollbacks
from routilux_dist.coordinator.commands import Refuse
from routilux_dist.coordinator.events import ControlAsked, RetryAsked
from routilux_dist.coordinator.state import Job
from routilux_dist.errors import InternalError
from routilux_dist.ids import JobStatus

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine


def asked(machine: Machine, event: ControlAsked) -> None:
    """Carry out a request; asking for what is so already changes nothing."""
    if machine.repeated(event.client, event.request):
        return
    if event.action not in ACTIONS:
        raise InternalError(f"unknown action {event.action!r}")
    alive, act = ACTIONS[event.action]
    job = machine.jobs.get(event.job) if alive else machine.find(event.job)
    if job is not None:
        act(machine, job, event)
    elif event.action == "adopt":
        machine.order(Refuse(client=event.client, job=event.job, reason=f"job {event.job!r} is not known here"))


def _release(machine: Machine, job: Job, event: ControlAsked) -> None:
    ending.forget(machine, job.id)


def _close(machine: Machine, job: Job, event: ControlAsked) -> None:
    job.closed = True
    ending.advance(machine, job)


def _adopt(machine: Machine, job: Job, event: ControlAsked) -> None:
    """From now on another client is told too how the job ends; if it has ended, at once, and again if it lives again."""
    if not job.alive:
        machine.order(ending.report(machine, job, event.client))
    if event.client not in (job.client, *job.watchers):
        job.watchers.append(event.client)


def _pause(machine: Machine, job: Job, event: ControlAsked) -> None:
    if job.status is JobStatus.PAUSED:
        return
    job.paused_as = job.status
    moves.move(job, JobStatus.PAUSED)
    machine.note(job, "paused", "")
    for place in job.lanes:
        lanes.park(machine.lanes[place], job.id)


def _resume(machine: Machine, job: Job, event: ControlAsked) -> None:
    if job.status is not JobStatus.PAUSED:
        return
    assert job.paused_as is not None
    moves.move(job, job.paused_as)
    machine.note(job, "resumed", "")
    for place in job.lanes:
        lanes.unpark(machine.lanes[place], job.id)
    ending.advance(machine, job)


def retry_asked(machine: Machine, event: RetryAsked) -> None:
    """Post dead letters of a living job again."""
    if machine.repeated(event.client, event.request):
        return
    job = machine.jobs.get(event.job)
    if job is None:
        machine.order(Refuse(client="", job=event.job, reason=f"job {event.job!r} has ended"))
        return
    if job.stage:
        machine.note(job, "retry_failed", "the job is finishing: its dead letters stay")
        return
    chosen = {n for n in event.letters or range(len(job.letters)) if n < len(job.letters) and job.letters[n].block.rows}
    again = [letter for n, letter in enumerate(job.letters) if n in chosen]
    job.letters = [letter for n, letter in enumerate(job.letters) if n not in chosen]
    for letter in again:
        job.dead -= letter.block.rows
        posting.enqueue(machine, job, letter.block)
    machine.note(job, "retry_failed", f"{len(again)} dead letters posted again")


#: Action -> (whether it is for living jobs only, what to do). For an ended job there is nothing to pause, resume or cancel.
ACTIONS: dict[str, tuple[bool, Callable[[Machine, Job, ControlAsked], None]]] = {
    "pause": (True, _pause),
    "resume": (True, _resume),
    "cancel": (True, lambda machine, job, event: ending.cancel(machine, job, event.reason)),
    "close": (True, _close),
    "checkpoint": (True, lambda machine, job, event: rollbacks.take(machine, job, event.reason)),
    "rollback": (False, lambda machine, job, event: rollbacks.restore(machine, job, event.reason)),
    "adopt": (False, _adopt),
    "release": (False, _release),
}
