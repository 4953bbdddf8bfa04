"""What happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from routilux_dist.wire.block import Block
from routilux_dist.wire.slices import Receipt

#: What a timer is about: ("retry", job, block id), ("hold", job, block id, group, partition), ("wake", job, port, partition),
#: ("timeout", job), ("stall",), ("rest",), ("rate", group, partition), ("abort", slice).
TimerKey = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A client sent messages for a job; the first such event makes the job.

    Attributes:
        job: The job.
        blocks: Messages, in order.
        last: Whether no more will come, so that the job may end.
        must_exist: Refuse instead of making the job.
        stream: Whether results are delivered as they come, item by item (`flow.map`).
        ordered: Whether the results of one item keep their order; for streams.
        client: Who is told of the job's end and outputs.
        metadata, correlation_id: As given by the user; `metadata` may be encoded.
        request: Number of the request of its client, counted from 1: one that was taken in already changes nothing. 0 if it is
            never repeated.
    """

    job: str
    blocks: tuple[Block, ...] = ()
    last: bool = True
    must_exist: bool = False
    stream: bool = False
    ordered: bool = False
    client: str = ""
    metadata: Any = None
    correlation_id: str | None = None
    request: int = 0


@dataclass(frozen=True, slots=True)
class SliceFinished:
    """A worker ran a slice."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class SliceLost:
    """A slice will never be finished: its worker died, or could not be reached."""

    slice_id: int
    attempt: int
    reason: str
    #: Whether it never ran: nobody's messages are to blame.
    innocent: bool = False
    #: Whether no process died, but a body of it is gone for good.
    lost_body: bool = False
    #: Seconds before its messages are tried again, at least.
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that was set is due."""

    key: TimerKey


@dataclass(frozen=True, slots=True)
class ControlAsked:
    """A client wants something of a job.

    Actions: "pause", "resume", "cancel", "close" (no more input), "release" (its results are not needed any more), "checkpoint"
    (note what it is like, under a name), "rollback" (make it what it was like) and "adopt" (tell this client what comes of it).

    Attributes:
        job: The job.
        action: What is wanted.
        reason: Why; for checkpoints their name.
        client: Who wants it, for an answer.
        request: Number of the request of that client, 0 if it is never repeated; see `Posted.request`.
    """

    job: str
    action: str
    reason: str = ""
    client: str = ""
    request: int = 0


@dataclass(frozen=True, slots=True)
class RetryAsked:
    """A client wants the dead letters of a job posted again."""

    job: str
    #: Indices of the letters, or empty for all.
    letters: tuple[int, ...] = ()
    client: str = ""
    request: int = 0


@dataclass(frozen=True, slots=True)
class CapacityChanged:
    """There are now this many workers; a group may be limited further by its resources."""

    workers: int
    slots: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Restarted:
    """Another coordinator goes on with what this machine was: all slices that were out are void, all homes are new."""

    workers: int
    slots: dict[int, int] = field(default_factory=dict)


Event = Posted | SliceFinished | SliceLost | TimerFired | ControlAsked | RetryAsked | CapacityChanged | Restarted
