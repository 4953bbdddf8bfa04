from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from routilux_dist.wire.block import Rows
from routilux_dist.wire.slices import JobNote
from tests.unit.workers.conftest import conserves, of

Build = Callable[..., Workbench]

RETRY = rd.ErrorHandler(rd.ErrorStrategy.RETRY, max_retries=3, retry_delay=1.0)


def diary(bad: tuple[str, ...] = (), **options: Any) -> tuple[rd.Flow, list[str]]:
    """a sends what it gets to b twice; who ran with what, in order. `bad` ones raise in b."""
    seen: list[str] = []

    @rd.routine
    def a(x: str) -> Any:
        seen.append(f"a{x}")
        yield f"{x}1"
        yield f"{x}2"

    @rd.routine
    def b(x: str) -> str:
        seen.append(f"b{x}")
        if x in bad:
            raise ValueError(x)
        return x

    flow = of(("a", a), ("b", b), links=("a.output b.input",), execution_mode="sequential", **options)
    return flow, seen


def test_the_tree_of_a_message_comes_before_the_next_message(workbench: Build) -> None:
    flow, seen = diary()
    one = workbench(flow)
    block = one.block("a.input", ["x", "y"])
    receipt = one.run(block)
    assert seen == ["ax", "bx1", "bx2", "ay", "by1", "by2"]
    assert one.sent(receipt) == ["x1", "x2", "y1", "y2"]
    assert conserves(one, receipt, block)


def test_what_is_left_is_lined_up_as_one_queue(workbench: Build) -> None:
    flow, seen = diary()
    one = workbench(flow)
    left = one.block("a.input", ["x"], entry=False), one.block("b.input", ["q"], entry=False)
    receipt = one.run(*left)
    assert seen == ["ax", "bq", "bx1", "bx2"]
    assert conserves(one, receipt, *left)


def test_no_time_gives_back_in_order(workbench: Build) -> None:
    flow, seen = diary()
    one = workbench(flow)
    block = one.block("a.input", ["x", "y"])
    receipt = one.run(block, budget=0.0)
    assert seen == ["ax"]
    assert [(b.entry, b.body.payloads) for b in receipt.blocks] == [(False, ["x1", "x2"]), (True, ["y"])]  # type: ignore[union-attr]
    assert conserves(one, receipt, block)


def test_nothing_overtakes_a_message_that_is_tried_again(workbench: Build) -> None:
    flow, seen = diary(bad=("x1",), error_handler=RETRY)
    one = workbench(flow)
    blocks = one.block("a.input", ["x", "y"]), one.block("a.input", ["z"])
    receipt = one.run(*blocks)
    assert seen == ["ax", "bx1"]
    [(delay, again)] = receipt.retries
    assert (delay, again.attempt, again.body.payloads) == (1.0, 2, ["x1"])  # type: ignore[union-attr]
    assert [(b.entry, b.body.payloads) for b in receipt.blocks] == [(False, ["x2"]), (True, ["y"])]  # type: ignore[union-attr]
    assert receipt.untouched == [2]
    assert conserves(one, receipt, blocks[0])


def test_the_second_try_comes_first_and_counts_as_second(workbench: Build) -> None:
    flow, seen = diary(bad=("x1",), error_handler=RETRY)
    one = workbench(flow)
    again = one.block("b.input", ["x1"], entry=False, attempt=2, origin="key")
    receipt = one.run(again, one.block("b.input", ["x2"], entry=False))
    assert seen == ["bx1"]
    [(delay, third)] = receipt.retries
    assert (delay, third.attempt, third.origin) == (2.0, 3, "key")
    assert [b.body.payloads for b in receipt.blocks] == [["x2"]]  # type: ignore[union-attr]


@pytest.mark.parametrize("ordered", [False, True])
def test_streams_know_their_items_across_slices(workbench: Build, ordered: bool) -> None:
    flow, _ = diary()
    one = workbench(flow)
    notes = {"job": JobNote(stream=True, ordered=ordered)}
    first = one.run(one.block("a.input", ["x", "y"], items=7), budget=0.0, jobs=notes)
    assert first.items["job"] == ([(7, 1)], [], [7, 7])
    later = one.run(first.blocks[0], jobs=notes)
    assert later.items["job"] == ([], [7, 7], [])
    [sent] = later.outputs
    assert isinstance(sent.body, Rows)
    assert sent.body.items == ([(7, 1, 1), (7, 2, 1)] if ordered else [7, 7])


def test_a_stop_drops_the_rest(workbench: Build) -> None:
    flow, seen = diary(bad=("x1",))
    one = workbench(flow)
    receipt = one.run(one.block("a.input", ["x", "y"]))
    assert seen == ["ax", "bx1"]
    assert receipt.stopped.keys() == {"job"}
    assert not receipt.blocks
