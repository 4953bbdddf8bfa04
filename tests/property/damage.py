"""Damage to a closed journal: every cut and every flipped bit is detected, made up for, or harmless.

`python -m tests.property.damage` does that to a journal of 64 KiB.
"""

from __future__ import annotations

import random
import sys
import time

from routilux_dist.checkpoint.journal import Journal, Recovered
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.errors import CheckpointError
from tests.property.crashes import state_of, values_of


def written(size: int, key: bytes | None, close: bool = True) -> tuple[dict[str, bytes], list[bytes]]:
    """Return (files, records) of a journal of about so many bytes, with two writers and some snapshots."""
    store, draw = MemoryStore(), random.Random(size)
    values: list[bytes] = []
    journal, _ = Journal.open(store, "run", key)
    while sum(map(len, store.files.values())) < size:
        for _ in range(draw.randrange(1, 4)):
            values.append(b"%d:" % len(values) + draw.randbytes(draw.choice((0, 3, size // 100))))
            journal.append(values[-1])
        journal.sync()
        if draw.random() < 0.08 and len(values) < 15:
            journal.snapshot(state_of(values), draw.choice((None, "good")))
        if len(values) in (4, 5, 6):
            journal.close()
            journal, _ = Journal.open(store, "run", key)
    values.append(b"last")
    journal.append(b"last")
    journal.sync()
    if close:
        journal.close()
    return dict(store.files), values


def held(recovered: Recovered) -> list[bytes]:
    """Return all records that a journal holds, those in its snapshot included."""
    return [*values_of(recovered.snapshot or b""), *recovered.records]


def after(files: dict[str, bytes], key: bytes | None) -> list[bytes] | None:
    """Return what a journal of these files holds, or None if it refuses to open."""
    store = MemoryStore()
    store.files = dict(files)
    try:
        return held(Journal.open(store, "run", key)[1])
    except CheckpointError:
        return None


def flip_all(size: int, key: bytes | None, step: int = 1) -> tuple[int, int]:
    """Flip every bit (or every `step`-th) of every file, one at a time; return (flips, those that were refused).

    Raises:
        AssertionError: One of them changed what the journal holds.
    """
    files, values = written(size, key)
    flips = refused = 0
    for name, data in files.items():
        for bit in range(0, len(data) * 8, step):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            found = after({**files, name: bytes(flipped)}, key)
            assert found is None or found == values, f"{name}, bit {bit}: {len(found)} of {len(values)} records"
            flips += 1
            refused += found is None
    return flips, refused


def cut_all(size: int, key: bytes | None, step: int = 1) -> tuple[int, int]:
    """Cut every file at every byte, one at a time; return (cuts, those that were refused).

    A cut at the very end of the log cannot be told from a crash: what is left has to be a beginning.

    Raises:
        AssertionError: One of them left something else.
    """
    files, values = written(size, key)
    newest = max(name for name in files if "/segments/" in name)
    cuts = refused = 0
    for name, data in files.items():
        for end in range(0, len(data), step):
            found = after({**files, name: data[:end]}, key)
            if name == newest:
                assert found is None or found == values[: len(found)], f"{name} cut at {end}"
            else:
                assert found is None or found == values, f"{name} cut at {end}: {len(found)} of {len(values)} records"
            cuts += 1
            refused += found is None
    return cuts, refused


if __name__ == "__main__":
    for secret in (None, b"k" * 32):
        for what in (flip_all, cut_all):
            started = time.perf_counter()
            count, refusals = what(64 << 10, secret)
            spent = time.perf_counter() - started
            sys.stdout.write(
                f"{what.__name__}{' signed' if secret else ''}: {count} looked at, {refusals} refused, {spent:.0f} s: all good\n"
            )
