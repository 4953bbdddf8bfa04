"""The states of a job and how it may move between them."""

from __future__ import annotations

from routilux_dist.coordinator.state import Job
from routilux_dist.errors import InternalError
from routilux_dist.ids import JobStatus

_P, _R, _H = JobStatus.PENDING, JobStatus.RUNNING, JobStatus.PAUSED
_C, _F, _X = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED

#: Every allowed move. What is not here raises.
MOVES: frozenset[tuple[JobStatus, JobStatus]] = frozenset(
    {
        (_P, _R),  # first slice dispatched
        (_P, _H),
        (_R, _H),  # paused
        (_H, _P),
        (_H, _R),  # resumed
        (_P, _C),  # nothing was ever posted, nothing to finish
        (_R, _C),
        (_P, _F),
        (_R, _F),
        (_H, _F),  # an in-flight slice of a paused job may still fail it
        (_P, _X),
        (_R, _X),
        (_H, _X),
    }
)


def move(job: Job, to: JobStatus) -> None:
    """Move a job to another state.

    Raises:
        InternalError: The move is not in the table.
    """
    if (job.status, to) not in MOVES:
        raise InternalError(f"job {job.id!r} cannot move from {job.status} to {to}")
    job.status = to


def to_mermaid() -> str:
    """Return the table as a Mermaid state diagram."""
    rank = {status: place for place, status in enumerate(JobStatus)}
    pairs = sorted(MOVES, key=lambda pair: (rank[pair[0]], rank[pair[1]]))
    arrows = [f"    {before} --> {after}" for before, after in pairs]
    ends = [f"    {status} --> [*]" for status in JobStatus if status.is_terminal]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {JobStatus.PENDING}", *arrows, *ends])
