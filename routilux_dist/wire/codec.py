"""Rows <-> bodies.

Values are encoded with pickle protocol 5, large buffers out of band, so that an array is not copied into the pickle.
Classes that only this process knows (defined in `__main__`, nested functions, lambdas) go through cloudpickle.
"""

from __future__ import annotations

import pickle
from typing import Any

import cloudpickle

from routilux_dist.errors import SerializationError
from routilux_dist.wire.block import Body, Items, Packed, Rows

#: Buffers below this size are cheaper inside the pickle.
OUT_OF_BAND_BYTES = 32 << 10


def encode(value: Any) -> Packed:
    """Return a value in encoded form.

    Raises:
        SerializationError: The value cannot be pickled; the message says why.
    """
    buffers: list[pickle.PickleBuffer] = []

    def keep_inside(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < OUT_OF_BAND_BYTES:
            return True
        buffers.append(buffer)
        return False

    try:
        data = pickle.dumps(value, protocol=5, buffer_callback=keep_inside)
        # A class of __main__ pickles by name here and cannot be found there.
        if b"__main__" not in data:
            return Packed(data, tuple(buffers))
    except Exception:  # whatever a user's __reduce__ raises: cloudpickle may still know a way, and reports if not
        pass
    buffers.clear()
    try:
        data = cloudpickle.dumps(value, protocol=5, buffer_callback=keep_inside)
    except Exception as exc:
        raise SerializationError(f"{type(exc).__name__}: {exc}") from exc
    return Packed(data, tuple(buffers))


def decode(body: Packed) -> Any:
    """Return the value of an encoded form. Buffers are used in place, not copied."""
    return pickle.loads(body.data, buffers=body.buffers)  # noqa: S301 - from our own processes, never from storage


def pack(payloads: list[Any], items: Items) -> Packed:
    """Encode rows."""
    return encode((payloads, items))


def unpack(body: Body) -> Rows:
    """Return the rows of a body that is in this process."""
    if isinstance(body, Rows):
        return body
    if isinstance(body, Packed):
        return Rows(*decode(body))
    raise SerializationError(f"a {type(body).__name__} body has to be fetched before it is opened")
