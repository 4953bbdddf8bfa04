from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.measuring import (
    Case,
    Contender,
    Figure,
    Run,
    Setup,
    Target,
    WrongResultError,
    check,
    measure,
    rows,
    seconds,
)

SETUP = Setup(quick=True, loops_per_ms=1000.0)


def contender(name: str, values: list[float], log: list[str], **options: object) -> Contender:
    left = iter(values)

    @contextmanager
    def open_(setup: Setup) -> Iterator[Run]:
        log.append(f"+{name}")

        def run() -> dict[str, float]:
            log.append(name)
            return {"time": next(left)}

        yield run
        log.append(f"-{name}")

    return Contender(name, open_, **options)  # type: ignore[arg-type]


def case(*contenders: Contender, targets: tuple[Target, ...] = (), more_is_better: bool = False) -> Case:
    return Case(
        name="case",
        title="",
        figures=(Figure("time", "s", more_is_better),),
        contenders=contenders,
        targets=targets,
        ray_cpus=0,
    )


def test_rounds_go_to_and_fro_and_warm_up_once() -> None:
    log: list[str] = []
    measure(case(contender("a", [1, 1, 1], log), contender("b", [1, 1, 1], log)), SETUP, 3)
    assert log == ["+a", "a", "+b", "b", "b", "a", "a", "b", "-b", "-a"]


def test_a_brief_contender_is_closed_after_each_run() -> None:
    log: list[str] = []
    measure(case(contender("a", [1, 1], log), contender("b", [1, 1], log, brief=True)), SETUP, 2)
    assert log == ["+a", "a", "+b", "b", "-b", "+b", "b", "-b", "a", "-a"]


def test_a_contender_that_is_not_installed_is_shown_as_such() -> None:
    one = case(contender("a", [2], []), contender("b", [1], [], module="no_such_module"))
    (row,) = rows(one, measure(one, SETUP, 1))
    assert (row["against"], row["theirs"], row["ratio"], row["note"]) == ("b", None, None, "not installed")


def test_a_contender_that_fails_is_left_out_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    one = case(contender("a", [2, 2], []), contender("b", [1], []))
    measured = measure(one, SETUP, 2)
    assert (
        measured["absent"] == {"b": "failed: RuntimeError: generator raised StopIteration"} or "b" in measured["absent"]
    )
    assert "b" not in measured["values"]
    assert "Traceback" in capsys.readouterr().err


def test_our_own_failure_is_no_result() -> None:
    with pytest.raises(StopIteration):
        measure(case(contender("a", [], [])), SETUP, 1)


def test_a_ratio_is_taken_within_a_round() -> None:
    one = case(contender("a", [1, 10, 100], []), contender("b", [2, 30, 100], []))
    (row,) = rows(one, measure(one, SETUP, 3))
    assert (row["ours"], row["theirs"]) == (10, 30)
    assert (row["ratio"], row["low"], row["high"]) == (2, 1, 3)


def test_more_may_be_better() -> None:
    one = case(contender("a", [6], []), contender("b", [2], []), more_is_better=True)
    (row,) = rows(one, measure(one, SETUP, 1))
    assert row["ratio"] == 3


@pytest.mark.parametrize(
    ("target", "met", "text"),
    [
        (Target("time", "b", at_least=2), True, "≥ 2×"),
        (Target("time", "b", at_least=2.1), False, "≥ 2.1×"),
    ],
)
def test_a_target_against_somebody(target: Target, met: bool, text: str) -> None:
    one = case(contender("a", [1], []), contender("b", [2], []), targets=(target,))
    (row,) = rows(one, measure(one, SETUP, 1))
    assert (row["met"], row["target"]) == (met, text)


def test_a_target_for_the_figure_itself_has_a_line_of_its_own() -> None:
    one = case(contender("a", [3], []), contender("b", [2], []), targets=(Target("time", at_most=2.5),))
    alone, compared = rows(one, measure(one, SETUP, 1))
    assert (alone["against"], alone["met"], alone["target"]) == ("", False, "≤ 2.5")
    assert (compared["against"], compared["met"]) == ("b", None)


def test_a_target_with_two_bounds() -> None:
    target = Target("time", at_least=0.95, at_most=1.05)
    assert [target.met(value) for value in (0.9, 1.0, 1.1)] == [False, True, False]
    assert target.text == "0.95 – 1.05"
    assert Target("x", at_least=1_000_000).text == "≥ 1,000,000"


def test_wrong_results_are_no_results() -> None:
    check(1, 1)
    assert seconds(lambda: 1, 1) >= 0
    with pytest.raises(WrongResultError, match="should be 2"):
        seconds(lambda: 1, 2)


def test_what_a_setup_makes_is_made_once() -> None:
    setup = Setup(quick=False, loops_per_ms=1000.0)
    assert setup.once("x", list) is setup.once("x", list)
    assert (setup.pick(5, 1), setup.loops(2.5)) == (5, 2500)
