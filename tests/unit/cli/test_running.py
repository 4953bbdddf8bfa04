"""What `run` decides before and around the running."""

from __future__ import annotations

import pytest

from routilux_dist.cli import running
from routilux_dist.cli.running import Request, Tally


@pytest.mark.parametrize(
    ("request_", "each"),
    [
        (Request(flow="f"), False),
        (Request(flow="f", inputs=("1",)), False),
        (Request(flow="f", inputs=("1", "2")), True),
        (Request(flow="f", inputs=("1",), form="lines"), True),
        (Request(flow="f", inputs=("1",), form="files"), True),
        (Request(flow="f", inputs=("1",), on_error="skip"), True),
    ],
)
def test_the_form_of_results_depends_on_what_was_typed(request_: Request, each: bool) -> None:
    assert request_.each is each


def test_the_tally_is_told_ever_more_rarely(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(running.time, "monotonic", lambda: now)
    tally = Tally(quiet=False)
    for _ in range(100):
        now += 0.1
        tally.count(failed=False)
    tally.count(failed=True)
    tally.finish()
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert 2 < len(lines) < 6
    assert lines[0] == "5 results so far, 0.5 s, 10.0/s"
    assert lines[-1] == "100 results in all, 1 item failed, 10.0 s, 10.0/s"


def test_a_short_run_without_errors_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (True, False):
        tally = Tally(quiet=quiet)
        tally.count(failed=False)
        tally.finish()
    assert capsys.readouterr().err == ""
