"""Small routines without state: sources, maps, branches, loops, joins."""

from __future__ import annotations

from typing import Any

import routilux_dist as rd


@rd.routine
def each(items):
    """Every item of an iterable as its own message."""
    yield from items


@rd.routine
def count_up(n):
    """The messages 0 .. n-1."""
    yield from range(n)


@rd.routine
def text_of_size(sizes):
    for size in sizes:
        yield "x" * size


@rd.routine
def same(x):
    return x


@rd.routine
def double(x):
    return 2 * x


@rd.routine
def increment(x):
    return x + 1


@rd.routine
def keep_even(x):
    return x if x % 2 == 0 else None


@rd.routine
def drop(x):
    """Takes everything, gives nothing."""


class Scale(rd.Routine):
    """A routine with constructor arguments, which a worker has to replay."""

    def __init__(self, factor: int, *, offset: int = 0) -> None:
        super().__init__()
        self.factor = factor
        self.offset = offset

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: int) -> None:
        self.emit("output", self.factor * x + self.offset)


class Branch(rd.Routine):
    """Even numbers one way, odd numbers the other."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("even")
        self.add_event("odd")

    def logic(self, x: int) -> None:
        self.emit("odd" if x % 2 else "even", x)


class Repeat(rd.Routine):
    """The same message several times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: Any) -> None:
        for _ in range(self.times):
            self.emit("output", x)


class Countdown(rd.Routine):
    """``again`` with one less until nothing is left, then ``done``; payload {name, left}."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("again")
        self.add_event("done")

    def logic(self, lap: dict[str, Any]) -> None:
        if lap["left"] > 0:
            self.emit("again", name=lap["name"], left=lap["left"] - 1)
        else:
            self.emit("done", lap["name"])


class Collatz(rd.Routine):
    """One step of the Collatz sequence; payload {start, n, steps}."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("again")
        self.add_event("done")

    def logic(self, lap: dict[str, int]) -> None:
        n = lap["n"]
        if n == 1:
            self.emit("done", start=lap["start"], steps=lap["steps"])
            return
        following = 3 * n + 1 if n % 2 else n // 2
        self.emit("again", start=lap["start"], n=following, steps=lap["steps"] + 1)


class Forever(rd.Routine):
    """Sends itself the next number without end."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("again")

    def logic(self, x: int) -> None:
        self.emit("again", x + 1)


class Pair(rd.Routine):
    """A join of two slots."""

    def setup(self) -> None:
        self.add_slot("left")
        self.add_slot("right")
        self.add_event("output")

    def logic(self, left: Any, right: Any) -> None:
        self.emit("output", (left, right))


class Triple(rd.Routine):
    """A join of three slots."""

    def setup(self) -> None:
        for slot in ("a", "b", "c"):
            self.add_slot(slot)
        self.add_event("output")

    def logic(self, a: Any, b: Any, c: Any) -> None:
        self.emit("output", (a, b, c))


class PairByKey(Pair):
    """A join of two slots in which only messages of one ``key`` meet."""

    def setup(self) -> None:
        super().setup()
        self.add_state(pairs=0, key="key")

    def logic(self, left: dict[str, Any], right: dict[str, Any]) -> None:
        self.state["pairs"] += 1
        self.emit("output", (left["key"], left["value"], right["value"]))
