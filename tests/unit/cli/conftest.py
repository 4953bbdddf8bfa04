"""Files with flows, and modules that are forgotten again."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import routilux_dist as rd

FLOWS = """
    import routilux_dist as rd

    def split(text):
        yield from text.split()

    def shout(word):
        if word == "bad":
            raise ValueError("this word is bad")
        return word.upper()

    words = rd.pipeline(split, shout, name="words")
"""


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Work in a folder of its own; leave no module, search path or runtime behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "")
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        if str(tmp_path) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]
    rd.shutdown()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """A function that writes a Python file."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def flows(write: Callable[[str, str], Path]) -> Path:
    """A file with the flow `words`."""
    return write("flows.py", FLOWS)
