"""Messages of a saved run: what its journal knows of each, found by telling a machine the journal again. Nothing is claimed.

A message is called by the idempotency key of its activation, "job/block.row". The journal knows those that were sent to a worker,
wait, or died. What one routine hands to the next in the same process never gets into it, unless it dies there.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from routilux_dist.checkpoint.inspection import list_runs
from routilux_dist.checkpoint.options import Checkpoint
from routilux_dist.checkpoint.stores import open_store
from routilux_dist.coordinator.commands import Command, Dispatch
from routilux_dist.coordinator.machine import Machine
from routilux_dist.coordinator.state import Job, Lane
from routilux_dist.driver import durable, looking
from routilux_dist.errors import CheckpointError, CheckpointVersionError, StateError
from routilux_dist.flow import naming
from routilux_dist.plan.plan import PortKind
from routilux_dist.wire.block import Block, Packed
from routilux_dist.wire.failure import Failure, Letter
from routilux_dist.wire.names import name_of
from routilux_dist.wire.slices import FINISHED, JobNote, Slice

#: "job/block.row", and for what a routine handed on in its process also the place in what the row led to.
_NAME = re.compile(r"(?:(?!\d+\.\d+/)([^/]+)/)?(\d+\.\d+)([./][\d.]+)*")
#: Names that are looked through for those that look like a wrong one.
MAX_NAMES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of a saved run, with what its activation saw, as near as the journal has it.

    Attributes:
        name: What it is called.
        flow: Its flow.
        routine, slot, kind: The port that it is for.
        status: "dead", "waits", "runs" (with a worker when the journal ends) or "past" (was with a worker before that).
        block: The block that it is in, None if it could not leave its process or was an error in `finish()`.
        row: Its place there.
        note: What a worker is told of its job.
        cells: Its routine's state at its home, by key; None if the journal has no trace of what it saw.
        ahead: Messages that came before it in its slice, or wait before it, and may change the state first.
        failure: Why it died.
        schema: What the routine's slots and state looked like.
    """

    name: str
    flow: str
    routine: str
    slot: str
    kind: PortKind
    status: str
    block: Block | None
    row: int = 0
    note: JobNote = field(default_factory=JobNote)
    cells: tuple[Packed, ...] | None = None
    ahead: int = 0
    failure: Failure | None = None
    schema: Mapping[str, str] = field(default_factory=dict)

    def nearly(self) -> str:
        """Say in what it may see something else than it saw, "" if in nothing."""
        if self.status == "waits":
            return "it has not run yet: it sees state and job data as they are saved now"
        said = []
        if self.cells and self.ahead:
            said.append(
                f"{self.ahead} messages came before it in its slice: it sees the state as it was before these, the journal has "
                f"nothing in between"
            )
        if self.status == "dead" and self.note.data:
            said.append("it sees the job's data as it is saved now")
        return "; ".join(said)


def listed(machine: Machine) -> Iterator[Message]:
    """Yield what has died, waits or is with a worker: messages of jobs that have ended first, dead ones before others."""
    for job in (*machine.ended.values(), *machine.jobs.values()):
        for place, letter in enumerate(job.letters):
            yield _dead(machine, job, place, letter)
        for lane in (machine.lanes[place] for place in job.lanes):
            queue = lane.queues.get(job.id)
            waiting = (*queue.inner, *queue.entry) if queue is not None else ()
            yield from _Spot(machine, lane, "waits").each(waiting, _note(job))
        for number, block in job.sleeping.items():
            lane = machine.lane(block.port, block.partition)
            yield from _Spot(machine, lane, "waits").each([(number, block)], _note(job))
        for flight in machine.flights.values():
            mine = [(number, block) for number, block in flight.blocks.items() if block.job == job.id]
            yield from _Spot(machine, flight.lane, "runs").each(mine, flight.slice.jobs.get(job.id, JobNote()))


def every(checkpoint: Checkpoint, run: str) -> Iterator[Message]:
    """Yield every message that the journal of a run knows: the same as `listed`, then those of the past.

    Raises:
        CheckpointError: There is no such run, or it is damaged.
    """
    past: dict[str, Message] = {}

    def watch(machine: Machine, commands: Sequence[Command]) -> None:
        for lane, work in _sent(machine, commands):
            for one in _Spot(machine, lane, "past", with_cells=False).each(work.blocks, JobNote()):
                past.setdefault(one.name, one)

    found = _told(checkpoint, run, watch)
    if found is None:
        return
    for one in listed(found.machine):
        past.pop(one.name, None)
        yield one
    yield from past.values()


def find(checkpoint: Checkpoint, run: str, name: str) -> Message:
    """Return a message of a run.

    Args:
        checkpoint: Where the run is saved.
        run: Name of the run.
        name: What the message is called; the job may be left out if the run has one.

    Raises:
        CheckpointError: There is no such run, or it is damaged.
        StateError: The journal has no such message.
    """
    match = _NAME.fullmatch(name)
    root = match[2] if match else ""
    near: dict[str, None] = {}
    seen: list[Message] = []

    def watch(machine: Machine, commands: Sequence[Command]) -> None:
        for lane, work in _sent(machine, commands):
            row = 0
            for number, block in work.blocks:
                names = _names(number, block)
                near.update(dict.fromkeys(itertools.islice(names, max(0, MAX_NAMES - len(near)))))
                place = _place(number, block, name, root)
                if place is not None:
                    note = work.jobs.get(block.job) or JobNote()
                    note = note._replace(data=dict(note.data) if note.data else None)
                    seen[:] = [_Spot(machine, lane, "past").one(number, block, place, note, row + place)]
                row += block.rows

    found = _told(checkpoint, run, watch)
    if found is None:
        raise CheckpointError(f"{checkpoint.url} holds {run!r} without a job: nothing was begun")
    schemas = found.setting.schemas
    for one in listed(found.machine):
        if not _is(one.name, name):
            near[one.name] = None
            continue
        before = seen[0] if seen else None
        if one.cells is None and before is not None and one.status == "dead":
            one = dataclasses.replace(one, cells=before.cells, ahead=before.ahead)
        elif one.status == "runs" and before is not None:
            one = dataclasses.replace(before, status="runs")
        return dataclasses.replace(one, schema=schemas.get(one.routine, {}))
    if seen and _is(seen[0].name, name):
        return dataclasses.replace(seen[0], schema=schemas.get(seen[0].routine, {}))
    raise StateError(_unknown(run, name, near, bool(seen)))


def _unknown(run: str, name: str, near: Iterable[str], root_is_there: bool) -> str:
    close = naming.did_you_mean(name, itertools.islice(near, MAX_NAMES), "messages")
    inside = "; what a routine hands to the next in its process is in the journal only if it died" * root_is_there
    return f"the journal of {run!r} has no message {name!r}{inside}; {close}"


def _told(checkpoint: Checkpoint, run: str, watch: durable.Watch) -> durable.Past | None:
    """Tell a machine the journal from as far back as it is kept."""
    store = open_store(checkpoint.url)
    known = list_runs(store)
    if run not in known:
        raise CheckpointError(f"{store.url} has no run {run!r}; it has: {', '.join(known) or 'none'}")
    try:
        return durable.read(*looking.history(store, run, checkpoint.key, oldest=True), checkpoint.allow_pickle, watch)
    except CheckpointVersionError:
        # It went on elsewhere, or with another engine, since: back to the newest snapshot, then.
        return durable.read(*looking.history(store, run, checkpoint.key), checkpoint.allow_pickle, watch)


def _sent(machine: Machine, commands: Sequence[Command]) -> Iterator[tuple[Lane, Slice]]:
    """Yield the slices that were just sent."""
    for command in commands:
        if isinstance(command, Dispatch):
            yield machine.flights[command.slice.id].lane, command.slice


def _names(number: int, block: Block) -> Iterator[str]:
    return (name_of(number, block, row) for row in range(block.rows))


def _is(name: str, wanted: str) -> bool:
    return name == wanted or name.partition("/")[2] == wanted


def _leads(name: str, wanted: str) -> bool:
    """Whether a message is the one that is wanted, or has led to it."""
    place = name.partition("/")[2]  # the job may be left out
    return _is(name, wanted) or wanted.startswith((f"{name}.", f"{name}/", f"{place}.", f"{place}/"))


def _place(number: int, block: Block, wanted: str, root: str) -> int | None:
    """Return the row of a block that a name, or the root of it, stands for."""
    if not block.rows:
        return None
    if block.origin:
        return next((row for row, name in enumerate(_names(number, block)) if _leads(name, wanted)), None)
    first, source = block.part or (0, number)
    job, slash, _ = wanted.partition("/")
    if not root or (slash and block.job != job):
        return None
    of_block, row = (int(part) for part in root.split("."))
    return row - first if of_block == source and first <= row < first + block.rows else None


# ---- messages --------------------------------------------------------------------------------------------------------


def _note(job: Job) -> JobNote:
    return JobNote(job.metadata, job.correlation_id, data=job.data or None)


class _Spot(NamedTuple):
    """Where some blocks are, and what becomes of their messages."""

    machine: Machine
    lane: Lane
    status: str
    with_cells: bool = True

    def each(self, blocks: Iterable[tuple[int, Block]], note: JobNote) -> Iterator[Message]:
        """Yield the messages of blocks that follow each other."""
        ahead = 0
        for number, block in blocks:
            for row in range(block.rows):
                yield self.one(number, block, row, note, ahead + row)
            ahead += block.rows

    def one(self, number: int, block: Block, row: int, note: JobNote, ahead: int) -> Message:
        """Return a message of a block."""
        port = self.machine.plan.ports[block.port]
        return Message(
            name=name_of(number, block, row),
            flow=self.machine.plan.flow,
            routine=port.routine,
            slot=port.name,
            kind=port.kind,
            status=self.status,
            block=block,
            row=row,
            note=note,
            cells=_cells(self.machine, self.lane, block) if self.with_cells else None,
            ahead=ahead,
        )


def _cells(machine: Machine, lane: Lane, block: Block) -> tuple[Packed, ...]:
    """Return the state of a block's routine as its home has it."""
    routine = machine.plan.routines[machine.plan.ports[block.port].routine]
    pieces = lane.kept.get(block.job if routine.scope == "job" else "", {})
    return tuple(body for (index, cell), body in pieces.items() if index == routine.index and cell > FINISHED)


def _dead(machine: Machine, job: Job, place: int, letter: Letter) -> Message:
    port, failure = machine.plan.ports[letter.block.port], letter.failure
    stateful = machine.plan.routines[port.routine].stateful
    return Message(
        name=failure.key or f"{job.id}/dead.{place}",
        flow=machine.plan.flow,
        routine=failure.routine,
        slot=port.name,
        kind=port.kind,
        status="dead",
        block=letter.block if letter.block.rows else None,
        note=_note(job),
        cells=(letter.seen,) if letter.seen is not None else None if stateful else (),
        failure=failure,
    )
