"""Small flows on a bench; whatever a test did, the invariants hold at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Bench


class Total(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: Any) -> None:
        self.state["total"] += x

    def finish(self) -> None:
        self.emit("output", self.state["total"])


def total(key: str | None = None, scope: str = "job") -> Total:
    made = Total()
    made.add_state(total=0, key=key, scope=scope)
    return made


class Batches(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.set_activation_policy(rd.batch(3, timeout=2))

    def logic(self, xs: list[Any]) -> None:
        self.emit("output", xs)


def chain(**options: Any) -> rd.Flow:
    """a -> b, both stateless: one pool."""
    flow = rd.Flow("chain", **options)
    flow.add_routine(lambda x: x, "a")
    flow.add_routine(lambda x: x, "b")
    flow.connect("a.output", "b.input")
    return flow


def summing(key: str | None = None, scope: str = "job", **options: Any) -> rd.Flow:
    """a -> total, which has state and `finish`."""
    flow = rd.Flow("summing", **options)
    flow.add_routine(lambda x: x, "a")
    flow.add_routine(total(key, scope), "total")
    flow.connect("a.output", "total.input")
    return flow


def ring(**options: Any) -> rd.Flow:
    """a -> first -> second -> first: two endings in one cycle, one of which flushes."""
    flow = rd.Flow("ring", **options)
    flow.add_routine(lambda x: x, "a")
    flow.add_routine(total(), "first")
    flow.add_routine(Batches(), "second")
    flow.connect("a.output", "first.input")
    flow.connect("first.output", "second.input")
    flow.connect("second.output", "first.input")
    return flow


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    """A function that builds a bench from a flow; every machine is checked at the end of the test."""
    made: list[Bench] = []

    def build(flow: rd.Flow | None = None, **options: Any) -> Bench:
        made.append(Bench(flow if flow is not None else chain(), **options))
        return made[-1]

    yield build
    for one in made:
        one.check()


def fetching(most: int = 4) -> rd.Flow:
    """A stateless routine, and an async pool behind it."""

    @rd.routine(max_concurrency=most)
    async def fetch(x: int) -> int:
        return x

    flow = rd.Flow("fetching")
    flow.add_routine(lambda x: x, "a")
    flow.add_routine(fetch, "fetch")
    flow.connect("a.output", "fetch.input")
    return flow
