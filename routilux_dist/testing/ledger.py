"""What a simulated world knows for itself of every message, to hold the machine to it.

The ledger follows messages one by one, by the very objects that travel, from what is told to the machine and what it orders. It
shares no code with the machine, and never asks it where a message is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from routilux_dist.coordinator.commands import Deliver, Report
from routilux_dist.coordinator.events import ControlAsked, Posted
from routilux_dist.coordinator.machine import Machine
from routilux_dist.plan.plan import Plan
from routilux_dist.testing.lines import Lines
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Rows
from routilux_dist.wire.failure import Failure, Letter
from routilux_dist.wire.slices import Receipt, Slice


class Broken(AssertionError):  # noqa: N818 - what it is
    """A promise of the engine was broken."""


#: Workers that may die under a message.
MOST_DEATHS = 3
#: A message: its port, and the identity of its payload; those that are encoded have none.
ENCODED = -1
Mark = tuple[int, int]


class Bag(dict[Mark, int]):
    """Messages, counted one by one and together."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def add(self, marks: Sequence[Mark]) -> None:
        """Put messages in."""
        self.total += len(marks)
        for mark in marks:
            self[mark] = self.get(mark, 0) + 1

    def take(self, marks: Sequence[Mark]) -> bool:
        """Take messages out; return whether all of them were there."""
        self.total -= len(marks)
        there = True
        for mark in marks:
            count = self[mark] = self.get(mark, 0) - 1
            there = there and count >= 0
        return there

    def blind(self) -> None:
        """Tell messages apart no more."""
        known = list(self.items())
        self.clear()
        for (port, _), count in known:
            self[port, ENCODED] = self.get((port, ENCODED), 0) + count


@dataclass(eq=False, slots=True)
class Instance:
    """One job; a later one may have the same name.

    Attributes:
        name: The job's name.
        posted: Entry messages that were accepted, in order: (port, payload).
        waiting, flying: Messages that may be dispatched, and those that are with a worker.
        asked: Requests that were made of it.
        losses: Slices with its messages that were reported lost, with blame.
        outputs: Outputs in the order in which they were committed.
        open_items: Of streams: open messages by item.
        blamed: Workers that died under a message, one after another.
        shared: Messages that were posted again while they were there.
    """

    name: str
    stream: bool = False
    closed: bool = False
    paused: bool = False
    status: str = ""
    finishing: bool = False
    posted: list[tuple[int, Any]] = field(default_factory=list)
    waiting: Bag = field(default_factory=Bag)
    flying: Bag = field(default_factory=Bag)
    asked: Counter[str] = field(default_factory=Counter)
    losses: int = 0
    outputs: list[Block] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    failure: Failure | None = None
    data: Any = None
    summary: Any = None
    open_items: Counter[int] = field(default_factory=Counter)
    blamed: Counter[Mark] = field(default_factory=Counter)
    shared: set[Mark] = field(default_factory=set)

    def enter(self, marks: list[Mark]) -> None:
        """Take in messages that come from outside, or once more."""
        self.shared.update(mark for mark in marks if self.waiting.get(mark) or self.flying.get(mark))
        self.forgive(marks)
        self.waiting.add(marks)

    def forgive(self, marks: Iterable[Mark]) -> None:
        """Forget which workers died under these messages: they have come through, or come anew."""
        if self.blamed:
            for mark in marks:
                self.blamed.pop(mark, None)


class Ledger:
    """The messages of all jobs of a simulated world."""

    def __init__(self, plan: Plan) -> None:
        self.lines = Lines(plan)
        self.alive: dict[str, Instance] = {}
        #: Jobs that ended and whose names are not free.
        self.ended: dict[str, Instance] = {}
        self.all: list[Instance] = []
        #: Slice -> the jobs it was made of.
        self.jobs: dict[int, dict[str, Instance]] = {}
        #: Blocks that hosts of async pools go on with from slice to slice: by number, and those that have none yet, by identity.
        self.running: dict[int, Block] = {}
        self.carried: dict[int, Block] = {}
        #: Messages may be the same object in several places: those that are kept must not be collected, or a new one could have
        #: its identity.
        self._kept: list[Any] = []
        #: What is kept, by identity: its messages.
        self._known: dict[int, list[Mark]] = {}
        #: Blocks of slices that never ran, by number.
        self._innocent: dict[int, Block] = {}
        #: Whether messages are told apart no more: after a restart they are other objects.
        self._blind = False

    # ---- clients -------------------------------------------------------------------------------------------------

    def posted(self, event: Posted, machine: Machine, refused: bool) -> None:
        """A post was handled."""
        one = self.alive.get(event.job)
        known = one is not None or (event.job not in self.ended and not event.must_exist)
        if refused == known:
            raise Broken(
                f"a post for job {event.job!r} was {'refused' if refused else 'taken'}, and should not have been"
            )
        if refused:
            return
        if one is None:
            one = Instance(event.job, event.stream)
            self.alive[event.job] = one
            self.all.append(one)
        rows = [mark for block in event.blocks for mark in self._marks(block)]
        if not one.finishing:
            one.posted.extend((block.port, p) for block in event.blocks for p in _payloads(block))
            one.enter(rows)
            for block in event.blocks:
                self.lines.join(one, block, self._marks(block))
            if event.stream:
                for block in event.blocks:
                    one.open_items.update(_items(block))
        one.closed = one.closed or event.last

    def asked(self, event: ControlAsked) -> None:
        """A request was handled."""
        if event.action == "release":
            self.ended.pop(event.job, None)
        one = self.alive.get(event.job)
        if one is None:
            return
        one.asked[event.action] += 1
        if event.action == "pause":
            one.paused = True
        elif event.action == "resume":
            one.paused = False
        elif event.action == "close":
            one.closed = True

    def retried(self, job: str, letters: Iterable[Letter]) -> None:
        """Dead letters were posted again."""
        one = self.alive.get(job)
        if one is not None:
            one.asked["retry"] += 1
            for letter in letters:
                marks = self._marks(letter.block)
                one.enter(marks)
                self.lines.join(one, letter.block, marks)

    # ---- slices --------------------------------------------------------------------------------------------------

    def dispatched(self, work: Slice) -> None:
        """A slice was ordered: all of it has to be there, of jobs that may run."""
        mine: dict[str, Instance] = {}
        for number, block in work.blocks:
            if self._innocent.pop(number, block) is not block:
                raise Broken(f"block {number} is not what it was before a loss that nobody is to blame for")
            one = self.alive.get(block.job)
            if one is None:
                raise Broken(f"slice {work.id} holds messages of job {block.job!r}, which has ended")
            if one.paused and id(block) not in self.carried:
                raise Broken(f"slice {work.id} holds messages of job {block.job!r}, which is paused")
            mine[block.job] = one
            if block.rows == 0 or self.carried.pop(id(block), None) is not None:
                continue
            marks = self._marks(block)
            if not one.waiting.take(marks):
                raise Broken(
                    f"slice {work.id} holds messages of job {block.job!r} that do not wait: {_payloads(block)!r:.200}"
                )
            one.flying.add(marks)
            if not self.lines.leave(one, block, marks):
                raise Broken(
                    f"slice {work.id} holds messages of job {block.job!r} before their turn: {_payloads(block)!r:.200}"
                )
        for number in work.running:
            name = self.running[number].job
            mine[name] = self.alive[name]
        self.jobs[work.id] = mine

    def finished(self, work: Slice, receipt: Receipt) -> None:
        """The first news of a slice is its receipt: it is committed for the jobs that are alive."""
        jobs = self._land(work, receipt.untouched, receipt.running)
        for _, block in work.blocks:
            if block.job in jobs:
                jobs[block.job].forgive(self._marks(block))
        for block in receipt.carried:
            if block.job in jobs:
                jobs[block.job].flying.add(self._marks(block))
                self.carried[id(block)] = block
        left = []
        for block in receipt.blocks:
            if block.job in jobs:
                marks, one = self._marks(block), jobs[block.job]
                one.waiting.add(marks)
                if self.lines.here(block, work.group, work.partition):
                    left.append((one, block, marks))
                else:
                    self.lines.join(one, block, marks)
        for one, block, marks in reversed(left):
            self.lines.head(one, block, marks)
        for _, block in receipt.retries:
            if block.job in jobs:
                jobs[block.job].waiting.add(self._marks(block))

    def lost(self, work: Slice, machine: Machine, letters: dict[str, int], innocent: bool) -> None:
        """The first news of a slice is that it is lost: its messages wait again, except those that became dead letters.

        Args:
            work: The slice.
            machine: For the dead letters.
            letters: How many each job had before.
            innocent: Whether nobody is to blame.
        """
        jobs = self._land(work, {*work.running, *(number for number, _ in work.blocks)})
        if not innocent:
            self._blame(work, jobs)
        elif not self._blind:
            self._innocent.update(work.blocks)
        for name, one in jobs.items():
            one.losses += not innocent
            job = machine.find(name)
            for letter in job.letters[letters.get(name, 0) :] if job is not None else ():
                one.waiting.take(self._marks(letter.block))

    def _land(self, work: Slice, back: Collection[int], on: Collection[int] = ()) -> dict[str, Instance]:
        """Take a slice out of the air, but for blocks that its host goes on with; some go back to where they were."""
        jobs = {name: one for name, one in self.jobs.pop(work.id).items() if self.alive.get(name) is one}
        for number, block in reversed([*((number, self.running.pop(number)) for number in work.running), *work.blocks]):
            one = jobs.get(block.job)
            if one is None or block.rows == 0:
                continue
            if number in on:
                self.running[number] = block
                continue
            marks = self._marks(block)
            one.flying.take(marks)
            if number in back:
                one.waiting.add(marks)
                self.lines.head(one, block, marks)
        return jobs

    def _blame(self, work: Slice, jobs: dict[str, Instance]) -> None:
        """A message may take a few workers down, and no more."""
        for _, block in work.blocks:
            one = jobs.get(block.job)
            if one is None:
                continue
            for mark, payload in zip(self._marks(block), _payloads(block)):
                # Numbers and text may be one object in many messages.
                if mark[1] == ENCODED or mark in one.shared or isinstance(payload, (int, str)):
                    continue
                # What was posted again may be sent on again: then nobody can tell which of them it was.
                if one.waiting.get(mark, 0) + one.flying.get(mark, 0) > 1:
                    continue
                one.blamed[mark] += 1
                if one.blamed[mark] > MOST_DEATHS:
                    raise Broken(f"{one.blamed[mark]} workers died one after another under {payload!r:.200}")

    # ---- ends ----------------------------------------------------------------------------------------------------

    def delivered(self, news: Deliver) -> None:
        """A part of a stream's results."""
        one = self.alive.get(news.job)
        if one is None:
            raise Broken(f"results of job {news.job!r} were delivered, which has ended")
        one.outputs.extend(news.outputs)
        one.letters.extend(news.letters)
        ranges, singles, added = news.items or ((), (), ())
        for first, count in ranges:
            one.open_items.subtract(range(first, first + count))
        one.open_items.subtract(singles)
        one.open_items.update(added)
        for letter in news.letters:
            if letter.failure.kind == "lost":  # no receipt told of it
                one.waiting.take(self._marks(letter.block))
                one.open_items.subtract(_items(letter.block))

    def reported(self, report: Report) -> None:
        """A job has ended."""
        one = self.alive.pop(report.job, None)
        if one is None:
            raise Broken(f"the end of job {report.job!r} was reported, which is not alive")
        self.ended[report.job] = one
        one.status, one.failure, one.data, one.summary = report.status, report.failure, report.data, report.summary
        one.outputs.extend(report.outputs)
        one.letters.extend(report.letters)
        if report.status == "completed":
            left = sum(count for bag in (one.waiting, one.flying) for count in bag.values() if count > 0)
            if left:
                raise Broken(f"job {one.name!r} completed, and {left} of its messages are somewhere")
            if not one.closed or one.paused:
                raise Broken(f"job {one.name!r} completed, and it was {'paused' if one.paused else 'not closed'}")
            if one.stream and any(one.open_items.values()):
                raise Broken(f"stream {one.name!r} completed, and has open items: {dict(one.open_items)}")
        if report.status == "cancelled" and not one.asked["cancel"]:
            raise Broken(f"job {one.name!r} was cancelled, and nobody asked for it")

    def check(self, machine: Machine) -> None:
        """Compare with what the machine counts."""
        for name, one in self.alive.items():
            job = machine.jobs.get(name)
            if job is None:
                raise Broken(f"job {name!r} has vanished")
            one.finishing = job.stage > 0
            waiting, flying = one.waiting.total, one.flying.total
            if job.pending != waiting or job.flying != flying:
                raise Broken(
                    f"job {name!r}: {waiting} messages wait and {flying} are with workers; the machine counts {job.pending} and "
                    f"{job.flying}"
                )

    def restarted(self, out: Sequence[Slice]) -> None:
        """Another coordinator goes on with what was stored: these slices are void, their messages wait again."""
        for work in reversed(out):
            if work.id in self.jobs:
                self._land(work, {*work.running, *(number for number, _ in work.blocks)})
        self.jobs.clear()
        self.running.clear()
        self.carried.clear()
        self.blind()

    def blind(self) -> None:
        """Go on with counting: the messages were stored and read again, so none of them is the object it was."""
        self._blind = True
        self._innocent.clear()
        self.lines.blind(lambda mark: (mark[0], ENCODED))
        for one in self.alive.values():
            one.waiting.blind()
            one.flying.blind()

    # ---- messages ------------------------------------------------------------------------------------------------

    def _marks(self, block: Block) -> list[Mark]:
        if block.rows == 0:
            return []
        if self._blind or not isinstance(block.body, Rows):
            return [(block.port, ENCODED)] * block.rows  # encoded: they have no identity, and are only counted
        body = block.body
        known = self._known.get(id(body))
        if known is None:
            self._kept.append(body)
            known = self._known[id(body)] = [(block.port, id(payload)) for payload in body.payloads]
        elif known and known[0][0] != block.port:
            return [(block.port, mark[1]) for mark in _part(block, known)]
        return known if block.part is None else _part(block, known)


def _part(block: Block, marks: list[Mark]) -> list[Mark]:
    return marks if block.part is None else marks[block.part[0] : block.part[0] + block.rows]


def _payloads(block: Block) -> list[Any]:
    return codec.rows_of(block).payloads if block.rows else []


def _items(block: Block) -> list[int]:
    items = codec.rows_of(block).items
    if items is None:
        return []
    if isinstance(items, int):
        return list(range(items, items + block.rows))
    return [mark if isinstance(mark, int) else mark[0] for mark in items]
