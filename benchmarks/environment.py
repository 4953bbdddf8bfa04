"""Surroundings of a benchmark process: environment variables, cores, one Ray."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: CPUs that this process may use.
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare() -> None:
    """Set what Ray and its workers read from the environment; call it before Ray is imported."""
    os.environ.update(
        RAY_AUTH_MODE="disabled",  # token mode, the default since 2.59, writes to ~/.ray
        RAY_ENABLE_UV_RUN_RUNTIME_ENV="0",  # under `uv run` each worker would build an environment of its own
        RAY_USAGE_STATS_ENABLED="0",
        RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",  # today's default warns that it will change
        RAY_DATA_DISABLE_PROGRESS_BARS="1",
        # Item functions are pickled by reference: workers have to find `benchmarks` and `examples`.
        PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "workers"), os.environ.get("PYTHONPATH", "")]).rstrip(
            os.pathsep
        ),
    )
    os.environ.pop("RAY_ADDRESS", None)  # never join, and never stop, somebody's cluster


def installed(module: str) -> bool:
    """Whether a module can be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def ray_cluster(cpus: int) -> Iterator[None]:
    """A Ray on this machine, for this process alone."""
    import ray

    ray.init(
        address="local",
        num_cpus=cpus,
        object_store_memory=4 << 30,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
    )
    try:
        yield
    finally:
        ray.shutdown()
