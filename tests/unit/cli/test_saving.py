from __future__ import annotations

from pathlib import Path

from routilux_dist.cli import saving
from routilux_dist.cli.saving import Request


def test_the_command_that_goes_on() -> None:
    request = Request(flow="my flows.py:words", checkpoint="s3://bucket/jobs", durability="sync")
    assert (
        request.recovering("nightly") == "routilux-dist recover s3://bucket/jobs 'my flows.py:words' --job-id nightly"
    )
    request = Request(
        flow="f:g", checkpoint="ckpt/", key_file="k", backend="local", address="a:1", namespace="mine", workers=3
    )
    assert request.recovering(None) == (
        "routilux-dist recover ckpt/ f:g --key k --backend local --address a:1 --namespace mine"
    )


def test_a_key_is_what_a_file_holds(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"0123456789abcdef\r\n")
    assert saving.key_from(str(tmp_path / "key")) == b"0123456789abcdef"
    assert saving.key_from(None) is None


def test_a_running_flow_in_a_line() -> None:
    jobs = {"a": "running", "b": "completed", "c": "running"}
    assert saving.overview_line("orders", {"flow": "f", "jobs": jobs}) == (
        "orders: f: a running flow, jobs: 2 running, 1 completed"
    )
    assert saving.overview_line("orders", {"flow": "f", "jobs": {}}) == "orders: f: a running flow, no jobs"
    assert saving.overview_line("a", {"flow": "f", "jobs": {"a": "paused"}}) == "a: f: paused"
    assert saving.overview_line("a", None) == "a: does not answer"


def test_a_run_with_several_jobs() -> None:
    assert list(saving.run_lines({}, "orders")) == ["orders: no jobs"]
