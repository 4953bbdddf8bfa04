"""Snapshots: the state of a run after some record, in one file.

::

    file     "RXSN" | version 1 | key 4 | epoch 8 | record 8 | length of name 2 | length of data 8 | check of the record
             | name | data | digest 32
    digest   BLAKE2b, or HMAC-SHA256 with a key, of the run's start check and all before it
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from routilux_dist.checkpoint import frames
from routilux_dist.checkpoint.frames import Checks
from routilux_dist.checkpoint.segments import check_version

MAGIC = b"RXSN"
_HEAD = struct.Struct(">4sBIQQHQ")
_DIGEST = 32
_NAME = re.compile(r"(\d{16})-(\d{8})(?:-(.+))?")


class Place(NamedTuple):
    """What a snapshot's file name tells.

    Attributes:
        record: Number of the last record that it holds the effect of.
        epoch: Of its writer.
        name: The checkpoint's name, or "".
    """

    record: int
    epoch: int
    name: str


class Snapshot(NamedTuple):
    """A snapshot that was found unharmed."""

    place: Place
    check: bytes
    data: bytes


def file_name(place: Place) -> str:
    """Return the name of a snapshot's file."""
    return f"{place.record:016d}-{place.epoch:08d}" + (f"-{place.name}" if place.name else "")


def place_of(name: str) -> Place | None:
    """Return what a file's name tells, None for other files."""
    match = _NAME.fullmatch(name)
    return None if match is None else Place(int(match[1]), int(match[2]), match[3] or "")


def pack(checks: Checks, place: Place, check: bytes, data: bytes) -> bytes:
    """Return a snapshot as bytes."""
    name = place.name.encode("ascii")
    head = _HEAD.pack(MAGIC, frames.VERSION, checks.key_id, place.epoch, place.record, len(name), len(data))
    packed = b"".join((head, check, name, data))
    return packed + checks.digest(checks.start + packed)


def read(name: str, data: bytes, checks: Checks) -> Snapshot | None:
    """Return the snapshot in a file, None if it is harmed.

    Raises:
        CheckpointVersionError, CheckpointDamagedError, CheckpointError: See `segments.check_version`.
    """
    if data[:4] != MAGIC or len(data) < _HEAD.size:
        return None
    _, version, key_id, epoch, record, name_size, data_size = _HEAD.unpack_from(data)
    check_version(name, version, key_id, checks)
    start = _HEAD.size + checks.size + name_size
    if len(data) != start + data_size + _DIGEST:
        return None
    if not checks.same(checks.digest(checks.start + data[:-_DIGEST]), data[-_DIGEST:]):
        return None
    place = Place(record, epoch, data[start - name_size : start].decode("ascii"))
    if not name.endswith(file_name(place)):
        return None
    return Snapshot(place, data[_HEAD.size : _HEAD.size + checks.size], data[start : start + data_size])
