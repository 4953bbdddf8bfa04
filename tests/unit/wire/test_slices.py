"""Slices and receipts: what is handed out, and what comes back."""

from __future__ import annotations

import pickle

from routilux_dist.wire.block import Block, Rows
from routilux_dist.wire.failure import Failure, Letter
from routilux_dist.wire.slices import JobNote, Receipt, Slice, Tally

BLOCK = Block("j", 0, 0, 1, 0, 1, 0, True, "", Rows(["x"]))


def test_a_slice_travels() -> None:
    note = JobNote(metadata={"user": "ann"}, correlation_id="c", stream=True, data={"n": ("sum", 3)})
    one = Slice(7, 1, 0, 0, [(3, BLOCK)], 0.08, {"j": note}, {2: 1}, 8192, forget=("old",))
    assert pickle.loads(pickle.dumps(one)) == one


def test_a_note_says_nothing_unless_told() -> None:
    assert JobNote() == (None, None, False, False, None)


def test_a_receipt_starts_empty_and_shares_nothing() -> None:
    first, second = Receipt(1, 1), Receipt(2, 1)
    first.blocks.append(BLOCK)
    first.tallies["j"] = Tally(emitted=3)
    first.tallies["j"].routines[0] = [1, 0]
    assert second == Receipt(2, 1)
    assert Tally() == Tally(0, 0, 0, {}, {})


def test_a_receipt_travels_with_everything_in_it() -> None:
    failure = Failure(job="j", routine="clean")
    receipt = Receipt(
        7,
        2,
        untouched=[3],
        blocks=[BLOCK],
        retries=[(0.5, BLOCK)],
        letters=[Letter(failure, BLOCK)],
        stopped={"j": failure},
        tallies={"j": Tally(emitted=2, done=1, routines={0: [1, 1]}, waiting={1: -2})},
        data={"j": {"n": ("sum", 1)}},
        wakes=[("j", 4, 0, 1.5)],
        costs={0: (1, 0.001)},
    )
    assert pickle.loads(pickle.dumps(receipt)) == receipt
