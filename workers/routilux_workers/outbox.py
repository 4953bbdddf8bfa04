"""Where messages wait that leave the slice, and how they become blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from routilux_dist.errors import SerializationError
from routilux_dist.flow.state import Key, key_of, partition_of
from routilux_dist.wire import sizes
from routilux_dist.wire.block import Block, Items, Mark, Rows
from routilux_dist.wire.codec import PICKLE, Codec
from routilux_dist.wire.names import Run

if TYPE_CHECKING:
    from routilux_workers.activity import Activity
    from routilux_workers.steps import Step


#: Keys whose partition is remembered.
MAX_KNOWN = 1 << 17


class Pile:
    """Messages of one job for one port and partition."""

    __slots__ = ("entry", "hops", "items", "job", "names", "new", "partition", "payloads", "port")

    def __init__(self, job: str, port: int, partition: int, entry: bool = False, *, new: bool = True) -> None:
        self.job, self.port, self.partition, self.entry = job, port, partition, entry
        #: Whether the slice emitted the messages; else it only gives them back.
        self.new = new
        self.payloads: list[Any] = []
        self.items: list[Mark] = []
        #: What the messages are called, if they were to run in this slice; else their block will give them names.
        self.names: list[Run] = []
        self.hops = 0


class Outbox:
    """Collects the messages for one port."""

    __slots__ = ("is_output", "job", "opened", "pile", "piles", "port")

    def __init__(self, port: int, is_output: bool, opened: list[Outbox]) -> None:
        self.port, self.is_output = port, is_output
        #: Outboxes that hold something, shared by all outboxes of a host.
        self.opened = opened
        self.piles: dict[Any, Pile] = {}
        self.job: str | None = None
        self.pile: Pile

    def add(self, activity: Activity, payload: Any, hops: int) -> None:
        """Take a message of the running job."""
        if activity.job_id is not self.job:
            self._turn_to(activity.job_id)
        pile = self.pile
        pile.payloads.append(payload)
        if activity.item is not None:
            pile.items.append(activity.mark())
        if hops > pile.hops:
            pile.hops = hops

    def bundled(self, activity: Activity, payloads: Iterable[Any]) -> Iterable[Any]:
        """Return what waits for the end of the activation in the place of payloads that it emits; `add` knows it."""
        return payloads

    def told(self, boxed: Any) -> Iterable[Any]:
        """Return the payloads that one stands for that waits for the end of its activation."""
        return (boxed,)

    def _turn_to(self, job: str) -> None:
        self.job = job
        self.pile = self._pile(job, job, 0)

    def _pile(self, key: Any, job: str, partition: int) -> Pile:
        pile = self.piles.get(key)
        if pile is None:
            if not self.piles:
                self.opened.append(self)
            pile = self.piles[key] = Pile(job, self.port, partition)
        return pile

    def empty(self) -> Iterator[Pile]:
        """Hand over the piles."""
        piles = list(self.piles.values())
        self.piles.clear()
        self.job = None
        return iter(piles)


class KeyedOutbox(Outbox):
    """Collects the messages for a slot of a stateful routine, by the partition that owns their state."""

    __slots__ = ("home", "key", "known", "mine", "partitions", "per_job")

    def __init__(
        self,
        port: int,
        opened: list[Outbox],
        key: Key,
        partitions: int,
        per_job: bool,
        home: tuple[int, Step] | None,
    ) -> None:
        super().__init__(port, False, opened)
        self.key = key
        self.partitions = partitions
        #: Whether unkeyed state belongs to a job, and not to the running flow.
        self.per_job = per_job
        #: (partition, step) of this host if it is a home of the slot.
        self.home = home
        #: Key -> partition. Keys come again, and a look-up takes a fifth of the time of a checksum.
        self.known: dict[Any, int] = {}
        #: Partition -> pile of the present job.
        self.mine: dict[int, Pile] = {}

    def add(self, activity: Activity, payload: Any, hops: int) -> None:
        if activity.job_id is not self.job:
            self._turn_to(activity.job_id)
        try:
            partition = self.known[key_of(self.key, payload)]
        except BaseException:  # not known, or no key at all; a user's function may raise anything
            partition = self.partition_for(activity.job_id, payload)
        if self.home is not None and self.home[0] == partition:
            activity.local.append((self.home[1], payload, hops))
            return
        pile = self.mine.get(partition)
        if pile is None:
            pile = self.mine[partition] = self._pile((activity.job_id, partition), activity.job_id, partition)
        pile.payloads.append(payload)
        if activity.item is not None:
            pile.items.append(activity.mark())
        if hops > pile.hops:
            pile.hops = hops

    def _turn_to(self, job: str) -> None:
        self.job = job
        self.mine = {}
        if self.key is None:
            self.known = {None: partition_of(job if self.per_job else "", self.partitions)}

    def partition_for(self, job: str, payload: Any) -> int:
        """Return the home of a message. One whose key cannot be read goes to the first: its routine reports the error."""
        try:
            key = key_of(self.key, payload)
            partition = partition_of(key, self.partitions)
        except BaseException:
            return 0
        if len(self.known) >= MAX_KNOWN:
            self.known.clear()
        self.known[key] = partition
        return partition


def numbers_of(marks: list[Mark]) -> list[int]:
    """Return the item numbers of marks."""
    return [mark if isinstance(mark, int) else mark[0] for mark in marks]


class Packer:
    """Cuts piles into blocks."""

    def __init__(self, packed: bool, block_bytes: int, codec: Codec = PICKLE, max_payload: int = 1 << 30) -> None:
        self.packed = packed
        #: Most bytes of one message, and of a block of several.
        self.max_payload = max_payload
        self.block_bytes = min(block_bytes, max_payload)
        self.codec = codec

    def cut(self, pile: Pile, rows: int) -> Iterator[Block]:
        """Yield blocks of at most `rows` messages.

        Raises:
            SerializationError: A payload cannot be encoded, or is larger than it may be.
        """
        payloads, items = pile.payloads, pile.items
        for start in range(0, len(payloads), rows):
            part = payloads[start : start + rows] if len(payloads) > rows else payloads
            part_items = (items[start : start + rows] if len(items) > rows else items) if items else None
            yield from self._blocks(pile, part, part_items)

    def _blocks(self, pile: Pile, payloads: list[Any], items: list[Mark] | None) -> Iterator[Block]:
        if not self.packed:
            yield self._block(pile, len(payloads), 0, Rows(payloads, items))
            return
        body = self.codec.pack(payloads, items)
        nbytes = body.nbytes
        if nbytes > self.block_bytes and len(payloads) > 1:
            # Aim at the limit in one step; sizes of neighbours are usually alike.
            parts = min(len(payloads), -(-nbytes // self.block_bytes))
            size = -(-len(payloads) // parts)
            for start in range(0, len(payloads), size):
                part_items = items[start : start + size] if items else None
                yield from self._blocks(pile, payloads[start : start + size], part_items)
            return
        if pile.new:  # what came in was small enough there
            sizes.check(nbytes, self.max_payload)
        yield self._block(pile, len(payloads), nbytes, body)

    @staticmethod
    def _block(pile: Pile, rows: int, nbytes: int, body: Any) -> Block:
        return Block(pile.job, pile.port, pile.partition, rows, nbytes, 1, pile.hops, pile.entry, "", body)

    def body(self, payloads: list[Any], items: Items) -> tuple[int, Any]:
        """Return (size in bytes, body) of a few rows that stay together."""
        if not self.packed:
            return 0, Rows(payloads, items)
        body = self.codec.pack(payloads, items)
        return body.nbytes, body

    def bad_rows(self, payloads: list[Any], items: list[Mark]) -> dict[int, SerializationError]:
        """Return which payloads cannot be encoded or are too large, and why."""
        bad = {}
        for row, payload in enumerate(payloads):
            try:
                sizes.check(self.codec.pack([payload], items[row : row + 1] or None).nbytes, self.max_payload)
            except SerializationError as exc:
                bad[row] = exc
        return bad
