"""Lives of a journal on a disk that crashes: at any moment, what is left must hold all that was acknowledged, in order, unmixed.

`python -m tests.property.crashes 1000000` looks at a million images, on all cores or as many as `--processes` says;
`python -m tests.property.crashes --seed 7` lives one life.
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections.abc import Callable

from routilux_dist.checkpoint import journal as module
from routilux_dist.checkpoint.directory import DirectoryStore
from routilux_dist.checkpoint.journal import Journal, Recovered
from routilux_dist.errors import FencedError, StoreError
from tests.property import sharing
from tests.property.disk import CrashDisk
from tests.property.sharing import Progress

RUN = "run"


class Life:
    """One random life, with crashes looked at on the way.

    Args:
        seed: Decides everything.
        disk: Where it begins; an empty one by default.
        left: Lives that may follow on what a crash left.
        before: What the disk holds.
        key: What it is signed with.
    """

    def __init__(
        self,
        seed: int,
        disk: CrashDisk | None = None,
        left: int = 2,
        before: list[bytes] | None = None,
        key: bytes | None = None,
    ) -> None:
        self.seed, self.left, self.draw = seed, left, random.Random(seed)
        draw = self.draw
        self.disk = disk if disk is not None else CrashDisk()
        self.disk.draw = draw
        self.key = key if disk is not None else draw.choice((None, None, None, b"k" * 32))
        self.keep = draw.choice((1, 2, 3))
        #: All that was appended, how much of it was acknowledged, and named snapshots.
        self.values: list[bytes] = list(before or [])
        self.acked = len(self.values)
        self.named: dict[str, int] = {}
        self.images = 0
        self.looks = draw.choice((0.02, 0.1, 0.4))
        self.failing = draw.choice((0.0, 0.0, 0.02, 0.1))
        self.journal: Journal | None = None
        self.zombies: list[Journal] = []

    def live(self) -> int:
        """Live; return the number of images that were looked at."""
        self.disk.watch = self._crash_perhaps
        self.disk.fails = lambda what: self.draw.random() < self.failing
        for _ in range(self.draw.randrange(3, 30)):
            try:
                self._step()
            except StoreError:
                pass
        self.disk.fails = lambda what: False
        if self.journal is not None:
            self._acknowledge(self.journal.sync)
        for _ in range(3):
            self._crash()
        return self.images

    def _step(self) -> None:
        draw = self.draw
        if self.journal is None or draw.random() < 0.08:
            self._take_over()
            return
        luck = draw.random()
        if self.zombies and luck < 0.2:
            self._haunt(draw.choice(self.zombies))
        elif luck < 0.55:
            value = b"%d:" % len(self.values) + draw.randbytes(draw.choice((0, 1, 5, 40, 200)))
            self.values.append(value)
            assert self.journal.append(value) == len(self.values)
        elif luck < 0.85:
            self._acknowledge(self.journal.sync)
        else:
            name = draw.choice((None, None, "a", "b"))
            self._acknowledge(lambda: self._snapshot(name))

    def _snapshot(self, name: str | None) -> int:
        assert self.journal is not None
        number = self.journal.snapshot(state_of(self.values), name)
        if name is not None:
            self.named[name] = number
        return number

    def _acknowledge(self, call: Callable[[], int]) -> None:
        self.acked = call()
        assert self.acked == len(self.values)

    def _take_over(self) -> None:
        """Another process opens the journal; the one before it may not notice for a while."""
        before = self.journal
        self.journal = None
        journal, recovered = Journal.open(DirectoryStore("/s", self.disk), RUN, self.key, self.keep)
        self.values = self._checked(recovered)
        self.acked = len(self.values)
        self.journal = journal
        if before is not None:
            self.zombies.append(before)

    def _haunt(self, zombie: Journal) -> None:
        """A fenced writer writes: what it is told is that it does not count, if it asks."""
        zombie.append(b"zombie " + self.draw.randbytes(10))
        if self.draw.random() < 0.5:
            try:
                zombie.sync()
            except FencedError:
                self.zombies.remove(zombie)
            else:
                raise AssertionError("a zombie was not fenced")
        else:
            zombie._write(zombie._pending)

    # ---- crashes -------------------------------------------------------------------------------------------------

    def _crash_perhaps(self) -> None:
        if self.draw.random() < self.looks:
            self._crash()

    def _crash(self) -> None:
        disk = self.disk.after_crash(self.draw)
        self.images += 1
        journal, recovered = Journal.open(DirectoryStore("/s", disk), RUN, self.key, self.keep)
        values = self._checked(recovered)
        for name, number in self.named.items():
            # A later snapshot of the name may have become durable before its acknowledgment.
            at, data = journal.load(name)
            assert at >= number
            assert data == state_of(self.values[:at])
        if self.left and self.draw.random() < 0.1:
            self.images += Life(self.draw.randrange(1 << 30), disk, self.left - 1, values, self.key).live()

    def _checked(self, recovered: Recovered) -> list[bytes]:
        """Return what was recovered, as it has to be."""
        values = [*values_of(recovered.snapshot or b""), *recovered.records]
        assert len(values) == recovered.seq
        assert self.acked <= len(values) <= len(self.values), (self.acked, len(values), len(self.values))
        assert values == self.values[: len(values)]
        return values


def state_of(values: list[bytes]) -> bytes:
    return b"".join(len(value).to_bytes(4, "big") + value for value in values)


def values_of(state: bytes) -> list[bytes]:
    values = []
    while state:
        size = int.from_bytes(state[:4], "big")
        values.append(state[4 : 4 + size])
        state = state[4 + size :]
    return values


def live_all(seeds: range) -> tuple[int, int]:
    """Live the lives of some seeds; return (images, lives).

    Raises:
        AssertionError: An image was wrong; the message has the seed.
    """
    module.SEGMENT_BYTES, before = 700, module.SEGMENT_BYTES
    images = 0
    try:
        for seed in seeds:
            try:
                images += Life(seed).live()
            except Exception as exc:
                raise AssertionError(f"seed {seed}: {type(exc).__name__}: {exc}") from exc
    finally:
        module.SEGMENT_BYTES = before
    return images, len(seeds)


def look_at(images: int, first_seed: int = 0, processes: int = 1, chunk: int = 1) -> tuple[int, int]:
    """Live lives until so many images were looked at; return (images, lives).

    Args:
        images: Least number.
        first_seed: Seed of the first life; the others count from there.
        processes: Processes that live them.
        chunk: Lives between two looks at the number.

    Raises:
        AssertionError: One of them was wrong; the message has the seed.
    """
    seen, lived, progress = 0, 0, Progress()
    chunks = (range(first, first + chunk) for first in itertools.count(first_seed, chunk))
    for found in sharing.shared(live_all, chunks, processes):
        seen, lived = seen + found[0], lived + found[1]
        progress.at(f"{seen} of {images} images, {lived} lives")
        if seen >= images:
            break
    return seen, lived


def main() -> None:
    """Look at many images, or live one life."""
    parser = argparse.ArgumentParser(prog="python -m tests.property.crashes", description=main.__doc__)
    parser.add_argument("images", type=int, nargs="?", default=1, help="images to look at")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first life; without a number of images, of the only one"
    )
    sharing.add_processes(parser)
    asked, progress = parser.parse_args(), Progress()
    many = asked.images > 1
    images, lives = look_at(asked.images, asked.seed, asked.processes if many else 1, 50 if many else 1)
    progress.say(f"{images} images of {lives} lives from seed {asked.seed}: all good")


if __name__ == "__main__":
    main()
