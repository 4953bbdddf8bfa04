"""Events, pictures and plans as bytes for a journal, and back. A closed table; no pickle.

Bodies inside are carried as they are and never opened here. Large buffers go out of line, as blobs named by their digest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import msgpack

from routilux_dist.coordinator import events
from routilux_dist.errors import CheckpointDamagedError, SerializationError, StoreError
from routilux_dist.flow.model import ExecutionMode, Limits
from routilux_dist.plan import plan
from routilux_dist.plan.tuning import Tuning
from routilux_dist.wire import block, failure, slices, typed
from routilux_dist.wire.block import Form, Packed
from routilux_dist.wire.registry import Registry, TypeEntry

#: Buffers from this size on become blobs.
BLOB_BYTES = 256 << 10
#: A record is made by this engine, not by users: it may hold as much as a run holds.
_WIDE = typed.Limits(bytes=(1 << 32) - 1, nodes=1 << 32, depth=256)

PutBlob = Callable[[bytes], str]
GetBlob = Callable[[str], bytes]


def _field_names(cls: type) -> list[str]:
    if dataclasses.is_dataclass(cls):
        return [field.name for field in dataclasses.fields(cls)]
    return list(cls._fields)  # type: ignore[attr-defined]


def _entry(cls: type, name: str) -> TypeEntry:
    names = _field_names(cls)

    def encode(value: Any) -> list[Any]:
        return [getattr(value, name) for name in names]

    def decode(values: list[Any]) -> Any:
        return cls(**dict(zip(names, values, strict=True)))

    return TypeEntry(cls, name, 1, encode, decode)


def _without_exception(value: failure.Failure) -> list[Any]:
    # An exception that only pickles is not stored; its text and traceback are.
    if value.exception is not None and value.exception.form == Form.PICKLE:
        value = dataclasses.replace(value, exception=None)
    return [getattr(value, name) for name in _FAILURE]


def _without_options(needs: plan.Needs) -> list[Any]:
    # Options for Ray may be any object. What replays needs none: it starts nothing.
    return [getattr(dataclasses.replace(needs, extra=()), name) for name in _NEEDS]


_FAILURE, _NEEDS = _field_names(failure.Failure), _field_names(plan.Needs)
#: Classes that take keywords only.
_KEYWORDS = dict.fromkeys((events.Posted, failure.Failure, Tuning), True)

#: Name in the bytes -> class, of those that are just their fields. Names are the format: never change one.
_TABLE: dict[str, type] = {
    "b": block.Block,
    "w": block.Rows,
    "l": failure.Letter,
    "k": slices.Kept,
    "r": slices.Receipt,
    "t": slices.Tally,
    "eP": events.Posted,
    "eF": events.SliceFinished,
    "eL": events.SliceLost,
    "eT": events.TimerFired,
    "eC": events.ControlAsked,
    "eR": events.RetryAsked,
    "eW": events.CapacityChanged,
    "eS": events.Restarted,
    "pP": plan.Plan,
    "pr": plan.RoutinePlan,
    "pp": plan.PortPlan,
    "pg": plan.GroupPlan,
    "pl": Limits,
    "pt": Tuning,
}
_ENUMS: dict[str, type] = {"pk": plan.PortKind, "pK": plan.GroupKind, "pm": ExecutionMode}


def _registry(trusting: bool) -> Registry:
    def packed(values: list[Any]) -> Packed:
        data, buffers, form = values
        if form == Form.PICKLE or (form == Form.TRUSTED and not trusting):
            raise SerializationError(
                "a body in it is pickled; opening such a store runs whatever it says: only with allow_pickle=True"
            )
        return Packed(data, tuple(buffers), Form(form))

    def pack(value: Packed) -> list[Any]:
        if value.form == Form.PICKLE:
            raise SerializationError("a pickled body cannot be stored")
        return [bytes(value.data), [bytes(b) for b in value.buffers], int(value.form)]

    needs = TypeEntry(plan.Needs, "pn", 1, _without_options, lambda values: plan.Needs(*values))
    failed = TypeEntry(
        failure.Failure, "f", 1, _without_exception, lambda values: failure.Failure(**dict(zip(_FAILURE, values)))
    )
    plain = [_entry(cls, name) for name, cls in _TABLE.items()]
    enums = [TypeEntry(cls, name, 1, lambda member: member.value, cls) for name, cls in _ENUMS.items()]
    return Registry([TypeEntry(Packed, "p", 1, pack, packed), needs, failed, *plain, *enums])


_STRICT, _TRUSTING = _registry(False), _registry(True)


def dumps(value: Any, put_blob: PutBlob) -> bytes:
    """Return engine records as bytes.

    Args:
        value: Events, a picture or a plan: plain data with records of the table in it.
        put_blob: Stores large bytes and returns the digest to name them by.

    Raises:
        SerializationError: Something in it may not be stored.
    """
    data, buffers = typed.dumps(value, registry=_TRUSTING, limits=_WIDE, root="record")
    if not buffers:
        return data
    named = [_named(bytes(b), put_blob) for b in buffers]
    packed: bytes = msgpack.packb([data, named])
    return packed


def _named(data: bytes, put_blob: PutBlob) -> bytes | str:
    if len(data) < BLOB_BYTES:
        return data
    try:
        return put_blob(data)
    except StoreError:  # away for the moment: then it waits inside the record, like everything else
        return data


def loads(data: bytes, get_blob: GetBlob, allow_pickle: bool = False) -> Any:
    """Return what `dumps` was given.

    Args:
        data: The bytes.
        get_blob: Returns the bytes of a digest.
        allow_pickle: Whether bodies may be there that run code when they are opened.

    Raises:
        CheckpointDamagedError: They are no such record.
        SerializationError: They hold what is not allowed.
    """
    registry = _TRUSTING if allow_pickle else _STRICT
    if data[:1] == b"\xc1":
        return typed.loads(data, registry=registry, limits=_WIDE)
    try:
        inner, named = msgpack.unpackb(data, max_array_len=len(data))
        if type(inner) is not bytes or not {type(one) for one in named} <= {bytes, str}:
            raise TypeError("not what a record is made of")
    except Exception as exc:
        raise CheckpointDamagedError(f"a record is no record: {type(exc).__name__}: {exc}") from exc
    buffers = tuple(get_blob(one) if isinstance(one, str) else one for one in named)
    return typed.loads(inner, buffers, registry=registry, limits=_WIDE)


def blobs_of(data: bytes) -> list[str]:
    """Return the digests that a record names."""
    if data[:1] == b"\xc1":
        return []
    _, named = msgpack.unpackb(data, max_array_len=len(data))
    return [one for one in named if isinstance(one, str)]
