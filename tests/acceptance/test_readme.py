"""Every Python snippet of the README and the guide runs, and prints what it says it prints."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import routilux_dist as rd
from routilux_dist.cli.main import main
from tests.meta.repo import ROOT

SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ("README.md", "docs/guide.md")


@pytest.fixture(autouse=True)
def _shut_down() -> Iterator[None]:
    yield
    rd.shutdown()
    sys.modules.pop("flows", None)  # other tests have files of that name too


@pytest.mark.parametrize("page", PAGES)
def test_snippets_print_what_they_say(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # they save jobs
    # Snippets of a page build on each other. As in a script, what they define is part of __main__.
    names = {"__name__": "__main__"}
    snippets = list(SNIPPET.finditer((ROOT / page).read_text(encoding="utf-8")))
    assert len(snippets) >= 2
    for snippet in snippets:
        text = snippet[1]
        line = snippet.string.count("\n", 0, snippet.start(1))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("\n" * line + text, page, "exec"), names)
        expected = [shown.removeprefix("#> ") for shown in text.splitlines() if shown.startswith("#> ")]
        assert out.getvalue().splitlines() == expected, f"{page}, line {line}"


def test_the_first_lines_are_the_two_commands() -> None:
    first, second, *_ = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert first.split()[:2] == ["make", "demo"]
    assert second.split()[:2] == ["make", "test"]


def test_the_commands_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "flows.py").write_text(
        SNIPPET.findall(page)[0].partition("print(")[0].replace("flow =", "count = flow =")
    )
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "a.txt").write_text("to be")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    commands = re.findall(r"^    routilux-dist (.*?)(?:  +#.*)?$", page, re.MULTILINE)
    assert len(commands) == 6
    for command in commands:
        args = shlex.split(command.partition(" < ")[0])
        if args[0] in ("run", "submit") and "--help" not in args:
            args += ["--backend", "local"]
        result = CliRunner().invoke(main, args, input="to be\nor not\n")
        assert result.exit_code == 0, (command, result.stderr)
        assert result.stdout


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/guide.md", "examples/README.md"])
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", (ROOT / page).read_text(encoding="utf-8"))
    assert links
    missing = [link for link in links if "://" not in link and not ((ROOT / page).parent / link).exists()]
    assert missing == []
