"""All randomness of a simulated schedule, as one list of small numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence


class Tape:
    """Choices, made up from a seed or played back.

    Zero is always the dull choice (nothing fails, the oldest goes first), and what is missing at the end of a tape is zero. So a
    tape with entries deleted or set to zero is a valid tape of a schedule that is shorter or duller.

    Args:
        seed: Where new choices come from; ignored if `entries` are given.
        entries: Choices to play back.
    """

    def __init__(self, seed: int = 0, entries: Sequence[int] | None = None) -> None:
        self._given = entries
        self._random = random.Random(seed).random if entries is None else None  # noqa: S311 - chance, no secret
        #: What was chosen so far.
        self.entries: list[int] = []

    def choose(self, count: int) -> int:
        """Return a number from 0 to `count` - 1; where there is nothing to choose, nothing is taken from the tape."""
        if count <= 1:
            return 0
        entry = int(self._random() * count) if self._random is not None else self._next(count)
        self.entries.append(entry)
        return entry

    def chance(self, percent: int) -> bool:
        """Return whether something that happens this often happens now."""
        entry = int(self._random() * 100 < percent) if self._random is not None else self._next(2)
        self.entries.append(entry)
        return entry == 1

    @property
    def spent(self) -> bool:
        """Whether a tape that is played back has come to its end."""
        return self._given is not None and len(self.entries) >= len(self._given)

    def _next(self, count: int) -> int:
        place, given = len(self.entries), self._given
        assert given is not None
        return min(given[place], count - 1) if place < len(given) else 0


def shrink(entries: Sequence[int], fails: Callable[[list[int]], bool], most: int = 2000) -> list[int]:
    """Return a short, dull tape that still fails.

    Args:
        entries: A tape that fails.
        fails: Tells whether another one does.
        most: Tapes to try.
    """
    best = stripped(entries)
    tries = 0
    better = True
    while better and tries < most:
        better = False
        for candidate in _simpler(best):
            tries += 1
            if tries > most:
                break
            if fails(candidate):
                best, better = stripped(candidate), True
                break
    return best


def stripped(entries: Sequence[int]) -> list[int]:
    """Return a tape without the zeros at its end, which say nothing."""
    end = len(entries)
    while end and entries[end - 1] == 0:
        end -= 1
    return list(entries[:end])


def _simpler(tape: list[int]) -> Iterator[list[int]]:
    """Yield tapes that are shorter, then duller; large steps first."""
    size = len(tape)
    while size:
        for start in range(len(tape) - size, -1, -size):
            yield tape[:start] + tape[start + size :]
        for start in range(0, len(tape), size):
            if any(tape[start : start + size]):
                yield tape[:start] + [0] * len(tape[start : start + size]) + tape[start + size :]
        size //= 2
    # Several entries make one step; a dull step has fewer of them.
    for place in range(len(tape)):
        for gone, zeros in ((3, 2), (2, 1), (3, 1), (3, 0), (2, 0)):
            if any(tape[place : place + gone]):
                yield tape[:place] + [0] * zeros + tape[place + gone :]
    for place, entry in enumerate(tape):
        if entry > 1:
            yield [*tape[:place], entry // 2, *tape[place + 1 :]]
