"""The import law of the rooms, as written in pyproject.toml."""

from __future__ import annotations

import ast
import re

from tests.meta.repo import PYPROJECT, ROOT, python


def test_the_import_law_is_kept() -> None:
    done = python("from importlinter.cli import lint_imports_command as run; run(['--no-cache'])")
    assert done.returncode == 0, f"\n{done.stdout}\n{done.stderr}"


def test_every_room_has_a_place_in_the_law() -> None:
    """A new room that no layer names would be free to import anything."""
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    placed = {name for line in layers for name in re.findall(r"routilux_dist\.(\w+)", line)}
    package = ROOT / "routilux_dist"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    modules = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    assert (rooms | modules) - placed == set()


def test_every_room_states_its_law() -> None:
    inits = sorted((ROOT / "routilux_dist").glob("*/__init__.py"))
    silent = [init.parent.name for init in inits if not ast.get_docstring(ast.parse(init.read_text(encoding="utf-8")))]
    assert silent == []
