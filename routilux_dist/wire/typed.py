"""Typed bodies: values of a closed set of types as msgpack. Reading one builds values and nothing else.

No pickle, no import by name, no second format to fall back on. What comes back has the value and the exact type of what went in;
what cannot is refused when it is written, by its place inside the value.

Plain values (str, int, float, bool, None, list, dict) go through msgpack's C code with no Python call per value. Everything
else is met by one hook on either side; see `wire/kinds.py` for the table.
"""

from __future__ import annotations

from typing import Any

import msgpack

from routilux_dist.errors import SerializationError
from routilux_dist.wire import weighing
from routilux_dist.wire.decoding import Reader
from routilux_dist.wire.encoding import OUT_OF_BAND_BYTES as OUT_OF_BAND_BYTES
from routilux_dist.wire.encoding import Refused, Writer
from routilux_dist.wire.paths import place_of
from routilux_dist.wire.registry import REGISTRY, Registry
from routilux_dist.wire.scanning import LIMITS as LIMITS
from routilux_dist.wire.scanning import Limits as Limits

#: The first byte is one that msgpack never uses, the second the version of the format, the third says whether hooks are needed.
_PLAIN, _MARKED = b"\xc1\x01\x00", b"\xc1\x01\x01"
VERSION = 1
Buffers = tuple[Any, ...]


def dumps(
    value: Any,
    *,
    registry: Registry = REGISTRY,
    allow_pickle: bool = False,
    limits: Limits = LIMITS,
    root: str = "value",
) -> tuple[bytes, Buffers]:
    """Return a value as (message, buffers).

    Args:
        value: What to encode.
        registry: Users' own types.
        allow_pickle: Whether values of unknown types go through cloudpickle.
        limits: What the message may ask for.
        root: What the value is called in errors.

    Raises:
        SerializationError: Something in it cannot travel; the message says where, why, and what to do.
    """
    writer = Writer(registry, allow_pickle, limits)
    try:
        body = writer.pack(value)
    except Refused as refused:
        place = place_of(value, refused.culprit, registry)
        raise SerializationError(f"{root}{place}: {refused}") from refused.__cause__
    except SerializationError as exc:
        raise SerializationError(f"{root}: {exc}") from exc.__cause__
    except Exception as exc:  # msgpack's own refusals, and what odd objects do when they are looked at
        deep = "recursion limit" in str(exc)
        why = "nested too deep, or it contains itself (limit 'depth')" if deep else f"{type(exc).__name__}: {exc}"
        raise SerializationError(f"{root}: {why}") from exc
    return (_MARKED if writer.marked else _PLAIN) + body, tuple(writer.buffers)


def loads(
    data: bytes | memoryview,
    buffers: Buffers = (),
    *,
    registry: Registry = REGISTRY,
    allow_pickle: bool = False,
    limits: Limits = LIMITS,
) -> Any:
    """Return the value of a message.

    Args:
        data: The message.
        buffers: Its buffers, in order; arrays use them in place.
        registry: Users' own types.
        allow_pickle: Whether pickled parts are opened. Unpickling runs whatever the bytes say.
        limits: What the message may ask for.

    Raises:
        SerializationError: The bytes are no such message, or ask for what is not allowed.
    """
    view = memoryview(data)
    head = bytes(view[:3])
    if head not in (_PLAIN, _MARKED):
        raise SerializationError(_wrong_head(head))
    if len(view) > limits.bytes:
        raise SerializationError(f"a body of {len(view)} bytes is larger than {limits.bytes} (limit 'bytes')")
    body = view[3:]
    room = weighing.Room(body, limits.nodes, limits.room)
    reader = Reader(buffers, registry, allow_pickle, limits, room.spend)
    reader.few = len(body) <= min(limits.depth, limits.nodes)
    try:
        value = msgpack.unpackb(
            body,
            raw=False,
            strict_map_key=False,
            unicode_errors="surrogatepass",
            ext_hook=reader.leaf if head == _MARKED else _no_leaf,
            list_hook=reader.compound if head == _MARKED else None,
        )
        # What msgpack reads without asking, time stamps, has a byte 0xff.
        if not reader.few or 0xFF in bytes(body):
            reader.look_over(value)
        if reader.stray:  # a mark where a value should be, perhaps within an object
            raise SerializationError("a mark where a value should be: no typed value")
    except SerializationError:
        raise
    except Exception as exc:  # whatever hostile bytes lead msgpack, the standard library or a user's decode to
        said = str(exc) or (exc.__doc__ or "").strip()
        raise SerializationError(f"no typed value: {type(exc).__name__}: {said}") from exc
    return value


def _wrong_head(head: bytes) -> str:
    if head[:1] != b"\xc1":
        return "no typed value: it does not begin like one"
    if head[1:2] != bytes([VERSION]):
        return f"a typed value of format version {head[1] if len(head) > 1 else '?'}; this code reads version {VERSION}"
    return "no typed value: its head is damaged"


def _no_leaf(code: int, data: bytes) -> Any:
    raise SerializationError(f"extension {code} in a message that says it has none")
