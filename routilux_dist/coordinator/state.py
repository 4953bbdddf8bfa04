"""What the machine remembers. Only the machine's rooms write it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from routilux_dist.ids import JobStatus
from routilux_dist.plan.plan import GroupKind, GroupPlan
from routilux_dist.wire.block import Block, Packed
from routilux_dist.wire.failure import Failure, Letter
from routilux_dist.wire.slices import Slice


class Entry(NamedTuple):
    """One line of a job's history. `time` is wall-clock seconds."""

    time: float
    kind: str
    routine: str
    text: str


class Queued(NamedTuple):
    """A block with its number."""

    id: int
    block: Block


@dataclass(slots=True)
class JobQueue:
    """A job's waiting blocks in one lane."""

    #: Messages of started work, and control blocks.
    inner: deque[Queued] = field(default_factory=deque)
    #: Messages from outside that wait at the door.
    entry: deque[Queued] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self.inner) + len(self.entry)


@dataclass(slots=True)
class Carried:
    """What goes on at a host of an async pool after a slice: it belongs to the next one. Never outlives a call of `handle`."""

    #: Blocks that the host knows by number, and those that it has to be told.
    known: dict[int, Block] = field(default_factory=dict)
    told: dict[int, Block] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)


@dataclass(slots=True)
class Board:
    """What the machine has to know of its lanes at every event: with a thousand homes it cannot look at each. `lanes` writes it.

    Attributes:
        ready: Lanes, by number, with a job to serve; homes only while no slice of theirs is out.
        late: Lanes with a backlog that others wait for, see `pressure`.
        busy: How many workers' worth of slices is out.
    """

    ready: dict[int, Lane] = field(default_factory=dict)
    late: dict[int, Lane] = field(default_factory=dict)
    busy: int = 0


@dataclass(slots=True)
class Lane:
    """A queue that certain workers serve: a stateless group, or one home of a stateful one."""

    group: GroupPlan
    partition: int
    #: Its place among the machine's lanes, and where it says what has become of it.
    number: int = 0
    board: Board = field(default_factory=Board)
    #: From which backlog on it is late.
    most_blocks: float = math.inf
    most_bytes: float = math.inf
    queues: dict[str, JobQueue] = field(default_factory=dict)
    #: Jobs with waiting blocks, each once; the first is served next.
    order: deque[str] = field(default_factory=deque)
    #: Jobs that wait for a message to be tried again, which keeps its place: job -> its block.
    held: dict[str, int] = field(default_factory=dict)
    #: Messages waiting by port, for estimating work.
    rows: dict[int, int] = field(default_factory=dict)
    #: Inner messages waiting of jobs that are served: (blocks, bytes) by port, and together.
    backlog: dict[int, tuple[int, int]] = field(default_factory=dict)
    backlog_blocks: int = 0
    backlog_bytes: int = 0
    flying: int = 0
    #: Async pools: hosts that have a slice, and what those that have landed one go on with.
    out: set[int] = field(default_factory=set)
    carried: dict[int, Carried] = field(default_factory=dict)
    #: See `rates`: when all that has begun would have begun at the agreed pace, and when somebody looks at it again.
    paced: float = 0.0
    alarm: float = 0.0
    #: Until when messages are gathered, because each slice copies much state.
    rest_until: float = 0.0
    #: What its home's state is, piece by piece, if it is kept: job ("" for the running flow's) -> (routine, cell) -> piece.
    kept: dict[str, dict[tuple[int, int], Packed]] = field(default_factory=dict)
    #: Whether the home's process is new, or has state that does not count: the next slice brings all of it.
    cold: bool = False
    #: Jobs that ended and may have state here.
    forget: list[str] = field(default_factory=list)
    #: Whether one process serves it, which holds state; whether any of several workers may take its next slice.
    homed: bool = field(init=False)
    shares_work: bool = field(init=False)

    def __post_init__(self) -> None:
        self.homed = self.group.kind in (GroupKind.SHARDS, GroupKind.SOLO)
        self.shares_work = not self.homed and not self.group.is_async


@dataclass(slots=True)
class Flight:
    """A slice that is with a worker."""

    slice: Slice
    lane: Lane
    blocks: dict[int, Block]
    #: Its jobs: after one has ended, its id may be that of another.
    jobs: dict[str, Job]
    since: float
    attempt: int = 1
    #: Whether nobody wants it any more, and whether its process was to be ended because of that.
    aborted: bool = False
    forced: bool = False


@dataclass(slots=True)
class RoutineCounts:
    """Counts of one routine in one job."""

    activations: int = 0
    errors: int = 0
    waiting: int = 0


@dataclass(slots=True)
class Job:
    """One job.

    Attributes:
        blocks: Blocks queued, in flight or waiting for a retry. The job is quiet when there are none.
        pending, flying: Messages in queued (or retrying) blocks, and in blocks with a worker.
        accepted, done, dead, discarded, retracted: Message counts; `accepted` is always the sum of all other counts.
        stage: Next stage of the plan to finish.
        lanes: (group, partition) places that the job has been to.
    """

    id: str
    client: str
    stream: bool
    ordered: bool
    metadata: Any
    correlation_id: str | None
    created: float
    status: JobStatus = JobStatus.PENDING
    closed: bool = False
    started: float | None = None
    ended: float | None = None
    blocks: int = 0
    pending: int = 0
    flying: int = 0
    accepted: int = 0
    done: int = 0
    dead: int = 0
    discarded: int = 0
    #: Messages that were accepted after the checkpoint that the job was rolled back to.
    retracted: int = 0
    #: How often the job was rolled back: outputs of other generations do not count.
    generation: int = 0
    #: How often in a row it went back because its state was not valid, and how much was done at that checkpoint.
    rolled: int = 0
    rolled_at: int = -1
    stage: int = 0
    paused_as: JobStatus | None = None
    outputs: list[Block] = field(default_factory=list)
    output_rows: int = 0
    #: Clients that are told how it ends, besides the one that posted it.
    watchers: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    failure: Failure | None = None
    data: dict[str, tuple[str, Any]] = field(default_factory=dict)
    history: deque[Entry] = field(default_factory=deque)
    counts: dict[int, RoutineCounts] = field(default_factory=dict)
    lanes: dict[tuple[int, int], None] = field(default_factory=dict)
    #: Retries that wait: block id -> block.
    sleeping: dict[int, Block] = field(default_factory=dict)
    #: What the job was like, by the name of a checkpoint.
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether the job has not ended."""
        return not self.status.is_terminal


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a job was like at some moment; immutable pieces are shared with the job, not copied.

    Attributes:
        time: When, as the machine's clock tells it.
        job: The job's record, without messages in lanes.
        blocks: What waited or was with a worker, in the order of its queues; then what was posted since, see `rollbacks.also`.
        kept: (group, partition) -> (routine, cell) -> piece of state.
    """

    time: float
    job: Job
    blocks: list[Block]
    kept: dict[tuple[int, int], dict[tuple[int, int], Packed]]


@dataclass(slots=True)
class Cost:
    """What is known of the messages of a port."""

    #: Seconds per message, moving average; None until measured.
    seconds: float | None = None
    #: Bytes that each leads to and that wait for another slice, moving average.
    sent: float = 0.0
    #: How far measurements are from what was known before them, from 0 (as was thought) to 1, moving average.
    error: float = 1.0

    def learn(self, rows: int, seconds: float) -> None:
        """Take in a measurement. Newer ones count more, larger ones too."""
        if rows <= 0:
            return
        per_row = seconds / rows
        weight = 0.3 if rows < 8 else 0.5
        if self.seconds is not None:
            error = abs(per_row - self.seconds) / max(per_row, self.seconds, 1e-12)
            self.error += weight * (error - self.error)
        self.seconds = per_row if self.seconds is None else self.seconds + weight * (per_row - self.seconds)

    def weigh(self, nbytes: float) -> None:
        """Take in how many bytes a message led to."""
        sent = self.sent + (0.5 if self.sent else 1.0) * (nbytes - self.sent)
        self.sent = sent if sent >= 1 else 0.0  # halves of nothing would never end
