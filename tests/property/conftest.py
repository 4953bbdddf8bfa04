"""Runtimes with odd settings, opened once and shared by all examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import routilux_dist as rd

OpenRuntime = Callable[[str, int, float, int], "rd.Runtime"]


@pytest.fixture(scope="module")
def tuned() -> Iterator[OpenRuntime]:
    """A function ``(backend, max_workers, slice_seconds, block_rows)`` that gives a runtime; each is opened once."""
    with ExitStack() as stack:
        opened: dict[tuple[str, int, float, int], rd.Runtime] = {}

        def of(backend: str, max_workers: int, slice_seconds: float, block_rows: int) -> rd.Runtime:
            knobs = (backend, max_workers, slice_seconds, block_rows)
            if knobs not in opened:
                tuning = rd.Tuning(slice_seconds=slice_seconds, block_rows=block_rows)
                runtime = rd.Runtime(backend=backend, max_workers=max_workers, tuning=tuning)
                opened[knobs] = stack.enter_context(runtime)
            return opened[knobs]

        yield of
