"""Folding job data: the order of concurrent writes must not matter where the reducer says so."""

from __future__ import annotations

import functools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routilux_dist.wire.reducing import fold


def folded(*writes: tuple[str, Any]) -> Any:
    return functools.reduce(lambda old, write: fold(old, *write), writes, None)


@pytest.mark.parametrize(
    ("reducer", "values", "result"),
    [
        ("sum", [1, 2.5, -1], 2.5),
        ("max", [1, 3, 2], 3),
        ("max", ["a", "c", "b"], "c"),
        ("min", [2, 1, 3], 1),
        ("append", [[1], [2], [1]], [1, 2, 1]),
        ("union", [["a"], ["b", "a"]], ["a", "b"]),
        ("last", [1, None, 2], 2),
    ],
)
def test_the_reducers(reducer: str, values: list[Any], result: Any) -> None:
    assert folded(*((reducer, value) for value in values)) == (reducer, result)


def test_the_first_write_is_the_value() -> None:
    for reducer in ("sum", "max", "min", "append", "union", "last"):
        assert fold(None, reducer, [1]) == (reducer, [1])


def test_another_reducer_starts_afresh() -> None:
    assert folded(("sum", 5), ("append", [1])) == ("append", [1])
    assert folded(("last", 5), ("sum", 1)) == ("sum", 1)


def test_what_was_folded_before_is_not_changed() -> None:
    """It may be part of a receipt that is sent again."""
    first = ("append", [1])
    fold(first, "append", [2])
    assert first == ("append", [1])


@settings(deadline=None)
@given(st.sampled_from(["sum", "max", "min"]), st.lists(st.integers(), min_size=1), st.randoms(use_true_random=False))
def test_the_order_of_numbers_does_not_matter(reducer: str, values: list[int], chance: random.Random) -> None:
    writes = [(reducer, value) for value in values]
    shuffled = chance.sample(writes, len(writes))
    assert folded(*writes) == folded(*shuffled)


@settings(deadline=None)
@given(st.sampled_from(["sum", "max", "min", "append"]), st.lists(st.integers(), min_size=2), st.data())
def test_slices_may_fold_their_own_writes_first(reducer: str, values: list[int], data: st.DataObject) -> None:
    """Folding in parts and then the parts gives the same as folding everything."""
    writes = [(reducer, [value] if reducer == "append" else value) for value in values]
    cut = data.draw(st.integers(1, len(writes) - 1))
    assert folded(folded(*writes[:cut]), folded(*writes[cut:])) == folded(*writes)
