from __future__ import annotations

import json
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.client import replaying, results
from routilux_dist.driver.messages import Message
from routilux_dist.plan.plan import PortKind
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block
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


def saved(**fields: Any) -> Message:
    """A message for "a" with the payload 2, out of a block of three."""
    block = Block("j", 0, 3, 3, 0, 2, 0, False, "", codec.typed().pack([1, 2, 3], None), None)
    given = {
        "routine": "a",
        "slot": "input",
        "kind": PortKind.SLOT,
        "status": "past",
        "block": block,
        "cells": (),
        **fields,
    }
    return Message(name="j/7.1", flow="f", row=1, **given)


def test_a_saved_message_is_run_with_its_own_payload_and_key() -> None:
    flow = flow_of(lambda x: (x, rd.current_job().idempotency_key, rd.current_job().attempt))
    assert replaying.ready(saved(), flow)() == {"output": [(2, "j/7.1", 2)]}


def test_a_saved_message_that_cannot_be_run() -> None:
    with pytest.raises(rd.StateError, match=r"j/7\.1 is no message"):
        replaying.ready(saved(block=None), flow_of(len))
    with pytest.raises(rd.StateError, match=r"not known any more.*new_state=True"):
        replaying.ready(saved(cells=None), flow_of(len))
    assert replaying.ready(saved(cells=None), flow_of(str), new_state=True)() == {"output": ["2"]}
    cell = codec.typed().encode((None, {"total": 1}, [], {}, [], None))
    schema = {"slots": "input", "state": "total: int", "place": "scope job, key None"}
    with pytest.raises(rd.ConfigurationError, match=r"then state total: int, place .*; now state none"):
        replaying.ready(saved(cells=(cell,), schema=schema), flow_of(len))
    with pytest.raises(rd.ConfigurationError, match="no routine 'a'"):
        replaying.ready(saved(), flow_of(len, "b"))


def test_wrong_arguments() -> None:
    with pytest.raises(rd.ConfigurationError, match="message"):
        rd.replay_saved("memory://none", 5, flow_of(len))  # type: ignore[arg-type]
    with pytest.raises(rd.ConfigurationError, match="where the job is saved"):
        rd.replay_saved(None, "j/1.0", flow_of(len))  # type: ignore[arg-type]
    with pytest.raises(rd.CheckpointError, match="holds nothing"):
        rd.replay_saved("memory://none", "j/1.0", flow_of(len))
