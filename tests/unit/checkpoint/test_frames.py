"""Frames: small, chained, and never taken for what they are not."""

from __future__ import annotations

import pytest

from routilux_dist.checkpoint import frames
from routilux_dist.checkpoint.frames import Checks

KEY = b"k" * 32
BOTH = pytest.mark.parametrize("checks", [Checks("run"), Checks("run", KEY)], ids=["crc", "hmac"])


@BOTH
def test_a_frame_comes_back(checks: Checks) -> None:
    one, check = frames.pack(checks, checks.start, frames.RECORD, b"abc")
    two, _ = frames.pack(checks, check, frames.RECORD, b"")
    data = memoryview(one + frames.as_first(two))
    first = frames.read(checks, data, 0, checks.start)
    assert first is not None
    assert (bytes(first.body), first.check, first.first) == (b"abc", check, False)
    second = frames.read(checks, data, first.end, first.check)
    assert second is not None
    assert (bytes(second.body), second.end, second.first) == (b"", len(data), True)


@BOTH
def test_a_record_costs_at_most_forty_bytes(checks: Checks) -> None:
    assert len(frames.pack(checks, checks.start, frames.RECORD, b"x" * 10)[0]) - 10 == (40 if checks.signed else 12)


@BOTH
def test_every_flipped_bit_shows_except_the_one_that_marks_a_write(checks: Checks) -> None:
    frame, _ = frames.pack(checks, checks.start, frames.RECORD, b"abc")
    for bit in range(len(frame) * 8):
        flipped = bytearray(frame)
        flipped[bit // 8] ^= 1 << bit % 8
        again = frames.read(checks, memoryview(bytes(flipped)), 0, checks.start)
        assert again is None or (flipped == frames.as_first(frame) and bytes(again.body) == b"abc")


@BOTH
def test_a_frame_fits_in_one_place_only(checks: Checks) -> None:
    frame, check = frames.pack(checks, checks.start, frames.RECORD, b"abc")
    assert frames.read(checks, memoryview(frame), 0, check) is None
    other = Checks("other", KEY if checks.signed else None)
    assert frames.read(other, memoryview(frame), 0, other.start) is None


def test_a_signature_needs_the_key() -> None:
    one, two = Checks("run", KEY), Checks("run", b"q" * 32)
    frame, _ = frames.pack(one, one.start, frames.RECORD, b"abc")
    assert frames.read(two, memoryview(frame), 0, one.start) is None
    assert one.digest(b"x") != two.digest(b"x") != Checks("run").digest(b"x")


def test_bytes_that_are_no_frame() -> None:
    checks = Checks("run")
    frame, _ = frames.pack(checks, checks.start, frames.RECORD, b"abc")
    for end in range(len(frame)):
        assert frames.look(memoryview(frame)[:end], 0, checks.size) is None
    assert frames.look(memoryview(b"\xa5R\x01\x01\xff\xff\xff\xff" + bytes(50)), 0, 4) is None
    assert frames.look(memoryview(bytes(50)), 0, 4) is None
