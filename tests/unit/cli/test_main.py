"""The commands, in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import routilux_dist as rd
from routilux_dist.cli import demo_flow
from routilux_dist.cli.main import main


def cli(*args: str, stdin: str | bytes | None = None) -> Result:
    result = CliRunner().invoke(main, args, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def run(*args: str, stdin: str | bytes | None = None) -> Result:
    return cli("run", "flows.py:words", "--backend", "local", *args, stdin=stdin)


@pytest.mark.usefixtures("flows")
class TestRun:
    def test_one_message(self) -> None:
        result = run("--input", '"to be"')
        assert result.exit_code == 0
        assert json.loads(result.stdout) == {"shout.output": ["TO", "BE"]}
        assert result.stderr.startswith("words: completed")

    def test_quiet(self) -> None:
        result = run("--input", '"to be"', "--quiet")
        assert result.stderr == ""

    def test_several_messages(self) -> None:
        result = run("--input", '"to be"', "--input", '"or"')
        assert (result.exit_code, result.stdout) == (0, '"TO"\n"BE"\n"OR"\n')

    def test_lines_of_standard_input(self) -> None:
        result = run("--format", "lines", "--input", "-", stdin="to be\nor\n")
        assert (result.exit_code, result.stdout) == (0, '"TO"\n"BE"\n"OR"\n')
        result = run("--format", "lines", "--input", "-", "--unordered", stdin="to\nbe\n")
        assert sorted(result.stdout.split()) == ['"BE"', '"TO"']

    def test_no_lines_at_all(self) -> None:
        result = run("--format", "lines", "--input", "-", stdin="")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")

    def test_files(self) -> None:
        Path("b.txt").write_text("to be")
        Path("a.txt").write_text("or")
        assert run("--files", "*.txt").stdout == '"A.TXT"\n"B.TXT"\n'
        assert run("--files", "*.txt", "--read").stdout == '"OR"\n"TO"\n"BE"\n'
        assert run("--format", "files", "--input", "*.txt").stdout == '"A.TXT"\n"B.TXT"\n'

    def test_an_entry(self) -> None:
        for entry in ("shout", "shout.input"):
            result = run("--entry", entry, "--input", '"a b"')
            assert json.loads(result.stdout)["shout.output"] == ["A B"]

    def test_output_to_a_file(self) -> None:
        assert run("--input", '"a"', "--output", "out.json").stdout == ""
        assert json.loads(Path("out.json").read_text()) == {"shout.output": ["A"]}

    def test_a_message_that_fails(self) -> None:
        result = run("--input", '"bad"', "--quiet")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: job ")
        assert "flows.py" in result.stderr
        assert "routilux_dist" not in result.stderr
        assert result.stderr.endswith("ValueError: this word is bad\n")

    def test_raise_keeps_what_came_before(self) -> None:
        result = run("--format", "lines", "--input", "a\nbad\nb")
        assert (result.exit_code, result.stdout) == (1, '"A"\n')

    def test_skip(self) -> None:
        result = run("--format", "lines", "--input", "a\nbad\nb", "--on-error", "skip")
        assert (result.exit_code, result.stdout) == (3, '"A"\n"B"\n')
        assert "1 item failed" in result.stderr

    def test_collect(self) -> None:
        result = run("--input", '"a bad"', "--on-error", "collect")
        assert result.exit_code == 3
        assert json.loads(result.stdout) == {
            "item": "a bad",
            "error": "this word is bad",
            "error_type": "ValueError",
            "routine": "shout",
        }

    @pytest.mark.parametrize(
        ("args", "said"),
        [
            (["--files", "*.txt", "--input", "1"], "--files takes the place"),
            (["--files", "*.txt", "--format", "json"], "--files takes the place"),
            (["--read", "--input", "1"], "--read goes with --files"),
            (["--format", "lines"], "--format lines needs --input"),
            (["--input", "-", "--input", "-"], "can be given once"),
            (["--workers", "0"], "'--workers'"),
            (["--timeout", "0"], "'--timeout'"),
            (["--input", "a b"], "is not JSON"),
            (["--entry", "none"], "no routine 'none'"),
            (["--entry", "shout.none"], "no slot 'none'"),
            (["--output", "none/x"], "folder does not exist"),
            (["--address", "x:1"], "is for Ray"),
        ],
    )
    def test_usage_errors(self, args: list[str], said: str) -> None:
        result = run(*args)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr


def test_what_routines_print_is_no_result(write: Callable[[str, str], Path]) -> None:
    write(
        "noisy.py", "import routilux_dist as rd\nprint('loading')\ndef say(x):\n    print(x)\nflow = rd.pipeline(say)\n"
    )
    result = cli("run", "noisy.py", "--backend", "local", "--input", '"aloud"', "--quiet")
    assert json.loads(result.stdout) == {"say.output": []}
    assert result.stderr == "loading\naloud\n"
    assert cli("graph", "noisy.py").stdout.startswith("flowchart")


def test_errors_that_a_job_survived_are_told(write: Callable[[str, str], Path]) -> None:
    write(
        "lax.py",
        """
        import routilux_dist as rd

        flow = rd.pipeline(len, name="lax", error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
        """,
    )
    result = cli("run", "lax.py", "--backend", "local", "--input", "1")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"len.output": []})
    assert "1 error and went on; the first: len." in result.stderr


def test_results_that_json_cannot_hold(write: Callable[[str, str], Path]) -> None:
    write("sets.py", "import routilux_dist as rd\ndef f(x):\n    return {x}\nflow = rd.pipeline(f)\n")
    result = cli("run", "sets.py", "--backend", "local", "--input", "1", "--quiet")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "it holds a set; --repr" in result.stderr
    result = cli("run", "sets.py", "--backend", "local", "--input", "1", "--quiet", "--repr")
    assert json.loads(result.stdout) == {"f.output": ["{1}"]}


def test_a_job_that_takes_too_long(write: Callable[[str, str], Path]) -> None:
    write(
        "slow.py",
        """
        import time
        import routilux_dist as rd

        def nap(x):
            while not rd.current_job().cancelled:
                time.sleep(0.01)

        flow = rd.pipeline(nap)
        """,
    )
    args = ("run", "slow.py", "--backend", "local", "--timeout", "0.1", "--quiet")
    result = cli(*args)
    assert result.exit_code == 1
    assert "did not end within 0.1 s" in result.stderr
    result = cli(*args, "--format", "lines", "--input", "x")
    assert result.exit_code == 1
    assert "did not end in time" in result.stderr


@pytest.mark.usefixtures("flows")
def test_looking_at_a_flow() -> None:
    assert "shout" in cli("explain", "flows.py").stdout
    assert cli("validate", "flows.py").stdout == "words is fine: 2 routines, 1 connections\n"
    assert cli("graph", "flows.py", "--format", "dot").stdout.startswith("digraph")
    assert "shout" in cli("graph", "flows.py", "--format", "d2").stdout


def test_a_flow_with_faults(write: Callable[[str, str], Path]) -> None:
    write(
        "faulty.py",
        """
        import threading
        import routilux_dist as rd

        flow = rd.Flow("faulty")
        for name in ("one", "two"):
            routine = rd.Routine(name)
            routine.define_slot("input", handler=len)
            routine.lock = threading.Lock()
            flow.add_routine(routine)
        """,
    )
    result = cli("validate", "faulty.py")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'one'" in result.stderr
    assert "'two'" in result.stderr


def test_version() -> None:
    shown = cli("version").stdout
    assert rd.__version__ in shown
    assert "Ray" in shown


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["run", "--help"], ["demo", "--help"], ["graph", "--help"]])
def test_help_teaches(args: list[str]) -> None:
    result = cli(*args)
    assert result.exit_code == 0
    assert "routilux-dist" in result.stdout or "demo_flow" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_demo(monkeypatch: pytest.MonkeyPatch, write: Callable[[str, str], Path], tmp_path: Path) -> None:
    write("lib/good.py", "def f():\n    pass\n\n\ndef g(): ...\n")
    write("lib/bad.py", "def f(:\n")
    (tmp_path / "lib" / "latin.py").write_bytes(b"# \xe4\n")
    monkeypatch.setattr(demo_flow, "standard_library", lambda: str(tmp_path / "lib"))
    result = cli("demo", "--backend", "local", "--quiet")
    assert result.exit_code == 0
    assert result.stdout.startswith("1 files, 6 lines, 2 functions; 2 files are not valid Python")
    assert "f (" in result.stdout
    assert cli("demo", "--backend", "local", "--quiet", "--limit", "1").stdout.startswith("0 files")


def test_help_imports_next_to_nothing() -> None:
    code = "import sys, routilux_dist.cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"ray", "rich", "cloudpickle", "msgpack", "asyncio", "routilux_dist.flow", "routilux_dist.client"}
    assert heavy & set(done.stdout.split()) == set()
