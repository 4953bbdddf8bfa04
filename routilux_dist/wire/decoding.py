"""Reading of typed bodies: what becomes of extensions and marked lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgpack import Timestamp

from routilux_dist.errors import SerializationError
from routilux_dist.wire import arrays, kinds, scanning, weighing
from routilux_dist.wire.registry import Registry
from routilux_dist.wire.scanning import Limits

#: What msgpack may make of hostile bytes although no value of ours is made of it.
_NO_VALUES = frozenset({kinds.Mark, Timestamp})


class Reader:
    """One call of `loads`."""

    def __init__(
        self,
        buffers: tuple[Any, ...],
        registry: Registry,
        allow_pickle: bool,
        limits: Limits,
        spend: Callable[[int], None],
    ) -> None:
        self.buffers, self.registry, self.allow_pickle, self.limits = buffers, registry, allow_pickle, limits
        #: Told of memory that something needs besides the list that it is read from.
        self.spend = spend
        #: Whether the message is so short that nothing in it can be nested too deep.
        self.few = False
        #: Marks that were read and stand at the head of no compound so far.
        self.stray = 0

    def leaf(self, code: int, data: bytes) -> Any:
        """Return the value of an extension."""
        if code == kinds.MARK and len(data) == 1:
            self.stray += 1
            return kinds.Mark(data[0])
        if code == kinds.PICKLED:
            if not self.allow_pickle:
                raise SerializationError(
                    "a part of it is pickled; reading it needs allow_pickle=True, and trust in its writer"
                )
            import cloudpickle

            return cloudpickle.loads(data)
        read = kinds.LEAVES.get(code) or self.registry.leaf(code)
        if read is None:
            raise SerializationError(f"unknown extension {code}: no typed value, or one of a newer version")
        return read(data)

    def compound(self, items: list[Any]) -> Any:
        """Return the value of a list, which may be marked as something else."""
        if not items or type(items[0]) is not kinds.Mark:
            return items
        kind = items[0].kind
        del items[0]
        self.stray -= 1
        read = kinds.COMPOUNDS.get(kind)
        if read is not None:
            if read in _SETS:
                self.spend(weighing.set_bytes(len(items)))
            return read(items)
        own = _OWN.get(kind)
        if own is None:
            raise SerializationError(f"unknown mark {kind}: no typed value, or one of a newer version")
        return own(self, items)

    def _bytes(self, body: Any) -> Any:
        if type(body) is bytes:
            return body
        if type(body) is not int or not 0 <= body < len(self.buffers):
            raise SerializationError(f"buffer {body!r:.20} is missing: there are {len(self.buffers)}")
        return self.buffers[body]

    def _exception(self, content: list[Any]) -> BaseException:
        self.look_over(content)
        return kinds.read_exception(content)

    def _registered(self, content: list[Any]) -> Any:
        name, version, state = content
        entry = self.registry.named(name) if type(name) is str else None
        if entry is None or not (entry.shallow and self.few):
            self.look_over(content)
        if entry is None:
            raise SerializationError(
                f"type {name!r:.130} is not registered in this process; import the module that calls "
                f"rd.register_type(..., name={name!r:.130})"
            )
        if type(version) is not int or version > entry.version or (version < entry.version and not entry.versioned):
            raise SerializationError(
                f"type {entry.name!r}: version {version!r:.20} was written, version {entry.version} is registered; an older one "
                f"needs decode=function(value, version), a newer one newer code"
            )
        if entry.weight:
            self.spend(entry.weight)
        try:
            return entry.decode(state, version) if entry.versioned else entry.decode(state)
        except Exception as exc:  # a user's decode may raise anything
            raise SerializationError(f"type {entry.name!r} cannot be decoded: {type(exc).__name__}: {exc}") from exc

    def look_over(self, value: Any) -> None:
        """Refuse what is nested too deep, and marks where no mark belongs."""
        for found, _ in scanning.levels(value, self.limits):
            if found & _NO_VALUES:
                raise SerializationError("a mark where a value should be, or a time stamp: no typed value")


_SETS = (set, frozenset)
#: Kinds of compounds that need the reader.
_OWN: dict[int, Callable[[Reader, list[Any]], Any]] = {
    ord("E"): Reader._exception,
    ord("R"): Reader._registered,
    ord("A"): lambda reader, content: arrays.decode_array(content, reader._bytes),
    ord("N"): lambda reader, content: arrays.decode_scalar(content),
    ord("B"): lambda reader, content: bytes(reader._bytes(*content)),
}
