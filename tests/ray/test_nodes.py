"""Nodes that are lost: work goes on elsewhere, and no message is blamed for it.

The cluster of several nodes has drivers of its own, because a process can be with one cluster only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tests.ray.node_driver as driver

pytestmark = [pytest.mark.ray, pytest.mark.chaos, pytest.mark.timeout(300)]


def test_lost_nodes_cost_work_and_blame_nobody(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", driver.__name__, str(tmp_path)],
        env={**os.environ, "RAY_memory_monitor_refresh_ms": "0"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    assert done.stdout.split() == [f"{name}:ok" for name in driver.SCENARIOS]
