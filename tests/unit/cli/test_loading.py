"""From what was typed to a flow, and clear words where there is none."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import routilux_dist as rd
from routilux_dist.cli.loading import load_flow
from routilux_dist.cli.outcomes import FlowImportError

Write = Callable[[str, str], Path]


@pytest.mark.parametrize("spec", ["flows.py:words", "./flows.py:words", "flows:words", "flows.py", "flows"])
def test_the_ways_to_name_a_flow(flows: Path, spec: str) -> None:
    assert load_flow(spec).name == "words"


def test_an_absolute_path(
    flows: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert load_flow(f"{flows}:words").name == "words"
    assert sys.path[0] == str(flows.parent)
    assert os.environ["PYTHONPATH"] == str(flows.parent)


def test_a_function_that_returns_a_flow(write: Write) -> None:
    write("made.py", "import routilux_dist as rd\ndef make():\n    return rd.pipeline(len, name='made')\n")
    assert load_flow("made.py:make").name == "made"


def test_a_file_of_a_package_may_import_relatively(write: Write) -> None:
    write("pack/__init__.py", "")
    write("pack/sub/__init__.py", "")
    write("pack/steps.py", "def step(x):\n    return x\n")
    write(
        "pack/sub/flows.py",
        "import routilux_dist as rd\nfrom ..steps import step\nflow = rd.pipeline(step, name='inner')\n",
    )
    assert load_flow("pack/sub/flows.py:flow").name == "inner"
    assert "pack.sub.flows" in sys.modules


def test_a_file_whose_name_is_taken(write: Write) -> None:
    """Workers import by name: they would get the other one."""
    write("json.py", "import routilux_dist as rd\nflow = rd.pipeline(len, name='taken')\n")
    with pytest.raises(rd.ConfigurationError, match=r"json\.py cannot be imported as 'json'.*rename the file"):
        load_flow("json.py:flow")


def test_a_file_whose_name_is_no_identifier(write: Write) -> None:
    write("my-flow.py", "import routilux_dist as rd\nflow = rd.pipeline(len, name='dashed')\n")
    assert load_flow("my-flow.py:flow").name == "dashed"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("nothing.py:flow", "there is no file 'nothing.py'"),
        ("no.such.module:flow", "there is no module 'no'"),
        ("flows.nothing:flow", "there is no module 'flows.nothing'"),
        ("flows.py:nothing", "known flows: 'words'"),
        ("flows.py:split", "split"),
    ],
)
def test_what_is_not_there_is_named(flows: Path, spec: str, text: str) -> None:
    with pytest.raises(rd.ConfigurationError) as caught:
        load_flow(spec)
    assert text in str(caught.value)


def test_a_forgotten_suffix_is_guessed(flows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routilux_dist.cli.loading._search", lambda folder: None)
    with pytest.raises(rd.ConfigurationError, match=r"write flows\.py:attribute"):
        load_flow("flows:words")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import os\nx = undefined\n", "broken.py, line 2: NameError: name 'undefined' is not defined"),
        ("def f(:\n", "broken.py, line 1: SyntaxError: invalid syntax"),
        ("import no_such_thing\n", "broken.py, line 1: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("\nimport sys\nsys.exit(3)\n", "broken.py, line 3: SystemExit: 3"),
    ],
)
@pytest.mark.parametrize("spec", ["broken.py:flow", "broken:flow"])
def test_a_file_that_does_not_import_is_named_with_its_line(write: Write, spec: str, text: str, fault: str) -> None:
    write("broken.py", text)
    with pytest.raises(FlowImportError) as caught:
        load_flow(spec)
    assert str(caught.value) == f"cannot load {fault}"
    assert "routilux_dist" not in caught.value.shown
    assert "importlib" not in caught.value.shown
    assert fault.rpartition(": ")[0].rpartition(": ")[2] in caught.value.shown
    assert "broken" not in sys.modules


def test_a_function_that_fails_to_make_a_flow(write: Write) -> None:
    write("made.py", "def make():\n    return 1 / 0\n")
    with pytest.raises(FlowImportError, match=r"made\.py, line 2: ZeroDivisionError"):
        load_flow("made.py:make")


@pytest.mark.parametrize(
    ("flows_text", "said"), [("", "no flow stands"), ("a = rd.Flow('a')\nb = rd.Flow('b')\n", "2 flows")]
)
def test_the_attribute_may_be_left_out_only_if_it_is_clear(write: Write, flows_text: str, said: str) -> None:
    write("some.py", f"import routilux_dist as rd\n{flows_text}")
    with pytest.raises(rd.ConfigurationError, match=said):
        load_flow("some.py")
