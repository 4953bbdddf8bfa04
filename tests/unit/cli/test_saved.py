"""The commands about saved jobs, in this process: on the local backend, and on a cluster that is a fake."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.cli import running, saved
from tests.unit.cli.test_main import cli

pytestmark = pytest.mark.usefixtures("flows")
WAIT = 30.0
SUBMIT = ("submit", "flows.py:words", "--backend", "local", "--checkpoint", "ckpt", "--job-id", "nightly", "--quiet")
RECOVER = ("recover", "ckpt", "flows.py:words", "--backend", "local", "--quiet")


def test_a_saved_job_prints_what_run_prints() -> None:
    result = cli(*SUBMIT, "--input", '"to be"')
    assert (result.exit_code, json.loads(result.stdout), result.stderr) == (0, {"shout.output": ["TO", "BE"]}, "")
    result = cli(*SUBMIT, "--input", '"again"')
    assert (result.exit_code, result.stdout) == (1, "")
    assert "has a run 'nightly' already" in result.stderr
    for more in ((), ("--job-id", "nightly")):
        result = cli(*RECOVER, *more)
        assert (result.exit_code, json.loads(result.stdout)) == (0, {"shout.output": ["TO", "BE"]})


def test_a_saved_job_that_fails() -> None:
    result = cli(*SUBMIT, "--input", '"bad"')
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("ValueError: this word is bad\n")
    assert "failed" in cli("list", "--checkpoint", "ckpt").stdout


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (SUBMIT[:4], 2, "Missing option '--checkpoint'"),
        ((*SUBMIT, "--input", "1", "--input", "2"), 2, "a saved job begins with one message"),
        ((*SUBMIT, "--input", "a b"), 2, "is not JSON"),
        ((*SUBMIT, "--entry", "none"), 2, "no routine 'none'"),
        ((*SUBMIT, "--detach"), 2, "detached=True: needs Ray"),
        ((*SUBMIT, "--key", "none"), 1, "none: No such file"),
        (("submit", "flows.py", "--backend", "local", "--checkpoint", "no://x"), 2, "Protocol not known: no"),
        (("submit", "flows.py", "--backend", "local", "--checkpoint", "flows.py"), 1, "cannot be saved at 'flows.py'"),
        (RECOVER, 1, "holds nothing that was saved"),
        (("inspect", "ckpt"), 1, "holds nothing that was saved"),
        (("status", "nightly", "--checkpoint", "ckpt"), 1, "has no run 'nightly'"),
    ],
)
def test_errors(args: tuple[str, ...], code: int, said: str) -> None:
    result = cli(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr


@pytest.mark.parametrize(
    "name", ["..", "../outside", "a/b", "nightly/../nightly", "/etc/passwd", ".hidden", "a\\b", "~"]
)
def test_no_name_of_a_job_leads_out_of_its_store(name: str, tmp_path: Path) -> None:
    cli(*SUBMIT, "--input", '"to be"')
    Path("outside").mkdir()
    shutil.copytree("ckpt/nightly", "outside/epochs")
    files = sorted(tmp_path.rglob("*"))
    for args in (
        (*SUBMIT[:-2], name, "--quiet", "--input", "1"),
        (*RECOVER, "--job-id", name),
        ("inspect", "ckpt", name),
        ("status", name, "--checkpoint", "ckpt"),
    ):
        result = cli(*args)
        assert (result.exit_code in (1, 2), result.stdout) == (True, ""), args
        assert "Traceback" not in result.stderr
    assert sorted(tmp_path.rglob("*")) == files


def test_looking_at_what_is_saved() -> None:
    cli(*SUBMIT, "--input", '"to be"')
    (line,) = cli("list", "--checkpoint", "ckpt").stdout.splitlines()
    assert line.startswith("nightly: words: completed in ")
    shown = cli("status", "nightly", "--checkpoint", "ckpt").stdout
    assert "  shout: 2 done" in shown.splitlines()
    state = json.loads(cli("status", "nightly", "--checkpoint", "ckpt", "--json").stdout)
    assert (state["status"], state["messages"]["done"]) == ("completed", 3)
    assert json.loads(cli("list", "--checkpoint", "ckpt", "--json").stdout) == {"nightly": {"nightly": state}}
    assert cli("checkpoints", "nightly", "--checkpoint", "ckpt").stdout == ""
    shown = cli("inspect", "ckpt").stdout
    assert "nightly/segments/" in shown
    assert "1 writer so far" in shown
    described = json.loads(cli("inspect", "ckpt", "nightly", "--json").stdout)["nightly"]
    assert (described["epoch"], described["damage"], described["jobs"]) == (1, None, {"nightly": state})


def test_damage_is_told_and_what_is_whole_is_shown() -> None:
    cli(*SUBMIT, "--input", '"to be"')
    cli(*SUBMIT[:-2], "other", "--quiet", "--input", '"or"')
    max(Path("ckpt", "nightly", "snapshots").iterdir()).unlink()  # the last one would make up for it
    log = max(Path("ckpt", "nightly", "segments").iterdir(), key=lambda file: file.stat().st_size)
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)
    result = cli("list", "--checkpoint", "ckpt")
    assert result.stdout.startswith("other: words: completed")
    assert result.stderr.startswith("nightly: ")
    shown = cli("inspect", "ckpt").stdout
    assert "  damaged: " in shown
    assert "other: words: completed" in shown


def test_no_code_of_flows_is_loaded_to_look() -> None:
    cli(*SUBMIT, "--input", '"to be"')
    Path("flows.py").write_text("raise SystemExit('loaded')")
    assert cli("inspect", "ckpt").exit_code == 0


def test_what_is_signed_needs_its_key() -> None:
    Path("key").write_bytes(b"0123456789abcdef\n")
    cli(*SUBMIT, "--key", "key", "--input", '"to be"')
    assert cli(*RECOVER, "--key", "key").exit_code == 0
    assert "completed" in cli("list", "--checkpoint", "ckpt", "--key", "key").stdout
    assert cli("status", "nightly", "--checkpoint", "ckpt").exit_code == 1


# ---- a cluster that is a fake ----------------------------------------------------------------------------------------


class FakeCluster:
    """Stands for a runtime on Ray: its jobs run in this process."""

    def __init__(self, runtime: rd.Runtime) -> None:
        self._runtime = runtime

    def attach(self, job_id: str) -> rd.Job:
        return self._runtime.attach(job_id)

    def overviews(self) -> dict[str, Any]:
        return {**self._runtime.overviews(), "silent": None}

    def __enter__(self) -> FakeCluster:
        return self

    def __exit__(self, *_: Any) -> None:
        """The jobs go on."""


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[rd.Runtime]:
    with rd.Runtime(backend="local", checkpoint="ckpt") as made:
        asked: list[tuple[Any, ...]] = []
        monkeypatch.setattr(running, "open_runtime", lambda *args, **_: asked.append(args) or FakeCluster(made))
        yield made
        assert all(args[:2] == ("ray", "auto") for args in asked), "no cluster is started to look for a job"


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def held(gate: threading.Event) -> rd.Flow:
    def wait(x: Any) -> Any:
        gate.wait(WAIT)
        if x == "bad":
            raise ValueError("this is bad")
        return x

    return rd.pipeline(wait, name="held", error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))


def test_steering_a_job(runtime: rd.Runtime, gate: threading.Event) -> None:
    job = runtime.submit(held(gate), "x", job_id="nightly")
    assert cli("list").stdout == "nightly: held: running\nsilent: does not answer\n"
    assert cli("pause", "nightly").stdout == "nightly: paused\n"
    assert cli("status", "nightly").stdout.startswith("held: paused for ")
    assert cli("resume", "nightly").stdout == "nightly: running\n"
    job.checkpoint("start")
    assert cli("checkpoints", "nightly").stdout.endswith(" UTC  start\n")
    assert list(json.loads(cli("checkpoints", "nightly", "--json").stdout)) == ["start"]
    assert cli("rollback", "nightly", "start").stdout == "nightly: rolled back to start, running\n"
    assert "no checkpoint 'last_good'" in cli("rollback", "nightly").stderr
    assert cli("cancel", "nightly").stdout == "nightly: cancelled\n"
    assert job.cancelled()
    result = cli("cancel", "nightly")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "error: job 'nightly' has ended: cancelled\n")
    result = cli("result", "nightly")
    assert (result.exit_code, result.stdout) == (1, "")


def test_the_result_of_a_job(runtime: rd.Runtime, gate: threading.Event) -> None:
    job = runtime.submit(held(gate), "x", job_id="nightly")
    result = cli("result", "nightly", "--timeout", "0.05", "--quiet")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "did not end within" in result.stderr
    assert job.running(), "it goes on"
    gate.set()
    result = cli("result", "nightly", "--quiet")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"wait.output": ["x"]})
    assert cli("result", "nightly", "--quiet").stdout == result.stdout


def test_dead_letters(runtime: rd.Runtime, gate: threading.Event) -> None:
    gate.set()
    job = runtime.submit(held(gate), "bad", job_id="nightly")
    job.wait_for_completion(WAIT)
    line = json.loads(cli("letters", "nightly").stdout)
    assert line.pop("traceback").endswith("ValueError: this is bad\n")
    assert line == {
        "place": 0, "routine": "wait", "slot": "input", "payload": "bad", "error": "this is bad",
        "error_type": "ValueError", "attempts": 1, "message": "nightly/1.0",
    }  # fmt: skip
    result = cli("retry-failed", "nightly", "--quiet")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"wait.output": []})
    result = cli("retry-failed", "nightly", "--letter", "3")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no dead letter 3" in result.stderr


def test_a_job_that_is_not_there(runtime: rd.Runtime) -> None:
    result = cli("status", "nobody")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "attach('nobody')" in result.stderr


@pytest.mark.parametrize("command", saved.COMMANDS, ids=lambda command: str(command.name))
def test_help_teaches(command: Any) -> None:
    result = cli(command.name, "--help")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert len(result.stdout.splitlines()) > 8
