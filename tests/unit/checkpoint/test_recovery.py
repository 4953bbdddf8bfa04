"""Histories out of segments of several writers."""

from __future__ import annotations

import pytest

from routilux_dist.checkpoint import frames, recovery, segments, snapshots
from routilux_dist.checkpoint.frames import Checks
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.checkpoint.segments import Head
from routilux_dist.errors import CheckpointDamagedError

CHECKS = Checks("run")


class Files:
    """Writes segments by hand."""

    def __init__(self) -> None:
        self.store = MemoryStore()

    def segment(
        self, epoch: int, number: int, first: int, before: bytes, *bodies: bytes, cut: int = 0, last: bytes = b""
    ) -> list[bytes]:
        """Write a segment, one write per record; return the checks. `last` is the check of the record after the first."""
        head = Head(epoch, number, first, before, first + 1 if last else first - 1, last or before)
        data, checks, check = segments.pack_head(CHECKS, head), [], before
        for body in bodies:
            frame, check = frames.pack(CHECKS, check, frames.RECORD, body)
            data += frames.as_first(frame)
            checks.append(check)
        self.store.replace(f"run/segments/{segments.file_name(epoch, number)}", data[: len(data) - cut])
        return checks

    def records(self) -> list[bytes]:
        return recovery.recover(self.store, "run", CHECKS).records


@pytest.fixture
def files() -> Files:
    return Files()


def test_nothing(files: Files) -> None:
    assert files.records() == []


def test_a_later_writer_decides_what_counts_of_an_earlier_one(files: Files) -> None:
    a = files.segment(1, 1, 1, CHECKS.start, b"a", b"b", b"late", b"later")
    files.segment(2, 1, 3, a[1], b"c")
    files.segment(1, 2, 5, a[3], b"latest")
    assert files.records() == [b"a", b"b", b"c"]


def test_a_writer_that_was_overtaken_before_it_wrote_does_not_cut_the_history(files: Files) -> None:
    """Epoch 2 read one record and slept; epoch 3 read three, which were never acknowledged but may be there; then 2 woke up."""
    a = files.segment(1, 1, 1, CHECKS.start, b"a", b"b", b"c")
    files.segment(2, 1, 2, a[0])
    files.segment(3, 1, 4, a[2], b"d")
    assert files.records() == [b"a", b"b", b"c", b"d"]


def test_what_was_written_again_after_a_failure_counts_once(files: Files) -> None:
    a = files.segment(1, 1, 1, CHECKS.start, b"a", b"b", b"c", cut=1)
    files.segment(1, 2, 2, a[0], b"b", b"c", b"d")
    assert files.records() == [b"a", b"b", b"c", b"d"]


def test_the_older_copy_serves_where_the_newer_one_is_torn(files: Files) -> None:
    a = files.segment(1, 1, 1, CHECKS.start, b"a", b"b", b"c")
    files.segment(1, 2, 2, a[0], b"b", b"c", cut=20)
    files.segment(2, 1, 4, a[2], b"d")
    assert files.records() == [b"a", b"b", b"c", b"d"]


def test_a_torn_end_of_an_earlier_writer_is_no_damage(files: Files) -> None:
    a = files.segment(1, 1, 1, CHECKS.start, b"a", b"b", cut=3)
    files.segment(2, 1, 2, a[0], b"c")
    history = recovery.recover(files.store, "run", CHECKS)
    assert history.records == [b"a", b"c"]
    assert history.lasts == {"run/segments/00000001-000001": 1, "run/segments/00000002-000001": 2}
    assert "unfinished write" in history.notes[0]


def test_a_gap_is_damage(files: Files) -> None:
    a = files.segment(1, 1, 1, CHECKS.start, b"a", b"b", b"c")
    files.segment(1, 1, 1, CHECKS.start, b"a", b"b")
    files.segment(2, 1, 4, a[2], b"d")
    with pytest.raises(
        CheckpointDamagedError, match=r"00000001-000001, byte \d+: should hold record 3.*up to record 2"
    ):
        files.records()


def test_a_gap_shows_even_if_nothing_follows_it(files: Files) -> None:
    a = files.segment(1, 1, 1, CHECKS.start, b"a")
    files.segment(2, 1, 2, a[0])
    del files.store.files["run/segments/00000001-000001"]
    with pytest.raises(CheckpointDamagedError, match="no file holds record 1"):
        files.records()


def test_garbage_instead_of_a_log_is_damage_once_its_writer_had_a_snapshot(files: Files) -> None:
    files.store.replace("run/segments/00000001-000001", b"\x07" * 5000)
    assert files.records() == [], "it may have been the first write, which nobody was told of"
    place = snapshots.Place(0, 1, "")
    files.store.replace(
        f"run/snapshots/{snapshots.file_name(place)}", snapshots.pack(CHECKS, place, CHECKS.start, b"state")
    )
    with pytest.raises(CheckpointDamagedError, match=r"00000001-000001, byte 0: .* after record 0 is lost"):
        files.records()
    files.segment(2, 1, 1, CHECKS.start, b"a")
    assert files.records() == [b"a"], "a later writer did not build on it"


def test_what_may_not_be_durable_is_told(files: Files) -> None:
    def durable() -> int:
        return recovery.recover(files.store, "run", CHECKS).durable[0]

    a = files.segment(1, 1, 1, CHECKS.start, b"a", b"b", b"c")
    assert durable() == 2  # the write of c began when b was durable
    files.segment(2, 1, 4, a[2])
    assert durable() == 3  # a head is written when all before it is durable
    files.segment(1, 2, 7, b"off!")
    assert durable() == 3


def test_what_an_heir_was_about_to_write_again(files: Files) -> None:
    a = files.segment(1, 1, 1, CHECKS.start, b"a", b"b", b"c")
    files.segment(2, 1, 2, a[0], last=a[2])
    assert files.records() == [b"a", b"b", b"c"]
    files.segment(1, 1, 1, CHECKS.start, b"a", b"b", b"c", cut=1)  # gone with the memory that it was in
    assert files.records() == [b"a"]
    files.segment(2, 1, 2, a[0], b"b", b"c", last=a[2])
    assert files.records() == [b"a", b"b", b"c"]
