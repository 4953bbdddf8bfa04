"""Small routines, and flows of them on a workbench: one host, no Ray, no sleeping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench


def of(*steps: Any, links: tuple[str, ...] = (), **options: Any) -> rd.Flow:
    """A flow of (id, routine) pairs; `links` are "a.output b.input"."""
    flow = rd.Flow("small", **options)
    for name, one in steps:
        flow.add_routine(one, name)
    for link in links:
        flow.connect(*link.split())
    return flow


class Stateful(rd.Routine):
    """Calls a function with (routine, payload); state as given."""

    def __init__(self, act: Callable[[Any, Any], Any], ending: Callable[[Any], Any] | None = None) -> None:
        super().__init__()
        self.act, self.ending = act, ending

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: Any) -> Any:
        return self.act(self, x)

    def finish(self) -> Any:
        return None if self.ending is None else self.ending(self)


def stateful(act: Callable[[Any, Any], Any], ending: Callable[[Any], Any] | None = None, **state: Any) -> Stateful:
    made = Stateful(act, ending)
    made.add_state(**state)
    return made


@pytest.fixture
def workbench() -> Iterator[Callable[..., Workbench]]:
    """A function that builds a workbench; all are closed after the test."""
    made: list[Workbench] = []

    def build(flow: rd.Flow, routine: str | None = None, **options: Any) -> Workbench:
        made.append(Workbench(flow, routine, **options))
        return made[-1]

    yield build
    for one in made:
        one.close()


def conserves(one: Workbench, receipt: Any, *blocks: Any) -> bool:
    """Whether no message appeared or vanished."""
    consumed = sum(block.rows for block in blocks) - len(receipt.running)
    emitted = sum(tally.emitted for tally in receipt.tallies.values())
    gone = sum(tally.done + tally.dead for tally in receipt.tallies.values())
    left = sum(b.rows for b in (*receipt.blocks, *receipt.carried)) + sum(b.rows for _, b in receipt.retries)
    return consumed + emitted == gone + left
