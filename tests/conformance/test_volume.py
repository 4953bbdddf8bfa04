"""Large payloads and many messages."""

from __future__ import annotations

import numpy as np
import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import count_up, double, each, keep_even, same
from tests.conformance.routines.stateful import Total
from tests.conformance.support import build, run

MEGABYTES_32 = 32 * 1024 * 1024 // 8


@rd.routine
def make_array(seed):
    return np.full(MEGABYTES_32, seed, dtype=np.float64)


@rd.routine
def negate(array):
    return -array


@rd.routine
def summarize(array):
    return {"first": float(array[0]), "sum": float(array.sum()), "dtype": str(array.dtype), "size": array.size}


def expected(value: float) -> dict[str, object]:
    return {"first": value, "sum": value * MEGABYTES_32, "dtype": "float64", "size": MEGABYTES_32}


def test_large_arrays_between_routines(runtime: rd.Runtime) -> None:
    flow = build(
        {"each": each, "make": make_array, "negate": negate, "summary": summarize}, "each -> make -> negate -> summary"
    )
    outputs = run(runtime, flow, [1, 2, 3])
    assert sorted(outputs["summary.output"], key=lambda s: -s["first"]) == [
        expected(-1.0),
        expected(-2.0),
        expected(-3.0),
    ]


def test_a_large_array_in_and_out(runtime: rd.Runtime) -> None:
    array = np.arange(MEGABYTES_32, dtype=np.int64)
    [back] = run(runtime, build({"same": same, "negate": negate}, "same -> negate"), array)["negate.output"]
    assert back.dtype == np.int64
    assert np.array_equal(back, -array)


def test_a_large_array_to_several_routines_and_a_stateful_one(runtime: rd.Runtime) -> None:
    flow = build(
        {"make": make_array, "a": summarize, "b": summarize, "keep": Largest()},
        """make -> a
           make -> b
           make -> keep""",
    )
    outputs = run(runtime, flow, 4)
    assert outputs == {"a.output": [expected(4.0)], "b.output": [expected(4.0)], "keep.output": [(4.0, MEGABYTES_32)]}


def test_large_bytes_and_text(runtime: rd.Runtime) -> None:
    payload = {"bytes": b"\x01" * 20_000_000, "text": "ä" * 5_000_000}
    assert run(runtime, build({"same": same}), payload) == {"same.output": [payload]}


def test_a_hundred_thousand_messages(runtime: rd.Runtime) -> None:
    flow = build({"source": count_up, "double": double, "total": Total()}, "source -> double -> total")
    n = 100_000
    assert run(runtime, flow, n) == {"total.output": [{"count": n, "sum": n * (n - 1)}]}


def test_a_hundred_thousand_outputs(runtime: rd.Runtime) -> None:
    flow = build({"source": count_up, "even": keep_even}, "source -> even")
    outputs = run(runtime, flow, 200_000)["even.output"]
    assert len(outputs) == 100_000
    assert sorted(outputs) == list(range(0, 200_000, 2))


@pytest.mark.parametrize("size", [0, 1, 2])
def test_few_messages(runtime: rd.Runtime, size: int) -> None:
    """The ends of the scale: nothing, one, two."""
    flow = build({"source": count_up, "double": double}, "source -> double")
    assert sorted(run(runtime, flow, size)["double.output"]) == [2 * i for i in range(size)]


class Largest(rd.Routine):
    """Keeps an array in its state."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(array=None)

    def logic(self, array: np.ndarray) -> None:
        self.state["array"] = array

    def finish(self) -> None:
        array = self.state["array"]
        self.emit("output", (float(array.max()), array.size))
