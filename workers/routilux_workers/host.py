"""A host: one worker's copy of a group of routines. `run(slice)` gives a receipt."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

from routilux_dist.errors import SerializationError, StateError
from routilux_dist.flow.context import ACTIVITY
from routilux_dist.flow.guards import Guard
from routilux_dist.flow.handling import ErrorHandler, ErrorStrategy
from routilux_dist.flow.routine import Phase, Routine
from routilux_dist.plan.plan import GroupKind, Plan, PortKind
from routilux_dist.settings import Settings
from routilux_dist.wire import names
from routilux_dist.wire.block import Block, Items, Rows
from routilux_dist.wire.codec import PICKLE, Codec
from routilux_dist.wire.failure import Failure, Letter
from routilux_dist.wire.slices import JobNote, Receipt, Slice
from routilux_workers import faults, guarding, keeping, stuck, trees, watching
from routilux_workers.activity import Activity
from routilux_workers.errands import Errands
from routilux_workers.outbox import Packer, Pile, numbers_of
from routilux_workers.queues import Line
from routilux_workers.stateful import Redo
from routilux_workers.steps import Step
from routilux_workers.timing import Watchdog
from routilux_workers.waiting import Loop
from routilux_workers.watching import Watch
from routilux_workers.wiring import Wiring

#: Blocks that messages of unknown cost are cut into, at most: more would cost more to manage than they balance.
MAX_UNKNOWN_BLOCKS = 256


class Host:
    """Routines of one group, ready to run slices. One thread uses it.

    Args:
        plan: The plan.
        routines: Copies of all routines of the flow, by id.
        group: Index of the group to serve.
        flow_handler: The flow's error handler.
        partition: Home that this host is, 0 for stateless groups.
        partitions: Number of homes, by group index.
        packed: Whether bodies are encoded because they leave the process.
        block_bytes: Most bytes per new block.
        payload_bytes: Most bytes of one message that leaves the process.
        is_cancelled: Tells whether a job was cancelled meanwhile.
        clock: Seconds that go on; budgets, costs and time-driven policies are measured with it.
        keeps: Whether receipts carry the state that slices change.
        guards: What the state of routines has to be like.
        codec: How bodies, job data, state and exceptions are encoded.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, and each is a fact of the place it runs in
        self,
        plan: Plan,
        routines: Mapping[str, Routine],
        group: int,
        *,
        flow_handler: ErrorHandler | None = None,
        partition: int = 0,
        partitions: Mapping[int, int] | None = None,
        packed: bool = True,
        block_bytes: int = 4 << 20,
        payload_bytes: int = 1 << 30,
        is_cancelled: Callable[[str], bool] = lambda job: False,
        clock: Callable[[], float] = perf_counter,
        keeps: bool = False,
        guards: Sequence[Guard] = (),
        codec: Codec = PICKLE,
    ) -> None:
        self.plan = plan
        self.codec = codec
        self.keeps = keeps
        self.group = plan.groups[group]
        self.fifo = self.group.kind is GroupKind.SOLO
        self.max_hops: float = plan.limits.max_hops if plan.limits.max_hops is not None else float("inf")
        self.activity = Activity(plan.flow, is_cancelled, codec)
        self.watchdog = Watchdog()
        self.loop = Loop(self.watchdog)
        self.packer = Packer(packed, block_bytes, codec, payload_bytes)
        self.clock = clock
        self.wiring = Wiring(
            plan,
            routines,
            group,
            partition,
            partitions or {},
            self.activity,
            self.loop,
            self.watchdog,
            flow_handler,
            clock,
        )
        for stateful in self.wiring.stateful:
            stateful.track = stateful.track or keeps
        #: Stateful routines whose state is looked at, and by what.
        self.guarded = [(one, found) for one in self.wiring.stateful if (found := guarding.ready(guards, one))]
        self.routines = {r: routines[r] for r in self.group.routines}
        #: Whether some routine has a time-out.
        self.limited = any(r._declared.options.timeout is not None for r in self.routines.values())
        #: Why the routines could not be opened, or None.
        self.broken: Failure | None = None
        self.receipt = Receipt(0, 0)
        self.slice: Slice
        self.started = self.deadline = 0.0
        #: Where the slice is: the block, its rows, how many rows of the present job's earlier blocks were begun, and what the row
        #: at hand has led to and has not run. For whoever has to give up on it, see `stuck`.
        self.place = self.roots = 0
        self.rows = Rows([])
        self.queue: deque[Any] = deque()
        #: Steps that ran for the present job.
        self.touched: list[Step] = []
        #: Messages that did not run here for lack of time; those of the present job are counted.
        self.spills: list[Pile] = []
        self.spill_piles: dict[tuple[str, int], Pile] = {}
        self.spilled = 0
        #: Port of the control block that is being served.
        self.ending_port = -1
        #: Messages of the present job that became retries.
        self.postponed = 0
        #: Runs the messages of a sequential flow.
        self.line = Line(self) if self.fifo else None
        #: Runs the messages of an async pool, and keeps those that take longer than a slice.
        self.errands = Errands(self) if self.group.is_async else None
        #: Finds writes inside of attributes, if the environment asks for checks.
        self.watch = Watch(self.routines) if Settings.from_env().validate else None
        self._open()
        if self.watch is not None:
            self.watch.begin()

    # ---- life ----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        for routine_id, routine in self.routines.items():
            routine._declared.phase = Phase.OPEN
            try:
                self._finish(routine.open)
            except BaseException as exc:  # a user's open() may raise anything; the job has to hear of it
                self.broken = faults.failure(exc, "", routine_id, "open", self.codec, kind="open")
                return
            routine._declared.phase = Phase.RUNNING

    def close(self) -> None:
        """Run `close()` of every routine; errors in one do not keep the others from closing."""
        if self.receipt.retire:
            return  # a thread is stuck in it
        if self.errands is not None:
            self.errands.drop_all()
        for routine in self.routines.values():
            routine._declared.phase = Phase.OPEN
            with contextlib.suppress(Exception):
                self._finish(routine.close)
        self.watchdog.close()
        self.loop.close()

    def _finish(self, call: Callable[[], Any]) -> None:
        """Call, and wait for what is async."""
        result = call()
        if inspect.isawaitable(result):
            self.loop.run(result)

    def when_stuck(self, answer: Callable[[Receipt], None]) -> None:
        """Have `answer` called with the receipt when a slice is stuck in code that no time-out can end.

        It is called in another thread; `run` never returns, and the process has to be replaced. A host with state is left alone:
        its state would be lost with the process, so the time-out takes effect when the code returns.
        """
        if self.group.kind in (GroupKind.TASKS, GroupKind.ACTORS):
            self.watchdog.on_stuck = lambda call: answer(stuck.give_up(self, call))

    # ---- slices --------------------------------------------------------------------------------------------------

    def run(self, work: Slice) -> Receipt:
        """Run a slice to completion, or until its budget is spent. Never raises for what user code does."""
        started = self.started = self.clock()
        token = ACTIVITY.set(self.activity)
        try:
            if work.state is not None:
                keeping.load(self.wiring.stateful, work.state)
            for stateful in self.wiring.stateful:
                for job in work.forget:
                    stateful.forget(job)
                stateful.begin()
            self._begin(work, started)
            try:
                self._run_all()
            except Redo:
                for stateful in self.wiring.stateful:
                    stateful.rewind()
                self._begin(work, started)
                self._run_all()
            for stateful in self.wiring.stateful:
                stateful.careful = False
            if self.watch is not None:
                self._refuse_changes(self.watch)
            self.ship()
            self._look_at_state()
            if self.keeps:
                self._keep()
        finally:
            ACTIVITY.reset(token)
        self.receipt.seconds = self.clock() - started
        for stateful in self.wiring.stateful:
            self.receipt.overhead += stateful.overhead
            stateful.overhead = 0.0
        return self.receipt

    def _begin(self, work: Slice, started: float) -> None:
        self.slice = work
        self.receipt = self.activity.receipt = Receipt(work.id, work.attempt, pid=os.getpid())
        self.deadline = started + work.budget
        self.activity.drop()
        for step in self.touched:  # of a slice that starts over, or that was broken off
            step.count = step.errors = 0
        self.touched.clear()
        self.spills, self.spill_piles = [], {}
        self.spilled = self.postponed = 0
        for outbox in self.wiring.opened:
            outbox.empty()
        self.wiring.opened.clear()
        self.wiring.refused.clear()

    def _look_at_state(self) -> None:
        """Have the flow's validators look at what the slice changed; a job whose state is not valid ends, or goes back."""
        for stateful, guards in self.guarded:
            for found in list(guarding.look(stateful, guards)):
                jobs = [found.job] if found.job else list(dict.fromkeys(block.job for _, block in self.slice.blocks))
                if found.error is None:
                    self.receipt.traces.extend((job, stateful.plan.index, found.text) for job in jobs)
                    continue
                name = stateful.plan.id
                for job in jobs:
                    self.receipt.stop(job, faults.failure(found.error, job, name, "", self.codec, kind="invalid"))
                if not found.job:  # it outlives the jobs
                    for cell, before in reversed(stateful.before):
                        if not cell.home:
                            stateful.put_cell_back(cell, before)

    def _refuse_changes(self, watch: Watch) -> None:
        """End the jobs of a slice that changed what routines may only read; nobody knows which of them did."""
        for routine_id, name in watch.changes():
            for job in {block.job for _, block in self.slice.blocks}:
                error = StateError(watching.rule(routine_id, name))
                self.receipt.stop(job, faults.failure(error, job, routine_id, "", self.codec))

    def _keep(self) -> None:
        """Add what the slice changed to its receipt; a job whose state cannot be kept ends."""
        started = self.clock()
        for stateful in self.wiring.stateful:
            kept, failed = keeping.keep(stateful, self.codec.encode)
            self.receipt.kept.extend(kept)
            routine = stateful.plan.id
            for job, why in failed:
                error = StateError(
                    f"the state of routine {routine!r}, or a message that waits in it, cannot be saved: {why}; keep "
                    f"plain data in self.state and open resources in open()"
                )
                failure = faults.failure(error, job, routine, "state", self.codec, kind="serialization")
                for stopped in {job} if job else {block.job for _, block in self.slice.blocks}:
                    self.receipt.stop(stopped, failure)
        if self.wiring.stateful:
            self.receipt.overhead += self.clock() - started

    def _run_all(self) -> None:
        if self.broken is not None:
            for _, block in self.slice.blocks:
                self.receipt.stop(block.job, self.broken)
            return
        if self.errands is not None:
            self.errands.run()
        elif self.line is not None:
            self.line.run()
        else:
            trees.run(self)

    # ---- used by the runners -------------------------------------------------------------------------------------

    def note(self, job: str) -> JobNote:
        """Return what is known of a job."""
        return self.slice.jobs.get(job) or JobNote()

    def settle_job(self, job: str, roots: int) -> None:
        """Book what was counted since the host last turned to a job.

        Args:
            job: The job.
            roots: Messages of its blocks that were begun.
        """
        tally = self.receipt.tally(job)
        ran = 0
        for step in self.touched:
            if not step.control:
                ran += step.count
            stateful = step.stateful
            counts = tally.routines.setdefault(step.index, [0, 0])
            counts[0] += step.count if stateful is None else stateful.runs
            counts[1] += step.errors
            if stateful is not None:
                stateful.runs = 0
                if stateful.waiting:
                    tally.waiting[step.index] = tally.waiting.get(step.index, 0) + stateful.waiting
                    stateful.waiting = 0
            step.count = step.errors = 0
        self.touched.clear()
        tally.done += ran - self.postponed
        tally.emitted += ran - roots + self.spilled
        self.spilled = self.postponed = 0

    def spill(self, activity: Activity, step: Step, payload: Any, hops: int) -> None:
        """Give a message back that was emitted here and for which there is no time."""
        job = activity.job_id
        if step.control:
            self.repeat_ending(job)
            return
        last = self.spills[-1] if self.spills else None
        if last is None or last.port != step.port or last.job != job:
            # Only first in, first out needs neighbours to stay neighbours.
            last = None if self.fifo else self.spill_piles.get((job, step.port))
            if last is None:
                homed = step.stateful is not None and not self.fifo
                last = Pile(job, step.port, self.slice.partition if homed else 0)
                self.spills.append(last)
                self.spill_piles[job, step.port] = last
        last.payloads.append(payload)
        last.hops = max(last.hops, hops)
        names.add(last.names, activity.run(hops))
        if activity.item is not None:
            last.items.append(activity.mark())
        self.spilled += 1

    def repeat_ending(self, job: str) -> None:
        """Ask for the rest of a finish or flush that there is no time for; what is done already is not done again."""
        body = self.packer.body([None], None)[1]
        again = Block(job, self.ending_port, self.slice.partition, 0, 0, 1, 0, False, "", body)
        if again not in self.receipt.blocks:
            self.receipt.blocks.append(again)

    def begun(self, block: Block, rows: int, items: Items) -> None:
        """Book that the first `rows` messages of a stream's block were begun."""
        if items is None or rows == 0:
            return
        ranges, singles, _ = self.receipt.items.setdefault(block.job, ([], [], []))
        if isinstance(items, int):
            ranges.append((items, rows))
        else:
            singles.extend(numbers_of(items[:rows]))

    def give_back(self, number: int, block: Block, payloads: list[Any], items: Items, rows: int) -> None:
        """Give back the messages of a block from row `rows` on."""
        pile = Pile(block.job, block.port, block.partition, block.entry, new=False)
        pile.payloads = payloads[rows:]
        if items is not None:
            pile.items = [*range(items + rows, items + len(payloads))] if isinstance(items, int) else items[rows:]
        pile.hops = block.hops
        pile.names = names.rest(number, block, rows)
        self.spills.append(pile)

    # ---- shipping ------------------------------------------------------------------------------------------------

    def ship(self) -> None:
        """Cut what leaves into blocks."""
        receipt = self.receipt
        for outbox in self.wiring.opened:
            for pile in outbox.empty():
                if not outbox.is_output:
                    self.receipt.tally(pile.job).emitted += len(pile.payloads)
                blocks = self._cut(pile)
                if not outbox.is_output:
                    self._added(pile)
                (receipt.outputs if outbox.is_output else receipt.blocks).extend(blocks)
        self.wiring.opened.clear()
        for job, number, error in self.wiring.refused:
            port = self.plan.ports[number]
            self.receipt.stop(job, faults.failure(error, job, port.routine, port.name, self.codec, kind="combine"))
        for pile in self.spills:
            receipt.blocks.extend(self._cut(pile))
            if pile.new:
                self._added(pile)

    def _added(self, pile: Pile) -> None:
        """Book the messages of a stream that this slice has added; what is given back was there before."""
        if pile.items:
            self.receipt.items.setdefault(pile.job, ([], [], []))[2].extend(numbers_of(pile.items))

    def _cut(self, pile: Pile) -> list[Block]:
        rows = self.slice.block_rows.get(pile.port)
        if rows is None:  # nobody knows what they cost: at least every worker gets some
            count = len(pile.payloads)
            rows = max(
                1, min(self.slice.default_rows, -(-count // (2 * self.slice.spread))), count // MAX_UNKNOWN_BLOCKS
            )
        try:
            blocks = list(self.packer.cut(pile, rows))
        except SerializationError:
            self._drop_bad(pile)
            blocks = list(self.packer.cut(pile, rows)) if pile.payloads else []
        if pile.names:
            shares = names.shares(pile.names, [block.rows for block in blocks])
            return [block._replace(origin=names.origin(share)) for block, share in zip(blocks, shares)]
        return blocks

    def _strategy(self, senders: list[str], error: BaseException) -> ErrorStrategy:
        """Return what a message comes to that cannot leave. Its activation is over: it cannot be tried again, or bypassed."""
        handlers = self.wiring.handlers
        own = [handlers[r] for r in (sender.partition(".")[0] for sender in senders) if r in handlers]
        try:
            decided = {handler.decide(error, sys.maxsize).strategy for handler in own}
        except Exception:  # a user's classify= may raise anything
            return ErrorStrategy.STOP
        # It may have come from any of them.
        return ErrorStrategy.CONTINUE if decided and ErrorStrategy.STOP not in decided else ErrorStrategy.STOP

    def _drop_bad(self, pile: Pile) -> None:
        """Report the messages that cannot leave the process, and drop them from the pile."""
        port = self.plan.ports[pile.port]
        is_output = port.kind is PortKind.OUTPUT
        senders = [s for s, t in self.plan.connections if t == port.path] if not is_output else [port.path]
        bad = self.packer.bad_rows(pile.payloads, pile.items)
        for row, exc in bad.items():
            shown = faults.safe_text(pile.payloads[row], faults.PAYLOAD_CHARS, repr)
            error = SerializationError(
                f"{' or '.join(senders)} emitted {shown}, which cannot leave the process"
                f"{'' if is_output else f' to {port.path}'}: {exc}; emit plain data, or what is needed to make it again"
            )
            strategy = self._strategy(senders, error)
            item = numbers_of([pile.items[row]])[0] if pile.items else None
            routine, _, event = senders[0].partition(".")
            failure = faults.failure(
                error, pile.job, routine, event, self.codec, kind="serialization", item=item,
                strategy=str(strategy),
            )  # fmt: skip
            # Nothing of it can be kept, so this letter cannot be posted again: it has no rows.
            nothing = Block(
                pile.job, pile.port, pile.partition, 0, 0, 1, 0, False, "", self.packer.body([None], None)[1]
            )
            self.receipt.letters.append(Letter(failure, nothing))
            if not is_output:
                self.receipt.tally(pile.job).dead += 1
            if item is None and strategy is ErrorStrategy.STOP:
                self.receipt.stop(pile.job, failure)
        if pile.names:
            kept: list[names.Run] = []
            for row, (one,) in enumerate(names.shares(pile.names, [1] * len(pile.payloads))):
                if row not in bad:
                    names.add(kept, one)
            pile.names = kept
        keep = [row for row in range(len(pile.payloads)) if row not in bad]
        pile.items = [pile.items[row] for row in keep] if pile.items else []
        pile.payloads = [pile.payloads[row] for row in keep]
