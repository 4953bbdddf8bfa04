"""Slices go to workers, receipts come back."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from routilux_dist.wire.block import Block, Packed
from routilux_dist.wire.failure import Failure, Letter


class JobNote(NamedTuple):
    """What a worker has to know of a job."""

    metadata: Any = None
    correlation_id: str | None = None
    #: Whether every entry message is an item of its own (`flow.map`), and whether results of an item keep their order.
    stream: bool = False
    ordered: bool = False
    #: Job data as committed: key -> (reducer, value).
    data: Mapping[str, tuple[str, Any]] | None = None


class Kept(NamedTuple):
    """A piece of a home's state, as a slice left it; kept by the coordinator, so that another process can go on with it.

    Attributes:
        job: The job, "" for state that belongs to the running flow.
        routine: Index of the routine.
        cell: Number of the cell at its home; from `FINISHED` downwards for keys whose `finish` has run: a piece for what one
            slice adds, because all of them with each slice would be a million keys times a hundred slices.
        body: The encoded piece.
    """

    job: str
    routine: int
    cell: int
    body: Packed


#: See `Kept.cell`.
FINISHED = -1


class Slice(NamedTuple):
    """Some blocks to run, and how long to take.

    Attributes:
        id: Number of the slice.
        attempt: Which try of the slice, counted from 1.
        group: Index of the group.
        partition: The home that has to run it, 0 for stateless groups.
        blocks: (block id, block) pairs, in order.
        budget: Seconds after which no further message is begun.
        jobs: Notes on the jobs of the blocks.
        block_rows: Most messages per new block, by port; ports not named here use `default_rows`.
        default_rows: See `block_rows`.
        forget: Jobs that have ended: their state can go.
        apart: Ports whose messages, if several are emitted at once, are given back instead of run one after another: they take
            long, or nobody knows.
        spread: Workers that could share what is given back.
        running: Blocks that this host began in earlier slices and is still running (async pools). What it runs beside these and
            `blocks`, nobody wants any more.
        alone: Whether it must not wait behind another slice: workers have died, and it has to be clear under which one.
        state: What the home has to put in the place of all state it has, or None.
    """

    id: int
    attempt: int
    group: int
    partition: int
    blocks: list[tuple[int, Block]]
    budget: float
    jobs: dict[str, JobNote]
    block_rows: dict[int, int]
    default_rows: int
    forget: tuple[str, ...] = ()
    apart: AbstractSet[int] = frozenset()
    spread: int = 1
    running: tuple[int, ...] = ()
    alone: bool = False
    state: tuple[Kept, ...] | None = None


@dataclass(slots=True)
class Tally:
    """Message counts of one job in one slice."""

    #: Messages accepted: emitted to slots, run here or elsewhere.
    emitted: int = 0
    #: Messages done.
    done: int = 0
    #: Messages that became dead letters.
    dead: int = 0
    #: Routine index -> [activations, errors].
    routines: dict[int, list[int]] = field(default_factory=dict)
    #: Routine index -> change of the number of messages waiting in joins and batches.
    waiting: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Receipt:
    """What a slice did. Committed as a whole, or not at all.

    Attributes:
        slice_id, attempt: Which slice.
        untouched: Block ids that were not begun; they go back to the queue as they are.
        running: Block ids whose one message was begun and still runs; they belong to the receipt of a later slice of this host.
        carried: Likewise, messages out of larger blocks: each a block of its own from here on. Its `origin` tells the host which
            of its activations it is.
        blocks: New messages for slots (emitted to other places, or not reached in time).
        outputs: Messages of output events.
        retries: (seconds to wait, block) of messages to be tried again.
        letters: Dead letters.
        failures: Errors that are recorded and decided, other than those of letters.
        stopped: Jobs that a STOP ended.
        tallies: Counts per job.
        data: Job -> key -> (reducer, value), folded within the slice.
        traces: (job, routine index, text).
        wakes: (job, wake port, seconds) of time-driven policies of this home.
        items: Job -> (item, change of its open messages) for streams; see `client.streams`.
        kept: State that the slice changed, where homes are kept.
        costs: Port -> (rows, seconds) of the rows that were begun.
        seconds: Wall time of the whole slice.
        overhead: Seconds of it that went into copies of state, whatever the number of messages.
        pid: Process that ran it.
        retire: Whether the process cannot be used again: a thread of it is stuck.
    """

    slice_id: int
    attempt: int
    untouched: list[int] = field(default_factory=list)
    running: list[int] = field(default_factory=list)
    carried: list[Block] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    outputs: list[Block] = field(default_factory=list)
    retries: list[tuple[float, Block]] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    stopped: dict[str, Failure] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    data: dict[str, dict[str, tuple[str, Any]]] = field(default_factory=dict)
    traces: list[tuple[str, int, str]] = field(default_factory=list)
    wakes: list[tuple[str, int, float]] = field(default_factory=list)
    items: dict[str, Any] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)
    costs: dict[int, tuple[int, float]] = field(default_factory=dict)
    seconds: float = 0.0
    overhead: float = 0.0
    pid: int = 0
    retire: bool = False

    def tally(self, job: str) -> Tally:
        """Return the counts of a job."""
        tally = self.tallies.get(job)
        if tally is None:
            tally = self.tallies[job] = Tally()
        return tally

    def stop(self, job: str, failure: Failure) -> None:
        """End a job at this error; the first one counts."""
        self.stopped.setdefault(job, failure)
