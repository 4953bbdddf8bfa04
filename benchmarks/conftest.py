"""Micro benchmarks run when they are asked for."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Have `--benchmark-only` outweigh the `--benchmark-disable` of the usual run."""
    if config.getoption("benchmark_only", default=False):
        config.option.benchmark_disable = False
