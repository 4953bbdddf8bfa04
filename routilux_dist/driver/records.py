"""Events, pictures and plans as bytes for a journal, and back. A closed table; no pickle.

Bodies inside are carried as they are and never opened here. Large buffers go out of line, as blobs named by their digest.
"""

from __future__ import annotations

import dataclasses
import struct
import sys
from collections.abc import Callable
from typing import Any

import msgpack

from routilux_dist.coordinator import events
from routilux_dist.errors import CheckpointDamagedError, SerializationError, StoreError
from routilux_dist.flow.model import ExecutionMode, Limits
from routilux_dist.plan import plan
from routilux_dist.plan.tuning import Tuning
from routilux_dist.wire import block, failure, slices, typed, weighing
from routilux_dist.wire.block import Form, Packed
from routilux_dist.wire.registry import Registry, TypeEntry

#: Buffers from this size on become blobs.
BLOB_BYTES = 256 << 10
#: A record is made by this engine, not by users: it may hold as much as a run holds. Whatever is written is read again: where
#: that needs more memory than its bytes allow, it is filled up, see `dumps`.
_WIDE = typed.Limits(bytes=(1 << 32) - 1, nodes=1 << 32, depth=256)
_WRITTEN = dataclasses.replace(_WIDE, room=1 << 62)

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
        if len(values) > len(names):
            raise SerializationError(
                f"a {cls.__name__} in it has fields that this version does not know: use a newer one"
            )
        return cls(**dict(zip(names, values)))  # older records lack what was added since, see `_TABLE`

    # What an object has by itself: its fields, and the lists and dicts of those that are not told.
    own = sum(field.default_factory is not dataclasses.MISSING for field in _data_fields(cls))
    return TypeEntry(cls, name, 1, encode, decode, weight=8 * len(names) + 80 * own, shallow=True)


def _data_fields(cls: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()


def _without_exception(value: failure.Failure) -> list[Any]:
    # An exception that only pickles is not stored; its text and traceback are.
    if value.exception is not None and value.exception.form == Form.PICKLE:
        value = dataclasses.replace(value, exception=None)
    return [getattr(value, name) for name in _FAILURE]


def _without_options(needs: plan.Needs) -> list[Any]:
    # Options for Ray may be any object. What replays needs none: it starts nothing.
    return [getattr(dataclasses.replace(needs, extra=()), name) for name in _NEEDS]


def _posted(value: events.Posted) -> list[Any]:
    """A client's messages, in few bytes: these are the most frequent records where messages come one by one."""
    blocks = [_lean(b) if b.job == value.job and type(b.body) is Packed and b.part is None else b for b in value.blocks]
    fields = [getattr(value, name) for name in _POSTED]
    fields[_POSTED.index("blocks")] = blocks
    while fields[-1] == _DEFAULTS[_POSTED[len(fields) - 1]]:
        fields.pop()
    return fields


def _lean(b: block.Block) -> list[Any]:
    assert isinstance(b.body, Packed)
    return [*b[1:9], *_pack(b.body)]


def _as_posted(values: list[Any], packed: Callable[[list[Any]], Packed]) -> events.Posted:
    fields = dict(zip(_POSTED, values))
    job = fields["job"]
    blocks = [block.Block._make((job, *b[:8], packed(b[8:]), None)) if type(b) is list else b for b in fields["blocks"]]
    return events.Posted(**{**fields, "blocks": tuple(blocks)})


# Blocks, and encoded bodies by themselves, are by far the most of what pictures and receipts hold: small ones are one extension,
# read and written without a list.
_BLOCK, _PART = struct.Struct(">HIIIHIBBB"), struct.Struct(">QQ")
_BLOCK_CODE, _PACKED_CODE = 100, 101
_FORMS = tuple(Form)


def _small(body: Any) -> bool:
    return (
        type(body) is Packed
        and not body.buffers
        and body.form != Form.PICKLE
        and len(body.data) < typed.OUT_OF_BAND_BYTES
    )


def _block_leaf(b: block.Block) -> bytes | None:
    """Numbers, job, origin, and the body to the end."""
    job, port, partition, rows, nbytes, attempt, hops, entry, origin, body, part = b
    if not _small(body):
        return None
    assert isinstance(body, Packed)
    flags = entry | (part is not None) << 1 | body.form << 2
    try:
        names = job.encode(), origin.encode()
        head = _BLOCK.pack(port, partition, rows, nbytes, attempt, hops, flags, len(names[0]), len(names[1]))
    except (struct.error, UnicodeEncodeError):  # more than fits
        return None
    return b"".join((head, *names, _PART.pack(*part) if part is not None else b"", body.data))


def _as_block(data: bytes, judge: Callable[[int], Form]) -> block.Block:
    port, partition, rows, nbytes, attempt, hops, flags, job_size, origin_size = _BLOCK.unpack_from(data)
    job_end = _BLOCK.size + job_size
    place = job_end + origin_size
    if place > len(data):
        raise SerializationError("a block that ends within its names")
    job, origin = sys.intern(data[_BLOCK.size : job_end].decode()), data[job_end:place].decode()
    part = None
    if flags & 2:
        part, place = _PART.unpack_from(data, place), place + _PART.size
    body = Packed(data[place:], (), judge(flags >> 2))
    return block.Block(job, port, partition, rows, nbytes, attempt, hops, bool(flags & 1), origin, body, part)


def _packed_leaf(value: Packed) -> bytes | None:
    return bytes([value.form]) + value.data if _small(value) else None


def _pack(value: Packed) -> list[Any]:
    if value.form == Form.PICKLE:
        raise SerializationError("a pickled body cannot be stored")
    return [bytes(value.data), [bytes(b) for b in value.buffers], int(value.form)]


#: Fields in the order in which they are written; those that nearly always have their default come last.
_POSTED = [
    "job",
    "blocks",
    "last",
    "client",
    "request",
    "metadata",
    "correlation_id",
    "must_exist",
    "stream",
    "ordered",
]
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(events.Posted)}
_FAILURE, _NEEDS = _field_names(failure.Failure), _field_names(plan.Needs)

#: Name in the bytes -> class, of those that are just their fields. Names and the order of fields are the format: never change
#: one. A field that is added goes to the end and has a default.
_TABLE: dict[str, type] = {
    "b": block.Block,
    "w": block.Rows,
    "l": failure.Letter,
    "k": slices.Kept,
    "r": slices.Receipt,
    "t": slices.Tally,
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
    def judge(form: int) -> Form:
        if form == Form.TYPED or (form == Form.TRUSTED and trusting):
            return _FORMS[form]
        raise SerializationError(
            "a body in it is pickled; opening such a store runs whatever it says: only with allow_pickle=True"
        )

    def packed(values: list[Any]) -> Packed:
        data, buffers, form = values
        return Packed(data, tuple(buffers), judge(form))

    needs = TypeEntry(plan.Needs, "pn", 1, _without_options, lambda values: plan.Needs(*values))
    failed = TypeEntry(
        failure.Failure, "f", 1, _without_exception, lambda values: failure.Failure(**dict(zip(_FAILURE, values)))
    )
    plain = [_entry(cls, name) for name, cls in _TABLE.items()]
    enums = [TypeEntry(cls, name, 1, lambda member: member.value, cls) for name, cls in _ENUMS.items()]
    posted = TypeEntry(events.Posted, "eP", 1, _posted, lambda values: _as_posted(values, packed), shallow=True)
    body = TypeEntry(Packed, "p", 1, _pack, packed)._replace(
        code=_PACKED_CODE, pack=_packed_leaf, unpack=lambda data: Packed(data[1:], (), judge(data[0]))
    )
    registry = Registry([body, posted, needs, failed, *plain, *enums])
    long = registry.of(block.Block)
    assert long is not None
    registry.add(long._replace(code=_BLOCK_CODE, pack=_block_leaf, unpack=lambda data: _as_block(data, judge)))
    return registry


_STRICT, _TRUSTING = _registry(False), _registry(True)


def dumps(value: Any, put_blob: PutBlob) -> bytes:
    """Return engine records as bytes.

    Args:
        value: Events, a picture or a plan: plain data with records of the table in it.
        put_blob: Stores large bytes and returns the digest to name them by.

    Raises:
        SerializationError: Something in it may not be stored.
    """
    data, buffers = typed.dumps(value, registry=_TRUSTING, limits=_WRITTEN, root="record")
    # Many small things need more than ten times their bytes as objects. Nobody reads such bytes, so there have to be more.
    missing = (weighing.need(data) - weighing.ALLOWANCE) // weighing.GROWTH - len(data)
    if not buffers and missing < 0:
        return data
    named = [_named(bytes(b), put_blob) for b in buffers]
    packed: bytes = msgpack.packb([data, named] if missing < 0 else [data, named, bytes(missing + 1)])
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
        room = weighing.room_for(len(data))
        weighing.check(data, _WIDE.nodes, room)
        inner, named, *_ = msgpack.unpackb(data)
        if type(inner) is not bytes or not {type(one) for one in named} <= {bytes, str}:
            raise TypeError("not what a record is made of")
    except Exception as exc:
        raise CheckpointDamagedError(f"a record is no record: {type(exc).__name__}: {exc}") from exc
    buffers = tuple(get_blob(one) if isinstance(one, str) else one for one in named)
    return typed.loads(inner, buffers, registry=registry, limits=dataclasses.replace(_WIDE, room=room))


def blobs_of(data: bytes) -> list[str]:
    """Return the digests that a record names."""
    if data[:1] == b"\xc1":
        return []
    _, named, *_ = msgpack.unpackb(data)
    return [one for one in named if isinstance(one, str)]
