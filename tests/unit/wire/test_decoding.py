"""The reader: marked lists and extensions, one by one."""

from __future__ import annotations

import pytest

from routilux_dist.errors import SerializationError
from routilux_dist.wire.decoding import Reader
from routilux_dist.wire.kinds import Mark
from routilux_dist.wire.registry import Registry
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
