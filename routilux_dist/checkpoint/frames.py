"""Frames: one record each, with a check that covers the record and, through the check before it, everything since the beginning.

::

    frame    magic 2 | version 1 | kind 1 | length 4 | body | check 4 or 32
    check    crc32(version .. body, check before)                         without a key
             HMAC-SHA256(key, check before + version .. body)             with one

The second byte of the magic says whether the frame is the first of a write: then everything before it was durable when it was
written. The check leaves it out, so that a record keeps its check when it is written again elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

VERSION = 1
_HEAD = struct.Struct(">2sBBI")
HEAD_BYTES = _HEAD.size
FIRST, FOLLOWING = b"\xa5B", b"\xa5R"
#: Kinds of frames: a record, and the end that a writer sets who closes his journal. The end has no number and no successor.
RECORD, END = 1, 2
_MAGICS, _KINDS = (FIRST, FOLLOWING), (RECORD, END)
#: Longest record; larger bytes belong into a blob.
MAX_BODY = 1 << 30


class Checks:
    """How checks are computed.

    Args:
        run: Name of the run: records of another run do not fit.
        key: Secret of the writer, or None.
    """

    def __init__(self, run: str, key: bytes | None = None) -> None:
        self._key = key
        #: Bytes of a check.
        self.size = 4 if key is None else 32
        #: What tells one key from another, and a file that is signed from one that is not: 0.
        self.key_id = 0 if key is None else int.from_bytes(hmac.digest(key, b"key id", "sha256")[:4], "big") | 1
        #: The check before the first record.
        self.start = self.of(bytes(self.size), b"run " + run.encode("utf-8"))

    @property
    def signed(self) -> bool:
        """Whether they need the key."""
        return self._key is not None

    def of(self, before: bytes, data: bytes | memoryview) -> bytes:
        """Return the check of data that follows what `before` is the check of."""
        if self._key is None:
            return zlib.crc32(data, int.from_bytes(before, "big")).to_bytes(4, "big")
        return hmac.digest(self._key, before + data, "sha256")

    def digest(self, data: bytes) -> bytes:
        """Return a check for a file of its own: 32 bytes."""
        if self._key is None:
            return hashlib.blake2b(data, digest_size=32).digest()
        return hmac.digest(self._key, b"file " + data, "sha256")

    def same(self, a: bytes, b: bytes) -> bool:
        """Compare checks without telling by the time where they differ."""
        return hmac.compare_digest(a, b)


class Frame(NamedTuple):
    """A frame as it lies in a file.

    Attributes:
        kind: See `RECORD` and `END`.
        body: The record.
        check: Its check as stored.
        end: Where the next one begins.
        first: Whether it began a write.
    """

    kind: int
    body: memoryview
    check: bytes
    end: int
    first: bool


def pack(checks: Checks, before: bytes, kind: int, body: bytes) -> tuple[bytes, bytes]:
    """Return (frame, its check). The frame is one that follows others of its write; see `as_first`."""
    framed = _HEAD.pack(FOLLOWING, VERSION, kind, len(body)) + body
    check = checks.of(before, framed[2:])
    return framed + check, check


def as_first(frame: bytes) -> bytes:
    """Return a frame as the first of a write."""
    return FIRST + frame[2:]


def following(checks: Checks, data: memoryview, place: int, before: bytes) -> Iterator[tuple[int, int]]:
    """Yield (kind, end) of the frames from a place on, as far as each follows the one before it unharmed."""
    unpack, of, same, check_size = _HEAD.unpack_from, checks.of, checks.same, checks.size
    last = len(data) - check_size
    while place + HEAD_BYTES <= last:
        magic, version, kind, length = unpack(data, place)
        body_end = place + HEAD_BYTES + length
        if body_end > last or version != VERSION or magic not in _MAGICS or kind not in _KINDS:
            return
        end = body_end + check_size
        check = bytes(data[body_end:end])
        if not same(of(before, data[place + 2 : body_end]), check):
            return
        yield kind, end
        place, before = end, check


def look(data: memoryview, place: int, check_size: int) -> Frame | None:
    """Return what lies at a place if it has the form of a frame; its check is not looked at."""
    if place + HEAD_BYTES + check_size > len(data):
        return None
    magic, version, kind, length = _HEAD.unpack_from(data, place)
    body_end = place + HEAD_BYTES + length
    if version != VERSION or magic not in _MAGICS or kind not in _KINDS or body_end + check_size > len(data):
        return None
    end = body_end + check_size
    return Frame(kind, data[place + HEAD_BYTES : body_end], bytes(data[body_end:end]), end, magic == FIRST)


def read(checks: Checks, data: memoryview, place: int, before: bytes) -> Frame | None:
    """Return the frame at a place if it follows `before` unharmed."""
    frame = look(data, place, checks.size)
    if frame is None:
        return None
    return frame if checks.same(computed(checks, data, place, frame, before), frame.check) else None


def computed(checks: Checks, data: memoryview, place: int, frame: Frame, before: bytes) -> bytes:
    """Return the check that a frame should have."""
    return checks.of(before, data[place + 2 : frame.end - checks.size])
