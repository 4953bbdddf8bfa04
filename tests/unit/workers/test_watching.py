"""Finding what a routine changed inside its attributes."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

import routilux_dist as rd
from routilux_workers.watching import Watch, fingerprint, rule


class Kept(rd.Routine):
    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.value = value
        self.other = 3


CHANGES: dict[str, tuple[Any, Any]] = {
    "list": ([1], lambda v: v.append(2)),
    "element": ([1, 2], lambda v: v.__setitem__(0, 9)),
    "dict": ({"a": 1}, lambda v: v.update(a=2)),
    "set": ({1}, lambda v: v.add(2)),
    "deque": (deque([1]), lambda v: v.rotate() or v.append(2)),
    "bytes": (bytearray(b"ab"), lambda v: v.__setitem__(0, 0)),
    "inside": ({"a": [{"b": 1}]}, lambda v: v["a"][0].update(b=2)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_told_once(name: str) -> None:
    value, change = CHANGES[name]
    routine = Kept(value)
    watch = Watch({"r": routine})
    watch.begin()
    assert list(watch.changes()) == []
    change(value)
    assert list(watch.changes()) == [("r", "value")]
    assert list(watch.changes()) == []


def test_what_open_makes_may_change() -> None:
    routine = Kept([])
    watch = Watch({"r": routine})
    routine.value = []
    routine.cache = {}
    watch.begin()
    routine.value.append(1)
    routine.cache["a"] = 1
    assert list(watch.changes()) == []


def test_what_cannot_be_looked_into_is_told_by_its_identity() -> None:
    thing = object()
    assert fingerprint([thing, float("nan")]) != fingerprint([object(), 1])
    assert fingerprint([thing]) == fingerprint([thing])


def test_the_rule_names_the_attribute_and_what_to_use() -> None:
    text = rule("collect", "items")
    assert all(
        word in text for word in ("'collect'", "self.items", "self.add_state(items=…)", "self.state['items']", "open()")
    )
