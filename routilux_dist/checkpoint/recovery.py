"""What a run's files amount to: the newest snapshot that is unharmed, and every record after it.

Records form chains through their checks. Several writers may have left segments: each took over from what it had read, and one
that was fenced may have gone on writing. The history is what the newest epoch wrote and, backwards from its head, what that was
built on. All else is what a fenced writer wrote too late, and nobody was told that it counts.
"""

from __future__ import annotations

from typing import NamedTuple

from routilux_dist.checkpoint import segments, snapshots
from routilux_dist.checkpoint.frames import Checks
from routilux_dist.checkpoint.segments import Record, Segment
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


def recover(store: Store, run: str, checks: Checks) -> History:
    """Read a run's files.

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
    snapshot = _newest(store, run, checks, places, notes)
    start = (0, checks.start) if snapshot is None else (snapshot.place.record, snapshot.check)
    end, path = _history(found, start, notes)
    records = [bytes(record.body) for record in path]
    durable = _durable(found, start, path)
    return History(snapshot, records, end, durable, places, {s.name: last_of(s) for s in found}, notes)


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


def last_of(segment: Segment) -> int:
    """Return the number of the last record in a segment; that of the one before its first if it has none; 0 if it is torn."""
    if segment.records:
        return segment.records[-1].number
    return segment.head.first - 1 if segment.head is not None else 0


def _newest(store: Store, run: str, checks: Checks, places: list[Place], notes: list[str]) -> Snapshot | None:
    for place in reversed(places):
        name = f"{run}/snapshots/{snapshots.file_name(place)}"
        data = store.read(name)
        snapshot = None if data is None else snapshots.read(name, data, checks)
        if snapshot is not None:
            return snapshot
        notes.append(f"{name} is damaged; an older one was used")
    return None


def _history(found: list[Segment], start: Point, notes: list[str]) -> tuple[Point, list[Record]]:
    """Return the last point of the history, and the records that lead to it."""
    newest = max((s.head.epoch for s in found if s.head is not None), default=0)
    heads = [s.head for s in found if s.head is not None and s.head.epoch == newest]
    # What the newest epoch wrote, and what it goes on from, has to be there.
    ends = [(h.first - 1, h.before) for h in heads]
    ends += [(r.number, r.check) for s in found if s.head in heads for r in s.records[-1:]]
    end = max(ends, key=lambda point: point[0], default=(0, b"") if start[0] else start)
    _check_tails(found, newest, end)
    for last in sorted({(h.last, h.last_check) for h in heads}, reverse=True):
        # What it had read, and was about to write again, may have been in nothing but memory, and be gone: then nobody was told.
        if last[0] > end[0]:
            try:
                return last, _walk(found, start, last, notes)
            except CheckpointDamagedError:
                continue
    return end, _walk(found, start, end, notes)


def _check_tails(found: list[Segment], newest: int, end: Point) -> None:
    for segment in found:
        epoch, _ = segments.place_of(segment.name.rsplit("/", 1)[-1]) or (0, 0)
        if segment.damaged and epoch >= newest and (segment.head is None or last_of(segment) >= end[0]):
            raise _damage(segment, "is damaged there, and more was written behind it")


def _walk(found: list[Segment], start: Point, end: Point, notes: list[str]) -> list[Record]:
    """Return the records from a point (without it) to another."""
    graph: dict[Point, Record] = {(r.number, r.check): r for segment in found for r in segment.records}
    path: list[Record] = []
    point = end
    while point[0] > start[0]:
        record = graph.get(point)
        if record is None:
            raise _hole(found, point[0], notes)
        path.append(record)
        point = (record.number - 1, record.before)
    if point != start:
        raise CheckpointDamagedError(
            f"the snapshot after record {start[0]} does not fit the log, which ends with record {end[0]}: part of the log is "
            f"missing or belongs to another history; the snapshot alone is unharmed",
            intact=start[0],
        )
    path.reverse()
    return path


def _durable(found: list[Segment], start: Point, path: list[Record]) -> Point:
    """Return the last point of a path that some writer knew to be durable when he went on."""
    known = {start[0]}
    checks = {r.number: r.check for r in path} | {start[0]: start[1]}
    for segment in found:
        if segment.head is not None and checks.get(segment.head.first - 1) == segment.head.before:
            known.add(segment.head.first - 1)
        known.update(r.number - 1 for r in segment.records if r.first and checks.get(r.number - 1) == r.before)
        if segment.closed and segment.records and checks.get(segment.records[-1].number) == segment.records[-1].check:
            known.add(segment.records[-1].number)
    last = max(known)
    return last, checks[last]


def _hole(found: list[Segment], number: int, notes: list[str]) -> CheckpointDamagedError:
    """Blame the segment in which the missing record should be."""
    holders = [s for s in found if s.head is not None and s.head.first <= number]
    if holders:
        return _damage(holders[-1], f"should hold record {number}, which is missing or damaged", notes)
    said = "".join(f"; {note}" for note in notes)
    return CheckpointDamagedError(f"no file holds record {number}, and later ones are there{said}", intact=0)


def _damage(segment: Segment, why: str, notes: list[str] | None = None) -> CheckpointDamagedError:
    intact = last_of(segment)
    said = "".join(f"; {note}" for note in notes or ())
    return CheckpointDamagedError(
        f"{segment.name}, byte {segment.offset}: {why}; up to record {intact} it can be trusted{said}",
        file=segment.name,
        offset=segment.offset,
        intact=intact,
    )
