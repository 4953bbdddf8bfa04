"""Large bodies travel through the object store, small ones inside the call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from routilux_dist.wire.block import Block, Packed, Stored
from routilux_dist.wire.slices import Receipt, Slice

#: When small bodies add up to more than this, the larger ones of them go through the store too.
MAX_INLINE_BYTES = 512 << 10
_WORTH_STORING = 4 << 10


def attach(work: Slice) -> tuple[Slice, list[Any]]:
    """Prepare a slice for a call: stored bodies become arguments, so that they are there when it starts.

    Returns:
        The slice with `Stored(argument number, place)` bodies, and the arguments (object references).
    """
    arguments: dict[Any, int] = {}
    blocks = []
    for number, block in work.blocks:
        if isinstance(block.body, Stored):
            number_of = arguments.setdefault(block.body.ref, len(arguments))
            block = block._replace(body=Stored(number_of, block.body.place))
        blocks.append((number, block))
    return (work._replace(blocks=blocks), list(arguments)) if arguments else (work, [])


def resolve(work: Slice, arguments: Sequence[Any]) -> Slice:
    """On the worker: put the arrived arguments in the place of stored bodies."""
    if not arguments:
        return work
    blocks = [
        (n, b._replace(body=arguments[b.body.ref][b.body.place]) if isinstance(b.body, Stored) else b)
        for n, b in work.blocks
    ]
    return work._replace(blocks=blocks)


def _change(receipt: Receipt, change: Callable[[Block], Block]) -> None:
    """Change every block of a receipt."""
    receipt.blocks = [change(b) for b in receipt.blocks]
    receipt.carried = [change(b) for b in receipt.carried]
    receipt.outputs = [change(b) for b in receipt.outputs]
    receipt.retries = [(delay, change(b)) for delay, b in receipt.retries]


def detach(receipt: Receipt, inline_bytes: int) -> list[Packed] | None:
    """On the worker: take large bodies out of a receipt; return them, or None if there are none."""
    total = sum(b.nbytes for b in (*receipt.blocks, *receipt.carried, *receipt.outputs))
    limit = inline_bytes if total <= MAX_INLINE_BYTES else _WORTH_STORING
    if total <= limit:
        return None
    stored: list[Packed] = []

    def out(block: Block) -> Block:
        if block.nbytes <= limit or not isinstance(block.body, Packed):
            return block
        stored.append(block.body)
        return block._replace(body=Stored(None, len(stored) - 1))

    _change(receipt, out)
    return stored or None


def are_apart(receipt: Receipt) -> bool:
    """Whether large bodies were taken out of a receipt."""
    blocks = (*receipt.blocks, *receipt.carried, *receipt.outputs, *(block for _, block in receipt.retries))
    return any(isinstance(block.body, Stored) for block in blocks)


def put_back(receipt: Receipt, stored: Sequence[Packed] | None) -> None:
    """At a coordinator that saves: put the bodies that were taken out back in their place."""
    if stored:
        _change(receipt, lambda b: b._replace(body=stored[b.body.place]) if isinstance(b.body, Stored) else b)


def point(receipt: Receipt, ref: Any) -> None:
    """At the coordinator: say where the bodies that were taken out lie."""

    def back(block: Block) -> Block:
        if isinstance(block.body, Stored) and block.body.ref is None:
            return block._replace(body=Stored(ref, block.body.place))
        return block

    _change(receipt, back)
