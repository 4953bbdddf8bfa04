from __future__ import annotations

import json
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.client import replaying, results
from routilux_dist.wire.failure import Letter
from tests.unit.client.conftest import Desk, failure


def letter_of(desk: Desk, payload: Any = 1, **changes: Any) -> results.DeadLetter:
    block = desk.output("j", payload)._replace(port=desk.plan.routines["a"].slots["input"], **changes)
    return results.dead_letter(desk.plan, Letter(failure(), block))


def flow_of(function: Any, name: str = "a") -> rd.Flow:
    flow = rd.Flow("mended")
    flow.add_routine(rd.routine(timeout=0.001)(function), name)
    return flow


def test_a_mended_flow_shows_that_it_is_mended(desk: Desk) -> None:
    assert rd.replay(letter_of(desk), flow_of(lambda x: x + 1)) == {"output": [2]}
    assert rd.replay(letter_of(desk), flow_of(lambda x: None)) == {}


def test_there_is_no_time_out(desk: Desk) -> None:
    assert rd.replay(letter_of(desk), flow_of(lambda x: sum(range(1_000_000)))) == {"output": [499999500000]}


def test_an_async_routine(desk: Desk) -> None:
    async def wait(x: int) -> int:
        return -x

    assert rd.replay(letter_of(desk), flow_of(wait)) == {"output": [-1]}


@pytest.mark.parametrize(
    ("flow", "words"), [(flow_of(len, "aa"), "no routine 'a'.*'aa'"), (rd.Flow("empty"), "no routine 'a'")]
)
def test_a_routine_that_is_not_there(desk: Desk, flow: rd.Flow, words: str) -> None:
    with pytest.raises(rd.ConfigurationError, match=words):
        rd.replay(letter_of(desk), flow)


def test_a_slot_that_is_not_there(desk: Desk) -> None:
    made = rd.Routine("a")
    made.add_slot("inptu", handler=len)
    flow = rd.Flow("mended")
    flow.add_routine(made, "a")
    with pytest.raises(rd.ConfigurationError, match=r"no slot 'input' any more.*'inptu'"):
        rd.replay(letter_of(desk), flow)


def test_what_is_no_message(desk: Desk) -> None:
    with pytest.raises(rd.StateError, match="no message"):
        rd.replay(letter_of(desk, rows=0), flow_of(len))
    with pytest.raises(rd.ConfigurationError, match="letter=5"):
        rd.replay(5, flow_of(len))  # type: ignore[arg-type]


def test_an_open_that_fails(desk: Desk) -> None:
    class Opened(rd.Routine):
        def setup(self) -> None:
            self.add_slot("input", handler=len)

        def open(self) -> None:
            raise OSError("no such model")

    flow = rd.Flow("mended")
    flow.add_routine(Opened(), "a")
    with pytest.raises(OSError, match="no such model"):
        rd.replay(letter_of(desk), flow)


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


def test_letters_as_lines(desk: Desk) -> None:
    found = [
        json.loads(line) for line in replaying.lines("j", "f", [letter_of(desk, {"x": 1}), letter_of(desk, Hostile())])
    ]
    assert found[0]["payload"] == "{'x': 1}"
    assert (found[0]["job"], found[0]["routine"], found[0]["slot"], found[0]["attempts"]) == ("j", "a", "input", 1)
    assert found[0]["error"].startswith("ValueError: ")
    assert "RuntimeError" in found[1]["payload"]
