"""Ctrl-C and SIGTERM while a saved job runs on Ray: real processes, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.test_cli import WAIT, cli
from tests.acceptance.test_saved_cli import HEED, HEEDING, STOPPING
from tests.conformance.support import eventually

pytestmark = pytest.mark.ray

N = 8
FLOWS = """
    import os
    import time

    import routilux_dist as rd

    def note(file, text):
        out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(out, f"{text}\\n".encode())
        os.close(out)

    def parts(x):
        for n in range(x["n"]):
            yield {**x, "n": n}

    def work(x):
        note(x["file"], f"begin {x['n']}")
        until = time.monotonic() + x["seconds"]
        while time.monotonic() < until and not os.path.exists(x["file"] + ".go"):
            time.sleep(0.01)
        note(x["file"], f"end {x['n']}")
        return x["n"]

    flow = rd.Flow("working")
    flow.add_routine(parts, "parts")
    flow.add_routine(work, "work")
    flow.pipe("parts", "work")
"""
SCRIPT = """
    import sys

    import routilux_dist as rd
    from flows import flow

    with rd.Runtime(address=sys.argv[1], max_workers=2) as runtime:
        message = {"n": 8, "file": sys.argv[2], "seconds": 0.5}
        runtime.submit(flow, message, job_id="nightly", checkpoint=sys.argv[3]).result()
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which work that begins and ends is noted."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows.py").write_text(textwrap.dedent(FLOWS))
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    return tmp_path / "noted"


def noted(file: Path) -> Counter[str]:
    return Counter(file.read_text().splitlines()) if file.exists() else Counter()


def of(what: str, counts: Counter[str]) -> list[int]:
    return sorted(int(line.split()[1]) for line in counts.elements() if line.startswith(what))


def started(*command: str, file: Path, begun: int = 2) -> subprocess.Popen[str]:
    """Start a command as a terminal would, in a group of its own; return when its flow works."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        eventually(lambda: process.poll() is not None or len(of("begin", noted(file))) >= begun, "it works")
        assert process.poll() is None, process.stderr and process.stderr.read()
    except BaseException:
        process.kill()
        raise
    return process


def submitted(file: Path, seconds: float, *place: str) -> tuple[str, ...]:
    message = json.dumps({"n": N, "file": str(file), "seconds": seconds})
    asked = (
        "submit",
        "flows.py:flow",
        "--input",
        message,
        "--checkpoint",
        os.path.abspath("ckpt"),
        "--job-id",
        "nightly",
    )
    return (*HEEDING, *asked, "--workers", "2", "--quiet", *place)


def goes_on(go_on: str, *place: str) -> None:
    """Go on as it was said; in this process's place instead of on Ray, which takes less time."""
    words = go_on.removeprefix("go on with: routilux-dist ").split()
    assert words[:2] == ["recover", os.path.abspath("ckpt")]
    done = cli(*(word for word in words if word not in place), "--backend", "local", "--quiet")
    assert (done.returncode, sorted(json.loads(done.stdout)["work.output"])) == (0, list(range(N))), done.stderr


def check_that_nothing_ran_twice(file: Path) -> None:
    counts = noted(file)
    assert set(counts.values()) == {1}, "what was running was committed: nothing was done again"
    assert of("begin", counts) == of("end", counts) == list(range(N))


def check_a_stop(process: subprocess.Popen[str], code: int, file: Path) -> str:
    out, err = process.communicate(timeout=WAIT)
    assert (process.returncode, out) == (code, ""), err
    lines = err.splitlines()
    assert STOPPING in lines
    counts = noted(file)
    assert of("begin", counts) == of("end", counts), "what was running came to its end"
    assert len(of("end", counts)) < N, "what had not begun was left"
    return next(line for line in lines if line.startswith("go on with: "))


def test_ctrl_c_in_a_terminal_lets_what_runs_be_finished(file: Path) -> None:
    """The terminal interrupts the whole group, the processes of a Ray that the command started among them."""
    process = started(*submitted(file, 0.6), file=file)
    os.killpg(process.pid, signal.SIGINT)
    goes_on(check_a_stop(process, 130, file))
    check_that_nothing_ran_twice(file)


def test_sigterm_means_the_same(ray_cluster: str, file: Path) -> None:
    process = started(*submitted(file, 0.6, "--address", ray_cluster), file=file)
    process.send_signal(signal.SIGTERM)
    goes_on(check_a_stop(process, 143, file), "--address", ray_cluster)
    check_that_nothing_ran_twice(file)


def test_the_second_signal_stops_at_once(ray_cluster: str, file: Path) -> None:
    process = started(*submitted(file, 600, "--address", ray_cluster), file=file)
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    said = [process.stderr.readline()]
    while not said[-1].startswith("go on with: "):
        said.append(process.stderr.readline())
        assert said[-1], said
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT)
    assert (process.returncode, out) == (130, ""), err
    assert "stopped at once: what was running will be run again" in err.splitlines()
    assert said[-1].strip() in err.splitlines(), "it says again how to go on"
    assert of("end", noted(file)) == []
    Path(f"{file}.go").touch()
    goes_on(said[-1], "--address", ray_cluster)
    assert set(of("begin", noted(file))) == set(range(N))


def test_a_script_that_is_terminated(ray_cluster: str, file: Path) -> None:
    """Without a word about signals in it: Ray makes SIGTERM leave the `with` block, as an interrupt does."""
    arguments = (ray_cluster, str(file), os.path.abspath("ckpt"))
    process = started(sys.executable, "-c", f"{HEED} import script", *arguments, file=file)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=WAIT)
    assert process.returncode != 0
    assert "go on with it: rt.recover(" in err
    counts = noted(file)
    assert of("begin", counts) == of("end", counts)
    goes_on(f"go on with: routilux-dist recover {os.path.abspath('ckpt')} flows.py:flow")
    check_that_nothing_ran_twice(file)


IMPATIENT = """
    import os, random, signal, sys, time

    import routilux_dist as rd

    def double(x):
        return 2 * x

    signal.signal(signal.SIGALRM, signal.default_int_handler)
    chance, interrupts = random.Random(1), 0
    with rd.Runtime(address=sys.argv[1], max_workers=1) as runtime:
        flow = rd.pipeline(double)
        runtime.submit(flow, 1).result(timeout=60)
        while interrupts < 60:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0002, 0.02))
            until = time.monotonic() + 1
            try:
                while time.monotonic() < until:  # Python drops one that comes in a weak reference's callback
                    runtime.submit(flow, 1).result(timeout=60)
            except KeyboardInterrupt:
                interrupts += 1
            assert runtime.submit(flow, interrupts).result(timeout=60) == {"double.output": [2 * interrupts]}
    print(interrupts)
"""


def test_posting_goes_on_after_any_interrupt(ray_cluster: str) -> None:
    """Ctrl-C in a notebook may come between any two steps of a post; nothing that follows may wait for what was lost."""
    command = [sys.executable, "-c", textwrap.dedent(IMPATIENT), ray_cluster]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert (done.returncode, done.stdout) == (0, "60\n"), done.stderr
