"""Which blobs are still named, so that the others can go."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from routilux_dist.driver import records


class Shelves(Protocol):
    """What is needed of a journal for it."""

    def release_blobs(self, digests: list[str]) -> None:
        """They are named by what was appended; until then what was put is held."""
        ...

    def retain_blobs(self, digests: set[str]) -> int:
        """Delete all other blobs that are not held."""
        ...


class Collector:
    """Follows what a writer appends, and has the blobs deleted that nothing names any more.

    Kept are those of the last snapshots, as many as the journal keeps, and of the records since the oldest of these. Until this
    writer has taken as many itself, nothing is deleted: what an earlier one named is not known here.

    Args:
        shelves: The journal.
        keep: Snapshots that it keeps.
    """

    def __init__(self, shelves: Shelves, keep: int) -> None:
        self._shelves = shelves
        #: (number of the last record that it covers, digests), oldest first.
        self._snapshots: deque[tuple[int, set[str]]] = deque(maxlen=keep)
        self._records: deque[tuple[int, list[str]]] = deque()
        #: What may be there; None as long as an earlier writer may have left some.
        self._there: set[str] | None = None

    def appended(self, seq: int, data: bytes) -> None:
        """Take note of a record."""
        named = records.blobs_of(data)
        if named:
            self._records.append((seq, named))
            self._shelves.release_blobs(named)

    def snapshot(self, seq: int, data: bytes) -> None:
        """Take note of a snapshot that is durable, and delete what is named no more."""
        named = records.blobs_of(data)
        self._shelves.release_blobs(named)
        self._snapshots.append((seq, set(named)))
        if len(self._snapshots) < (self._snapshots.maxlen or 0):
            return
        before = set().union(*(digests for _, digests in self._records))
        while self._records and self._records[0][0] <= self._snapshots[0][0]:
            self._records.popleft()
        wanted = set().union(*(digests for _, digests in (*self._snapshots, *self._records)))
        # Looking through a store for what is not there would cost more than it is worth.
        if self._there is None or (self._there | before) - wanted:
            self._shelves.retain_blobs(wanted)
        self._there = wanted
