"""``flow.map``: a stream in, a stream of outputs back, each item on its own."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import Countdown, Repeat, count_up, double, drop, increment, keep_even, same
from tests.conformance.routines.faulty import Flaky, risky
from tests.conformance.routines.stateful import Total
from tests.conformance.support import WAIT, build


@rd.routine
def kind(x):
    """The number itself, the type of anything else."""
    return x if isinstance(x, int) else type(x).__name__


@rd.routine
def lock_for_zero(x):
    """The number itself, and for 0 what cannot leave a process."""
    return x or threading.Lock()


CHAIN = build({"double": double, "increment": increment}, "double -> increment", name="map_chain")
RISKY = build({"risky": risky, "same": same}, "risky -> same", name="map_risky")
LIMITED = build({"double": double, "increment": increment}, "double -> increment", name="map_limited", max_messages=9)
KIND = build({"kind": kind}, name="map_kind")
KIND_LIMITED = build({"kind": kind}, name="map_kind_limited", max_messages=9)
LOCKS = build({"lock": lock_for_zero}, name="map_locks")
LOCKS_LIMITED = build({"lock": lock_for_zero}, name="map_locks_limited", max_messages=9)
EVEN = build({"even": keep_even}, name="map_even")
REPEAT = build({"count": count_up, "same": same}, "count -> same", name="map_repeat")


class Source:
    """An endless input that notes how much of it was taken, and whether it was closed."""

    def __init__(self) -> None:
        self.taken = 0
        self.closed = False

    def __iter__(self) -> Iterator[int]:
        try:
            for i in itertools.count():
                self.taken = i + 1
                yield i
        finally:
            self.closed = True


def test_ordered(backend: str) -> None:
    results = list(CHAIN.map(range(500), backend=backend, ordered=True))
    assert results == [2 * i + 1 for i in range(500)]


def test_unordered(backend: str) -> None:
    results = list(CHAIN.map(range(500), backend=backend, ordered=False))
    assert sorted(results) == [2 * i + 1 for i in range(500)]


def test_a_generator_as_input(backend: str) -> None:
    results = CHAIN.map((i for i in range(50)), backend=backend, ordered=True, buffersize=4)
    assert list(results) == [2 * i + 1 for i in range(50)]


def test_empty_input(backend: str) -> None:
    assert list(CHAIN.map([], backend=backend)) == []


def test_one_input_many_outputs(backend: str) -> None:
    results = list(REPEAT.map([3, 0, 1, 2], backend=backend, ordered=True))
    assert results == [0, 1, 2, 0, 0, 1]


def test_inputs_without_output(backend: str) -> None:
    assert list(EVEN.map(range(10), backend=backend, ordered=True)) == [0, 2, 4, 6, 8]
    assert list(build({"drop": drop}).map(range(10), backend=backend)) == []


def test_an_input_without_end(backend: str) -> None:
    source = Source()
    results = CHAIN.map(source, backend=backend, ordered=True, buffersize=8)
    assert list(itertools.islice(results, 100)) == [2 * i + 1 for i in range(100)]
    assert source.taken <= 100 + 8 + 1
    results.close()
    assert source.closed


def test_an_early_break_leaves_the_runtime_usable(backend: str) -> None:
    for result in CHAIN.map(itertools.count(), backend=backend, buffersize=16):
        assert result % 2 == 1
        break
    assert list(CHAIN.map([1, 2], backend=backend, ordered=True)) == [3, 5]


def test_a_small_buffer_bounds_what_is_taken(backend: str) -> None:
    source = Source()
    results = CHAIN.map(source, backend=backend, buffersize=1, ordered=True)
    assert next(results) == 1
    assert source.taken <= 1 + 1 + 1
    results.close()


def test_on_error_raise_ends_the_iteration(backend: str) -> None:
    results = RISKY.map([0, 2, 3, 4], backend=backend, ordered=True, on_error="raise")
    assert [next(results), next(results)] == [0, 2]
    with pytest.raises(rd.JobFailedError, match="odd number 3"):
        list(results)
    assert list(RISKY.map([4], backend=backend)) == [4]


def test_raise_is_the_default(backend: str) -> None:
    with pytest.raises(rd.JobFailedError, match="odd number 1"):
        list(RISKY.map([1], backend=backend))


def test_on_error_skip_drops_the_item(backend: str) -> None:
    results = RISKY.map(range(20), backend=backend, ordered=True, on_error="skip")
    assert list(results) == list(range(0, 20, 2))


def test_on_error_collect_yields_the_error_in_its_place(backend: str) -> None:
    results = list(RISKY.map([0, 1, 2, 3], backend=backend, ordered=True, on_error="collect"))
    assert [isinstance(result, rd.ItemError) for result in results] == [False, True, False, True]
    assert [results[0], results[2]] == [0, 2]
    assert [(results[i].item, f"odd number {i}" in str(results[i].error)) for i in (1, 3)] == [(1, True), (3, True)]


def test_the_error_strategy_comes_before_on_error(backend: str) -> None:
    """Only what would stop the job is an item's error."""
    flaky = Flaky()
    flaky.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.RETRY, max_retries=2, retry_delay=0.01))
    flow = build({"flaky": flaky})
    items = [{"name": "a", "ok_at": 2}, {"name": "b", "ok_at": 9}, {"name": "c", "ok_at": 1}]
    results = list(flow.map(items, backend=backend, ordered=True, on_error="collect"))
    assert [results[0], results[2]] == [("a", 2), ("c", 1)]
    assert results[1].item == items[1]


def test_an_error_of_the_input_reaches_the_caller(backend: str) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise LookupError("the input broke")

    for flow in (CHAIN, LIMITED):
        for ordered in (True, False):
            results = flow.map(broken(), backend=backend, ordered=ordered)
            assert next(results) == 3  # what came before it is not lost
            with pytest.raises(LookupError, match="the input broke"):
                next(results)


@pytest.mark.parametrize("flow", ["CHAIN", "LIMITED"])
def test_results_come_while_the_input_blocks(backend: str, flow: str) -> None:
    goes_on = threading.Event()

    def blocking() -> Iterator[int]:
        yield 1
        yield 2
        assert goes_on.wait(WAIT)
        yield 3

    results = globals()[flow].map(blocking(), backend=backend)
    assert [next(results), next(results)] == [3, 5]
    goes_on.set()
    assert list(results) == [7]


@pytest.mark.parametrize("flow", ["CHAIN", "LIMITED"])
def test_the_timeout_holds_while_the_input_blocks(backend: str, flow: str) -> None:
    goes_on = threading.Event()

    def blocking() -> Iterator[int]:
        yield 1
        goes_on.wait(WAIT)

    started = time.monotonic()
    with pytest.raises(TimeoutError, match="did not end in time"):
        list(globals()[flow].map(blocking(), backend=backend, timeout=0.5))
    assert time.monotonic() - started < WAIT / 2
    goes_on.set()


@pytest.mark.parametrize("flow", ["CHAIN", "LIMITED"])
def test_a_slow_consumer_bounds_what_is_taken(backend: str, flow: str) -> None:
    source = Source()
    results = globals()[flow].map(source, backend=backend, buffersize=3)
    for _ in range(5):
        next(results)
    time.sleep(0.2)  # time enough to run ahead
    assert source.taken <= 5 + 3
    results.close()
    assert source.closed


def test_an_input_that_cannot_be_sent_is_an_error_of_its_own(backend: str) -> None:
    """Where nothing has to be sent there is no such error."""
    items = [1, threading.Lock(), 3, threading.Lock()]
    sent = {"local": [1, "lock", 3, "lock"], "ray": [1, 3]}[backend]
    for flow in (KIND, KIND_LIMITED):
        assert list(flow.map(items, backend=backend, on_error="skip")) == sent
        collected = list(flow.map(items, backend=backend, on_error="collect"))
        errors = [one for one in collected if isinstance(one, rd.ItemError)]
        assert [one.item for one in errors] == ([] if backend == "local" else [items[1], items[3]])
        assert all(isinstance(one.error, rd.SerializationError) for one in errors)
        if backend == "ray":
            results = flow.map(items, backend=backend)
            assert next(results) == 1
            with pytest.raises(rd.SerializationError, match="cannot be sent"):
                next(results)


def test_an_output_that_cannot_be_sent_is_an_error_of_its_item(backend: str) -> None:
    for flow in (LOCKS, LOCKS_LIMITED):
        passed = list(flow.map([1, 0, 3], backend=backend, on_error="skip"))
        if backend == "local":  # nothing has to be sent
            assert [type(one).__name__ for one in passed] == ["int", "lock", "int"]
            continue
        assert passed == [1, 3]
        collected = list(flow.map([1, 0, 3], backend=backend, on_error="collect"))
        assert (collected[0], collected[1].item, collected[2]) == (1, 0, 3)
        assert isinstance(collected[1].error.cause, rd.SerializationError)
        with pytest.raises(rd.JobFailedError, match="cannot leave the process"):
            list(flow.map([1, 0, 3], backend=backend))


def test_a_flow_that_changes_meanwhile_stays_as_it_was_for_what_has_begun(backend: str) -> None:
    flow = build({"double": double})
    results = flow.map(range(40), backend=backend, buffersize=2)
    assert next(results) == 0
    flow.add_routine(increment, "increment")
    flow.connect("double.output", "increment.input")
    assert flow.run(1, backend=backend) == {"increment.output": [3]}
    assert list(results) == [2 * i for i in range(1, 40)]


def test_a_map_over_a_loop(backend: str) -> None:
    flow = build({"count": Countdown()}, "count.again -> count.input")
    items = [{"name": i, "left": i} for i in range(30)]
    assert list(flow.map(items, backend=backend, entry="count.input", ordered=True)) == list(range(30))


def test_items_of_a_flow_with_state_never_meet(backend: str) -> None:
    flow = build({"two": Repeat(2), "total": Total()}, "two -> total")
    assert list(flow.map(range(10), backend=backend)) == [{"count": 2, "sum": 2 * i} for i in range(10)]


def test_items_may_be_dicts_and_none(backend: str) -> None:
    items = [{"a": 1}, [2], "three", b"4", (5,)]
    assert list(build({"same": same}).map(items, backend=backend, ordered=True)) == items


def test_an_unknown_choice_is_refused(backend: str) -> None:
    with pytest.raises(rd.ConfigurationError, match=r"on_error.*raise.*skip.*collect"):
        list(CHAIN.map([1], backend=backend, on_error="ignore"))
