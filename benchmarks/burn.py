"""Work that takes CPU, not time: a loop of a counted length.

An item that burns "until 10 ms are over" hides contention: two on one core would still take 10 ms. A counted loop takes longer
when it has to share its core, and that shows.
"""

from __future__ import annotations

import time


def burn(loops: int) -> int:
    """Compute for a while; return `loops`."""
    x = 1
    for _ in range(loops):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
    return loops if x >= 0 else -1


def calibrate(seconds: float = 0.02, tries: int = 15) -> float:
    """Return how many loops one core runs per millisecond.

    The best of several tries, in CPU time of this thread: what others do on the machine meanwhile does not count.
    """
    loops, best = 10_000, 0.0
    for _ in range(tries):
        started = time.thread_time()
        burn(loops)
        taken = time.thread_time() - started
        best = max(best, loops / taken / 1000)
        loops = max(1000, int(best * 1000 * seconds))
    return best
