"""Merging: how arrivals fold into one value."""

from __future__ import annotations

import operator

import pytest

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import merging


def folded(merge: merging.Merge, payloads: list[object]) -> object:
    value = merging.EMPTY
    for payload in payloads:
        value = merging.fold(merge, value, payload)
    return value


@pytest.mark.parametrize(
    ("merge", "expected"),
    [("override", 3), ("append", [1, None, 3])],
)
def test_the_strategies(merge: str, expected: object) -> None:
    assert folded(merge, [1, None, 3]) == expected


def test_a_function_begins_with_the_first_message() -> None:
    assert folded(operator.sub, [10, 3, 2]) == 5
    assert folded(operator.sub, [10]) == 10


def test_none_is_a_message_like_any_other() -> None:
    assert folded("append", [None]) == [None]
    assert folded(lambda so_far, new: (so_far, new), [None, None]) == (None, None)


def test_what_was_handed_out_does_not_change_later() -> None:
    """A routine may have emitted the value it got."""
    first = merging.fold("append", merging.EMPTY, 1)
    merging.fold("append", first, 2)
    assert first == [1]


@pytest.mark.parametrize("merge", [None, "append", "override", operator.add])
def test_what_is_a_strategy(merge: merging.Merge) -> None:
    assert merging.check("input", merge) is merge


@pytest.mark.parametrize("merge", ["apend", 3, [], ""])
def test_what_is_none(merge: object) -> None:
    with pytest.raises(ConfigurationError, match=r"slot 'input'.*'append', 'override' or a function"):
        merging.check("input", merge)  # type: ignore[arg-type]


def test_what_combines() -> None:
    assert merging.check_combine("input", operator.add, None) is operator.add
    assert merging.check_combine("input", None, "append") is None


@pytest.mark.parametrize(
    ("combine", "merge", "says"),
    [("sum", None, "combine='sum' is no function"), (operator.add, "append", "use one of the two")],
)
def test_what_does_not_combine(combine: object, merge: merging.Merge, says: str) -> None:
    with pytest.raises(ConfigurationError, match=f"slot 'input'.*{says}"):
        merging.check_combine("input", combine, merge)  # type: ignore[arg-type]
