"""The look into containers: every level, no Python call per value, bounded."""

from __future__ import annotations

from typing import Any

import pytest

from routilux_dist.errors import SerializationError
from routilux_dist.wire.scanning import Limits, levels


def kinds(value: Any, **limits: int) -> list[set[type]]:
    return [found for found, _ in levels(value, Limits(**limits))]


def test_levels_of_containers() -> None:
    assert kinds([1, {"a": (None, {2.0})}]) == [{list}, {int, dict}, {tuple}, {type(None), set}, {float}]


def test_keys_are_seen_unless_all_are_texts() -> None:
    assert kinds({(1,): b""})[1] == {tuple, bytes}
    mixed: dict[Any, Any] = {"a": 1}
    mixed[b"k"] = 2
    assert bytes in kinds(mixed)[1]

    class Text(str):
        __slots__ = ()

    assert Text in kinds({Text("a"): 1})[1]


def test_other_objects_are_not_looked_into() -> None:
    class Thing:
        def __init__(self) -> None:
            self.inner = [b"x"]

    assert kinds([Thing(), [1]]) == [{list}, {Thing, list}, {int}]


def test_what_is_too_deep() -> None:
    value: list[Any] = []
    for _ in range(4):
        value = [value]
    assert len(kinds(value, depth=5)) == 5
    with pytest.raises(SerializationError, match="nested deeper than 3 levels"):
        kinds(value, depth=3)


@pytest.mark.parametrize("width", [1, 3, 60_000])
def test_a_value_that_contains_itself_is_refused_before_it_grows(width: int) -> None:
    value: list[Any] = []
    value.extend([value] * width)
    with pytest.raises(SerializationError, match=r"more than 100000 values|contains itself"):
        kinds(value, nodes=100_000)
