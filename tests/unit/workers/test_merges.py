from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from routilux_workers import merges
from tests.unit.workers.conftest import of

Build = Callable[..., Workbench]


def test_a_list_that_nobody_else_has_grows_in_place() -> None:
    merged: dict[str, Any] = {}
    places = {id(merges.add("append", merged, "slot", n)) for n in range(100)}
    assert merged == {"slot": list(range(100))}
    assert len(places) == 1


def test_who_keeps_a_list_keeps_what_was_in_it() -> None:
    merged: dict[str, Any] = {}
    kept = [merges.add("append", merged, "slot", n) for n in range(3)]
    assert kept == [[0], [0, 1], [0, 1, 2]]


@pytest.mark.parametrize(("merge", "expected"), [("override", 2), (lambda a, b: a * 10 + b, 12)])
def test_other_strategies_fold(merge: Any, expected: int) -> None:
    merged: dict[str, Any] = {}
    assert merges.add(merge, merged, "slot", 1) == 1
    assert merges.add(merge, merged, "slot", 2) == expected


def test_a_picture_puts_back_and_does_not_share() -> None:
    strategies: dict[str, Any] = {"a": "append", "o": "override", "later": "append"}
    merged: dict[str, Any] = {}
    for name in ("a", "o"):
        merges.add(strategies[name], merged, name, 1)
    before, place = merges.picture(strategies, merged), id(merged["a"])
    for name in strategies:
        merges.add(strategies[name], merged, name, 2)
    assert id(merged["a"]) == place
    assert merges.put_back(merged, before) == {"a": [1], "o": 1}


class Lists(rd.Routine):
    """Emits the list so far; a negative number raises."""

    def setup(self) -> None:
        self.add_slot("input", handler=self.on_input, merge="append")
        self.add_event("output")

    def on_input(self, so_far: list[int]) -> None:
        self.emit("output", so_far)
        if so_far[-1] < 0:
            raise ValueError("negative")


def test_lists_that_were_emitted_stay_as_they_were(workbench: Build) -> None:
    one = workbench(of(("a", Lists()), error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)))
    assert one.sent(one.send("a.input", 1, -1, 2)) == [[1], [1, 2]]
    assert one.sent(one.send("a.input", -2, 3)) == [[1, 2, 3]]
