"""Segments: files of frames. A segment's head says whose it is, which record it begins with, and the check before that.

::

    head     "RXJL" | version 1 | key 4 | epoch 8 | number 4 | first record 8 | last record 8 | check before the first
             | check of the last | check of the head
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from routilux_dist.checkpoint import frames
from routilux_dist.checkpoint.frames import Checks
from routilux_dist.errors import CheckpointDamagedError, CheckpointError, CheckpointVersionError

MAGIC = b"RXJL"
_HEAD = struct.Struct(">4sBIQIQQ")
_NAME = re.compile(r"(\d{8})-(\d{6})")


class Head(NamedTuple):
    """A segment's head.

    Attributes:
        epoch: Of the writer.
        number: Of the segment among those of its epoch.
        first: Number of its first record.
        before: Check of the record before that; all before it was durable.
        last: Number of the last record that the writer had read when it took over. Those from the first one on may not have been
            durable, and follow here once more.
        last_check: Check of that.
    """

    epoch: int
    number: int
    first: int
    before: bytes
    last: int
    last_check: bytes


class Record(NamedTuple):
    """A record in a segment.

    Attributes:
        number: Of the record, counted from 1.
        body: What was appended.
        check: Of the record.
        before: Check of the one before it.
        first: Whether it began a write, so that all before it was durable.
    """

    number: int
    body: memoryview
    check: bytes
    before: bytes
    first: bool


class Segment(NamedTuple):
    """What can be read of a segment.

    Attributes:
        name: The file.
        head: None if it is torn.
        records: From the beginning, as far as they are unharmed.
        offset: Where the unharmed part ends.
        size: Of the file, in bytes.
        damaged: Whether something follows that was written after what is missing had been made durable.
        closed: Whether its writer closed it.
    """

    name: str
    head: Head | None
    records: list[Record]
    offset: int
    size: int
    damaged: bool
    closed: bool


def file_name(epoch: int, number: int) -> str:
    """Return the name of a segment's file."""
    return f"{epoch:08d}-{number:06d}"


def place_of(name: str) -> tuple[int, int] | None:
    """Return (epoch, number) of a segment's file, None for other files."""
    match = _NAME.fullmatch(name)
    return None if match is None else (int(match[1]), int(match[2]))


def pack_head(checks: Checks, head: Head) -> bytes:
    """Return a head as bytes."""
    packed = _HEAD.pack(MAGIC, frames.VERSION, checks.key_id, head.epoch, head.number, head.first, head.last)
    packed += head.before + head.last_check
    return packed + checks.of(checks.start, packed)


def head_size(checks: Checks) -> int:
    """Return the size of a head in bytes."""
    return _HEAD.size + 3 * checks.size


def check_version(name: str, version: int, key_id: int, checks: Checks) -> None:
    """Refuse a file that this reader must not judge.

    Raises:
        CheckpointVersionError: It has another version.
        CheckpointDamagedError: There is a key and it is not signed.
        CheckpointError: It is signed, with another key or without there being one.
    """
    if version != frames.VERSION:
        raise CheckpointVersionError(
            f"{name} has format version {version}; this release reads version {frames.VERSION}: read it with the release that "
            f"wrote it, or a newer one"
        )
    if key_id == checks.key_id:
        return
    if not key_id:
        raise CheckpointDamagedError(f"{name} is not signed, and a key is set: it may be anybody's; refused", file=name)
    raise CheckpointError(
        f"{name} is signed with {'another' if checks.key_id else 'a'} key; give the one it was written with (key=)"
    )


def read(name: str, data: bytes, checks: Checks) -> Segment:
    """Read a segment.

    Raises:
        CheckpointVersionError, CheckpointDamagedError, CheckpointError: See `check_version`.
    """
    view = memoryview(data)
    head = _read_head(name, data, checks)
    if head is None:
        return Segment(name, None, [], 0, len(data), _goes_on(checks, view, 0, None), False)
    place, before, number = head_size(checks), head.before, head.first
    records: list[Record] = []
    for frame in frames.following(checks, view, place, before):
        if frame.kind == frames.END:
            return Segment(name, head, records, frame.end, len(data), False, True)
        records.append(Record(number, frame.body, frame.check, before, frame.first))
        place, before, number = frame.end, frame.check, number + 1
    damaged = place < len(data) and _goes_on(checks, view, place, before)
    return Segment(name, head, records, place, len(data), damaged, False)


def _read_head(name: str, data: bytes, checks: Checks) -> Head | None:
    if data[:4] != MAGIC or len(data) < _HEAD.size + 12:  # shorter than any head
        return None
    _, version, key_id, epoch, number, first, last = _HEAD.unpack_from(data)
    check_version(name, version, key_id, checks)
    packed, check = data[: head_size(checks) - checks.size], data[head_size(checks) - checks.size : head_size(checks)]
    if not checks.same(checks.of(checks.start, packed), check):
        return None
    before, last_check = packed[_HEAD.size : -checks.size], packed[-checks.size :]
    head = Head(epoch, number, first, before, last, last_check)
    return head if name.endswith(file_name(epoch, number)) else None


def _goes_on(checks: Checks, data: memoryview, place: int, before: bytes | None) -> bool:
    """Whether behind something unreadable there is the first frame of a later write.

    A frame can be checked where it lies: the check before it lies in front of it. Only if that one is what was harmed, it has to
    be computed.
    """
    frame = frames.look(data, place, checks.size)
    if frame is not None and before is not None:
        repaired = frames.computed(checks, data, place, frame, before)
        following = frames.read(checks, data, frame.end, repaired)
        if following is not None and following.first:
            return True
    whole = bytes(data)
    found = whole.find(frames.FIRST, place + 1)
    while found >= 0:
        if found >= checks.size and frames.read(checks, data, found, whole[found - checks.size : found]) is not None:
            return True
        found = whole.find(frames.FIRST, found + 1)
    return False
