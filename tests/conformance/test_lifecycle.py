"""setup, open, close, config, attributes: what a routine may keep, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import Scale, each
from tests.conformance.routines.styles import (
    Collector,
    Configured,
    Deleter,
    FailingOpen,
    Hoarder,
    Holder,
    Lockable,
    Resourceful,
)
from tests.conformance.support import WAIT, build, completed, ended, eventually, failure, root_cause, run


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def test_config_is_read_while_running(runtime: rd.Runtime) -> None:
    routine = Configured()
    routine.set_config(suffix="!")
    assert run(runtime, build({"c": routine}), "x") == {"c.output": ["<x!?"]}


def test_config_is_not_written_while_running(runtime: rd.Runtime) -> None:
    error = failure(ended(runtime, build({"c": Configured()}), "write"))
    assert "StateError" in root_cause(error)
    assert "config" in root_cause(error)


def test_attributes_set_after_the_constructor_travel(runtime: rd.Runtime) -> None:
    routine = Scale(2)
    routine.offset = 40
    assert run(runtime, build({"s": routine}), 1) == {"s.output": [42]}


def test_what_the_constructor_makes_is_made_again(runtime: rd.Runtime) -> None:
    """A lock cannot travel; the constructor that makes it can."""
    routine = Lockable()
    routine.title = "named"
    assert run(runtime, build({"l": routine}), 1) == {"l.output": ["named 1"]}


@pytest.mark.parametrize("kind", [Hoarder, Deleter])
def test_writing_an_attribute_while_running_is_refused(runtime: rd.Runtime, kind: type[rd.Routine]) -> None:
    flow = build({"each": each, "hoarder": kind()}, "each -> hoarder")
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    job = completed(runtime, flow, [1, 2, 3])
    assert job.result(timeout=0) == {"hoarder.output": [2]}
    assert len(job.dead_letters) == 2
    for letter in job.dead_letters:
        assert "counter" in str(letter.error)


def test_open_comes_before_logic_and_close_at_the_end(backend: str, tmp_path: Path) -> None:
    """Once per process each, with what ``open`` acquired in between."""
    flow = build({"each": each, "r": Resourceful(str(tmp_path))}, "each -> r")
    with rd.Runtime(backend=backend, max_workers=2) as runtime:
        outputs = runtime.submit(flow, range(20)).result(timeout=WAIT)
        opened = lines(tmp_path / "opens")
    assert sorted(outputs["r.output"]) == [(i, True) for i in range(20)]
    assert opened
    eventually(
        lambda: sorted(lines(tmp_path / "closes")) == sorted(lines(tmp_path / "opens")), "close() for each open()"
    )


def test_a_resource_is_opened_once_for_many_jobs(runtime: rd.Runtime, tmp_path: Path) -> None:
    flow = build({"r": Resourceful(str(tmp_path))})
    for i in range(6):
        assert run(runtime, flow, i) == {"r.output": [(i, True)]}
    assert 1 <= len(lines(tmp_path / "opens")) <= 2


def test_an_error_in_open_fails_the_job(runtime: rd.Runtime) -> None:
    error = failure(ended(runtime, build({"model": FailingOpen()}), "x"))
    assert root_cause(error) == "ConnectionRefusedError: the model server is away"
    assert "model" in str(error)
    assert "open" in str(error)


def test_a_routine_object_is_not_changed_by_running(runtime: rd.Runtime) -> None:
    routine = Holder(["as it was"])
    flow = build({"h": routine})
    assert run(runtime, flow, 1) == {"h.output": [1]}
    assert routine.thing == ["as it was"]
    routine.thing = "still writable here"
    assert routine.thing == "still writable here"


def test_a_change_inside_an_attribute_is_found_when_checks_are_on(
    backend: str, runtime: rd.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Collector()
    if backend == "ray":  # workers have an environment of their own
        collector.set_options(runtime_env={"env_vars": {"ROUTILUX_VALIDATE": "1"}})
    flow = build({"collector": collector})
    monkeypatch.setenv("ROUTILUX_VALIDATE", "1")
    error = root_cause(failure(ended(runtime, flow, 1)))
    assert "StateError" in error
    assert "self.items" in error
    assert "add_state" in error
