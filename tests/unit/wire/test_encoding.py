"""The writer: what is lowered before msgpack sees it, and what is left alone."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from routilux_dist.wire import kinds
from routilux_dist.wire.encoding import OUT_OF_BAND_BYTES, Refused, Writer
from routilux_dist.wire.registry import Registry
from routilux_dist.wire.scanning import LIMITS


@pytest.fixture
def writer() -> Writer:
    return Writer(Registry(), allow_pickle=False, limits=LIMITS)


def test_a_value_that_msgpack_keeps_is_left_alone(writer: Writer) -> None:
    value = [{"a": (1, 2)}, b"x"]
    assert writer.safe(value) is value
    assert not writer.marked


def test_what_msgpack_would_flatten_is_lowered_and_the_value_is_not_touched(writer: Writer) -> None:
    value = [{"a": ({"b": bytearray(b"x")}, 1)}]
    assert writer.safe(value) == [{"a": [kinds.TUPLE, {"b": msgpack.ExtType(2, b"x")}, 1]}]
    assert value == [{"a": ({"b": bytearray(b"x")}, 1)}]


def test_large_bytes_become_the_number_of_a_buffer(writer: Writer) -> None:
    large = bytes(OUT_OF_BAND_BYTES)
    assert writer.safe([large, large[1:], large]) == [[kinds.BUFFER, 0], large[1:], [kinds.BUFFER, 1]]
    assert writer.buffers == [large, large]


@pytest.mark.parametrize("key", [memoryview(b"x"), (1, (memoryview(b"x"),)), msgpack.ExtType(0, b"T")])
def test_keys_are_looked_into(writer: Writer, key: Any) -> None:
    with pytest.raises(Refused, match="not registered"):
        writer.safe({key: 1})


def test_the_hook_takes_one_step(writer: Writer) -> None:
    assert writer.hook((1, (2,))) == [kinds.TUPLE, 1, (2,)]
    assert writer.marked
