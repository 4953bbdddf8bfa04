"""The repository as data, for the tests about it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it on 3.10

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tracked_files() -> list[Path]:
    """All files under version control; skips the test where there is none (an unpacked sdist)."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    # A file may be listed and already deleted in the working tree.
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def locked_versions(name: str = "requirements.lock") -> dict[str, str]:
    """Package -> version, as pinned in a lock file."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = (line for line in lines if line and not line.startswith(("#", "-r ")))
    return dict(pin.split("==") for pin in pins)


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter at the repository root."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
