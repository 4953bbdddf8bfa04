"""Dead letters: every message that ended without success, and a second chance for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import double, each
from tests.conformance.routines.faulty import FlakyKey, Risky, StrictCount, needs_file
from tests.conformance.support import WAIT, build, completed, eventually, run


def continuing(routines: dict[str, object], links: str) -> rd.Flow:
    flow = build(routines, links)
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    return flow


def test_a_dead_letter_says_what_happened_to_what(runtime: rd.Runtime) -> None:
    job = completed(runtime, continuing({"each": each, "risky": Risky()}, "each -> risky"), [2, 3])
    [letter] = job.dead_letters
    assert (letter.routine, letter.slot, letter.payload, letter.attempts) == ("risky", "input", 3, 1)
    assert letter.error_type == "ValueError"
    assert "odd number 3" in str(letter.error)


def test_a_job_without_errors_has_none(runtime: rd.Runtime) -> None:
    job = completed(runtime, continuing({"each": each, "double": double}, "each -> double"), [2, 3])
    assert list(job.dead_letters) == []
    assert list(job.errors) == []


def test_retry_failed_posts_them_again(runtime: rd.Runtime, tmp_path: Path) -> None:
    flow = continuing({"each": each, "read": needs_file}, "each -> read")
    paths = [tmp_path / name for name in ("one", "two", "three")]
    paths[0].write_text("text of one")
    job = completed(runtime, flow, [str(path) for path in paths])
    assert job.result(timeout=0) == {"read.output": ["text of one"]}
    assert sorted(letter.payload for letter in job.dead_letters) == sorted(str(path) for path in paths[1:])

    paths[1].write_text("text of two")
    again = job.retry_failed()
    eventually(lambda: "text of two" in again.outputs.get("read.output", []), "the second file is read")
    assert again.wait_for_completion(timeout=WAIT)
    assert [letter.payload for letter in again.dead_letters] == [str(paths[2])]


def test_a_dead_letter_does_not_hold_the_job_open(runtime: rd.Runtime) -> None:
    job = completed(runtime, continuing({"each": each, "risky": Risky()}, "each -> risky"), [1])
    assert job.done()
    assert job.result(timeout=0) == {"risky.output": []}


def test_the_idempotency_key_is_the_same_for_every_attempt(runtime: rd.Runtime, tmp_path: Path) -> None:
    routine = FlakyKey()
    routine.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.RETRY, max_retries=2, retry_delay=0.01))
    flow = build({"each": each, "flaky": routine}, "each -> flaky")
    keys = dict(run(runtime, flow, [{"name": n, "folder": str(tmp_path)} for n in ("a", "b")])["flaky.output"])
    assert keys["a"] != keys["b"]
    for name, key in keys.items():
        assert (tmp_path / name).read_text().split() == [key] * 3


def test_a_dead_letter_runs_again_in_this_process(runtime: rd.Runtime, tmp_path: Path) -> None:
    """With its payload, its job and the state that it saw; the exception is the user's own."""
    flow = continuing({"each": each, "strict": StrictCount()}, "each -> strict")
    job = completed(runtime, flow, [1, 2, -3, 4], metadata={"user": "ann"})
    [letter] = job.dead_letters
    with pytest.raises(ValueError, match="-3 after 2 of ann; known: 2"):
        rd.replay(letter, flow)
    assert job.result(timeout=0) == {"strict.output": [1, 2, 3]}, "nothing of it reaches the job"
    assert job.export_letters(tmp_path / "dead.jsonl") == 1
    [line] = (tmp_path / "dead.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["job"], told["routine"], told["payload"]) == (job.job_id, "strict", "-3")
    assert "ValueError" in told["traceback"]
