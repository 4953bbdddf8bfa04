"""Segments: heads, where an unharmed part ends, and whether more was durable behind it."""

from __future__ import annotations

import pytest

from routilux_dist.checkpoint import frames, segments
from routilux_dist.checkpoint.frames import Checks
from routilux_dist.checkpoint.segments import Head, Segment
from routilux_dist.errors import CheckpointDamagedError, CheckpointError, CheckpointVersionError

CHECKS = Checks("run")
NAME = segments.file_name(3, 1)


def written(writes: list[list[bytes]], close: bool = False, checks: Checks = CHECKS) -> bytes:
    """A segment with one write per list; the first one goes with the head."""
    data, check = segments.pack_head(checks, Head(3, 1, 5, checks.start, 4, checks.start)), checks.start
    for place, bodies in enumerate(writes):
        for number, body in enumerate(bodies):
            frame, check = frames.pack(checks, check, frames.RECORD, body)
            data += frames.as_first(frame) if place and not number else frame
    if close:
        data += frames.as_first(frames.pack(checks, check, frames.END, b"")[0])
    return data


def read(data: bytes, checks: Checks = CHECKS) -> Segment:
    return segments.read(f"run/segments/{NAME}", data, checks)


def test_a_segment_comes_back() -> None:
    for close in (False, True):
        data = written([[b"a"], [b"b", b"c"]], close)
        segment = read(data)
        assert segment.head == Head(3, 1, 5, CHECKS.start, 4, CHECKS.start)
        assert [segment.body(number) for number in range(5, segment.last + 1)] == [b"a", b"b", b"c"]
        assert [*segment.began()] == [6]
        assert segment.check(4) == CHECKS.start
        assert {segment.check(number) for number in (3, 8)} == {None}
        assert (segment.offset, segment.size, segment.damaged, segment.closed) == (len(data), len(data), False, close)


def test_names() -> None:
    assert segments.place_of(segments.file_name(12, 3)) == (12, 3)
    assert segments.place_of("draft") is None


def test_the_end_may_be_torn_anywhere() -> None:
    data = written([[b"a" * 20], [b"b", b"c"]])
    for end in range(len(data)):
        segment = read(data[:end])
        assert not segment.damaged
        bodies = [segment.body(5 + place) for place in range(len(segment.ends))]
        assert bodies == [b"a" * 20, b"b", b"c"][: len(bodies)]


def test_a_hole_before_a_later_write_is_damage() -> None:
    data = bytearray(written([[b"a" * 20], [b"b" * 20], [b"c" * 20]]))
    place = data.index(b"b" * 20)
    data[place : place + 20] = bytes(20)
    segment = read(bytes(data))
    assert segment.damaged
    assert len(segment.ends) == 1


def test_a_hole_within_the_last_write_is_a_torn_end() -> None:
    data = bytearray(written([[b"a" * 20], [b"b" * 20, b"c" * 20]]))
    place = data.index(b"b" * 20)
    data[place : place + 20] = bytes(20)
    assert not read(bytes(data)).damaged


def test_a_harmed_check_is_damage_too() -> None:
    data = bytearray(written([[b"a" * 20], [b"b" * 20], [b"c" * 20]]))
    data[data.index(b"b" * 20) + 20] ^= 1  # the check of b, on which c builds
    assert read(bytes(data)).damaged


def test_a_harmed_head_is_damage_if_more_was_written() -> None:
    for writes, damaged in (([[b"a"], [b"b"]], True), ([[b"a", b"b"]], False)):
        data = bytearray(written(writes))
        data[15] ^= 1
        segment = read(bytes(data))
        assert segment.head is None
        assert segment.damaged is damaged


def test_a_segment_under_another_name_is_none() -> None:
    data = written([[b"a"]])
    assert segments.read(segments.file_name(3, 2), data, CHECKS).head is None
    assert read(data, Checks("other")).head is None


def test_other_versions_and_missing_signatures_are_refused() -> None:
    data = bytearray(written([[b"a"]]))
    data[4] = 2
    with pytest.raises(CheckpointVersionError, match="format version 2; this release reads version 1"):
        read(bytes(data))
    keyed = Checks("run", b"k" * 32)
    with pytest.raises(CheckpointDamagedError, match="is not signed, and a key is set"):
        read(written([[b"a"]]), keyed)
    with pytest.raises(CheckpointError, match="give the one it was written with"):
        read(written([[b"a"]], checks=keyed))
    assert len(read(written([[b"a"]], checks=keyed), keyed).ends) == 1
