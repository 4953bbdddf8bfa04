"""Damage to a closed journal: every cut and every flipped bit is detected, made up for, or harmless.

`python -m tests.property.damage` does that to a journal of 64 KiB, signed and not.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from routilux_dist.checkpoint.journal import Journal, Recovered
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.errors import CheckpointError
from tests.property import sharing
from tests.property.crashes import state_of, values_of
from tests.property.sharing import Progress

#: Places that are harmed in one piece of work.
PIECE = 2000


def written(size: int, key: bytes | None, close: bool = True) -> tuple[dict[str, bytes], list[bytes]]:
    """Return (files, records) of a journal of about so many bytes, with some writers and snapshots."""
    store, draw = MemoryStore(), random.Random(size)
    values: list[bytes] = []
    due, heirs = [3, 8, 12], [5, 16, 40]  # snapshots: no more than make the first segments stay
    journal, _ = Journal.open(store, "run", key)
    while sum(map(len, store.files.values())) < size:
        for _ in range(draw.randrange(1, 4)):
            values.append(b"%d:" % len(values) + draw.randbytes(draw.choice((0, 3, size // 100))))
            journal.append(values[-1])
        journal.sync()
        if due and len(values) >= due[0]:
            del due[0]
            journal.snapshot(state_of(values), draw.choice((None, "good")))
        if heirs and len(values) >= heirs[0]:
            del heirs[0]
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


class Piece(NamedTuple):
    """A range of places in one file, to be harmed one at a time."""

    files: dict[str, bytes]
    values: list[bytes]
    key: bytes | None
    name: str
    places: range


def flip_some(piece: Piece) -> tuple[int, int]:
    """Flip bits of a file, one at a time; return (flips, those that were refused)."""
    files, values, key, name, bits = piece
    refused = 0
    for bit in bits:
        flipped = bytearray(files[name])
        flipped[bit // 8] ^= 1 << bit % 8
        found = after({**files, name: bytes(flipped)}, key)
        assert found is None or found == values, f"{name}, bit {bit}: {len(found)} of {len(values)} records"
        refused += found is None
    return len(bits), refused


def cut_some(piece: Piece) -> tuple[int, int]:
    """Cut a file at some bytes, one at a time; return (cuts, those that were refused).

    A cut at the very end of the log cannot be told from a crash: what is left has to be a beginning.
    """
    files, values, key, name, ends = piece
    newest = max(name for name in files if "/segments/" in name)
    refused = 0
    for end in ends:
        found = after({**files, name: files[name][:end]}, key)
        wanted = values[: len(found)] if found is not None and name == newest else values
        assert found is None or found == wanted, f"{name} cut at {end}: {len(found)} of {len(values)} records"
        refused += found is None
    return len(ends), refused


def pieces(size: int, key: bytes | None, per_byte: int, step: int) -> Iterator[Piece]:
    """Yield all places of a journal of about so many bytes."""
    files, values = written(size, key)
    for name, data in files.items():
        for start in range(0, len(data) * per_byte, PIECE * step):
            end = min(start + PIECE * step, len(data) * per_byte)
            yield Piece(files, values, key, name, range(start, end, step))


def flip_all(size: int, key: bytes | None, step: int = 1, processes: int = 1) -> tuple[int, int]:
    """Flip every bit (or every `step`-th) of every file, one at a time; return (flips, those that were refused).

    Raises:
        AssertionError: One of them changed what the journal holds.
    """
    return _sum("flips", flip_some, pieces(size, key, 8, step), processes)


def cut_all(size: int, key: bytes | None, step: int = 1, processes: int = 1) -> tuple[int, int]:
    """Cut every file at every byte, one at a time; return (cuts, those that were refused).

    Raises:
        AssertionError: One of them left something else.
    """
    return _sum("cuts", cut_some, pieces(size, key, 1, step), processes)


def _sum(
    what: str, function: Callable[[Piece], tuple[int, int]], tasks: Iterator[Piece], processes: int
) -> tuple[int, int]:
    count, refused, progress = 0, 0, Progress()
    for found in sharing.shared(function, tasks, processes):
        count, refused = count + found[0], refused + found[1]
        progress.at(f"{count} {what}, {refused} refused")
    return count, refused


def main() -> None:
    """Cut a journal at every byte and flip every bit of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.property.damage", description=main.__doc__)
    parser.add_argument("--kib", type=int, default=64, help="size of the journal in KiB")
    sharing.add_processes(parser)
    asked = parser.parse_args()
    for key in (None, b"k" * 32):
        files, values = written(asked.kib << 10, key)
        sizes = ", ".join(f"{name.partition('/')[2]} {len(data)}" for name, data in files.items())
        sys.stdout.write(f"{'signed' if key else 'unsigned'}: {len(values)} records in {sizes}\n")
        for what, harm in (("flips", flip_all), ("cuts", cut_all)):
            progress = Progress()
            count, refused = harm(asked.kib << 10, key, processes=asked.processes)
            progress.say(f"  {count} {what}, {refused} refused, none changed what is read")


if __name__ == "__main__":
    main()
