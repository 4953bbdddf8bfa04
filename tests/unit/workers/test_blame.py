from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from tests.unit.workers.conftest import conserves, of

Build = Callable[..., Workbench]


def picky(x: Any) -> Any:
    if x == "bad":
        raise ValueError("picky")
    return x


def flow(handler: rd.ErrorHandler | None = None, **options: Any) -> rd.Flow:
    return of(
        ("a", picky), ("b", lambda x: ("b", x)), ("told", lambda x: x), links=("a.output b.input", "a.error told.input"),
        error_handler=handler, **options,
    )  # fmt: skip


def test_stop_ends_the_job_and_nothing_more_is_begun(workbench: Build) -> None:
    one = workbench(flow())
    receipt = one.send("a.input", 1, "bad", 2)
    assert receipt.stopped["job"].error_type == "ValueError"
    assert one.sent(receipt) == [("b", 1)]
    assert len(receipt.letters) == 1


def test_stop_in_one_job_leaves_the_other_jobs_of_the_slice_alone(workbench: Build) -> None:
    one = workbench(flow())
    receipt = one.run(
        one.block("a.input", ["bad"], "x"), one.block("a.input", [1], "y"), one.block("a.input", [2], "x")
    )
    assert set(receipt.stopped) == {"x"}
    assert one.sent(receipt) == [("b", 1)]
    assert receipt.tallies["y"].done == 2


def test_continue_makes_a_dead_letter_and_tells_who_listens(workbench: Build) -> None:
    one = workbench(flow(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)))
    block = one.block("a.input", [1, "bad", 2])
    receipt = one.run(block)
    report = {
        "routine": "a", "slot": "input", "payload": "bad", "error": "picky", "error_type": "ValueError", "attempts": 1,
    }  # fmt: skip
    assert one.sent(receipt, "b.output") == [("b", 1), ("b", 2)]
    assert one.sent(receipt, "told.output") == [report]
    assert receipt.tallies["job"].dead == 1
    assert conserves(one, receipt, block)


def test_skip_hands_the_payload_on_once_to_every_slot(workbench: Build) -> None:
    one = workbench(flow(rd.ErrorHandler(rd.ErrorStrategy.SKIP)))
    block = one.block("a.input", ["bad"])
    receipt = one.run(block)
    assert one.sent(receipt) == [("b", "bad")]
    assert receipt.letters == []
    assert [f.strategy for f in receipt.failures] == ["skip"]
    assert conserves(one, receipt, block)


def test_skip_at_the_edge_of_a_flow_drops_the_message(workbench: Build) -> None:
    one = workbench(of(("a", picky), error_handler=rd.ErrorHandler(rd.ErrorStrategy.SKIP)))
    assert one.sent(one.send("a.input", "bad", 1)) == [1]


def test_retry_gives_the_message_back_with_its_key(workbench: Build) -> None:
    one = workbench(flow(rd.ErrorHandler(rd.ErrorStrategy.RETRY, max_retries=1, retry_delay=3.0)))
    block = one.block("a.input", [1, "bad"])
    receipt = one.run(block)
    ((delay, again),) = receipt.retries
    assert (delay, again.attempt, again.rows, again.entry) == (3.0, 2, 1, False)
    assert again.origin == "job/1.1"
    assert conserves(one, receipt, block)
    assert set(one.run(again).stopped) == {"job"}


def test_a_classify_that_raises_stops(workbench: Build) -> None:
    def classify(exc: BaseException) -> Any:
        raise RuntimeError("classify")

    one = workbench(flow(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE, classify=classify)))
    failure = one.send("a.input", "bad").stopped["job"]
    assert failure.error_type == "RuntimeError"
    assert "picky" in failure.traceback


@pytest.mark.parametrize("exc", [KeyboardInterrupt, SystemExit, GeneratorExit, RecursionError])
def test_whatever_is_raised_is_one_messages_affair(workbench: Build, exc: type[BaseException]) -> None:
    def act(x: int) -> int:
        if x == 1:
            raise exc
        return x

    one = workbench(of(("a", act), error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)))
    receipt = one.send("a.input", 0, 1, 2)
    assert one.sent(receipt) == [0, 2]
    assert receipt.letters[0].failure.error_type == exc.__name__


def test_a_message_that_went_too_far_stops_its_job(workbench: Build) -> None:
    one = workbench(of(("a", picky), links=("a.output a.input",), max_hops=5, entry="a.input"))
    failure = one.send("a.input", 1).stopped["job"]
    assert (failure.kind, failure.error_type) == ("limit", "LimitExceededError")
    assert "max_hops=5" in failure.message


def test_errors_of_stream_items_do_not_stop(workbench: Build) -> None:
    one = workbench(flow())
    receipt = one.run(one.block("a.input", [1, "bad", 2], items=7))
    assert receipt.stopped == {}
    assert receipt.letters[0].failure.item == 8
    assert one.sent(receipt, "b.output") == [("b", 1), ("b", 2)]


def test_emits_of_a_failed_activation_are_dropped(workbench: Build) -> None:
    class Leaky(rd.Routine):
        def setup(self) -> None:
            self.add_slot("input")
            self.add_event("output")

        def logic(self, x: Any) -> None:
            self.emit("output", x)
            picky(x)

    one = workbench(of(("a", Leaky()), error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)))
    assert one.sent(one.send("a.input", 1, "bad", 2)) == [1, 2]
