"""Any value of the known kinds comes back as it was, in value and in type; any bytes are a value or refused."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from routilux_dist.errors import SerializationError
from routilux_dist.wire import typed
from routilux_dist.wire.weighing import SMALL
from tests.unit.wire.test_typed import same

ZONES = (
    st.none()
    | (st.timezones() if zoneinfo.available_timezones() else st.nothing())
    | st.just(dt.timezone.utc)
    | st.builds(dt.timezone, st.timedeltas(-dt.timedelta(hours=23), dt.timedelta(hours=23)))
)
TEXT = st.text(st.characters(codec=None, exclude_categories=()))
NUMBERS = st.integers() | st.floats(allow_nan=False) | st.decimals(allow_nan=False) | st.booleans()
BIG = st.fractions().map(lambda f: f.numerator**5)
MOMENTS = (
    st.dates() | st.times(timezones=ZONES) | st.datetimes(timezones=ZONES, allow_imaginary=False) | st.timedeltas()
)
RANGES = st.builds(range, st.integers(), st.integers(), st.integers().filter(bool))
COMPLEX = st.builds(complex, st.floats(allow_nan=False), st.floats(allow_nan=False))
KEYS = st.none() | NUMBERS | BIG | TEXT | st.binary() | st.uuids() | MOMENTS | RANGES | COMPLEX
HASHABLE = st.recursive(KEYS, lambda v: st.tuples(v, v) | st.frozensets(v, max_size=3), max_leaves=5)
VALUES = st.recursive(
    KEYS | st.binary().map(bytearray),
    lambda v: (
        st.lists(v)
        | st.lists(v).map(tuple)
        | st.dictionaries(HASHABLE, v, max_size=4)
        | st.sets(HASHABLE, max_size=4)
        | st.lists(v, max_size=2).map(lambda args: ValueError(*args))
    ),
    max_leaves=15,
)
NUMPY = st.sampled_from(["i1", "<u2", ">f8", "c8", "U3", "S2", "?", "M8[us]", "m8"])


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, BaseException):
        return type(a) is type(b) and equal(list(a.args), list(b.args))
    if (type(a) is list and type(b) is list) or (type(a) is tuple and type(b) is tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    if type(a) is dict and type(b) is dict:
        return same([*a], [*b]) and all(map(equal, a.values(), b.values()))
    return same(a, b)


@settings(deadline=None, max_examples=100)
@given(VALUES)
def test_what_goes_in_comes_out(value: Any) -> None:
    data, buffers = typed.dumps(value)
    assert equal(typed.loads(data, buffers), value)
    assert typed.dumps(typed.loads(data, buffers))[0][:3] == data[:3]


@settings(deadline=None)
@given(NUMPY, st.lists(st.integers(0, 4), max_size=3), st.booleans(), st.integers(0, 2**32))
def test_arrays_come_back(dtype: str, shape: list[int], turned: bool, seed: int) -> None:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    data = np.random.default_rng(seed).integers(0, 100, size, dtype=np.uint8).tobytes()
    array = np.ndarray(shape, dtype, buffer=data)
    array = array.T if turned else array
    again = typed.loads(*typed.dumps(array))
    assert (again.dtype, again.shape, again.tobytes()) == (array.dtype, array.shape, array.tobytes())


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\xc1\x01\x00", b"\xc1\x01\x01"]))
def test_any_bytes_are_a_value_or_refused(data: bytes, head: bytes) -> None:
    assert len(data) < SMALL
    try:
        value = typed.loads(head + data)
    except SerializationError:
        return
    typed.dumps(value)


@settings(deadline=None, max_examples=100)
@given(VALUES, st.lists(st.tuples(st.integers(3, 10_000), st.integers(0, 255)), max_size=4))
def test_altered_bytes_are_a_value_or_refused(value: Any, changes: list[tuple[int, int]]) -> None:
    data, buffers = typed.dumps(value)
    altered = bytearray(data)
    for place, byte in changes:
        altered[min(place, len(altered) - 1)] = byte
    try:
        typed.loads(bytes(altered), buffers)
    except SerializationError:
        pass
