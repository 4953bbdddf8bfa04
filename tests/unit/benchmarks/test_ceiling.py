from __future__ import annotations

import operator

from benchmarks import aside, ceiling


def test_every_item_is_worked_once_and_as_often_as_asked() -> None:
    with ceiling.split(abs, [-1, -2, 3, 4], [1, 1, 1, 1]) as run:
        assert [run(), run()] == [10, 10]


def test_a_function_in_a_process_of_its_own() -> None:
    with aside.process(operator.add, 1, 2) as line:
        line.begin()
        assert line.end() == 3
