"""An activation that raises leaves no trace: no emit, no state, no job data."""

from __future__ import annotations

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import each
from tests.conformance.routines.faulty import (
    Careful,
    CarefulHandler,
    async_yields_then_breaks,
    yields_then_breaks,
)
from tests.conformance.support import build, completed, run


def guarded(routine: object, strategy: str = "CONTINUE", **options: object) -> rd.Flow:
    flow = build({"each": each, "careful": routine}, "each -> careful")
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy[strategy], **options))
    return flow


def test_nothing_of_a_failed_activation_is_visible(runtime: rd.Runtime) -> None:
    job = completed(runtime, guarded(Careful()), [1, -2, 3, -4, 5])
    outputs = job.result(timeout=0)
    assert outputs["careful.output"] == [1, 3, 5]
    assert outputs["careful.book"] == [
        {"sum": 9, "seen": [1, 3, 5], "page": [1, 3, 5], "keys": [1, 3, 5]},
    ]
    assert job.data == {"sum": 9, "seen": [1, 3, 5], "note 1": 1, "note 3": 3, "note 5": 5}
    assert sorted(letter.payload for letter in job.dead_letters) == [-4, -2]


def test_when_the_first_activation_fails_the_initial_values_are_unharmed(runtime: rd.Runtime) -> None:
    job = completed(runtime, guarded(Careful()), [-1, 2])
    assert job.result(timeout=0)["careful.book"] == [{"sum": 2, "seen": [2], "page": [2], "keys": [2]}]


def test_when_every_activation_fails_nothing_is_left(runtime: rd.Runtime) -> None:
    job = completed(runtime, guarded(Careful()), [-1, -2])
    assert job.result(timeout=0) == {
        "careful.output": [],
        "careful.book": [{"sum": 0, "seen": [], "page": [], "keys": []}],
    }
    assert job.data == {}


def test_a_retried_activation_counts_once(runtime: rd.Runtime) -> None:
    """Zero fails on its first attempt, after all its writes."""
    job = completed(runtime, guarded(Careful(), "RETRY", max_retries=1, retry_delay=0.01), [0, 7])
    outputs = job.result(timeout=0)
    assert sorted(outputs["careful.output"]) == [0, 7]
    [book] = outputs["careful.book"]
    assert (book["sum"], sorted(book["seen"]), sorted(book["page"]), book["keys"]) == (7, [0, 7], [0, 7], [0, 7])
    assert sorted(job.data["seen"]) == [0, 7]


def test_skip_keeps_nothing_either(runtime: rd.Runtime) -> None:
    job = completed(runtime, guarded(Careful(), "SKIP"), [1, -2])
    assert job.result(timeout=0)["careful.output"] == [1]
    assert job.data["seen"] == [1]


def test_a_handler_with_keyed_state(runtime: rd.Runtime) -> None:
    outputs = run(runtime, guarded(CarefulHandler()), [1, -1, 3, 2, -2, 4])
    assert sorted(outputs["careful.output"]) == [[1], [1, 3], [2], [2, 4]]


@pytest.mark.parametrize("generator", [yields_then_breaks, async_yields_then_breaks], ids=["sync", "async"])
def test_what_a_generator_yielded_before_it_raised_is_dropped(runtime: rd.Runtime, generator: object) -> None:
    job = completed(runtime, guarded(generator), [1, -2, 3])
    assert sorted(job.result(timeout=0)["careful.output"]) == [1, 3, 101, 103]
    assert [letter.payload for letter in job.dead_letters] == [-2]
