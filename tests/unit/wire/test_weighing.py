"""Memory of hostile bytes is bounded before they are decoded; honest ones pass."""

from __future__ import annotations

import sys
from typing import Any

import msgpack
import pytest

from routilux_dist.errors import SerializationError
from routilux_dist.wire import weighing

MANY = 1 << 40
WORST = {
    "empty maps": b"\x80",
    "maps of one": b"\x81\x00\x00",
    "nested maps": b"\x81\x00\x81\x00\x81\x00\xc0",
    "empty lists": b"\x90",
    "lists of one": b"\x91\xc0",
    "small negative numbers": b"\xe0",
    "short texts": b"\xa2ab",
    "numbers": b"\xcd\x01\x00\xd0\x80",
    "marks": b"\xd4\x00T",
    "empty binaries": b"\xc4\x00",
    "long maps": b"\xde\x00\x06" + b"\x00\x00" * 6,
}


def array(unit: bytes, size: int) -> bytes:
    """A list of as many units as fit into `size` bytes; each unit is one value or more."""
    count = size // len(unit)
    values = len(msgpack.unpackb(b"\xdc" + _values(unit).to_bytes(2, "big") + unit, strict_map_key=False)) * count
    return b"\xdd" + values.to_bytes(4, "big") + unit * count


def _values(unit: bytes) -> int:
    unpacker = msgpack.Unpacker(strict_map_key=False)
    unpacker.feed(unit)
    count = 0
    for _ in unpacker:
        count += 1
    return count


@pytest.mark.parametrize("unit", WORST.values(), ids=WORST)
def test_amplification_is_refused(unit: bytes) -> None:
    with pytest.raises(SerializationError, match="would need more than"):
        weighing.check(array(unit, 12 << 20), MANY)


@pytest.mark.parametrize("unit", WORST.values(), ids=WORST)
def test_what_is_let_through_needs_no_more_than_is_allowed(unit: bytes) -> None:
    """The size that Python reports of all the objects, for the largest input that is not looked at."""
    data = array(unit, weighing.SMALL - 5)
    weighing.check(data, MANY)
    assert _memory(msgpack.unpackb(data, strict_map_key=False)) <= weighing.ALLOWANCE + weighing.GROWTH * len(data)


def _memory(value: Any) -> int:
    total, stack, seen = 0, [value], set()
    while stack:
        one = stack.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        total += sys.getsizeof(one) + 16
        if isinstance(one, dict):
            stack.extend(one.keys())
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)
    return total


@pytest.mark.parametrize(
    "value",
    [
        "x" * 3_000_000,
        "größe, 数据, 🙂 " * 100_000,
        b"\x80" * 2_000_000,
        [b"\x80" * 1000] * 2000,
        [float(n) for n in range(200_000)],
        list(range(500_000)),
        [{"id": n, "name": f"name {n}", "score": n / 7, "tags": ["a", "b"]} for n in range(20_000)],
        {str(n): None for n in range(100_000)},
    ],
    ids=lambda v: type(v).__name__,
)
def test_honest_values_pass(value: Any) -> None:
    weighing.check(msgpack.packb(value), MANY)


def test_many_values_are_refused() -> None:
    weighing.check(msgpack.packb(list(range(99))), 100)
    with pytest.raises(SerializationError, match=r"more than 100 values in one body \(limit 'nodes'\)"):
        weighing.check(msgpack.packb(list(range(101))), 100)


def test_cut_bytes_do_no_harm() -> None:
    data = msgpack.packb([{"a": "x" * 300, "b": b"y" * 70_000, "c": [1.5] * 20}] * 8)
    for end in (1, 10, len(data) // 2, len(data) - 1):
        weighing._walk(data[:end], MANY, MANY)


@pytest.mark.parametrize("members", [0, 1, 4, 5, 20, 77, 1000, 19_661, 50_000, 78_643, 157_286, 700_000])
def test_the_tables_of_sets(members: int) -> None:
    real = sys.getsizeof(set(iter(range(members))))
    assert real - 400 <= weighing.set_bytes(members) <= 2 * real + 400


def test_what_parts_need_besides() -> None:
    data = msgpack.packb([1.5] * 100_000)
    room = weighing.Room(data, MANY)
    room.spend(weighing.ALLOWANCE)
    with pytest.raises(SerializationError, match="would need more than"):
        room.spend(weighing.GROWTH * len(data))


def test_what_values_need() -> None:
    small, large = msgpack.packb([{}] * 100), msgpack.packb([{}] * 3_000_000)
    assert weighing.need(small) <= weighing.ALLOWANCE
    assert weighing.room_for(len(large)) < weighing.need(large) < 1000 * len(large)
