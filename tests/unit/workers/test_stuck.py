"""Slices whose code reacts to nothing: here it waits for a lock, in C, until the test ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from routilux_dist.wire.block import Block
from routilux_dist.wire.slices import Receipt
from tests.unit.workers.conftest import conserves, of, stateful

Build = Callable[..., Workbench]

CONTINUE = rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)


@pytest.fixture
def shut() -> Iterator[threading.Lock]:
    """A lock that nobody gets before the test ends."""
    lock = threading.Lock()
    lock.acquire()
    yield lock
    lock.release()


def ends(one: Workbench, *blocks: Block, **fields: Any) -> Receipt:
    """The receipt of a slice, whoever composes it."""
    answered = threading.Event()
    answers: list[Receipt] = []

    def answer(receipt: Receipt) -> None:
        answers.append(receipt)
        answered.set()

    one.host.watchdog._grace = 0.02
    one.host.when_stuck(answer)
    threading.Thread(target=lambda: answer(one.run(*blocks, **fields)), daemon=True).start()
    assert answered.wait(30)
    return answers[0]


def split(shut: threading.Lock, **options: Any) -> rd.Flow:
    """a sends what it got to b twice; "bad" gets stuck in b."""

    @rd.routine
    def twice(x: str) -> Any:
        yield x
        yield x + x

    @rd.routine(timeout=0.02)
    def work(x: str) -> str:
        if x == "bad":
            shut.acquire()
        return x

    return of(("a", twice), ("b", work), links=("a.output b.input",), **options)


def test_neighbours_are_done_or_given_back(workbench: Build, shut: threading.Lock) -> None:
    one = workbench(split(shut, error_handler=CONTINUE))
    blocks = one.block("a.input", ["x", "bad", "y"]), one.block("a.input", ["z"])
    receipt = ends(one, *blocks)
    assert receipt.retire
    assert one.sent(receipt) == ["x", "xx"]
    assert one.sent(receipt, "b.input") == ["badbad"]
    assert next(b.body for b in receipt.blocks if b.entry).payloads == ["y"]  # type: ignore[union-attr]
    assert receipt.untouched == [2]
    [letter] = receipt.letters
    assert letter.failure.error_type == "TimeoutError"
    assert "0.02 s, in code that cannot be interrupted" in letter.failure.message
    assert "shut.acquire()" in letter.failure.traceback
    assert receipt.tallies["job"].routines == {0: [2, 0], 1: [3, 1]}
    assert conserves(one, receipt, blocks[0])


def test_stop_ends_the_job(workbench: Build, shut: threading.Lock) -> None:
    receipt = ends(workbench(split(shut)), *[workbench(split(shut)).block("b.input", ["bad", "y"])])
    assert receipt.stopped["job"].error_type == "TimeoutError"
    assert not receipt.blocks


def test_a_retry_is_tried_elsewhere(workbench: Build, shut: threading.Lock) -> None:
    retry = rd.ErrorHandler(rd.ErrorStrategy.RETRY, max_retries=1, retry_delay=0)
    one = workbench(split(shut, error_handler=retry))
    block = one.block("b.input", ["bad", "y"])
    receipt = ends(one, block)
    assert [b.body.payloads for _, b in receipt.retries] == [["bad"]]  # type: ignore[union-attr]
    assert conserves(one, receipt, block)


def test_an_async_pool_begins_the_others_anew(workbench: Build, shut: threading.Lock) -> None:
    @rd.routine(timeout=0.5, max_concurrency=2)
    async def work(x: str) -> str:
        if x == "slow":
            await asyncio.Event().wait()
        if x == "bad":
            shut.acquire()
        return x

    one = workbench(of(("a", work), error_handler=CONTINUE))
    blocks = one.block("a.input", ["x", "slow", "bad", "y", "z"]), one.block("a.input", ["v"])
    receipt = ends(one, *blocks)
    assert receipt.retire
    assert one.sent(receipt) == ["x"]
    [letter] = receipt.letters
    assert letter.failure.error_type == "TimeoutError"
    slow, others = receipt.blocks
    assert (slow.rows, slow.origin) == (1, "job/1.1")
    assert (others.rows, receipt.untouched) == (2, [2])
    assert conserves(one, receipt, blocks[0])


def test_a_home_waits_for_its_code(workbench: Build) -> None:
    """Its state would be lost with the process."""
    one = workbench(of(("a", stateful(lambda routine, x: x, total=0))))
    one.host.when_stuck(lambda receipt: None)
    assert one.host.watchdog.on_stuck is None
