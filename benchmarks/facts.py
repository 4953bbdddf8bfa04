"""What is told about the machine: nothing that names it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from typing import Any

from benchmarks import environment

PACKAGES = ("routilux_dist", "ray", "dask", "distributed", "joblib", "pandas", "pyarrow", "numpy", "routilux")


def version(package: str) -> str:
    """Return a package's version, "not installed" if there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def machine(loops_per_ms: float) -> dict[str, Any]:
    """Return facts about the machine and what is installed."""
    return {
        "cpus": environment.CORES,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "loops_per_ms": round(loops_per_ms),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {package: version(package) for package in PACKAGES},
    }
