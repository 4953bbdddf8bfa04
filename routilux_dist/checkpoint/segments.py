"""Segments: files of frames. A segment's head says whose it is, which record it begins with, and the check before that.

::

    head     "RXJL" | version 1 | key 4 | epoch 8 | number 4 | first record 8 | last record 8 | check before the first
             | check of the last | check of the head
"""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Iterator, Sequence
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


class Segment(NamedTuple):
    """What can be read of a segment. Its records lie in the file: all that is kept of each is where it ends.

    Attributes:
        name: The file.
        data: What is in it.
        head: None if it is torn.
        start: Where the first record begins.
        ends: Where each record ends, from the first one on, as far as they are unharmed.
        check_size: Bytes of a check.
        offset: Where the unharmed part ends.
        damaged: Whether something follows that was written after what is missing had been made durable.
        closed: Whether its writer closed it.
    """

    name: str
    data: memoryview
    head: Head | None = None
    start: int = 0
    ends: Sequence[int] = ()
    check_size: int = 0
    offset: int = 0
    damaged: bool = False
    closed: bool = False

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        return len(self.data)

    @property
    def last(self) -> int:
        """Number of the last record; that of the one before the first if there is none; 0 if the head is torn."""
        return 0 if self.head is None else self.head.first - 1 + len(self.ends)

    def body(self, number: int) -> bytes:
        """Return a record."""
        place = self._place(number)
        return bytes(self.data[self._begin(place) + frames.HEAD_BYTES : self.ends[place] - self.check_size])

    def check(self, number: int) -> bytes | None:
        """Return the check of a record, or of the one before the first; None for records of other segments."""
        place = self._place(number)
        if self.head is None or not -1 <= place < len(self.ends):
            return None
        return (
            self.head.before if place < 0 else bytes(self.data[self.ends[place] - self.check_size : self.ends[place]])
        )

    def began(self) -> Iterator[int]:
        """Yield the numbers of records that began a write, so that all before it was durable; last ones first."""
        for number in range(self.last, self.last - len(self.ends), -1):
            begin = self._begin(self._place(number))
            if self.data[begin : begin + 2] == frames.FIRST:
                yield number

    def _place(self, number: int) -> int:
        return -2 if self.head is None else number - self.head.first

    def _begin(self, place: int) -> int:
        return self.ends[place - 1] if place else self.start


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
        return Segment(name, view, damaged=_goes_on(checks, view, 0, None))
    start, ends, closed = head_size(checks), array("Q"), False
    offset = start
    for kind, offset in frames.following(checks, view, start, head.before):
        closed = kind == frames.END
        if closed:
            break
        ends.append(offset)
    segment = Segment(name, view, head, start, ends, checks.size, offset, closed=closed)
    damaged = not closed and offset < len(data) and _goes_on(checks, view, offset, segment.check(segment.last))
    return segment._replace(damaged=damaged)


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
