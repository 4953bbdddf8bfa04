from __future__ import annotations

import pytest

from routilux_dist.testing import FakeClock


def test_time_goes_only_when_told() -> None:
    clock = FakeClock(5.0, wall_offset=100.0)
    assert (clock.monotonic(), clock.wall()) == (5.0, 105.0)
    clock.advance(2.5)
    assert (clock.monotonic(), clock.wall()) == (7.5, 107.5)


def test_it_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="-1"):
        FakeClock().advance(-1)
