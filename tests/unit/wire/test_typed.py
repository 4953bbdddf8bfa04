"""Typed bodies: exact, refused with a place and a fix, and harmless when the bytes are hostile."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import math
import pathlib
import threading
import uuid
import zoneinfo
from typing import Any, NamedTuple

import msgpack
import pytest

from routilux_dist.errors import SerializationError
from routilux_dist.wire import typed
from routilux_dist.wire.registry import Registry
from routilux_dist.wire.typed import OUT_OF_BAND_BYTES, Limits, dumps, loads
from tests.ids import named
from tests.meta.repo import python


class Text(str):
    __slots__ = ()


class Pair(NamedTuple):
    left: int


class Level(enum.IntEnum):
    LOW = 1


#: A machine without time zones has none to send.
ZONE = zoneinfo.ZoneInfo("Europe/Berlin") if "Europe/Berlin" in zoneinfo.available_timezones() else dt.timezone.utc

VALUES = [
    None, True, 0, -1, 2**64 - 1, 2**64, -(2**63) - 1, -(2**300), 0.0, -0.0, math.inf, -math.inf, "", "größe 🙂", "\ud800 lone",
    b"", b"\xc4\xff", bytearray(b""), bytearray(b"ab"), [], [[], {}], (), (1,), ((), [()]), {}, {"a": {"b": 1}}, set(), {1, (2,)},
    frozenset({"x", b"x"}), {1: 2, "1": 3, (1, (2, None)): 4, None: 5, 2.5: 6, b"k": 7, frozenset({1}): 8, True and 2**70: 9},
    1 + 2j, range(5), range(10, -(2**70), -3), dt.date.min, dt.datetime.max, dt.datetime(2020, 10, 25, 2, 30, fold=1),
    dt.datetime(2020, 1, 2, tzinfo=dt.timezone.utc), dt.datetime(2020, 1, 2, tzinfo=ZONE),
    dt.time(23, 59, 59, 999999, dt.timezone(dt.timedelta(hours=-3), "minus three")), dt.timedelta.min,
    dt.timedelta(microseconds=1),
    decimal.Decimal("-0.00"), decimal.Decimal("1E+999999"), uuid.UUID(int=5), pathlib.PurePosixPath("a/b"),
    pathlib.Path("/x\udcff"),
    pathlib.PureWindowsPath("C:\\a"), pathlib.PurePath(), bytes(OUT_OF_BAND_BYTES), [bytearray(3), b"x" * OUT_OF_BAND_BYTES],
]  # fmt: skip


def same(a: Any, b: Any) -> bool:
    """Equal in value and in type, all the way down, and in order where there is one."""
    if type(a) is not type(b):
        return False
    if type(a) is dict:
        return len(a) == len(b) and all(same(x, y) for x, y in zip([*a.items()], [*b.items()]))
    if type(a) in (list, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if type(a) in (set, frozenset):
        return bool(a == b) and sorted(map(kind, a)) == sorted(map(kind, b))
    if type(a) is float:
        return repr(a) == repr(b)
    if isinstance(a, dt.datetime | dt.time):
        return (repr(a), a.fold) == (repr(b), b.fold)
    if type(a) in (decimal.Decimal, complex):
        return repr(a) == repr(b)
    return bool(a == b)


def kind(value: Any) -> str:
    if type(value) in (tuple, frozenset):
        members = map(kind, value)
        return f"{type(value).__name__} {sorted(members) if type(value) is frozenset else [*members]}"
    return f"{type(value).__name__} {value!r}"


@pytest.mark.parametrize("value", VALUES, ids=named)
def test_what_goes_in_comes_out(value: Any) -> None:
    for whole in (value, [value, "x"], {"k": value}, (value,), ValueError(value)):
        again = loads(*dumps(whole))
        if isinstance(whole, ValueError):
            assert same(again.args, whole.args)
        else:
            assert same(again, whole)


def test_nan_stays_nan() -> None:
    [again, one] = loads(*dumps([math.nan, decimal.Decimal("sNaN")]))
    assert math.isnan(again)
    assert one.is_snan()


def test_plain_values_need_no_hook() -> None:
    data, buffers = dumps([{"a": [1, 2.5, None, True, b"x"]}])
    assert (data[:3], buffers) == (b"\xc1\x01\x00", ())
    assert data[3:] == msgpack.packb([{"a": [1, 2.5, None, True, b"x"]}])


def test_large_bytes_travel_beside_the_message() -> None:
    large = b"x" * OUT_OF_BAND_BYTES
    value = {"a": (large, [large[:-1]]), (1, large): 2}
    data, buffers = dumps(value)
    assert len(buffers) == 1
    assert buffers[0] is large
    assert same(loads(data, (memoryview(large),)), value)


def test_lone_surrogates_keep_large_bytes_in_order() -> None:
    value = [b"a" * OUT_OF_BAND_BYTES, "\udc80", b"b" * OUT_OF_BAND_BYTES]
    data, buffers = dumps(value)
    assert len(buffers) == 2
    assert loads(data, buffers) == value


# ---- refusals on writing ---------------------------------------------------------------------------------------------


class Foo:
    pass


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            {"rows": [0, 1, 2, Foo()]},
            r"payload\['rows'\]\[3\]: type .*Foo is not registered; register it with rd.register_type\(Foo\), ",
        ),
        (Foo(), r"payload: type .* or open the store with allow_pickle=True"),
        (collections.OrderedDict(a=1), r"OrderedDict is not registered; send a plain dict, register it"),
        ([Text("x")], r"payload\[0\]: type .*Text is not registered; send a plain str"),
        ({Text("k"): 1}, r"payload.keys\(\)\['k'\]: type .*Text"),
        (Pair(1), r"Pair is not registered; send a plain tuple"),
        ([Level.LOW], r"Level is not registered; send a plain int"),
        ([memoryview(b"x")], r"payload\[0\]: type memoryview"),
        ({memoryview(b"x"): 1}, r"type memoryview"),
        ([msgpack.ExtType(1, b"x")], r"payload\[0\]: type msgpack.ext.ExtType"),
        ({(1, msgpack.Timestamp(1)): 0}, r"Timestamp is not registered"),
        ((1, {"a": {2: threading.Lock()}}), r"payload\[1\]\['a'\]\[2\]: type _thread.lock"),
        ([lambda: 1], r"payload\[0\]: type function"),
        ([Foo], r"payload\[0\]: type type"),
        (ValueError(1, Foo()), r"payload.args\[1\]: type"),
        ([(x for x in ())], r"type generator"),
    ],
    ids=named,
)
def test_what_cannot_travel_is_named_with_its_place(value: Any, said: str) -> None:
    with pytest.raises(SerializationError, match=said):
        dumps(value, root="payload")


def test_a_reference_of_ray_is_refused_whatever_is_allowed() -> None:
    reference = type("ObjectRef", (), {"__module__": "ray._raylet"})()
    with pytest.raises(SerializationError, match=r"value\[0\]: a Ray ObjectRef ends with the process that made it"):
        dumps([reference], allow_pickle=True)


def test_what_contains_itself_is_refused() -> None:
    value: dict[str, Any] = {}
    value["me"] = [value]
    with pytest.raises(SerializationError, match="contains itself"):
        dumps(value)


def test_an_encode_that_raises_is_named() -> None:
    registry = Registry()
    registry.register(Foo, encode=lambda foo: 1 // 0, decode=lambda value: value)
    with pytest.raises(SerializationError, match=r"value\[1\]: .*Foo cannot be encoded: ZeroDivisionError"):
        dumps([0, Foo()], registry=registry)
    registry.register(Foo, encode=lambda foo: foo, decode=lambda value: value)
    with pytest.raises(SerializationError):
        dumps([0, Foo()], registry=registry)


@pytest.mark.parametrize(
    ("value", "limits", "said"),
    [
        ("x" * 100, Limits(bytes=50), "limit 'bytes'"),
        ([1] * 100, Limits(nodes=50), "limit 'nodes'"),
        ([[[[1]]]], Limits(depth=2), "limit 'depth'"),
        (([[({1},)]],), Limits(depth=3), "limit 'depth'"),
    ],
)
def test_limits_hold_both_ways(value: Any, limits: Limits, said: str) -> None:
    with pytest.raises(SerializationError, match=said):
        dumps(value, limits=limits)
    data, _ = dumps(value)
    with pytest.raises(SerializationError, match=said):
        loads(data, limits=limits)
    assert loads(data) == value


def test_what_is_as_deep_as_allowed_comes_back() -> None:
    value: Any = 1
    for _ in range(typed.LIMITS.depth):
        value = (value,)
    assert loads(*dumps(value)) == value
    with pytest.raises(SerializationError, match="limit 'depth'"):
        dumps((value,))


# ---- pickles ---------------------------------------------------------------------------------------------------------


def test_unknown_types_go_through_pickle_only_when_both_sides_allow_it() -> None:
    factor = 2
    data, _ = dumps({"f": lambda x: x * factor}, allow_pickle=True)
    assert loads(data, allow_pickle=True)["f"](21) == 42
    with pytest.raises(SerializationError, match="pickled; reading it needs allow_pickle=True"):
        loads(data)
    with pytest.raises(SerializationError, match=r"value\[0\]: _thread.lock cannot be pickled"):
        dumps([threading.Lock()], allow_pickle=True)


# ---- hostile bytes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "does not begin like one"),
        (b"\x80\x05N.", "does not begin like one"),
        (b"\xc1", "format version"),
        (b"\xc1\x02\x00\xc0", r"format version 2; this code reads version 1"),
        (b"\xc1\x01\x07\xc0", "its head is damaged"),
        (b"\xc1\x01\x00", "no typed value"),
        (b"\xc1\x01\x00\xc0\xc0", "extra data|ExtraData"),
        (b"\xc1\x01\x00\xc1", "FormatError"),
        (b"\xc1\x01\x00\xdd\xff\xff\xff\xff", "no typed value"),
        (b"\xc1\x01\x00\xdf\xff\xff\xff\xff", "no typed value"),
        (b"\xc1\x01\x00\x81\x90\x01", "unhashable"),
        (b"\xc1\x01\x00\xa1\xff", "UnicodeDecodeError"),
        (b"\xc1\x01\x00" + b"\x91" * 2000 + b"\xc0", "StackError|limit"),
        (b"\xc1\x01\x00" + b"\x91" * 300 + b"\xc0", "limit 'depth'"),
        (b"\xc1\x01\x00\xd4\x00T", "extension 0 in a message that says it has none"),
        (b"\xc1\x01\x01\xd4\x00T", "mark where a value should be"),
        (b"\xc1\x01\x00" + msgpack.packb([msgpack.Timestamp(1)]), "time stamp"),
        (b"\xc1\x01\x01" + msgpack.packb(msgpack.ExtType(11, b"cos\nsystem\n(S'true'\ntR.")), "allow_pickle"),
    ],
    ids=named,
)
def test_what_is_no_typed_message_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(SerializationError, match=said):
        loads(data)


HOSTILE = """
import sys, random, zoneinfo, datetime, decimal, uuid, pathlib, numpy, msgpack
from routilux_dist.errors import SerializationError
from routilux_dist.wire import typed
from routilux_dist.wire.registry import REGISTRY
value = [1, 2**70, "a", b"x", 1.5, (1, {2}), {"k": [None] * 20, (1, 2): frozenset([3])}, datetime.datetime(2020, 1, 1, tzinfo=
    zoneinfo.ZoneInfo("Europe/Berlin") if "Europe/Berlin" in zoneinfo.available_timezones() else datetime.timezone.utc),
    decimal.Decimal("1.5"), uuid.UUID(int=1), pathlib.Path("a"), 1j, range(3),
    KeyError("a", 1),
    numpy.arange(6).reshape(2, 3), numpy.float64(2), numpy.zeros(2, dtype=[("a", "<i4"), ("b", "U3")]), bytearray(b"q"),
    b"z" * 40000]
good, buffers = typed.dumps(value)
trap = typed.dumps([lambda: 1], allow_pickle=True)[0]
typed.loads(good, buffers)
forbidden, seen = ("pickle.", "import", "exec", "compile", "os.system", "subprocess", "ctypes", "code.", "marshal"), []
sys.addaudithook(lambda event, args: seen.append((event, args)) if event.startswith(forbidden) else None)
draw = random.Random(7)
counts = [0, 0]
def attack(data):
    try:
        typed.loads(data, buffers)
        counts[0] += 1
    except SerializationError:
        counts[1] += 1
for bit in range(len(good) * 8):
    flipped = bytearray(good)
    flipped[bit // 8] ^= 1 << bit % 8
    attack(bytes(flipped))
for end in range(len(good)):
    attack(good[:end])
for _ in range(3000):
    attack(b"\\xc1\\x01" + draw.choice([b"\\0", b"\\1"]) + draw.randbytes(draw.randrange(60)))
    cut = bytearray(good)
    for _ in range(draw.randrange(1, 6)):
        cut[draw.randrange(3, len(cut))] = draw.randrange(256)
    attack(bytes(cut))
for code in range(-128, 128):
    for text in (b"os\\nsystem", b"cos\\nsystem\\n(S'true'\\ntR.", b"builtins.eval", b"\\x93\\xa2os\\xa6system\\xa4true"):
        attack(b"\\xc1\\x01\\x01" + msgpack.packb([[msgpack.ExtType(code, text)]] if code >= 0 else msgpack.Timestamp(1)))
attack(trap)
print(counts)
sys.exit(f"seen: {seen[:3]}" if seen else 0)
"""


def test_hostile_bytes_run_and_import_nothing() -> None:
    done = python(HOSTILE)
    assert done.returncode == 0, done.stderr
    passed, refused = map(int, done.stdout.strip("[]\n").split(","))
    assert passed > 100
    assert refused > 3000
