"""A small code base to take a census of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from examples.code_census import files

PACKAGES = ("json", "email", "asyncio", "wsgiref")


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some packages of the standard library, a copy of a module, and files that cannot be parsed."""
    root = tmp_path_factory.mktemp("code")
    for name in PACKAGES:
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(files.standard_library()) / name, root / name, ignore=skipped)
    renamed = (root / "json" / "decoder.py").read_text(encoding="utf-8").replace("memo", "seen")
    (root / "copied.py").write_text(renamed, encoding="utf-8")
    (root / "latin.py").write_text("# coding: latin-1\nname = 'é'\n", encoding="latin-1")
    (root / "bad_syntax.py").write_text("print 'hi'\n", encoding="utf-8")
    (root / "bad_bytes.py").write_bytes(b"\n\n\nname = '\xe9'\n")
    (root / "bad_cookie.py").write_bytes(b"# coding: uft-8\n")
    return root
