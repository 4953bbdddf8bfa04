"""Routines for simulated worlds. What they are to do with an item is written in the item: (job, number, nature)."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator

import routilux_dist as rd
from routilux_dist.testing.processes import crash

PLAIN, POISON, SHY, DOUBLE, MOODY, STUMBLE, ROTTEN, DEADLY = range(8)
"""Natures: nothing special; always raises; raises twice, after it emitted; gives two messages; emits what depends on the try;
makes the chain raise once; makes the book raise always; kills its process always."""

Item = tuple[str, int, int]

_serials: Iterator[int] = itertools.count()


def reset() -> None:
    """Begin a new schedule: what routines count starts anew."""
    global _serials
    _serials = itertools.count()


def link(digest: int, payload: object) -> int:
    """One more link of a hash chain."""
    return zlib.crc32(repr(payload).encode(), digest)


class Work(rd.Routine):
    """Passes items on, with a number that no other activation gives."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.set_error_handler(
            rd.ErrorHandler(rd.ErrorStrategy.RETRY, 2, retry_delay=1.0, exhausted=rd.ErrorStrategy.CONTINUE)
        )

    def logic(self, item: Item) -> None:
        job = rd.current_job()
        nature, attempt = item[2], job.attempt
        if nature == DEADLY:
            crash()
        job.update("worked", 1, "sum")
        for _ in range(attempt if nature == MOODY else 2 if nature == DOUBLE else 1):
            self.emit("output", (*item, next(_serials)))
        if nature == POISON or (nature == SHY and attempt <= 2) or (nature == MOODY and attempt == 1):
            raise ValueError(f"{item} on try {attempt}")


class Chain(rd.Routine):
    """Links its messages: state after n commits has to be the fold of the first n."""

    def __init__(self, keys: int) -> None:
        super().__init__()
        self.keys = keys

    def key_of(self, item: Item) -> int | None:
        """Keys that two homes share evenly."""
        return item[1] % self.keys * 4 if self.keys else None

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("step")
        self.add_event("end")
        self.add_state(n=0, digest=0, key=self.key_of if self.keys else None)
        self.add_state(name=None)
        self.set_error_handler(
            rd.ErrorHandler(rd.ErrorStrategy.RETRY, 2, retry_delay=0, exhausted=rd.ErrorStrategy.CONTINUE)
        )

    def logic(self, item: tuple[str, int, int, int]) -> None:
        state = self.state
        state["n"] += 1
        state["digest"] = link(state["digest"], item)
        state["name"] = self.key_of(item)
        self.emit("step", (state["name"], state["n"], state["digest"], item))
        if item[2] == STUMBLE and rd.current_job().attempt == 1:
            raise ValueError(f"{item} stumbles")

    def finish(self) -> None:
        self.emit("end", (self.state["name"], self.state["n"], self.state["digest"]))


class Book(rd.Routine):
    """Keeps its messages in a list, which is not plain: taking back means to start the slice over."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(seen=[])
        self.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))

    def logic(self, item: tuple[str, int, int, int]) -> None:
        self.state["seen"].append(item)
        if item[2] == ROTTEN:
            raise ValueError(f"{item} is rotten")

    def finish(self) -> None:
        self.emit("output", tuple(self.state["seen"]))


class Batches(rd.Routine):
    """Gives what comes in tuples."""

    def __init__(self, policy: rd.SlotView) -> None:
        super().__init__()
        self.policy = policy

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.set_activation_policy(self.policy)
        self.set_error_handler(
            rd.ErrorHandler(rd.ErrorStrategy.RETRY, 2, retry_delay=0.5, exhausted=rd.ErrorStrategy.CONTINUE)
        )

    def logic(self, items: list[tuple[str, int, int, int]]) -> None:
        self.emit("output", tuple(items))
        if any(item[2] == STUMBLE for item in items) and rd.current_job().attempt == 1:
            raise ValueError(f"{items} stumble")


class Last(rd.Routine):
    """Counts what all others tell at their ends."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(told=())

    def logic(self, told: object) -> None:
        self.state["told"] = (*self.state["told"], told)

    def finish(self) -> None:
        self.emit("output", self.state["told"])


#: All that gets what comes of the work in a flow of full size.
PARTS = ("chain", "book", "batch", "every")


def ledger_flow(mode: str, keys: int, parts: tuple[str, ...] = PARTS, **limits: object) -> rd.Flow:
    """Work, and some of a chain, a book and batches that get what comes of it; the full flow also tells how chains end."""
    flow = rd.Flow("books", execution_mode=mode, **limits)
    flow.add_routine(Work(), "work")
    made = {
        "chain": lambda: Chain(keys),
        "book": Book,
        "batch": lambda: Batches(rd.batch(2, timeout=2.0)),
        "every": lambda: Batches(rd.every(1.5)),
    }
    for part in parts:
        flow.add_routine(made[part](), part)
        flow.connect("work.output", f"{part}.input")
    if parts == PARTS:
        flow.add_routine(Last(), "last")
        flow.connect("chain.end", "last.input")
    return flow


def small_flow(mode: str) -> rd.Flow:
    """The smallest flow with a stateless and a stateful routine."""
    flow = rd.Flow("small", execution_mode=mode)
    flow.add_routine(lambda text: text, "pass")
    flow.add_routine(Chain(0), "chain")
    flow.connect("pass.output", "chain.input")
    return flow


def stop_flow() -> rd.Flow:
    """A flow that a poisonous item stops."""
    flow = rd.Flow("stop")

    def careful(item: Item) -> Item:
        if item[2] == POISON:
            raise ValueError(f"{item} stops the job")
        return item

    flow.add_routine(careful, "careful")
    flow.add_routine(Chain(2), "chain")
    flow.connect("careful.output", "chain.input")
    return flow


def stream_flow() -> rd.Flow:
    """A stateless flow for streams: each number gives as many messages, and some of them leave by another way."""
    flow = rd.Flow("stream")
    flow.add_routine(lambda n: ((n, i) for i in range(n % 4)), "spread")
    flow.add_routine(lambda pair: pair if pair[1] % 2 else (*pair, "even"), "mark")
    flow.add_routine(rd.routine(num_cpus=2)(lambda pair: ("far", *pair)), "far")
    flow.connect("spread.output", "mark.input")
    flow.connect("mark.output", "far.input")
    return flow
