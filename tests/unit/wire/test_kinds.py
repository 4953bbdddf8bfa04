"""The table of standard kinds: complete, stable, and strict on the way back."""

from __future__ import annotations

import builtins
import datetime as dt
import io
import struct
import zoneinfo
from typing import Any

import msgpack
import pytest

from routilux_dist import errors
from routilux_dist.errors import SerializationError
from routilux_dist.wire import kinds, typed


def read(packed: Any) -> Any:
    return typed.loads(b"\xc1\x01\x01" + msgpack.packb(packed))


def test_every_mark_and_leaf_has_a_way_back() -> None:
    marks = {
        bytes(m.data)
        for m in (kinds.TUPLE, kinds.SET, kinds.FROZENSET, kinds.RANGE, kinds.DATETIME, kinds.TIME, kinds.ZONE)
    }
    assert {ord(m) for m in marks} == set(kinds.COMPOUNDS)
    codes = {1, 2, 3, 4, 5, 6, 8, 9, 10}
    assert set(kinds.LEAVES) == codes


def test_the_closed_list_of_exceptions_is_made_of_builtins_and_our_own() -> None:
    assert all(
        getattr(builtins, name, None) is cls or getattr(errors, name) is cls for name, cls in kinds.EXCEPTIONS.items()
    )
    assert "JobFailedError" not in kinds.EXCEPTIONS  # it carries a pickle
    assert all(issubclass(cls, BaseException) for cls in kinds.EXCEPTIONS.values())


@pytest.mark.parametrize(
    "exc",
    [
        KeyError("a", 1),
        FileNotFoundError(2, "gone", "name"),
        OSError("text"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
        ImportError("m", name="n", path="p"),
        StopIteration(3),
        SystemExit(2),
        SerializationError("why"),
        errors.SlotHandlerError("text", error_type="Mine"),
    ],
)
def test_exceptions(exc: BaseException) -> None:
    exc.mine = 5  # type: ignore[attr-defined]
    again = typed.loads(*typed.dumps(exc))
    assert type(again) is type(exc)
    assert (again.args, str(again), again.mine) == (exc.args, str(exc), 5)
    for name in ("filename", "name", "path", "start", "value", "code", "error_type"):
        assert getattr(again, name, None) == getattr(exc, name, None)


def test_the_object_that_lacked_an_attribute_does_not_travel() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = object().nothing  # type: ignore[attr-defined]
    assert str(typed.loads(*typed.dumps(caught.value))) == str(caught.value)


def test_a_zone_without_a_name_is_refused() -> None:
    zone = zoneinfo.ZoneInfo.from_file(
        io.BytesIO(b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 2) + bytes(6) + b"X\0")
    )
    with pytest.raises(
        SerializationError, match=r"value\[0\].tzinfo: zoneinfo.ZoneInfo cannot be encoded: .* without a key"
    ):
        typed.dumps([dt.datetime(2020, 1, 1, tzinfo=zone)])


@pytest.mark.parametrize(
    "packed",
    [
        kinds.TUPLE,
        [1, kinds.TUPLE],
        [kinds.TUPLE, kinds.SET],
        {"a": kinds.TUPLE},
        [kinds.SET, [1]],
        [kinds.SET, {}],
        [kinds.mark("?")],
        [kinds.RANGE, 1, 2],
        [kinds.RANGE, 1, 2, 0],
        [kinds.RANGE, 1, 2, "3"],
        [kinds.RANGE, 1, 2, True],
        [kinds.DATETIME, 2020, 13, 1, 0, 0, 0, 0, 0, None],
        [kinds.DATETIME, 2020, 1, 1, 0, 0, 0, 0, 0, "UTC"],
        [kinds.DATETIME, 2020, 1, 1, 0, 0, 0, 0, 7, None],
        [kinds.DATETIME, b"\x07\xe4\x01\x01\x00\x00\x00\x00\x00\x00", 0, None],
        [kinds.DATETIME],
        [kinds.TIME, 25, 0, 0, 0, 0, None],
        [kinds.TIME, b"\x01\x00\x00\x00\x00\x00", 0, None],
        [kinds.ZONE, 3],
        [kinds.ZONE],
        [kinds.EXCEPTION, "eval", []],
        [kinds.EXCEPTION, "Exception", {}],
        [kinds.EXCEPTION, "Exception", [], {1: 2}],
        [kinds.EXCEPTION, "Exception", [kinds.TUPLE]],
        [kinds.EXCEPTION, "OSError", [2, "is a FileNotFoundError"]],
        [kinds.EXCEPTION, "UnicodeDecodeError", []],
        [kinds.EXCEPTION, ["x"], []],
        [kinds.EXCEPTION],
        [kinds.REGISTERED, "os.system", 1, "true"],
        [kinds.REGISTERED, 1, 1, 1],
        [kinds.REGISTERED],
        [kinds.BUFFER, 0],
        [kinds.BUFFER, -1],
        [kinds.BUFFER, True],
        [kinds.BUFFER],
        msgpack.ExtType(3, b"not a number"),
        msgpack.ExtType(3, b"\xff"),
        msgpack.ExtType(4, b"short"),
        msgpack.ExtType(5, b""),
        msgpack.ExtType(5, b"\x09a"),
        msgpack.ExtType(6, b"1"),
        msgpack.ExtType(8, b"\x00\x00\x00\x00"),
        msgpack.ExtType(9, b"\x7f\xff\xff\xff" * 3),
        msgpack.ExtType(10, b"../../etc/passwd"),
        msgpack.ExtType(10, b"/etc/localtime"),
        msgpack.ExtType(10, b"os.path"),
        msgpack.ExtType(10, b"No/Such_Zone"),
        msgpack.ExtType(0, b"TT"),
        msgpack.ExtType(7, b""),
        msgpack.ExtType(127, b"os\nsystem"),
        msgpack.Timestamp(1, 2),
    ],
    ids=repr,
)
def test_what_is_no_value_is_refused(packed: Any) -> None:
    with pytest.raises(SerializationError):
        read(packed)
    with pytest.raises(SerializationError):
        read({"deeper": [0, packed]})
