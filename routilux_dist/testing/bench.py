"""Benches: a coordinator's machine, or a worker's host, driven by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from routilux_dist.compiler.compile import prepare
from routilux_dist.coordinator import invariants
from routilux_dist.coordinator.commands import Command, Dispatch, SetTimer
from routilux_dist.coordinator.events import ControlAsked, Event, Posted, SliceFinished, SliceLost, TimerFired, TimerKey
from routilux_dist.coordinator.machine import Machine
from routilux_dist.coordinator.state import Job
from routilux_dist.flow.model import FlowModel
from routilux_dist.flow.routine import replica
from routilux_dist.flow.state import partition_of
from routilux_dist.plan.plan import GroupKind, Plan, PortKind
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing.clock import FakeClock
from routilux_dist.wire.block import Block, Items, Rows
from routilux_dist.wire.codec import PICKLE, Codec
from routilux_dist.wire.failure import Failure, Letter
from routilux_dist.wire.slices import JobNote, Receipt, Slice, Tally
from routilux_workers.host import Host

C = TypeVar("C")


def compile_for(flow: FlowModel) -> Plan:
    """Return a flow's plan, as the local backend would have it."""
    return prepare(flow, ship=False, need_entry=False)


class Bench:
    """A machine and what it asked for. All invariants are checked after every event.

    Nothing runs: the test says how slices end (`finish`, `lose`) and how time goes by (`tick`).

    Args:
        flow: A flow; small ones make readable tests.
        workers: Slices that may run at once.
        homes: Partitions of stateful groups.
        lookahead: Whether a second slice per worker is dispatched.
        tuning: How work is cut.
        keeps: Whether the machine keeps the state of homes.
    """

    def __init__(
        self,
        flow: FlowModel,
        *,
        workers: int = 1,
        homes: int = 2,
        lookahead: bool = False,
        tuning: Tuning | None = None,
        keeps: bool = False,
    ) -> None:
        self.plan = compile_for(flow)
        self.clock = FakeClock()
        partitions = {g.index: g.homes(homes) for g in self.plan.groups if g.kind is GroupKind.SHARDS}
        self.machine = Machine(
            self.plan,
            tuning if tuning is not None else Tuning(),
            workers=workers,
            partitions=partitions,
            wall_offset=self.clock.wall_offset,
            lookahead=lookahead,
            keeps=keeps,
            validate=True,
        )
        #: Slices that were dispatched and have not ended, oldest first.
        self.slices: dict[int, Slice] = {}
        #: Timers that were set and have not fired: (when, key).
        self.timers: list[tuple[float, TimerKey]] = []
        #: What was fed, and when.
        self.fed: list[tuple[float, tuple[Event, ...]]] = []
        #: Every other command, oldest first.
        self.told: list[Command] = []

    # ---- events --------------------------------------------------------------------------------------------------

    def feed(self, *events: Event) -> list[Command]:
        """Feed events as they are; return the commands."""
        self.fed.append((self.clock.monotonic(), events))
        commands = self.machine.handle(*events, now=self.clock.monotonic())
        for command in commands:
            if isinstance(command, Dispatch):
                self.slices[command.slice.id] = command.slice
            elif isinstance(command, SetTimer):
                self.timers.append((command.at, command.key))
            else:
                self.told.append(command)
        return commands

    def post(
        self, job: str, path: str, rows: int = 1, *, partition: int | None = None, nbytes: int = 0, **fields: Any
    ) -> None:
        """Post one block of messages 0, 1, … to "routine.slot"; `fields` are those of `Posted`."""
        stream = fields.get("stream", False)
        body = Rows(list(range(rows)), 0 if stream else None)
        port = self.port(path)
        home = partition if partition is not None else self.home(port, job)
        block = Block(job, port, home, rows, nbytes, 1, 0, True, "", body)
        self.feed(Posted(job=job, blocks=(block,), **{"client": "client", **fields}))

    def ask(self, job: str, action: str, reason: str = "") -> None:
        """Control a job: "pause", "resume", "cancel", "close", "release"."""
        self.feed(ControlAsked(job, action, reason))

    def finish(self, work: Slice | None = None, **what: Any) -> Receipt:
        """End a slice (the oldest one by default); `what` goes to `receipt`."""
        work = work if work is not None else next(iter(self.slices.values()))
        del self.slices[work.id]
        receipt = self.receipt(work, **what)
        self.feed(SliceFinished(receipt))
        return receipt

    def lose(self, work: Slice | None = None, *, reason: str = "the process died", innocent: bool = False) -> None:
        """Lose a slice (the oldest one by default)."""
        work = work if work is not None else next(iter(self.slices.values()))
        del self.slices[work.id]
        self.feed(SliceLost(work.id, work.attempt, reason, innocent))

    def tick(self, seconds: float) -> None:
        """Let time pass and fire what is due, in order."""
        self.clock.advance(seconds)
        while due := [timer for timer in self.timers if timer[0] <= self.clock.now]:
            timer = min(due, key=lambda t: t[0])
            self.timers.remove(timer)
            self.feed(TimerFired(timer[1]))

    def run_out(self, most: int = 1000) -> int:
        """Finish slices, without any effects, until none is left; return how many there were."""
        for count in range(most):
            if not self.slices:
                return count
            self.finish()
        raise AssertionError(f"still going after {most} slices")

    # ---- receipts ------------------------------------------------------------------------------------------------

    def receipt(  # noqa: PLR0913 - keyword-only, each one effect that a slice can have
        self,
        work: Slice,
        *,
        job: str | None = None,
        emit: Mapping[str, int] | None = None,
        output: Mapping[str, int] | None = None,
        left: int = 0,
        dead: int = 0,
        retry: tuple[float, int] | None = None,
        untouched: Sequence[int] = (),
        running: Sequence[int] = (),
        left_running: Sequence[Block] = (),
        stop: str | None = None,
        waiting: Mapping[str, int] | None = None,
        seconds: float = 0.0,
        **fields: Any,
    ) -> Receipt:
        """Return a receipt that conserves messages. Like a host, it flushes what waits where a job ends.

        Args:
            work: The slice.
            job: Whose effects the following are; default: that of the first block.
            emit: "routine.slot" -> messages sent there.
            output: "routine.event" -> messages that leave the flow.
            left: Messages of the first block that were not begun.
            dead: Messages of it that became dead letters.
            retry: (delay, messages) of it to be tried again.
            untouched: Block ids that were not begun.
            running: Block ids whose message still runs.
            left_running: Messages of the first block that still run, as blocks of their own.
            stop: Text of an error that stops the job.
            waiting: Routine -> change of the number of messages that wait in it.
            seconds: What the first block's messages took, together.
            **fields: Further fields of the receipt, as they are.
        """
        ended = [self.machine.flights[work.id].blocks[number] for number in work.running if number not in running]
        blocks = [*ended, *(block for number, block in work.blocks if number not in (*untouched, *running))]
        receipt = Receipt(
            work.id,
            work.attempt,
            untouched=list(untouched),
            running=list(running),
            carried=list(left_running),
            **fields,
        )
        for block in blocks:
            receipt.tallies.setdefault(block.job, Tally()).done += block.rows
            self._flush(receipt, block)
        if not blocks:
            return receipt
        owner = job if job is not None else blocks[0].job
        first = next(block for block in blocks if block.job == owner)
        tally = receipt.tallies[owner]
        for path, rows in (emit or {}).items():
            port = self.port(path)
            receipt.blocks.append(
                first._replace(port=port, partition=self.home(port, owner), rows=rows, entry=False, body=_rows(rows))
            )
            tally.emitted += rows
        for path, rows in (output or {}).items():
            receipt.outputs.append(first._replace(port=self.port(path), rows=rows, entry=False, body=_rows(rows)))
        if left:
            receipt.blocks.append(first._replace(rows=left, body=_rows(left)))
        if retry is not None:
            again = first._replace(rows=retry[1], attempt=first.attempt + 1, entry=False, body=_rows(retry[1]))
            receipt.retries.append((retry[0], again))
        for _ in range(dead):
            receipt.letters.append(
                Letter(self.failure(owner, strategy="continue"), first._replace(rows=1, entry=False, body=_rows(1)))
            )
        tally.done -= left + dead + len(left_running) + (retry[1] if retry is not None else 0)
        tally.dead += dead
        tally.waiting.update({self.plan.routines[name].index: change for name, change in (waiting or {}).items()})
        if stop is not None:
            receipt.stopped[owner] = self.failure(owner, message=stop)
        if seconds:
            receipt.costs[first.port] = (first.rows - left, seconds)
        return receipt

    def _flush(self, receipt: Receipt, block: Block) -> None:
        port = self.plan.ports[block.port]
        routine = self.plan.routines[port.routine]
        job = self.machine.find(block.job)
        counts = None if job is None else job.counts.get(routine.index)
        if port.kind is PortKind.FINISH and routine.flushes and counts is not None:
            receipt.tallies[block.job].waiting[routine.index] = -counts.waiting

    @staticmethod
    def failure(job: str, **fields: Any) -> Failure:
        """Return a failure as a worker would report it."""
        return Failure(job=job, routine="a", slot="input", **{"error_type": "ValueError", "message": "no", **fields})

    # ---- looking -------------------------------------------------------------------------------------------------

    def port(self, path: str) -> int:
        """Return the number of a port, such as "a.input", "a.output", "total.(finish)"."""
        return next(port.index for port in self.plan.ports if port.path == path)

    def home(self, port: int, job: str) -> int:
        """Return the partition of a job's messages for a port, where state is not keyed."""
        return partition_of(job, self.machine.partitions.get(self.plan.ports[port].group, 1))

    def job(self, job: str) -> Job:
        """Return a job, alive or remembered."""
        found = self.machine.find(job)
        assert found is not None, f"no job {job!r}"
        return found

    def of(self, kind: type[C]) -> list[C]:
        """Return the commands of a kind so far, other than dispatches and timers."""
        return [command for command in self.told if isinstance(command, kind)]

    def check(self) -> None:
        """Check all invariants."""
        invariants.check(self.machine)


def _rows(count: int) -> Rows:
    return Rows(list(range(count)))


class Workbench:
    """A host of one group of a flow, in this process.

    Args:
        flow: The flow.
        routine: A routine of the group to serve; default: the first group's.
        partition: Home that the host is.
        homes: Partitions of stateful groups.
        packed: Whether bodies are encoded, as they are for another process.
        keeps: Whether receipts carry the state that slices change.
        codec: How bodies are encoded.
    """

    def __init__(
        self,
        flow: FlowModel,
        routine: str | None = None,
        *,
        partition: int = 0,
        homes: int = 1,
        packed: bool = False,
        keeps: bool = False,
        codec: Codec = PICKLE,
    ) -> None:
        self.plan = compile_for(flow)
        self.group = self.plan.routines[routine].group if routine is not None else 0
        self.partition = partition
        self.cancelled: set[str] = set()
        self.host = Host(
            self.plan,
            {name: replica(one) for name, one in flow.routines.items()},
            self.group,
            flow_handler=flow.error_handler,
            guards=flow.guards,
            partition=partition,
            partitions={g.index: g.homes(homes) for g in self.plan.groups if g.kind is GroupKind.SHARDS},
            packed=packed,
            is_cancelled=self.cancelled.__contains__,
            keeps=keeps,
            codec=codec,
        )
        self._numbers = 0

    def block(self, path: str, payloads: Sequence[Any], job: str = "job", items: Items = None, **fields: Any) -> Block:
        """Return messages for "routine.slot" as a block; `fields` are further fields of it."""
        port = next(p.index for p in self.plan.ports if p.path == path)
        made = Block(job, port, self.partition, len(payloads), 0, 1, 0, True, "", Rows(list(payloads), items))
        return made._replace(**fields)

    def control(self, path: str, job: str = "job", key: Any = None) -> Block:
        """Return a control block, such as for "total.(finish)"."""
        return self.block(path, [key], job, rows=0, entry=False)

    def run(self, *blocks: Block, budget: float = 60.0, **fields: Any) -> Receipt:
        """Run a slice of these blocks; `fields` are further fields of `Slice`. New blocks are cut as for cheap messages."""
        numbered = []
        for block in blocks:
            self._numbers += 1
            numbered.append((self._numbers, block))
        notes = fields.pop("jobs", None) or {block.job: JobNote() for block in blocks}
        rows = fields.pop("block_rows", None) or {port.index: 8192 for port in self.plan.ports}
        return self.host.run(
            Slice(self._numbers, 1, self.group, self.partition, numbered, budget, notes, rows, 8192, **fields)
        )

    def send(self, path: str, *payloads: Any, job: str = "job") -> Receipt:
        """Run one block of messages."""
        return self.run(self.block(path, payloads, job))

    def sent(self, receipt: Receipt, path: str | None = None) -> list[Any]:
        """Return payloads that left: to a port, or all outputs."""
        blocks = receipt.outputs if path is None else (*receipt.blocks, *receipt.outputs)
        chosen = [b for b in blocks if path is None or self.plan.ports[b.port].path == path]
        return [payload for block in chosen for payload in block.body.payloads]  # type: ignore[union-attr]

    def close(self) -> None:
        """Close the host."""
        self.host.close()
