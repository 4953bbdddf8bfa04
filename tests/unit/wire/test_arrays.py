"""Arrays and scalars of numpy: exact, uncopied when large, and strict on the way back."""

from __future__ import annotations

from typing import Any

import msgpack
import numpy as np
import pytest

from routilux_dist.errors import SerializationError
from routilux_dist.wire import kinds, typed
from tests.meta.repo import python

RECORD = np.dtype({"names": ["a", "b"], "formats": ["<i4", ("<U3", (2,))], "offsets": [0, 8], "itemsize": 40})
ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    np.arange(10)[::-2],
    np.array(5, dtype=">i2"),
    np.zeros((0, 3)),
    np.zeros((2, 0), order="F"),
    np.array(["a", "bcd", ""]),
    np.array([b"a\0b"]),
    np.array(["2020-01-01", "NaT"], dtype="M8[25s]"),
    np.array([1], dtype="m8"),
    np.array([True, False]),
    np.array([1.5, np.nan], dtype="f2"),
    np.array([1 + 2j]),
    np.longdouble([1.25]),
    np.zeros(3, dtype=RECORD),
    np.zeros(3, dtype=np.dtype([("x", "u1"), ("y", [("z", "f8")])], align=True)),
    np.array([b"raw"], dtype="V3"),
]
SCALARS = [
    np.float64("nan"), np.float32(1.5), np.int8(-1), np.uint64(2**64 - 1), np.bool_(True), np.str_("a\0"), np.str_(""),
    np.bytes_(b"a\0"),
    np.datetime64("2020-01-01T00:00", "m"), np.timedelta64(3), np.complex64(1j), np.longdouble("1.1"), np.void(b"abc"),
    np.zeros(1, dtype=RECORD)[0],
]  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}-{a.shape}")
def test_an_array_comes_back(array: Any) -> None:
    again = typed.loads(*typed.dumps({"a": array}))["a"]
    assert type(again) is np.ndarray
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert again.dtype.isalignedstruct == array.dtype.isalignedstruct
    assert again.tobytes() == array.tobytes()
    assert again.flags.writeable
    if array.flags.c_contiguous or array.flags.f_contiguous:
        assert again.strides == array.strides or array.size == 0


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda s: type(s).__name__)
def test_a_scalar_comes_back(scalar: Any) -> None:
    again = typed.loads(*typed.dumps([scalar]))[0]
    assert type(again) is type(scalar)
    assert again.dtype == scalar.dtype
    assert again.tobytes() == scalar.tobytes()


@pytest.mark.parametrize("dtype", ["f4", "f2", "M8[ns]", "c16", ">u2", "U4", [("a", "i4"), ("b", "f4")]])
def test_a_large_array_is_not_copied(dtype: Any) -> None:
    array = np.zeros(typed.OUT_OF_BAND_BYTES, dtype=dtype)
    data, buffers = typed.dumps([array])
    assert len(data) < 500
    again = typed.loads(data, buffers)[0]
    assert np.shares_memory(again, array)
    assert again.dtype == array.dtype


def test_a_large_array_that_arrived_is_not_writable_when_its_buffer_is_not() -> None:
    array = np.asfortranarray(np.random.default_rng(1).random((90, 100)))
    data, buffers = typed.dumps(array)
    again = typed.loads(data, tuple(bytes(b) for b in buffers))
    assert (again == array).all()
    assert again.flags.f_contiguous
    assert not again.flags.writeable


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()]),
        np.array([(1, object())], dtype=[("a", "i4"), ("b", "O")]),
        np.ma.masked_array([1]),
        np.zeros(1, dtype=np.dtype([(("title", "name"), "i4")])),
        np.zeros(1, dtype=np.dtype("i4", metadata={"a": 1})),
        np.zeros(1, dtype=np.dtypes.StringDType()),
        np.recarray(1, dtype=[("a", "i4")]),
    ],
    ids=lambda v: str(type(v).__name__),
)
def test_what_would_not_come_back_is_refused(value: Any) -> None:
    with pytest.raises(SerializationError, match=r"payload\[1\]: "):
        typed.dumps([0, value], root="payload")


GOOD = ["<f8", [2], "C", bytes(16)]


@pytest.mark.parametrize(
    "content",
    [
        ["O", [1], "C", bytes(8)],
        ["|O8", [1], "C", bytes(8)],
        [["O", [1]], [1], "C", bytes(8)],
        [{"names": ["a"], "formats": ["O"], "offsets": [0], "itemsize": 8, "aligned": False}, [1], "C", bytes(8)],
        [{"names": ["a"], "formats": ["<i4"], "offsets": [8], "itemsize": 8, "aligned": False}, [1], "C", bytes(8)],
        [
            {"names": ["a", "a"], "formats": ["<i4"] * 2, "offsets": [0, 4], "itemsize": 8, "aligned": False},
            [1],
            "C",
            bytes(8),
        ],
        [{"names": ["a"], "formats": [], "offsets": [0], "itemsize": 8, "aligned": False}, [1], "C", bytes(8)],
        [{"names": ["a"], "formats": ["<i4"], "offsets": [-8], "itemsize": 8, "aligned": False}, [1], "C", bytes(8)],
        [{"names": [1], "formats": ["<i4"], "offsets": [0], "itemsize": 8, "aligned": False}, [1], "C", bytes(8)],
        [{"names": ["a"]}, [1], "C", bytes(8)],
        ["f8,f8", [1], "C", bytes(16)],
        ["os", [1], "C", bytes(8)],
        [1, [1], "C", bytes(8)],
        ["<f8", [3], "C", bytes(16)],
        ["<f8", [-2], "C", bytes(16)],
        ["<f8", [True, 2], "C", bytes(16)],
        ["<f8", "2", "C", bytes(16)],
        ["<f8", [1 << 47, 1 << 47], "C", b""],
        ["<f8", [1] * 65, "C", bytes(8)],
        ["<f8", [2], "K", bytes(16)],
        ["<f8", [2], "C", 0],
        ["<f8", [2], "C", "0" * 16],
        ["<f8", [2], "C"],
    ],
    ids=repr,
)
def test_what_is_no_array_is_refused(content: list[Any]) -> None:
    read(kinds.ARRAY, GOOD)
    with pytest.raises(SerializationError):
        read(kinds.ARRAY, content)


@pytest.mark.parametrize(
    "content",
    [["O", bytes(8)], ["<f8", bytes(7)], ["U", b"x"], ["S", "x"], [["<f8", [1]], bytes(8)], ["<f8"]],
    ids=repr,
)
def test_what_is_no_scalar_is_refused(content: list[Any]) -> None:
    with pytest.raises(SerializationError):
        read(kinds.SCALAR, content)


def read(mark: msgpack.ExtType, content: list[Any]) -> Any:
    return typed.loads(b"\xc1\x01\x01" + msgpack.packb([mark, *content]))


def test_a_dtype_nested_without_end_is_refused() -> None:
    described: Any = "<f8"
    for _ in range(40):
        described = [described, [1]]
    with pytest.raises(SerializationError, match="nested too deep"):
        read(kinds.ARRAY, [described, [1], "C", bytes(8)])


def test_numpy_is_imported_only_for_its_own_values() -> None:
    done = python(
        "import sys, datetime; from routilux_dist.wire import typed\n"
        "value = [1, 'a', (datetime.date(2020, 1, 1), {2**70})]\n"
        "assert typed.loads(*typed.dumps(value)) == value\n"
        "sys.exit('numpy' in sys.modules)"
    )
    assert done.returncode == 0, done.stderr
