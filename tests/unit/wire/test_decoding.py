"""The reader: marked lists and extensions, one by one."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgpack
import pytest

from routilux_dist.errors import SerializationError
from routilux_dist.wire import kinds, typed
from routilux_dist.wire.decoding import Reader
from routilux_dist.wire.kinds import Mark
from routilux_dist.wire.registry import Registry, TypeEntry
from routilux_dist.wire.scanning import LIMITS


def reader(*buffers: bytes, allow_pickle: bool = False) -> Reader:
    return Reader(buffers, Registry(), allow_pickle, LIMITS, lambda nbytes: None)


def test_a_list_without_a_mark_stays_what_it_is() -> None:
    items = [1, 2]
    assert reader().compound(items) is items
    assert reader().compound([]) == []


def test_a_mark_says_what_a_list_is() -> None:
    assert reader().compound([Mark(ord("T")), 1, [2]]) == (1, [2])
    assert reader(b"abc").compound([Mark(ord("B")), 0]) == b"abc"


def test_unknown_marks_and_extensions_may_be_of_a_newer_version() -> None:
    with pytest.raises(SerializationError, match=r"unknown mark 63.* newer version"):
        reader().compound([Mark(ord("?"))])
    with pytest.raises(SerializationError, match=r"unknown extension 99.* newer version"):
        reader().leaf(99, b"")


def test_a_missing_buffer_is_named() -> None:
    with pytest.raises(SerializationError, match="buffer 1 is missing: there are 1"):
        reader(b"abc").compound([Mark(ord("B")), 1])


def test_marks_do_not_reach_a_decode_function() -> None:
    with pytest.raises(SerializationError, match="mark where a value should be"):
        reader().compound([Mark(ord("R")), "name", 1, {"a": [Mark(ord("T"))]}])


@pytest.mark.parametrize(
    "stray", [[1, kinds.TUPLE], {"a": kinds.TUPLE}, [[kinds.TUPLE, kinds.SET]], [[kinds.SET, 1], kinds.TUPLE]]
)
def test_a_mark_where_a_value_should_be_is_refused_in_few_bytes_too(stray: Any) -> None:
    with pytest.raises(SerializationError, match="a mark where a value should be"):
        typed.loads(b"\xc1\x01\x01" + msgpack.packb(stray))


def test_parts_of_a_shallow_entry_are_looked_at_with_the_whole() -> None:
    entry = TypeEntry(Pair, "pair", 1, list, lambda parts: Pair(*parts), shallow=True)
    short = msgpack.packb([kinds.REGISTERED, "pair", 1, [1, kinds.TUPLE]])
    deep = msgpack.packb([kinds.REGISTERED, "pair", 1, [1, deeply(300)]])
    for body, said in ((short, "a mark where a value"), (deep, "nested deeper")):
        with pytest.raises(SerializationError, match=said):
            typed.loads(b"\xc1\x01\x01" + body, registry=Registry([entry]))


class Pair(NamedTuple):
    left: Any
    right: Any


def deeply(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value
