from __future__ import annotations

import operator
import os

import pytest

from benchmarks import aside, ceiling


def test_every_item_is_worked_once_and_as_often_as_asked() -> None:
    with ceiling.split(abs, [-1, -2, 3, 4], [1, 1, 1, 1]) as run:
        assert [run(), run()] == [10, 10]


def test_a_function_in_a_process_of_its_own() -> None:
    with aside.process(operator.add, 1, 2) as line:
        line.begin()
        assert line.end() == 3


def test_a_process_that_dies_is_noticed() -> None:
    with aside.process(os._exit, 3) as line:
        line.begin()
        with pytest.raises(EOFError):
            line.end()
