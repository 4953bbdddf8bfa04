"""Snapshots: whole or not at all."""

from __future__ import annotations

import pytest

from routilux_dist.checkpoint import snapshots
from routilux_dist.checkpoint.frames import Checks
from routilux_dist.checkpoint.snapshots import Place
from routilux_dist.errors import CheckpointError, CheckpointVersionError

BOTH = pytest.mark.parametrize("checks", [Checks("run"), Checks("run", b"k" * 32)], ids=["plain", "signed"])
PLACE = Place(7, 2, "good-one")


@BOTH
def test_a_snapshot_comes_back(checks: Checks) -> None:
    for place in (PLACE, Place(7, 2, "")):
        name = snapshots.file_name(place)
        assert snapshots.place_of(name) == place
        data = snapshots.pack(checks, place, checks.start, b"state")
        assert snapshots.read(f"run/snapshots/{name}", data, checks) == (place, checks.start, b"state")
    assert snapshots.place_of("draft") is None


@BOTH
def test_any_change_is_seen(checks: Checks) -> None:
    name = snapshots.file_name(PLACE)
    data = snapshots.pack(checks, PLACE, checks.start, b"state")
    for end in range(len(data)):
        assert snapshots.read(name, data[:end], checks) is None
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        if 4 <= bit // 8 < 9:
            with pytest.raises(CheckpointError):
                snapshots.read(name, bytes(flipped), checks)
        else:
            assert snapshots.read(name, bytes(flipped), checks) is None
    assert snapshots.read(name, data + b"x", checks) is None
    assert snapshots.read(snapshots.file_name(Place(8, 2, "good-one")), data, checks) is None
    assert snapshots.read(name, data, Checks("other", b"k" * 32 if checks.signed else None)) is None


def test_an_unknown_version_is_refused() -> None:
    data = bytearray(snapshots.pack(Checks("run"), PLACE, b"1234", b"state"))
    data[4] = 9
    with pytest.raises(CheckpointVersionError, match="version 9"):
        snapshots.read(snapshots.file_name(PLACE), bytes(data), Checks("run"))
