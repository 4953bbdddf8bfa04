"""Watching a job: what is shown where, and that showing never hurts the job."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.client import progress
from tests.unit.observe.test_progress import state


class FakeJob:
    """A job whose states are scripted; it ends after the last one, or when it was waited for often enough."""

    LAST = 20

    def __init__(self, *states: dict[str, Any]) -> None:
        self._states = list(states)
        self.waits: list[float] = []

    def wait_for_completion(self, timeout: float) -> bool:
        self.waits.append(timeout)
        return len(self._states) == 1 or len(self.waits) == self.LAST

    def state(self) -> dict[str, Any]:
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def scripted() -> FakeJob:
    return FakeJob(state(1, a=1), state(2, a=5), state(3, "completed", a=9))


def test_plain_lines_without_a_terminal() -> None:
    job, out = scripted(), io.StringIO()
    assert progress.watch(job, file=out)
    assert out.getvalue().splitlines() == [
        "words: running for 1.0 s; 1 message done, 1.00/s",
        "words: running for 2.0 s; 5 messages done, 2.50/s",
        "words: completed in 3.0 s; 9 messages done",
    ]
    assert job.waits[0] < 1, "soon"
    assert sum(job.waits[1:]) >= 2, "and rarely"
    assert max(job.waits) <= progress.HEED_SECONDS, "but an interrupt is heard"


def test_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    progress.watch(scripted())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "completed" in captured.err


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    job = scripted()
    assert progress.watch(job, quiet=True)
    assert capsys.readouterr() == ("", "")
    assert job.waits == [progress.HEED_SECONDS] * job.LAST


def test_a_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("ROUTILUX_PLAIN", raising=False)
    out, job = Terminal(), scripted()
    assert progress.watch(job, file=out, interval=0.01)
    assert "routine" in out.getvalue()
    assert "completed in 3.0 s" in out.getvalue()
    assert set(job.waits) == {0.01, progress.HEED_SECONDS}


@pytest.mark.parametrize(("variable", "value"), [("ROUTILUX_PLAIN", "1"), ("TERM", "dumb")])
def test_plain_lines_on_a_terminal_that_asks_for_them(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    out = Terminal()
    progress.watch(scripted(), file=out)
    assert "routine" not in out.getvalue()
    assert "completed in 3.0 s" in out.getvalue()


def test_plain_lines_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich.live", None)  # importing it raises ImportError
    out = Terminal()
    progress.watch(scripted(), file=out)
    assert "completed in 3.0 s" in out.getvalue()


def closed() -> io.StringIO:
    out = io.StringIO()
    out.close()
    return out


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("make", [closed, Full])
def test_a_stream_that_fails_does_not_hurt_the_job(make: Callable[[], io.StringIO]) -> None:
    job = scripted()
    assert progress.watch(job, file=make())
    assert job.waits[-1] == progress.HEED_SECONDS


def test_a_state_that_fails_does_not_hurt_the_job() -> None:
    class Broken(FakeJob):
        def state(self) -> dict[str, Any]:
            raise rd.StateError("the running flow was shut down")

    assert progress.watch(Broken(state(), state()), file=io.StringIO())


def test_interrupts_pass_through() -> None:
    class Interrupted(FakeJob):
        def wait_for_completion(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        progress.watch(Interrupted(state()), file=io.StringIO())


def test_a_time_limit_ends_the_watching() -> None:
    class Endless(FakeJob):
        def wait_for_completion(self, timeout: float | None = None) -> bool:
            self.waits.append(timeout)
            return False

    job, out = Endless(state()), io.StringIO()
    assert not progress.watch(job, file=out, timeout=0)
    assert job.waits == [0, 0]
    assert out.getvalue().startswith("words: running")


def test_a_real_job_and_its_picture() -> None:
    with rd.Runtime(backend="local") as runtime:
        job = runtime.submit(rd.pipeline(str.upper, len), "abc")
        out = io.StringIO()
        assert progress.watch(job, file=out, timeout=30)
        assert out.getvalue().splitlines()[-1].startswith("pipeline: completed in")
        assert job.watch(quiet=True) is job
        assert "<table>" in job._repr_html_()
