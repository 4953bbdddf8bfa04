"""Crash images of the journal: 20,000 here, a million with `make crash`; and the suite finds the bugs it is there for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from routilux_dist.checkpoint import frames, journal, recovery, segments
from routilux_dist.checkpoint.directory import DirectoryStore
from routilux_dist.checkpoint.journal import Journal
from tests.property import crashes

#: Seeds that once found something.
FOUND = (
    112,  # an heir built on what he could read of a dead writer's file, and the power took that away
    502,  # an heir failed while he wrote that again, and his head hid what was there
)


def test_any_crash_leaves_what_was_acknowledged() -> None:
    images, lives = crashes.look_at(20_000)
    assert images >= 20_000
    assert lives > 100


@pytest.mark.parametrize("seed", FOUND)
def test_seeds_that_once_found_something(seed: int) -> None:
    crashes.look_at(1, seed)


def no_folder_sync(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(crashes.CrashDisk, "sync_folder", lambda self, path: None)


def no_file_sync(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(crashes.CrashDisk, "sync", lambda self, file: None)


def no_look_at_the_epoch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Journal, "_check_epoch", lambda self: None)


def no_head_before_open_returns(patch: pytest.MonkeyPatch) -> None:
    write = Journal._write
    patch.setattr(Journal, "_write", lambda self, pending: write(self, pending) if pending else None)


def a_failed_sync_is_repeated_on_the_same_segment(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Journal, "_leave", lambda self: None)


def every_torn_end_is_damage(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(segments, "_goes_on", lambda *args: True)


def checks_that_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(frames.Checks, "same", lambda self, a, b: True)


def snapshots_written_in_place(patch: pytest.MonkeyPatch) -> None:
    def replace(self: DirectoryStore, name: str, data: bytes) -> None:
        self.delete(name)
        self.create(name, data)

    def unchecked(name: str, data: bytes, checks: Any) -> Any:
        snapshot = read(name, data, checks)
        if snapshot is None and data:
            place = journal.snapshots.place_of(name.rsplit("/", 1)[-1])
            assert place is not None
            return journal.snapshots.Snapshot(place, checks.start, b"")
        return snapshot

    read = journal.snapshots.read
    patch.setattr(DirectoryStore, "replace", replace)
    patch.setattr(journal.snapshots, "read", unchecked)


def a_snapshot_before_its_log_is_durable(patch: pytest.MonkeyPatch) -> None:
    def snapshot(self: Journal, data: bytes, name: str | None = None) -> int:
        place = journal.Place(self.seq, self.epoch, name or "")
        self._store.replace(self._path(place), journal.snapshots.pack(self._checks, place, self._last[1], data))
        number = self.sync()
        self._places = sorted({*self._places, place})
        return number

    patch.setattr(Journal, "snapshot", snapshot)


def segments_deleted_one_too_far(patch: pytest.MonkeyPatch) -> None:
    def retain(self: Journal) -> None:
        for file in list(self._lasts):
            if file != self._segment:
                self._store.delete(file)

    def snapshot(self: Journal, data: bytes, name: str | None = None) -> int:
        retain(self)
        return taken(self, data, name)

    taken = Journal.snapshot
    patch.setattr(Journal, "snapshot", snapshot)


def the_newest_segment_deleted_too(patch: pytest.MonkeyPatch) -> None:
    retain = Journal._retain

    def without_anchor(self: Journal) -> None:
        self._anchor = self._segment = ""
        retain(self)

    patch.setattr(Journal, "_retain", without_anchor)


def named_snapshots_deleted_with_the_others(patch: pytest.MonkeyPatch) -> None:
    def retain(self: Journal) -> None:
        for place in self._places[: -self._keep]:
            self._store.delete(self._path(place))
        self._places = self._places[-self._keep :]

    patch.setattr(Journal, "_retain", retain)


def the_longest_log_wins(patch: pytest.MonkeyPatch) -> None:
    def history(found: list[segments.Segment], start: recovery.Point, notes: list[str]) -> Any:
        points = [(s.last, s.check(s.last)) for s in found if s.head is not None]
        end = max(points, key=lambda point: point[0], default=start)
        return end, recovery._walk(found, start, end, notes)

    patch.setattr(recovery, "_history", history)


def an_heir_trusts_what_he_reads(patch: pytest.MonkeyPatch) -> None:
    recover = recovery.recover
    patch.setattr(recovery, "recover", lambda *args: (h := recover(*args))._replace(durable=h.end))


MUTANTS: list[Callable[[pytest.MonkeyPatch], None]] = [
    no_folder_sync, no_file_sync, no_look_at_the_epoch, no_head_before_open_returns,
    a_failed_sync_is_repeated_on_the_same_segment, every_torn_end_is_damage,
    checks_that_are_not_looked_at, snapshots_written_in_place, a_snapshot_before_its_log_is_durable,
    segments_deleted_one_too_far, the_newest_segment_deleted_too, named_snapshots_deleted_with_the_others,
    the_longest_log_wins, an_heir_trusts_what_he_reads,
]  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.__name__)
def test_a_seeded_bug_is_found(mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    with pytest.raises(AssertionError, match="seed "):
        crashes.look_at(20_000)
