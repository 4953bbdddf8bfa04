"""What a run's files amount to: the newest snapshot that is unharmed, and every record after it.

Records form chains through their checks. Several writers may have left segments: each took over from what it had read, and one
that was fenced may have gone on writing. The history is what the newest epoch wrote and, backwards from its head, what that was
built on. All else is what a fenced writer wrote too late, and nobody was told that it counts.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from routilux_dist.checkpoint import segments, snapshots
from routilux_dist.checkpoint.frames import Checks
from routilux_dist.checkpoint.segments import Segment
from routilux_dist.checkpoint.snapshots import Place, Snapshot
from routilux_dist.checkpoint.stores import Store
from routilux_dist.errors import CheckpointDamagedError

#: A record by its number and check: the same record written twice is the same point.
Point = tuple[int, bytes]


class History(NamedTuple):
    """What was found.

    Attributes:
        snapshot: Where it begins, or None for the very beginning.
        records: What follows.
        end: Its last point.
        durable: The last point that is known to be durable. What follows was readable, and may have been in nothing but the
            memory of a machine: whoever builds on it has to write it again.
        places: Every snapshot's file.
        lasts: Number of the last record in every segment's file.
        notes: What was odd and did no harm.
    """

    snapshot: Snapshot | None
    records: list[bytes]
    end: Point
    durable: Point
    places: list[Place]
    lasts: dict[str, int]
    notes: list[str]


@dataclass(slots=True)
class Path:
    """Records that follow each other: `runs` of them, each (segment, first number, last number), that lead away from `start`."""

    start: Point
    runs: list[tuple[Segment, int, int]] = field(default_factory=list)

    def records(self) -> list[bytes]:
        """Return them."""
        return [segment.body(number) for segment, first, last in self.runs for number in range(first, last + 1)]

    def check(self, number: int) -> bytes:
        """Return the check of one, or of the start; nothing if it is not among them."""
        if number == self.start[0]:
            return self.start[1]
        at = bisect_right(self.runs, number, key=lambda run: run[1]) - 1
        if at < 0 or number > self.runs[at][2]:
            return b""
        return self.runs[at][0].check(number) or b""


def recover(store: Store, run: str, checks: Checks, *, oldest: bool = False) -> History:
    """Read a run's files.

    Args:
        store: Where they are.
        run: Name of the run.
        checks: How they are checked.
        oldest: Begin with the oldest snapshot since which the log is whole, for looking at the past.

    Raises:
        CheckpointDamagedError: Something that was durable is missing or altered, and no snapshot makes up for it.
        CheckpointVersionError: Something is of an unknown version.
        StoreError: The store failed.
    """
    found = read_segments(store, run, checks)
    places = snapshot_places(store, run)
    notes = [
        f"{s.name}: {s.size - s.offset} bytes of an unfinished write were dropped" for s in found if s.offset < s.size
    ]
    history = _since_oldest(store, run, checks, found, places) if oldest else None
    if history is None:
        snapshot = _newest(store, run, checks, places, notes)
        start = (0, checks.start) if snapshot is None else (snapshot.place.record, snapshot.check)
        _check_heads(found, places, start)
        end, path = _history(found, start, notes)
    else:
        snapshot, end, path = history
    durable = _durable(found, path.start, path)
    return History(snapshot, path.records(), end, durable, places, {s.name: s.last for s in found}, notes)


def read_segments(store: Store, run: str, checks: Checks) -> list[Segment]:
    """Return a run's segments in the order in which they were begun."""
    folder = f"{run}/segments"
    names = [name for name in store.list(folder) if segments.place_of(name) is not None]
    # One that is gone meanwhile was deleted by a writer who no longer needed it.
    return [
        segments.read(f"{folder}/{name}", data, checks)
        for name in names
        if (data := store.read(f"{folder}/{name}")) is not None
    ]


def snapshot_places(store: Store, run: str) -> list[Place]:
    """Return what snapshots a run has, oldest first."""
    places = [snapshots.place_of(name) for name in store.list(f"{run}/snapshots")]
    return sorted(place for place in places if place is not None)


def _newest(store: Store, run: str, checks: Checks, places: list[Place], notes: list[str]) -> Snapshot | None:
    for place in reversed(places):
        name = f"{run}/snapshots/{snapshots.file_name(place)}"
        data = store.read(name)
        snapshot = None if data is None else snapshots.read(name, data, checks)
        if snapshot is not None:
            return snapshot
        notes.append(f"{name} is damaged; an older one was used")
    return None


def _since_oldest(
    store: Store, run: str, checks: Checks, found: list[Segment], places: list[Place]
) -> tuple[Snapshot, Point, Path] | None:
    """Return what the oldest snapshot and the log since then amount to, or None if only the newest will do."""
    for place in places[:-1]:
        snapshot = _newest(store, run, checks, [place], [])
        if snapshot is None:
            continue
        start = (place.record, snapshot.check)
        with contextlib.suppress(CheckpointDamagedError):
            _check_heads(found, places, start)
            return snapshot, *_history(found, start, [])
    return None


def _history(found: list[Segment], start: Point, notes: list[str]) -> tuple[Point, Path]:
    """Return the last point of the history, and the records that lead to it."""
    newest = max((s.head.epoch for s in found if s.head is not None), default=0)
    last = [(s.head, s) for s in found if s.head is not None and s.head.epoch == newest]
    # What the newest epoch wrote, and what it goes on from, has to be there.
    ends = [(head.first - 1, head.before) for head, _ in last]
    ends += [(s.last, s.check(s.last) or b"") for _, s in last]
    end = max(ends, key=lambda point: point[0], default=(0, b"") if start[0] else start)
    _check_tails(found, newest, end)
    for read in sorted({(head.last, head.last_check) for head, _ in last}, reverse=True):
        # What it had read, and was about to write again, may have been in nothing but memory, and be gone: then nobody was told.
        if read[0] > end[0]:
            try:
                return read, _walk(found, start, read, notes)
            except CheckpointDamagedError:
                continue
    return end, _walk(found, start, end, notes)


def _check_heads(found: list[Segment], places: list[Place], start: Point) -> None:
    """The first segment of a writer was durable before its snapshots: one that is unreadable is no unfinished write."""
    newest = max((s.head.epoch for s in found if s.head is not None), default=0)
    for segment in found:
        epoch, number = segments.place_of(segment.name.rsplit("/", 1)[-1]) or (0, 0)
        if segment.head is None and number == 1 and epoch > newest and any(place.epoch == epoch for place in places):
            raise CheckpointDamagedError(
                f"{segment.name}, byte 0: its head was durable and cannot be read, so what was written after record {start[0]} "
                f"is lost",
                file=segment.name,
                offset=0,
                intact=start[0],
            )


def _check_tails(found: list[Segment], newest: int, end: Point) -> None:
    for segment in found:
        epoch, _ = segments.place_of(segment.name.rsplit("/", 1)[-1]) or (0, 0)
        if segment.damaged and epoch >= newest and (segment.head is None or segment.last >= end[0]):
            raise _damage(segment, "is damaged there, and more was written behind it")


def _walk(found: list[Segment], start: Point, end: Point, notes: list[str]) -> Path:
    """Return the records from a point (without it) to another."""
    path, point = Path(start), end
    while point[0] > start[0]:
        # Within a segment each record follows the one before it: that was looked at when it was read.
        segment = next((s for s in found if s.head is not None and s.head.first <= point[0] and _holds(s, point)), None)
        if segment is None or segment.head is None:
            raise _hole(found, point[0], notes)
        first = max(segment.head.first, start[0] + 1)
        path.runs.append((segment, first, point[0]))
        point = (first - 1, segment.check(first - 1) or b"")
    if point != start:
        raise CheckpointDamagedError(
            f"the snapshot after record {start[0]} does not fit the log, which ends with record {end[0]}: part of the log is "
            f"missing or belongs to another history; the snapshot alone is unharmed",
            intact=start[0],
        )
    path.runs.reverse()
    return path


def _holds(segment: Segment, point: Point) -> bool:
    return segment.check(point[0]) == point[1]


def _durable(found: list[Segment], start: Point, path: Path) -> Point:
    """Return the last point of a path that some writer knew to be durable when he went on."""
    known = start[0]
    for segment in found:
        if segment.head is None:
            continue
        if segment.closed and _holds(segment, (segment.last, path.check(segment.last))):
            known = max(known, segment.last)
        for number in chain(segment.began(), (segment.head.first,)):
            if number - 1 <= known:
                break
            if _holds(segment, (number - 1, path.check(number - 1))):
                known = number - 1
    return known, path.check(known)


def _hole(found: list[Segment], number: int, notes: list[str]) -> CheckpointDamagedError:
    """Blame the segment in which the missing record should be."""
    holders = [s for s in found if s.head is not None and s.head.first <= number]
    if holders:
        return _damage(holders[-1], f"should hold record {number}, which is missing or damaged", notes)
    said = "".join(f"; {note}" for note in notes)
    return CheckpointDamagedError(f"no file holds record {number}, and later ones are there{said}", intact=0)


def _damage(segment: Segment, why: str, notes: list[str] | None = None) -> CheckpointDamagedError:
    intact = segment.last
    said = "".join(f"; {note}" for note in notes or ())
    return CheckpointDamagedError(
        f"{segment.name}, byte {segment.offset}: {why}; up to record {intact} it can be trusted{said}",
        file=segment.name,
        offset=segment.offset,
        intact=intact,
    )
