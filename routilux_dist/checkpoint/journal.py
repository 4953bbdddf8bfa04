"""The journal of a run: what was appended and synced is there after any crash, in order, once, and by one writer.

Files of a run: `epochs/` (one claim per writer), `segments/`, `snapshots/`, `blobs/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from routilux_dist.checkpoint import blobs, frames, recovery, segments, snapshots
from routilux_dist.checkpoint.frames import Checks
from routilux_dist.checkpoint.recovery import Point
from routilux_dist.checkpoint.segments import Head
from routilux_dist.checkpoint.snapshots import Place
from routilux_dist.checkpoint.stores import PART_RULE, Appender, Store, check_run
from routilux_dist.errors import CheckpointDamagedError, CheckpointError, FencedError, StateError, StoreError

_EPOCH = re.compile(r"\d{8}")
#: A segment that has grown beyond this is followed by a new one.
SEGMENT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What a journal held when it was opened.

    Attributes:
        epoch: Number of the writer that opened it.
        snapshot: Data of the newest snapshot, or None.
        records: What was appended after it, in order.
        seq: Number of the last record, counted from 1; 0 if there never was one.
        checkpoints: Number of the last record that each named snapshot covers.
        notes: What was odd and did no harm: unfinished writes, damaged snapshots that older ones made up for.
    """

    epoch: int
    snapshot: bytes | None = None
    records: list[bytes] = field(default_factory=list)
    seq: int = 0
    checkpoints: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Journal:
    """A run's journal, for its one writer. Made by `open`.

    Any call may raise `StoreError`: nothing is lost then, and the same call may be made again. `FencedError` is final: another
    writer has opened the journal, and what this one appended since its last successful `sync` does not count.
    """

    def __init__(self, store: Store, run: str, checks: Checks, epoch: int, keep: int) -> None:
        self._store, self._run, self._checks, self._keep = store, run, checks, keep
        self.epoch = epoch
        #: Last record that is durable, and last that was appended.
        self._synced: Point = (0, checks.start)
        self._last: Point = (0, checks.start)
        #: What it took over.
        self._taken: Point = self._last
        #: Frames that are not durable yet.
        self._pending: list[bytes] = []
        self._appender: Appender | None = None
        self._segment = ""
        self._number = 0
        self._size = 0
        #: Last record of every segment's file, and the last file that was synced: it says up to where the history goes.
        self._lasts: dict[str, int] = {}
        self._anchor = ""
        self._places: list[Place] = []
        self._blobs = blobs.Blobs(store, run)
        self._over: CheckpointError | StateError | None = None

    @classmethod
    def open(cls, store: Store, run: str, key: bytes | None = None, keep: int = 3) -> tuple[Journal, Recovered]:
        """Take over a run's journal; an earlier writer that still runs is fenced from now on.

        Args:
            store: Where it lies.
            run: Name of the run.
            key: Secret that records and snapshots are signed with. With a key, what is not signed with it is refused.
            keep: Snapshots kept besides the named ones, with the log since the oldest of them.

        Raises:
            CheckpointDamagedError: Something that was durable is missing or altered, and no snapshot makes up for it.
            CheckpointVersionError: It was written in an unknown format.
            FencedError: Yet another writer opened it meanwhile.
            StoreError: The store failed.
        """
        check_run(run)
        if keep < 1:
            raise CheckpointError(f"keep={keep}: at least one snapshot has to be kept")
        if key is not None and len(key) < 16:
            raise CheckpointError("key: at least 16 bytes, better 32 from secrets.token_bytes(32)")
        checks = Checks(run, key)
        # First the claim, then the reading: what an earlier writer makes durable after the claim it will not acknowledge.
        journal = cls(store, run, checks, _claim(store, run), keep)
        history = recovery.recover(store, run, checks)
        journal._synced, journal._last = history.durable, history.end
        journal._taken = history.end
        journal._lasts, journal._places = dict(history.lasts), list(history.places)
        # And then, where the history goes on from here: what an earlier writer still appends is off it. What of his last write
        # may not have been durable when it was read is written again.
        journal._write(journal._again(history))
        journal._check_epoch()
        journal._synced = journal._last
        return journal, Recovered(
            epoch=journal.epoch,
            snapshot=None if history.snapshot is None else history.snapshot.data,
            records=history.records,
            seq=history.end[0],
            checkpoints=journal.checkpoints,
            notes=tuple(history.notes),
        )

    def _again(self, history: recovery.History) -> list[bytes]:
        """Return the records that may not have been durable, in one piece: a dead writer's last write may have been large."""
        (last, check), packed = history.durable, bytearray()
        for body in history.records[len(history.records) - (history.end[0] - last) :]:
            frame, check = frames.pack(self._checks, check, frames.RECORD, body)
            packed += frame
        return [bytes(packed)] if packed else []

    # ---- records -------------------------------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        """Number of the last record that was appended."""
        return self._last[0]

    @property
    def synced(self) -> int:
        """Number of the last record that is durable."""
        return self._synced[0]

    def append(self, data: bytes) -> int:
        """Add a record, in memory; return its number.

        Raises:
            CheckpointError: It is too long for a record.
        """
        self._check_open()
        if len(data) > frames.MAX_BODY:
            raise CheckpointError(
                f"a record of {len(data)} bytes: the most is {frames.MAX_BODY}; put large bytes into a blob"
            )
        frame, check = frames.pack(self._checks, self._last[1], frames.RECORD, data)
        self._pending.append(frame)
        self._last = (self._last[0] + 1, check)
        return self._last[0]

    def sync(self) -> int:
        """Make all records durable; return the number of the last one.

        Raises:
            FencedError: Another writer has taken over.
            StoreError: The store failed; what was not durable is kept and written by the next `sync`.
        """
        self._check_open()
        if self._pending:
            self._write(self._pending)
        self._check_epoch()
        if self._pending:
            self._pending = []
            self._synced = self._last
            self._lasts[self._segment] = self._synced[0]
            self._anchor = self._segment
            if self._size > SEGMENT_BYTES:
                self._leave()
        return self._synced[0]

    def _write(self, pending: list[bytes]) -> None:
        """Write frames to the segment, a new one if need be, and sync it. After a failure that segment is not used again."""
        try:
            if self._appender is None:
                self._number += 1
                self._segment = f"{self._run}/segments/{segments.file_name(self.epoch, self._number)}"
                head = Head(self.epoch, self._number, self._synced[0] + 1, self._synced[1], *self._taken)
                self._appender = self._store.append(self._segment)
                self._lasts[self._segment] = self._last[0]
                data = b"".join((segments.pack_head(self._checks, head), *pending))
                self._size = 0
            else:
                data = b"".join((frames.as_first(pending[0]), *pending[1:]))
            self._size += len(data)
            self._appender.write(data)
            self._appender.sync()
        except BaseException:
            self._leave()
            raise
        if not self._anchor:
            self._anchor = self._segment

    def _check_epoch(self) -> None:
        try:
            newest = _highest(self._store, self._run)
        except BaseException:
            self._leave()  # what was written may count or not: it is written again
            raise
        if newest > self.epoch:
            self._leave()
            self._over = FencedError(
                f"run {self._run!r} was taken over: this writer has epoch {self.epoch}, epoch {newest} has begun; what it "
                f"appended after record {self.synced} does not count",
                epoch=self.epoch,
                newer=newest,
            )
            raise self._over

    def _leave(self) -> None:
        """Go on in another segment from here."""
        appender, self._appender = self._appender, None
        if appender is not None:
            try:
                appender.close()
            except StoreError:
                pass

    def _check_open(self) -> None:
        if self._over is not None:
            raise self._over

    # ---- snapshots -----------------------------------------------------------------------------------------------

    @property
    def checkpoints(self) -> dict[str, int]:
        """Number of the last record that each named snapshot covers."""
        return {place.name: place.record for place in self._places if place.name}

    def snapshot(self, data: bytes, name: str | None = None) -> int:
        """Store what all records so far amount to; return the number of the last one.

        Records that no kept snapshot needs are deleted.

        Args:
            data: The state.
            name: Keep it under this name, until a later one gets the name.

        Raises:
            CheckpointError: The name is not allowed.
            FencedError, StoreError: See `sync`.
        """
        if name is not None and (not PART_RULE.fullmatch(name) or len(name) > 64):
            raise CheckpointError(
                f"checkpoint name {name!r}: at most 64 characters, and it has to match {PART_RULE.pattern}"
            )
        record = self.sync()
        place = Place(record, self.epoch, name or "")
        self._store.replace(self._path(place), snapshots.pack(self._checks, place, self._synced[1], data))
        self._check_epoch()
        self._leave()
        self._places = sorted({*self._places, place})
        self._retain()
        return record

    def load(self, name: str) -> tuple[int, bytes]:
        """Return (number of the last record, data) of a named snapshot.

        Raises:
            CheckpointError: There is none of this name.
            CheckpointDamagedError: It is damaged.
        """
        place = max((p for p in self._places if p.name == name), default=None)
        if place is None:
            known = ", ".join(self.checkpoints) or "none"
            raise CheckpointError(f"run {self._run!r} has no checkpoint {name!r}; it has: {known}")
        file = self._path(place)
        snapshot = snapshots.read(file, self._store.read(file) or b"", self._checks)
        if snapshot is None:
            raise CheckpointDamagedError(f"{file} is missing or damaged", file=file)
        return place.record, snapshot.data

    def _path(self, place: Place) -> str:
        return f"{self._run}/snapshots/{snapshots.file_name(place)}"

    def _retain(self) -> None:
        """Delete what is no longer needed: first snapshots, then segments before the oldest of those that are kept."""
        kept = self._places[-self._keep :]
        names = {p.name: p for p in self._places if p.name}  # the newest of each name
        for place in self._places[: -self._keep]:
            if names.get(place.name) != place:
                self._store.delete(self._path(place))
                self._places = [p for p in self._places if p != place]
        oldest = kept[0].record if len(kept) == self._keep else 0
        for file, last in list(self._lasts.items()):
            if last <= oldest and oldest and file not in (self._anchor, self._segment):
                self._store.delete(file)
                del self._lasts[file]

    # ---- blobs ---------------------------------------------------------------------------------------------------

    def put_blob(self, data: bytes, hold: bool = False) -> str:
        """Store bytes durably, out of line; return the digest that a record can name them by.

        The only method that any thread may call. With `hold` the blob stays until `release_blobs`, as often as it was put.
        """
        self._check_open()
        return self._blobs.put(data, hold)

    def hold_blob(self, data: bytes) -> str:
        """Store bytes durably and hold them."""
        return self.put_blob(data, hold=True)

    def release_blobs(self, digests: Iterable[str]) -> None:
        """Blobs that were put and held are named by records or a snapshot now."""
        self._blobs.release(digests)

    def get_blob(self, digest: str) -> bytes:
        """Return the bytes of a digest.

        Raises:
            CheckpointDamagedError: They are missing, or are not what was stored.
        """
        return self._blobs.get(digest)

    def retain_blobs(self, digests: Iterable[str]) -> int:
        """Delete all other blobs that are not held; return how many.

        What kept snapshots and the log since the oldest of them name has to be among those that stay.
        """
        self.sync()
        return self._blobs.retain(digests)

    # ---- end -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Sync, and mark the end: a reader then knows that nothing is missing. Closing twice does nothing."""
        if self._over is not None:
            return
        self.sync()
        end, _ = frames.pack(self._checks, self._synced[1], frames.END, b"")
        self._write([end])
        self._leave()
        self._over = StateError(f"the journal of run {self._run!r} is closed; open it again")


def _claim(store: Store, run: str) -> int:
    """Claim the next epoch; of several writers that claim it one wins, the others claim the ones after it."""
    epoch = _highest(store, run) + 1
    while not store.create(f"{run}/epochs/{epoch:08d}", b""):
        epoch += 1
    for name in store.list(f"{run}/epochs"):
        if _EPOCH.fullmatch(name) and int(name) < epoch - 1:
            store.delete(f"{run}/epochs/{name}")
    return epoch


def _highest(store: Store, run: str) -> int:
    return max((int(name) for name in store.list(f"{run}/epochs") if _EPOCH.fullmatch(name)), default=0)
