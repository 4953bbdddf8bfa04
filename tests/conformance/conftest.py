"""One runtime per backend, for all files; a running flow costs processes on Ray."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import routilux_dist as rd


@pytest.fixture(scope="package")
def local_runtime() -> Iterator[rd.Runtime]:
    with rd.Runtime(backend="local", max_workers=2) as runtime:
        yield runtime


@pytest.fixture(scope="package")
def ray_runtime(ray_cluster: str) -> Iterator[rd.Runtime]:
    with rd.Runtime(backend="ray", max_workers=2) as runtime:
        yield runtime


@pytest.fixture
def runtime(backend: str, request: pytest.FixtureRequest) -> Iterator[rd.Runtime]:
    """The shared runtime of the backend under test; what a test leaves running ends with it."""
    found: rd.Runtime = request.getfixturevalue(f"{backend}_runtime")
    yield found
    for worker in found.workers():
        worker.close()
