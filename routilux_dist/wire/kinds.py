"""Values of the standard library in typed bodies: a closed table, each kind with its way in and its way out.

A leaf is one msgpack extension value. A compound is a list whose first element is a mark, so that msgpack itself walks its
content. Numbers and letters of this table are the format: they may be added to, never changed.
"""

from __future__ import annotations

import builtins
import datetime as dt
import decimal
import importlib.util
import pathlib
import re
import struct
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any, NamedTuple

from msgpack import ExtType

from routilux_dist import errors

#: Extension code of marks; all others are leaves.
MARK = 0
PICKLED = 11


class Mark(NamedTuple):
    """The first element of a compound's list."""

    kind: int


def mark(letter: str) -> ExtType:
    """Return a mark in the form that is packed."""
    return ExtType(MARK, letter.encode("ascii"))


TUPLE, SET, FROZENSET, RANGE, DATETIME, TIME, ZONE = (mark(letter) for letter in "TSFGDMZ")
EXCEPTION, REGISTERED, ARRAY, SCALAR, BUFFER = (mark(letter) for letter in "ERANB")

# ---- in --------------------------------------------------------------------------------------------------------------

_PATHS: tuple[type[pathlib.PurePath], ...] = (
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.PosixPath,
    pathlib.WindowsPath,
)


def _big_int(value: int) -> ExtType:
    return ExtType(1, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))


def _moment(value: dt.datetime) -> list[Any]:
    v = value
    return [DATETIME, v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.fold, v.tzinfo]


def _time(value: dt.time) -> list[Any]:
    return [TIME, value.hour, value.minute, value.second, value.microsecond, value.fold, value.tzinfo]


def _zone_file(value: zoneinfo.ZoneInfo) -> ExtType:
    if value.key is None:
        raise ValueError(
            "a ZoneInfo without a key cannot be found again; make it from a name: ZoneInfo('Europe/Berlin')"
        )
    return ExtType(10, value.key.encode("ascii"))


def _path(value: pathlib.PurePath) -> ExtType:
    return ExtType(5, bytes([_PATHS.index(type(value))]) + str(value).encode("utf-8", "surrogatepass"))


_DATE, _DELTA, _COMPLEX = struct.Struct(">HBB"), struct.Struct(">iii"), struct.Struct(">dd")

ENCODERS: dict[type, Callable[[Any], Any]] = {
    tuple: lambda v: [TUPLE, *v],
    set: lambda v: [SET, *v],
    frozenset: lambda v: [FROZENSET, *v],
    int: _big_int,  # only those that msgpack does not know
    bytearray: lambda v: ExtType(2, bytes(v)),
    decimal.Decimal: lambda v: ExtType(3, str(v).encode("ascii")),
    uuid.UUID: lambda v: ExtType(4, v.bytes),
    complex: lambda v: ExtType(6, _COMPLEX.pack(v.real, v.imag)),
    range: lambda v: [RANGE, v.start, v.stop, v.step],
    dt.date: lambda v: ExtType(8, _DATE.pack(v.year, v.month, v.day)),
    dt.timedelta: lambda v: ExtType(9, _DELTA.pack(v.days, v.seconds, v.microseconds)),
    dt.datetime: _moment,
    dt.time: _time,
    dt.timezone: lambda v: [ZONE, *v.__getinitargs__()],
    zoneinfo.ZoneInfo: _zone_file,
    **dict.fromkeys(_PATHS, _path),
}

#: Exceptions that may travel, by name. Their arguments are their content.
EXCEPTIONS: dict[str, type[BaseException]] = {
    name: thing
    for name in (
        "ArithmeticError", "AssertionError", "AttributeError", "BaseException", "BlockingIOError", "BrokenPipeError",
        "BufferError", "BytesWarning", "ChildProcessError", "ConnectionAbortedError", "ConnectionError",
        "ConnectionRefusedError", "ConnectionResetError", "DeprecationWarning", "EOFError", "Exception", "ExceptionGroup",
        "FileExistsError", "FileNotFoundError", "FloatingPointError", "FutureWarning", "GeneratorExit", "ImportError",
        "ImportWarning", "IndentationError", "IndexError", "InterruptedError", "IsADirectoryError", "KeyError",
        "KeyboardInterrupt", "LookupError", "MemoryError", "ModuleNotFoundError", "NameError", "NotADirectoryError",
        "NotImplementedError", "OSError", "OverflowError", "PermissionError", "ProcessLookupError", "RecursionError",
        "ReferenceError", "ResourceWarning", "RuntimeError", "RuntimeWarning", "StopAsyncIteration", "StopIteration",
        "SyntaxError", "SyntaxWarning", "SystemError", "SystemExit", "TabError", "TimeoutError", "TypeError",
        "UnboundLocalError", "UnicodeDecodeError", "UnicodeEncodeError", "UnicodeError", "UnicodeTranslateError",
        "UnicodeWarning", "UserWarning", "ValueError", "Warning", "ZeroDivisionError",
    )
    if isinstance(thing := getattr(builtins, name, None), type)
}  # fmt: skip
# And our own, as far as they are made of a text and plain attributes.
EXCEPTIONS.update(
    (name, thing)
    for name, thing in vars(errors).items()
    if isinstance(thing, type)
    and issubclass(thing, errors.RoutiluxError)
    and not issubclass(thing, errors.JobFailedError)
)
EXCEPTION_TYPES = frozenset(EXCEPTIONS.values())


def exception_content(exc: BaseException) -> list[Any]:
    """Return what an exception of the closed list is made of: name, arguments, and notes or the like."""
    reduced: Any = exc.__reduce__()
    content = [type(exc).__name__, list(reduced[1])]
    kept = dict(reduced[2] or {}) if len(reduced) > 2 else {}
    kept.pop("obj", None)  # the object that lacked an attribute is no part of the message
    return [*content, kept] if kept else content


# ---- out -------------------------------------------------------------------------------------------------------------


def _known_zone(data: bytes) -> zoneinfo.ZoneInfo:
    key = data.decode("ascii")
    # Before it is loaded: a name is looked for among the zones of this machine only.
    if not re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,3}", key):
        raise ValueError(f"no name of a time zone: {key!r}")
    folders = [pathlib.Path(folder) for folder in zoneinfo.TZPATH]
    package = importlib.util.find_spec("tzdata")
    folders += [pathlib.Path(folder, "zoneinfo") for folder in (package and package.submodule_search_locations) or ()]
    if not any((folder / key).is_file() for folder in folders):
        raise ValueError(f"this machine does not know the time zone {key!r}; install the package tzdata there")
    return zoneinfo.ZoneInfo(key)


def _int(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _decimal(data: bytes) -> decimal.Decimal:
    return decimal.Decimal(data.decode("ascii"))


LEAVES: dict[int, Callable[[bytes], Any]] = {
    1: _int,
    2: bytearray,
    3: _decimal,
    4: lambda data: uuid.UUID(bytes=data),
    5: lambda data: _PATHS[data[0]](data[1:].decode("utf-8", "surrogatepass")),
    6: lambda data: complex(*_COMPLEX.unpack(data)),
    8: lambda data: dt.date(*_DATE.unpack(data)),
    9: lambda data: dt.timedelta(*_DELTA.unpack(data)),
    10: _known_zone,
}


def _zoned(content: list[Any]) -> tuple[list[Any], dt.tzinfo | None]:
    *numbers, fold, zone = content
    if zone is not None and not isinstance(zone, dt.tzinfo):
        raise ValueError(f"no time zone: {type(zone).__name__}")
    return [*numbers, zone], fold


def _read_moment(content: list[Any]) -> dt.datetime:
    arguments, fold = _zoned(content)
    _ints(arguments[:-1], 7)
    return dt.datetime(*arguments, fold=fold)  # type: ignore[arg-type]


def _read_time(content: list[Any]) -> dt.time:
    arguments, fold = _zoned(content)
    _ints(arguments[:-1], 4)
    return dt.time(*arguments, fold=fold)  # type: ignore[arg-type]


def _ints(numbers: list[Any], count: int) -> list[int]:
    if len(numbers) != count or not all(type(n) is int for n in numbers):
        raise ValueError(f"{count} numbers were expected")
    return numbers


def read_exception(content: list[Any]) -> BaseException:
    """Return the exception that `exception_content` describes."""
    name, args, *state = content
    if type(name) is not str or type(args) is not list or name not in EXCEPTIONS:
        raise ValueError(f"no exception that may travel: {name!r:.80}")
    exc = EXCEPTIONS[name](*args)
    if type(exc) is not EXCEPTIONS[name]:
        raise ValueError(f"{name} with these arguments is a {type(exc).__name__}")
    if state:
        kept = state[0]
        if type(kept) is not dict or not all(type(key) is str for key in kept):
            raise ValueError(f"{name} with attributes that are none")
        slots = {key: kept.pop(key) for key in ("name", "path") if key in kept and hasattr(type(exc), key)}
        for key, value in slots.items():
            setattr(exc, key, value)
        exc.__dict__.update(kept)
    return exc


COMPOUNDS: dict[int, Callable[[list[Any]], Any]] = {
    ord("T"): tuple,
    ord("S"): set,
    ord("F"): frozenset,
    ord("G"): lambda content: range(*_ints(content, 3)),
    ord("D"): _read_moment,
    ord("M"): _read_time,
    ord("Z"): lambda content: dt.timezone(*content),
}
