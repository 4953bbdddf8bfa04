"""Saved jobs in a shell: signals and going on; and the commands about jobs of a cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import ray

from routilux_dist.driver import looking
from tests.acceptance.test_cli import COMMAND, WAIT, cli
from tests.conformance.support import eventually

FLOWS = """
    import os
    import sys
    import time

    import routilux_dist as rd

    def numbers(n):
        yield from range(n)

    def slow(n):
        if n == 20:
            print("begun", file=sys.stderr, flush=True)
        time.sleep(0.004)
        return n

    class Total(rd.Routine):
        def setup(self):
            self.add_slot("input")
            self.add_event("output")
            self.add_state(total=0)

        def logic(self, n):
            self.state["total"] += n

        def finish(self):
            self.emit("output", self.state["total"])

    summing = rd.Flow("summing")
    summing.add_routine(numbers, "numbers")
    summing.add_routine(slow, "slow")
    summing.add_routine(Total(), "total")
    summing.pipe("numbers", "slow", "total")

    def wait(file):
        print("begun", file=sys.stderr, flush=True)
        while not os.path.exists(file):
            time.sleep(0.01)
        return "went on"

    waiting = rd.pipeline(wait, name="waiting")
"""
#: Where tests run in the background, interrupts are ignored, which is inherited.
HEED = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
HEEDING = (*COMMAND[:-1], HEED + COMMAND[-1])
STOPPING = "stopping: what is running has 10 s to be finished and saved; once more stops at once"
N = 1000
RIGHT = {"total.output": [sum(range(N))]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows.py").write_text(textwrap.dedent(FLOWS))
    return tmp_path


def begun(*command: str) -> subprocess.Popen[str]:
    """Start a command; return when its flow has begun to work."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while (line := process.stderr.readline()) != "begun\n":
        assert line, "it ended"
    return process


def submitted(flow: str, message: str) -> tuple[str, ...]:
    asked = ("submit", f"flows.py:{flow}", "--input", message, "--checkpoint", "ckpt/", "--job-id", "nightly")
    return (*HEEDING, *asked, "--backend", "local", "--quiet")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_saves_what_runs_and_says_how_to_go_on(number: signal.Signals, code: int) -> None:
    process = begun(*submitted("summing", str(N)))
    process.send_signal(number)
    out, err = process.communicate(timeout=WAIT)
    assert (process.returncode, out) == (code, "")
    stopping, go_on, _ = err.splitlines()
    assert stopping == STOPPING
    assert go_on == "go on with: routilux-dist recover ckpt/ flows.py:summing --job-id nightly --backend local"
    state = json.loads(cli("status", "nightly", "--checkpoint", "ckpt/", "--json").stdout)
    assert state["status"] == "running"
    assert 20 < state["messages"]["done"] <= 2 * N
    done = cli(*go_on.split()[4:], "--quiet")
    assert (done.returncode, json.loads(done.stdout)) == (0, RIGHT)


def test_a_second_interrupt_does_not_wait_for_what_runs() -> None:
    process = begun(*submitted("waiting", '"go"'))
    eventually(lambda: looking.jobs_in("ckpt/", "nightly") != {}, "the message is saved")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert process.stderr.readline().startswith("stopping: ")
    assert process.stderr.readline().startswith("go on with: ")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[0] == "stopped at once: what was running will be run again"
    assert err.splitlines()[1].startswith("go on with: routilux-dist recover ckpt/ flows.py:waiting")
    Path("go").touch()
    done = cli("recover", "ckpt/", "flows.py:waiting", "--backend", "local", "--quiet")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"wait.output": ["went on"]})


SCRIPT = """
    import routilux_dist as rd
    from flows import summing

    with rd.Runtime(backend="local") as runtime:
        job = runtime.submit(summing, 1000, job_id="nightly", checkpoint="ckpt/")
        print(job.result())
"""


def test_a_script_says_how_to_go_on(folder: Path) -> None:
    (folder / "script.py").write_text(textwrap.dedent(SCRIPT))
    process = begun(sys.executable, "-c", f"{HEED} import script")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT)
    assert (process.returncode, out) == (-signal.SIGINT, "")
    assert err.splitlines()[0] == (
        "job 'nightly' of flow 'summing' has not ended and is saved; go on with it: rt.recover('ckpt/', flow, "
        "job_id='nightly')"
    )
    assert err.endswith("KeyboardInterrupt\n")
    done = cli("recover", "ckpt/", "flows.py:summing", "--backend", "local", "--quiet")
    assert (done.returncode, json.loads(done.stdout)) == (0, RIGHT)


@pytest.mark.ray
def test_a_detached_job_on_ray(ray_cluster: str) -> None:
    place = ("--address", ray_cluster, "--namespace", "shell")

    def ask(*args: str) -> str:
        done: subprocess.CompletedProcess[bytes] = cli(*args, *place)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    store = os.path.abspath("ckpt")
    go = os.path.abspath("go")  # workers have another working directory
    begin: tuple[Any, ...] = ("submit", "flows.py:waiting", "--input", json.dumps(go), "--checkpoint", store)
    try:
        assert ask(*begin, "--job-id", "left", "--detach", "--workers", "1", "--quiet") == '"left"\n'
        assert ask("list").startswith("left: waiting: ")
        assert ask("pause", "left") == "left: paused\n"
        assert ask("resume", "left") == "left: running\n"
        Path("go").touch()
        assert json.loads(ask("result", "left", "--quiet")) == {"wait.output": ["went on"]}
        assert ask("status", "left").startswith("waiting: completed in ")
        assert ask("letters", "left") == ""
    finally:
        ray.kill(ray.get_actor("routilux:left", namespace="shell"), no_restart=True)
