"""One runtime per backend and test file; a running flow costs processes on Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import routilux_dist as rd


@pytest.fixture(scope="module")
def runtimes() -> Iterator[Callable[[str], rd.Runtime]]:
    """A function that gives this file's runtime of a backend; all are closed after the file."""
    with ExitStack() as stack:
        opened: dict[str, rd.Runtime] = {}

        def of(backend: str) -> rd.Runtime:
            if backend not in opened:
                runtime = rd.Runtime(backend=backend, max_workers=2)
                opened[backend] = stack.enter_context(runtime)
            return opened[backend]

        yield of


@pytest.fixture
def runtime(backend: str, runtimes: Callable[[str], rd.Runtime], request: pytest.FixtureRequest) -> rd.Runtime:
    """The shared runtime of this file for the backend under test."""
    if backend == "ray":
        request.getfixturevalue("ray_cluster")
    return runtimes(backend)
