"""`inspect` and `replay`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from routilux_dist.checkpoint.stores import open_store
from routilux_dist.cli import stores
from routilux_dist.driver.quarantine import MAX_STARTS, Starts
from tests.unit.cli.test_main import cli

FLOWS = """
    import routilux_dist as rd

    class Count(rd.Routine):
        def setup(self):
            self.add_slot("input")
            self.add_event("output")
            self.add_state(seen=[])

        def logic(self, word):
            print("counting", word)
            self.state["seen"].append(word)
            if word == "bad":
                raise ValueError(f"no more after {self.state['seen']}")
            self.emit("output", len(self.state["seen"]))

    def split(text):
        yield from text.split()

    words = rd.Flow("words")
    words.add_routine(split, "split")
    words.add_routine(Count(), "count")
    words.pipe("split", "count")
    words.routines["count"].set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
"""
SUBMIT = ("submit", "flows.py:words", "--backend", "local", "--checkpoint", "ckpt", "--job-id", "nightly", "--quiet")


@pytest.fixture(autouse=True)
def saved(write: Callable[[str, str], Path]) -> None:
    """A saved job that has ended, with one dead letter."""
    write("flows.py", FLOWS)
    assert cli(*SUBMIT, "--input", '"to bad be"').exit_code == 0


def dead() -> str:
    [line] = [one for one in cli("inspect", "ckpt").stdout.splitlines() if one.startswith("  message ")]
    name, _, said = line.removeprefix("  message ").partition(": ")
    assert said == "dead at count.input, 'bad': ValueError: no more after ['to', 'bad']"
    return name


def test_a_dead_letter_is_shown_under_its_name_and_runs_again_with_the_state_that_it_saw() -> None:
    result = cli("replay", "ckpt", dead(), "flows.py:words")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "counting bad" in result.stderr
    assert result.stderr.endswith("ValueError: no more after ['to', 'bad']\n")
    assert "routilux_workers" not in result.stderr, "the user's frames only"


def test_a_mended_flow_and_a_new_state(write: Callable[[str, str], Path]) -> None:
    name = dead()
    mended = FLOWS.replace('word == "bad"', "not word").replace("add_state(seen", "add_state(other=0, seen")
    write("mended.py", mended)
    result = cli("replay", "ckpt", name, "mended.py:words")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "then state seen: list; now state other: int, seen: list" in result.stderr
    result = cli("replay", "ckpt", name.removeprefix("nightly/"), "mended.py:words", "--new-state")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"output": [1]})


def test_every_message_that_the_journal_knows() -> None:
    lines = [json.loads(line) for line in cli("inspect", "ckpt", "nightly", "--messages").stdout.splitlines()]
    assert {line["message"]: (line["status"], line["routine"], line["payload"]) for line in lines}[dead()][:2] == (
        "dead",
        "count",
    )
    [first] = [line for line in lines if line["routine"] == "split"]
    assert (first["message"], first["status"], first["payload"]) == ("nightly/1.0", "past", "'to bad be'")
    result = cli("replay", "ckpt", first["message"], "flows.py:words")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"output": ["to", "bad", "be"]})


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("ckpt", "nightly/1.7", "flows.py:words"), 1, "has no message 'nightly/1.7'; did you mean 'nightly/1.0'?"),
        (("ckpt", "nightly/1.0.4", "flows.py:words"), 1, "what a routine hands to the next in its process"),
        (("ckpt", "nonsense", "flows.py:words"), 1, "has no message 'nonsense'; known messages: 'nightly/1.0'"),
        (("ckpt", "1.0", "flows.py:none"), 2, "none"),
        (("nowhere", "1.0", "flows.py:words"), 1, "holds nothing that was saved"),
        (("ckpt", "1.0", "flows.py:words", "--job-id", "other"), 1, "has no run 'other'; it has: nightly"),
    ],
)
def test_errors(args: tuple[str, ...], code: int, said: str) -> None:
    result = cli("replay", *args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr


def test_dead_letters_are_told_and_retried_when_the_processes_are_gone(write: Callable[[str, str], Path]) -> None:
    [line] = [json.loads(line) for line in cli("letters", "nightly", "--checkpoint", "ckpt").stdout.splitlines()]
    assert line.pop("traceback").endswith("ValueError: no more after ['to', 'bad']\n")
    assert line == {
        "place": 0, "routine": "count", "slot": "input", "payload": "bad", "error": "no more after ['to', 'bad']",
        "error_type": "ValueError", "attempts": 1, "message": dead(),
    }  # fmt: skip
    write("mended.py", FLOWS.replace('word == "bad"', "not word"))
    recover = ("recover", "ckpt", "mended.py:words", "--backend", "local", "--quiet", "--job-id", "nightly")
    result = cli(*recover, "--retry-failed")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"count.output": [1]})
    assert json.loads(cli(*recover).stdout) == {"count.output": [1, 2]}, "what it was before"


def test_a_job_that_is_quarantined_is_gone_on_with_when_that_is_asked_for() -> None:
    for _ in range(MAX_STARTS):
        Starts(open_store("ckpt"), "nightly").begin()
    recover = ("recover", "ckpt", "flows.py:words", "--backend", "local", "--quiet", "--job-id", "nightly")
    refused = cli(*recover)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "'nightly' is quarantined" in refused.stderr
    assert "routilux-dist recover --force" in refused.stderr
    again = cli(*recover, "--force")
    assert (again.exit_code, json.loads(again.stdout)) == (0, {"count.output": [1, 2]})


@pytest.mark.parametrize("command", stores.COMMANDS, ids=lambda command: str(command.name))
def test_help_teaches(command: Any) -> None:
    result = cli(command.name, "--help")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "routilux-dist " in result.stdout
