"""Writing of typed bodies: the hook that msgpack calls for what it does not know, and the look that keeps it from flattening."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack

from routilux_dist.errors import SerializationError
from routilux_dist.wire import arrays, kinds, scanning, weighing
from routilux_dist.wire.registry import Registry
from routilux_dist.wire.scanning import Limits

#: Buffers from this size travel beside the message, uncopied.
OUT_OF_BAND_BYTES = 32 << 10

#: Types that msgpack would pack as something else.
_FLATTENED = frozenset({bytearray, memoryview, msgpack.ExtType, msgpack.Timestamp})
_SIMPLE = frozenset({int, float, str, bytes, list, dict, tuple, set, frozenset})


class Refused(Exception):  # noqa: N818 - a signal to `dumps`, which knows the whole value
    """Something cannot travel."""

    def __init__(self, culprit: Any, why: str) -> None:
        super().__init__(why)
        self.culprit = culprit


class Writer:
    """One call of `dumps`."""

    def __init__(self, registry: Registry, allow_pickle: bool, limits: Limits) -> None:
        self.registry, self.allow_pickle, self.limits = registry, allow_pickle, limits
        self.buffers: list[Any] = []
        #: Whether anything had to be marked.
        self.marked = False
        #: Memory that reading needs besides the lists that it begins with.
        self.spent = 0

    def pack(self, value: Any) -> bytes:
        safe = self.safe(value)
        try:
            body = self._packb(safe, None)
        except UnicodeEncodeError:
            self.buffers.clear()
            self.spent = 0
            body = self._packb(self.safe(value), "surrogatepass")
        if len(body) + 3 > self.limits.bytes:
            raise SerializationError(f"{len(body)} bytes are more than {self.limits.bytes} (limit 'bytes')")
        # What would be refused on reading is refused now.
        room = weighing.Room(body, self.limits.nodes, self.limits.room)
        if self.spent:
            room.spend(self.spent)
        return body

    def _packb(self, value: Any, unicode_errors: str | None) -> bytes:
        packed: bytes = msgpack.packb(value, strict_types=True, default=self.hook, unicode_errors=unicode_errors)
        return packed

    def safe(self, value: Any) -> Any:
        """Return the value without what msgpack would flatten or copy: unchanged, nearly always."""
        flat = False
        for found, level in scanning.levels(value, self.limits):
            if found & _FLATTENED:
                flat = True
            elif bytes in found and not flat:
                flat = any(type(one) is bytes and len(one) >= OUT_OF_BAND_BYTES for one in level)
        return self._lowered(value) if flat else value

    def _lowered(self, value: Any) -> Any:
        kind = type(value)
        if kind is list:
            return [self._lowered(one) for one in value]
        if kind is dict:
            for key in value:
                if type(key) is not str:
                    self._check_key(key)
            return {key: self._lowered(one) for key, one in value.items()}
        if kind in scanning.CONTAINERS:
            self._weigh(kind, value)
            return [kinds.ENCODERS[kind](())[0], *self._all(value, kind)]
        if kind is bytes and len(value) >= OUT_OF_BAND_BYTES:
            self.marked = True
            return [kinds.BUFFER, self.put(value)]
        if kind in _FLATTENED:
            return self.hook(value)
        return value

    def _all(self, members: Any, kind: type) -> Iterator[Any]:
        self.marked = True
        for one in members:
            yield self._lowered(one)

    def _check_key(self, key: Any) -> None:
        for found, level in scanning.levels(key, self.limits):
            if found & _FLATTENED:
                self.hook(next(one for one in level if type(one) in _FLATTENED))

    def put(self, data: Any) -> Any:
        """Return what stands for bytes: themselves if they are small, else the number of their buffer."""
        if memoryview(data).nbytes < OUT_OF_BAND_BYTES:
            return bytes(data)
        self.buffers.append(data)
        return len(self.buffers) - 1

    def hook(self, value: Any) -> Any:
        """Return something that msgpack knows, for something that it does not."""
        self.marked = True
        kind = type(value)
        encode = kinds.ENCODERS.get(kind)
        try:
            if encode is not None:
                self._weigh(kind, value)
                return encode(value)
            entry = self.registry.of(kind)
            if entry is not None:
                self.spent += entry.weight
                if entry.code and (leaf := entry.leaf(value)) is not None:
                    return msgpack.ExtType(entry.code, leaf)
                return [kinds.REGISTERED, entry.name, entry.version, self.safe(entry.encode(value))]
            if arrays.is_numpy(value):
                return arrays.encode(value, self.put)
            if kind in kinds.EXCEPTION_TYPES:
                return [kinds.EXCEPTION, *self.safe(kinds.exception_content(value))]
        except (Refused, SerializationError, RecursionError):
            raise
        except Exception as exc:  # a user's encode may raise anything
            raise Refused(value, f"{_name(kind)} cannot be encoded: {type(exc).__name__}: {exc}") from exc
        if _is_reference(kind):
            raise Refused(value, "a Ray ObjectRef ends with the process that made it; send what ray.get(ref) returns")
        if self.allow_pickle and kind not in _FLATTENED:
            return self._pickled(value)
        raise Refused(value, _unknown(kind))

    def _weigh(self, kind: type, value: Any) -> None:
        if kind is set or kind is frozenset:
            self.spent += weighing.set_bytes(len(value))

    def _pickled(self, value: Any) -> msgpack.ExtType:
        import cloudpickle

        try:
            return msgpack.ExtType(kinds.PICKLED, cloudpickle.dumps(value, protocol=5))
        except Exception as exc:  # whatever a user's __reduce__ raises
            raise Refused(value, f"{_name(type(value))} cannot be pickled: {type(exc).__name__}: {exc}") from exc


def _name(kind: type) -> str:
    own = kind.__module__ in ("builtins", "__main__")
    return kind.__qualname__ if own else f"{kind.__module__}.{kind.__qualname__}"


def _is_reference(kind: type) -> bool:
    return kind.__module__.split(".")[0] == "ray" and kind.__name__.startswith("ObjectRef")


def _unknown(kind: type) -> str:
    plain = next((base for base in kind.__mro__[1:-1] if base in _SIMPLE), None)
    simple = f"send a plain {plain.__name__}, " if plain is not None else ""
    return (
        f"type {_name(kind)} is not registered; {simple}register it with rd.register_type({kind.__name__}), or open the store "
        f"with allow_pickle=True"
    )
