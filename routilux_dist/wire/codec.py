"""Rows <-> bodies, by one of two codecs.

`PICKLE` is for bodies that only travel: pickle protocol 5 with large buffers out of band, so that an array is not copied into the
pickle. Classes that only this process knows (defined in `__main__`, nested functions, lambdas) go through cloudpickle.

`typed()` is for bodies that are stored as well; see `wire/typed.py`. Bodies say themselves how they are opened.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import cloudpickle

from routilux_dist.errors import SerializationError
from routilux_dist.wire.block import Block, Body, Form, Items, Packed, Rows

#: Buffers below this size are cheaper inside the pickle.
OUT_OF_BAND_BYTES = 32 << 10


@dataclass(frozen=True, slots=True)
class Codec:
    """How the bodies of a running flow are encoded.

    Attributes:
        form: What its bodies are.
    """

    form: Form = Form.PICKLE

    def encode(self, value: Any, root: str = "value") -> Packed:
        """Return a value in encoded form.

        Args:
            value: The value.
            root: What it is called in errors.

        Raises:
            SerializationError: It cannot be encoded; the message says why.
        """
        if self.form is Form.PICKLE:
            return encode(value)
        from routilux_dist.wire import typed

        data, buffers = typed.dumps(value, allow_pickle=self.form is Form.TRUSTED, root=root)
        return Packed(data, buffers, self.form)

    def pack(self, payloads: list[Any], items: Items) -> Packed:
        """Encode rows.

        Raises:
            SerializationError: One of them cannot be encoded; the message says why.
        """
        if self.form is Form.PICKLE:
            return encode((payloads, items))
        try:
            return self.encode([payloads, items])
        except SerializationError:
            for payload in payloads:  # to name its parts from the payload on
                self.encode(payload, "payload")
            raise

    @property
    def typed(self) -> bool:
        """Whether its bodies may be stored."""
        return self.form is not Form.PICKLE

    def __reduce__(self) -> tuple[Any, ...]:
        if self.form is Form.PICKLE:
            return Codec, ()
        from routilux_dist.wire.registry import REGISTRY

        # Whoever gets the codec needs the types too: the module that registers them may be this process's `__main__`.
        return _arrived, (int(self.form), REGISTRY)


#: For bodies that only travel.
PICKLE = Codec()


def typed(allow_pickle: bool = False) -> Codec:
    """Return the codec for bodies that are stored.

    Args:
        allow_pickle: Whether values of types that nobody registered may be pickled.
    """
    return Codec(Form.TRUSTED if allow_pickle else Form.TYPED)


def _arrived(form: int, types: Any) -> Codec:
    from routilux_dist.wire.registry import REGISTRY

    REGISTRY.learn(types)
    return Codec(Form(form))


def encode(value: Any) -> Packed:
    """Return a value as a pickle.

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
    """Return the value of an encoded form. Buffers are used in place, not copied.

    Raises:
        SerializationError: A typed body cannot be opened here.
    """
    if body.form == Form.PICKLE:
        return pickle.loads(body.data, buffers=body.buffers)  # noqa: S301 - from our own processes, never from storage
    from routilux_dist.wire import typed

    return typed.loads(body.data, body.buffers, allow_pickle=body.form == Form.TRUSTED)


def pack(payloads: list[Any], items: Items) -> Packed:
    """Encode rows as a pickle."""
    return PICKLE.pack(payloads, items)


def unpack(body: Body) -> Rows:
    """Return the rows of a body that is in this process."""
    if isinstance(body, Rows):
        return body
    if isinstance(body, Packed):
        return Rows(*decode(body))
    raise SerializationError(f"a {type(body).__name__} body has to be fetched before it is opened")


def rows_of(block: Block) -> Rows:
    """Return the messages of a block that is in this process."""
    rows = unpack(block.body)
    if block.part is None:
        return rows
    first, end = block.part[0], block.part[0] + block.rows
    items = rows.items
    if items is not None:
        items = items + first if isinstance(items, int) else items[first:end]
    return Rows(rows.payloads[first:end], items)
