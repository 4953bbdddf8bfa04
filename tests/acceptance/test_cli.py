"""The real command in a shell: exit codes, pipes, signals, bad input; and the same flow on Ray."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

WAIT = 60
COMMAND = [sys.executable, "-c", "from routilux_dist.cli.main import main; main(prog_name='routilux-dist')"]
FLOWS = """
    import sys
    import time

    import routilux_dist as rd

    print("a module that prints")

    class Unlucky(Exception):
        pass

    def split(text):
        yield from text.split()

    def shout(word):
        if word == "bad":
            raise Unlucky("this word is bad")
        return word.upper()

    words = rd.pipeline(split, shout, name="words")

    def nap(x):
        print("napping", file=sys.stderr, flush=True)
        while not rd.current_job().cancelled:
            time.sleep(0.01)

    naps = rd.pipeline(nap, name="naps")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows.py").write_text(textwrap.dedent(FLOWS))
    return tmp_path


def cli(*args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *args], input=stdin, capture_output=True, timeout=WAIT, check=False)


def local(*args: str, flow: str = "flows.py:words") -> Sequence[str]:
    return ("run", flow, "--backend", "local", *args)


def test_one_message() -> None:
    done = cli(*local("--input", '"to be"'))
    assert (done.returncode, json.loads(done.stdout)) == (0, {"shout.output": ["TO", "BE"]})
    assert done.stderr.startswith(b"a module that prints\nwords: completed in ")


def test_a_pipe_of_lines() -> None:
    done = cli(*local("--format", "lines", "--input", "-"), stdin="zur Größe\n".encode() * 500)
    assert done.returncode == 0
    assert done.stdout.decode() == '"ZUR"\n"GRÖSSE"\n' * 500


def test_json_lines_from_a_file(folder: Path) -> None:
    (folder / "in.jsonl").write_text('"a"\n\n"b c"\n')
    done = cli(*local("--format", "jsonl", "--input", "@in.jsonl", "--output", "out.jsonl"))
    assert (done.returncode, done.stdout) == (0, b"")
    assert (folder / "out.jsonl").read_bytes() == b'"A"\n"B"\n"C"\n'


def test_empty_input() -> None:
    for form in ("lines", "jsonl"):
        done = cli(*local("--format", form, "--input", "-"))
        assert (done.returncode, done.stdout) == (0, b"")
    done = cli(*local("--input", "-"))
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"standard input: is not JSON: it is empty" in done.stderr


def test_input_that_is_not_utf_8() -> None:
    done = cli(*local("--format", "lines", "--input", "-"), stdin=b"good\n\xff\n")
    assert done.returncode == 2
    assert b"standard input, line 2 is not UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (local("--input", '"a bad"'), 1, "Unlucky: this word is bad"),
        (local("--format", "lines", "--input", "a\nbad", "--on-error", "skip"), 3, "1 item failed"),
        (local("--input", "a b"), 2, "add --format lines"),
        (local("--none"), 2, "No such option"),
        (local(flow="broken.py:flow"), 2, "cannot load broken.py, line 2: NameError"),
        (local(flow="nothing.py:flow"), 2, "no file 'nothing.py'"),
        (local("--timeout", "0.2", flow="flows.py:naps"), 1, "did not end within 0.2 s"),
        (("validate", "flows.py:words"), 0, ""),
        (("validate", "flows.py"), 2, "say which attribute: flows.py:"),
        (("nothing",), 2, "No such command"),
    ],
)
def test_exit_codes(folder: Path, args: Sequence[str], code: int, said: str) -> None:
    (folder / "broken.py").write_text("import os\nx = undefined\n")
    done = cli(*args)
    assert (done.returncode, said in done.stderr.decode()) == (code, True), done.stderr.decode()
    assert b"site-packages" not in done.stderr
    assert b"routilux_dist/" not in done.stderr


def test_a_reader_that_leaves() -> None:
    """`… | head -3`: the work ends, and nothing is said."""
    with subprocess.Popen(
        [*COMMAND, *local("--format", "lines", "--input", "-", "--quiet")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # nothing is left to be written when the reader of these has gone
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b"a\n" * 10_000)
        assert process.stdout.readline() == b'"A"\n'
        process.stdout.close()
        try:
            while process.poll() is None:
                process.stdin.write(b"a\n" * 10_000)
        except BrokenPipeError:
            pass
        assert process.wait(WAIT) == 141
        assert process.stderr.read() == b"a module that prints\n"


def test_a_full_disk() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    done = cli(*local("--input", '"a"', "--output", "/dev/full", "--quiet"))
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr


def test_an_interrupt() -> None:
    with subprocess.Popen(
        [*COMMAND, *local(flow="flows.py:naps")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline() + process.stderr.readline()
        assert said == b"a module that prints\nnapping\n"
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=WAIT)
        assert process.returncode == 130
        assert rest.endswith(b"interrupted\n")
        assert b"Traceback" not in rest


def test_the_demo() -> None:
    done = cli("demo", "--backend", "local", "--limit", "30", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"30 files, ")
    assert done.stderr == b""


# ---- on Ray ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def on_ray(ray_cluster: str) -> Any:
    """A function that runs the flow on the cluster of the tests."""

    def run(*args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return cli("run", "flows.py:words", "--address", ray_cluster, "--workers", "2", *args, stdin=stdin)

    return run


@pytest.mark.ray
def test_one_message_on_ray(on_ray: Any) -> None:
    done = on_ray("--input", '"to be"')
    assert done.returncode == 0, done.stderr.decode()
    (outputs,) = json.loads(done.stdout).values()
    assert sorted(outputs) == ["BE", "TO"]  # on several workers, in any order


@pytest.mark.ray
def test_lines_with_errors_on_ray(on_ray: Any) -> None:
    done = on_ray("--format", "lines", "--input", "-", "--on-error", "collect", "--quiet", stdin=b"to be\nbad\nor\n")
    assert done.returncode == 3, done.stderr.decode()
    assert b"Connect" not in done.stderr  # what Ray says of itself; what workers print is shown
    to, be, bad, other = map(json.loads, done.stdout.splitlines())
    assert (to, be, other) == ("TO", "BE", "OR")
    assert (bad["item"], bad["error_type"]) == ("bad", "Unlucky")
