"""Every cut and every flipped bit of a small journal; `make crash` does it to one of 64 KiB."""

from __future__ import annotations

import random

import pytest

from tests.property import damage

KEYS = pytest.mark.parametrize("key", [None, b"k" * 32], ids=["plain", "signed"])


@KEYS
def test_every_flipped_bit(key: bytes | None) -> None:
    flips, refused = damage.flip_all(1500 if key is None else 3000, key, step=1 if key is None else 7)
    assert flips > 3000
    assert refused > flips / 4


@KEYS
def test_every_cut(key: bytes | None) -> None:
    cuts, refused = damage.cut_all(4000, key, step=1 if key is None else 3)
    assert cuts > 1000
    assert refused > 50


def test_a_journal_that_was_not_closed_may_lose_its_last_write_and_no_more() -> None:
    files, values = damage.written(1500, None, close=False)
    newest = max(name for name in files if "/segments/" in name)
    for bit in range(0, len(files[newest]) * 8, 3):
        flipped = bytearray(files[newest])
        flipped[bit // 8] ^= 1 << bit % 8
        found = damage.after({**files, newest: bytes(flipped)}, None)
        assert found is None or found in (values, values[:-1])


def test_missing_and_exchanged_files() -> None:
    """Whole files gone, doubled, exchanged or older than they should be."""
    draw = random.Random(5)
    files, values = damage.written(3000, None)
    older, _ = damage.written(1500, None)
    newest = max(name for name in files if "/segments/" in name)
    names = sorted(files)
    for _ in range(1500):
        changed = dict(files)
        for _ in range(draw.randrange(1, 3)):
            one, two = draw.choice(names), draw.choice(names)
            kind = draw.randrange(4)
            if newest in (one, two):
                continue  # without it the journal ends earlier, and nothing tells that
            if kind == 0:
                changed.pop(one, None)
            elif kind == 1:
                changed[one] = files[two]
            elif kind == 2:
                changed[one], changed[two] = files[two], files[one]
            elif one in older:
                changed[one] = older[one]
        found = damage.after(changed, None)
        assert found is None or found == values
