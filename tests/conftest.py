"""What every test can ask for: a Ray cluster, started once and only when wanted, and the choice of backend."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOGICAL_CPUS = 4

# Ray reads these when it is first imported, and its daemons and workers inherit them.
os.environ.update(
    RAY_AUTH_MODE="disabled",  # token mode, the default since 2.59, writes to ~/.ray
    RAY_ENABLE_UV_RUN_RUNTIME_ENV="0",  # under `uv run` each worker would build an environment of its own
    RAY_USAGE_STATS_ENABLED="0",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",  # today's default warns that it will change
    # Functions defined in a test module are pickled by reference: workers have to find `tests`.
    PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "workers"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
)
os.environ.pop("RAY_ADDRESS", None)  # never join, and never stop, somebody's cluster


#: Where tests may need Ray. Of the processes that share the tests one gets all of these: one cluster, and no two that wait for
#: the same CPUs. They are told by their names, because whoever deals tests out knows nothing else of them.
RAY_TESTS = (
    *("tests/acceptance/", "tests/chaos/", "tests/conformance/", "tests/ray/"),
    *("tests/property/test_flows.py", "tests/unit/examples/"),
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal tests out one by one, but for those that need Ray."""
    from xdist.scheduler import LoadScopeScheduling

    class Dealer(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "ray" if nodeid.startswith(RAY_TESTS) else nodeid

    return Dealer(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """See that none that needs Ray is elsewhere."""
    for item in items:
        if item.get_closest_marker("ray") is not None and not item.nodeid.startswith(RAY_TESTS):
            raise pytest.UsageError(f"{item.nodeid} needs Ray: name its folder in RAY_TESTS")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let those that compute leave the CPUs to those that kill what is at work, and have to find it at work."""
    if "PYTEST_XDIST_WORKER" in os.environ and not item.nodeid.startswith(RAY_TESTS):
        os.nice(10 - os.nice(0))


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """The address of a Ray cluster on this machine; its number of CPUs does not depend on the machine."""
    import ray

    context = ray.init(
        address="local",
        num_cpus=LOGICAL_CPUS,
        object_store_memory=512 * 1024**2,
        include_dashboard=False,
        log_to_driver=False,
    )
    yield context.address_info["address"]
    from routilux_dist.client import flows

    flows.shutdown()  # a thread that still asks Ray for something when it is shut down ends the whole process
    ray.shutdown()


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def backend(request: pytest.FixtureRequest) -> str:
    """The name of a backend; a test that asks for it runs once on each."""
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    return str(request.param)
