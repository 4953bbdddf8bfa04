"""Blocks: messages of one job for one port, shipped together.

Everybody may read a block's header. Only workers and clients open its body.
"""

from __future__ import annotations

import enum
import pickle
from typing import Any, NamedTuple

#: Where a message of a stream belongs: the number of its item; in an ordered stream followed by its place among the messages of
#: that item, one number for each slice it has passed.
Mark = int | tuple[int, ...]

#: Marks of a block's messages: None (no stream), the number of the first row of consecutive items, or one mark per row.
Items = None | int | list[Mark]


class Rows(NamedTuple):
    """A body that is not encoded: it stays in this process."""

    payloads: list[Any]
    items: Items = None


class Form(enum.IntEnum):
    """What the bytes of an encoded body are, and so what opening it may do."""

    #: A pickle of our own processes.
    PICKLE = 0
    #: A typed message: opening it builds values and nothing else.
    TYPED = 1
    #: A typed message in which parts may be pickled, because the user allowed it.
    TRUSTED = 2


class Packed(NamedTuple):
    """An encoded body and its out-of-band buffers. Whoever makes one says what its bytes are; they are never asked themselves."""

    data: bytes
    buffers: tuple[Any, ...] = ()
    form: int = Form.PICKLE

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return len(self.data) + sum(memoryview(b).nbytes for b in self.buffers)

    def __reduce__(self) -> tuple[Any, ...]:
        # A buffer that has arrived from elsewhere is a plain memoryview, which does not pickle; wrapped, it travels uncopied.
        parts = (self.data, tuple(pickle.PickleBuffer(b) for b in self.buffers))
        return Packed, parts if self.form == Form.PICKLE else (*parts, int(self.form))


class Stored(NamedTuple):
    """A body that lies in an object store: element `place` of the list that `ref` stands for."""

    ref: Any
    place: int


Body = Rows | Packed | Stored


class Block(NamedTuple):
    """Messages of one job for one port.

    Attributes:
        job: The job.
        port: Index into `Plan.ports`.
        partition: Home of the messages in a stateful group, else 0.
        rows: Number of messages; 0 for control blocks.
        nbytes: Encoded size in bytes; 0 if it was never encoded.
        attempt: Which try this is, counted from 1.
        hops: Connections that the messages have passed, at most.
        entry: Whether they come from outside the flow and were not started yet.
        origin: What its messages are called if that does not follow from its number, because they were called so before they came
            into this block; else "". See `names`.
        body: The messages.
        part: (first row, block it was cut from) if the block is only these `rows` rows of its body, else None.
    """

    job: str
    port: int
    partition: int
    rows: int
    nbytes: int
    attempt: int
    hops: int
    entry: bool
    origin: str
    body: Body
    part: tuple[int, int] | None = None


def split(number: int, block: Block, rows: int) -> tuple[Block, Block]:
    """Return a block's first `rows` messages and the rest, without opening it; see `cut`."""
    first, source = block.part or (0, number)
    head = block._replace(rows=rows, part=(first, source))
    return head, block._replace(rows=block.rows - rows, part=(first + rows, source))


def cut(number: int, block: Block, size: int) -> list[Block]:
    """Cut a block into parts of at most `size` messages without opening it; they share its body.

    Args:
        number: The block's number, which stays part of its messages' identity.
        block: The block.
        size: Most messages per part.
    """
    first, source = block.part or (0, number)
    return [
        block._replace(rows=min(size, block.rows - start), part=(first + start, source))
        for start in range(0, block.rows, size)
    ]
