"""What is known of the activation that runs, and what it has done so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from routilux_dist.errors import ConfigurationError, ValidationError
from routilux_dist.flow import naming
from routilux_dist.wire import names, reducing
from routilux_dist.wire.block import Block, Items, Mark, Packed
from routilux_dist.wire.codec import PICKLE, Codec, decode
from routilux_dist.wire.slices import JobNote, Receipt

if TYPE_CHECKING:
    from routilux_workers.forks import Fork
    from routilux_workers.outbox import Outbox
    from routilux_workers.steps import Step

_PLAIN = (int, float, str, bool, type(None))
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Activity:
    """The running activation. Its effects wait in `local`, `boxed`, `writes` and `traces` until it returns."""

    __slots__ = (
        "attempt",
        "base",
        "block",
        "block_id",
        "boxed",
        "codec",
        "depth",
        "flow_id",
        "fork",
        "is_cancelled",
        "item",
        "job_id",
        "local",
        "note",
        "nth",
        "ordinal",
        "path",
        "receipt",
        "row",
        "sequence",
        "step",
        "traces",
        "writes",
    )  # fmt: skip

    def __init__(self, flow_id: str, is_cancelled: Callable[[str], bool], codec: Codec = PICKLE) -> None:
        self.flow_id = flow_id
        #: How job data is encoded.
        self.codec = codec
        self.is_cancelled = is_cancelled
        self.receipt = Receipt(0, 0)
        self.job_id = ""
        self.note = JobNote()
        self.attempt = 1
        #: Block of the message that the slice was given, its place there, and the hops of what is called like it.
        self.block_id = self.row = self.base = 0
        self.block: Block
        #: If the message at hand is, or comes from, one of several that an activation emitted here: where, and which of them.
        self.fork: Fork | None = None
        self.nth = 0
        #: Activations within the tree of its entry row so far.
        self.ordinal = 0
        self.item: int | None = None
        #: In an ordered stream: mark of the entry row, and number of the next message that leaves its tree here.
        self.path: tuple[int, ...] | None = None
        self.sequence = 0
        self.step: Step
        #: Hops of the messages that this activation emits.
        self.depth = 0
        #: Messages for steps of this host: (step, payload, hops).
        self.local: list[tuple[Step, Any, int]] = []
        #: Messages that leave it.
        self.boxed: list[tuple[Outbox, Any, int]] = []
        self.writes: list[tuple[str, str, Any]] = []
        self.traces: list[str] = []

    def enter(self, block_id: int, block: Block, note: JobNote) -> None:
        """Turn to the messages of a block."""
        self.job_id, self.note = block.job, note
        self.block_id, self.block, self.attempt = block_id, block, block.attempt
        # What a control block asks for are messages of its own making, and not what it leads to, unless it is one of them.
        self.base = block.hops if block.rows or block.origin else block.hops - 1
        self.fork = self.item = self.path = None
        self.nth = self.row = self.ordinal = 0

    def turn_to(self, row: int, items: Items) -> None:
        """Turn to a row of the block."""
        self.row = row
        self.fork, self.nth = None, 0
        self.ordinal = self.sequence = 0
        if items is None:
            return
        self.place(items + row if isinstance(items, int) else items[row])

    def place(self, mark: Mark) -> None:
        """Take a place in a stream."""
        if isinstance(mark, tuple):
            self.item, self.path = mark[0], mark
        else:
            self.item, self.path = mark, (mark,) if self.note.ordered else None

    def mark(self) -> Mark:
        """Return the mark of a message of this stream that leaves the slice."""
        if self.path is None:
            assert self.item is not None
            return self.item
        self.sequence += 1
        return (*self.path, self.sequence)

    def name(self, hops: int) -> str:
        """Return what the message is called that has passed so many connections: what runs, or what follows from it alone."""
        if self.fork is not None:
            run = self.fork.run(self, self.nth, hops)
            return f"{self.job_id}/{names.text_of(run, run.start)}"
        return names.onward(names.name_of(self.block_id, self.block, self.row), hops - self.base)

    def run(self, hops: int) -> names.Run:
        """Return that name as a run."""
        if self.fork is not None:
            return self.fork.run(self, self.nth, hops)
        return names.parse(self.name(hops))

    def drop(self) -> None:
        """Forget what the activation did."""
        self.local.clear()
        self.boxed.clear()
        self.writes.clear()
        self.traces.clear()

    # ---- what `rd.current_job()` shows ---------------------------------------------------------------------------

    @property
    def metadata(self) -> Mapping[str, Any]:
        metadata = self.note.metadata
        if metadata is None:
            return _NOTHING
        return MappingProxyType(decode(metadata) if isinstance(metadata, Packed) else metadata)

    @property
    def correlation_id(self) -> str | None:
        return self.note.correlation_id

    @property
    def routine_id(self) -> str:
        return self.step.routine_id

    @property
    def cancelled(self) -> bool:
        return self.is_cancelled(self.job_id)

    @property
    def idempotency_key(self) -> str:
        return self.name(self.depth - 1)

    def emit(self, event: str, payload: Any) -> None:
        """Emit on behalf of the running routine."""
        local, outboxes = route(self.step, event)
        for step in local:
            self.local.append((step, payload, self.depth))
        for outbox in outboxes:
            self.boxed.append((outbox, payload, self.depth))

    def read(self, key: str, default: Any) -> Any:
        stored = self._stored(key)
        return default if stored is None else open_value(*stored)

    def _stored(self, key: str) -> tuple[str, Any] | None:
        stored = None if self.note.data is None else self.note.data.get(key)
        of_slice = self.receipt.data.get(self.job_id, _NOTHING).get(key)
        if of_slice is not None:
            stored = reducing.fold(stored, *of_slice)
        for name, reducer, value in self.writes:
            if name == key:
                stored = reducing.fold(stored, reducer, value)
        return stored

    def write(self, key: str, reducer: str, value: Any) -> None:
        closed = close_value(reducer, value, self.codec, f"job data {key!r}")
        if reducer in ("max", "min"):
            try:
                reducing.fold(self._stored(key), reducer, closed)
            except TypeError as exc:
                raise ValidationError(
                    f"job data {key!r}: reducer {reducer!r} cannot compare {value!r:.80}: {exc}"
                ) from None
        self.writes.append((key, reducer, closed))

    def trace(self, text: str) -> None:
        self.traces.append(text)

    def commit_data(self) -> None:
        """Move job data and traces into the receipt."""
        data = self.receipt.data.setdefault(self.job_id, {})
        for key, reducer, value in self.writes:
            data[key] = reducing.fold(data.get(key), reducer, value)
        self.receipt.traces.extend((self.job_id, self.step.index, text) for text in self.traces)
        self.writes.clear()
        self.traces.clear()


def route(step: Step, event: str) -> tuple[tuple[Step, ...], tuple[Outbox, ...]]:
    """Return where an event of a step's routine goes.

    Raises:
        ConfigurationError: The routine has no such event.
    """
    try:
        return step.routes[event]
    except KeyError:
        hint = naming.did_you_mean(event, [e for e in step.routes if e != "error"], "events")
        raise ConfigurationError(
            f"routine {step.routine_id!r} emits on event {event!r}, which it does not have; {hint}; "
            f"declare it in setup(): self.add_event({event!r})"
        ) from None


def close_value(reducer: str, value: Any, codec: Codec = PICKLE, name: str = "value") -> Any:
    """Make a value fit for travel: plain ones as they are, others encoded.

    Args:
        reducer: How it will be folded.
        value: The value.
        codec: How it is encoded.
        name: What it is called in errors.

    Raises:
        SerializationError: It cannot be encoded.
    """

    def close(one: Any) -> Any:
        return one if type(one) in _PLAIN else codec.encode(one, name)

    if reducer == "append":
        return [close(value)]
    if reducer == "union":
        return [close(one) for one in dict.fromkeys(value)]
    return close(value)


def open_value(reducer: str, value: Any) -> Any:
    """Return job data as users see it: a list for "append", a set for "union"."""
    if reducer == "append":
        return [_open(v) for v in value]
    if reducer == "union":
        return {_open(v) for v in value}
    return _open(value)


def _open(value: Any) -> Any:
    return decode(value) if isinstance(value, Packed) else value
