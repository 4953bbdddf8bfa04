"""A clock that goes only when it is told to."""

from __future__ import annotations


class FakeClock:
    """Implements `routilux_dist.clock.Clock`.

    Args:
        now: Monotonic seconds at the start.
        wall_offset: What wall-clock time is ahead of it.
    """

    def __init__(self, now: float = 0.0, wall_offset: float = 1_700_000_000.0) -> None:
        self.now = now
        self.wall_offset = wall_offset

    def monotonic(self) -> float:
        """Return the present moment in seconds."""
        return self.now

    def wall(self) -> float:
        """Return the present moment in seconds since 1970."""
        return self.now + self.wall_offset

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: `seconds` is negative: clocks do not go back.
        """
        if seconds < 0:
            raise ValueError(f"a clock does not go back: {seconds} s")
        self.now += seconds
