from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.errors import SerializationError
from routilux_dist.flow.handling import ErrorHandler, ErrorStrategy
from routilux_dist.testing import Workbench
from routilux_dist.wire.block import Form
from routilux_dist.wire.codec import decode, typed
from tests.bodies import bodies
from tests.unit.workers.conftest import conserves, of, stateful

Build = Callable[..., Workbench]
CONTINUE = rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)


class Resource(rd.Routine):
    log: list[str] = []

    def __init__(self, broken: bool = False) -> None:
        super().__init__()
        self.broken = broken

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def open(self) -> None:
        self.model = "model"
        self.log.append("open")
        if self.broken:
            raise OSError("no model")

    def close(self) -> None:
        self.log.append("close")

    def logic(self, x: Any) -> Any:
        if x == "write":
            self.model = x
        return self.model, x


@pytest.fixture(autouse=True)
def _fresh_log() -> None:
    Resource.log.clear()


def test_open_and_close_frame_the_life_of_a_host() -> None:
    one = Workbench(of(("r", Resource())))
    assert one.sent(one.send("r.input", 1)) == [("model", 1)]
    assert Resource.log == ["open"]
    one.close()
    assert Resource.log == ["open", "close"]


def test_an_open_that_raises_stops_every_job_with_its_reason(workbench: Build) -> None:
    one = workbench(of(("r", Resource(broken=True))))
    receipt = one.run(one.block("r.input", [1], "x"), one.block("r.input", [1], "y"))
    assert {job: f.error_type for job, f in receipt.stopped.items()} == {"x": "OSError", "y": "OSError"}
    assert receipt.stopped["x"].slot == "open"


def test_a_close_that_raises_keeps_nobody_from_closing() -> None:
    class Bad(Resource):
        def close(self) -> None:
            raise RuntimeError("close")

    one = Workbench(of(("bad", Bad()), ("good", Resource()), entry="bad.input"))
    one.close()
    assert Resource.log[-1] == "close"


def test_instances_are_read_only_while_running(workbench: Build) -> None:
    one = workbench(of(("r", Resource()), error_handler=CONTINUE))
    receipt = one.send("r.input", "write", 2)
    assert receipt.letters[0].failure.error_type == "StateError"
    assert one.sent(receipt) == [("model", 2)]


def test_jobs_that_alternate_are_counted_apart(workbench: Build) -> None:
    one = workbench(of(("a", lambda x: range(x) and x), ("b", lambda x: x), links=("a.output b.input",)))
    blocks = [one.block("a.input", [1] * n, job) for n, job in ((1, "x"), (2, "y"), (3, "x"), (4, "y"))]
    receipt = one.run(*blocks)
    assert {job: (t.done, t.emitted) for job, t in receipt.tallies.items()} == {"x": (8, 4), "y": (12, 6)}
    assert receipt.tallies["x"].routines == {0: [4, 0], 1: [4, 0]}
    assert conserves(one, receipt, *blocks)


def test_no_time_gives_back_what_was_not_begun(workbench: Build) -> None:
    flow = of(("a", lambda x: (y for y in range(x))), ("b", lambda x: x), links=("a.output b.input",))
    one = workbench(flow)
    blocks = one.block("a.input", [3, 5]), one.block("a.input", [1])
    receipt = one.run(*blocks, budget=0.0)
    assert receipt.untouched == [2]
    found = sorted((one.plan.ports[b.port].path, b.rows, b.entry, b.hops) for b in receipt.blocks)
    assert found == [("a.input", 1, True, 0), ("b.input", 3, False, 1)]
    assert conserves(one, receipt, blocks[0])


def test_items_of_a_stream_are_accounted_for(workbench: Build) -> None:
    flow = of(("a", lambda x: (y for y in range(x))), ("b", lambda x: x), links=("a.output b.input",))
    one = workbench(flow)
    receipt = one.run(one.block("a.input", [2, 1, 1], items=10), budget=0.0)
    assert receipt.items == {"job": ([(10, 1)], [], [10, 10])}
    given_back = next(b for b in receipt.blocks if b.entry)
    assert given_back.body.items == [11, 12]  # type: ignore[union-attr]


def test_messages_that_cannot_leave_are_reported_and_the_others_go(workbench: Build) -> None:
    def act(routine: Any, x: Any) -> Any:
        return x

    def sender(x: int) -> Any:
        return threading.Lock() if x == 2 else x

    flow = of(("a", sender), ("s", stateful(act, n=0)), links=("a.output s.input",))
    one = workbench(flow, packed=True)
    block = one.block("a.input", [1, 2, 3], items=0)
    receipt = one.run(block)
    assert [b.rows for b in receipt.blocks] == [2]
    (letter,) = receipt.letters
    assert (letter.failure.kind, letter.failure.item, letter.block.rows) == ("serialization", 1, 0)
    assert "a.output" in letter.failure.message
    assert conserves(one, receipt, block)
    alone = one.run(block._replace(body=one.block("a.input", [2]).body, rows=1))
    assert alone.stopped["job"].error_type == "SerializationError"


@pytest.mark.parametrize(("strategy", "stops"), [("stop", True), ("continue", False), ("skip", False), ("retry", True)])
def test_a_message_that_cannot_leave_is_an_error_of_its_sender_by_its_strategy(
    workbench: Build, strategy: str, stops: bool
) -> None:
    def act(routine: Any, x: Any) -> Any:
        return x

    flow = of(
        ("a", lambda x: threading.Lock() if x == 2 else x), ("s", stateful(act, n=0)), links=("a.output s.input",)
    )
    flow.set_error_handler(ErrorHandler(ErrorStrategy(strategy), retry_on=(SerializationError,)))
    one = workbench(flow, packed=True)
    block = one.block("a.input", [1, 2, 3])
    receipt = one.run(block)
    assert [letter.failure.strategy for letter in receipt.letters] == ["stop" if stops else "continue"]
    assert ("job" in receipt.stopped) == stops
    assert [b.rows for b in receipt.blocks] == [2]
    assert conserves(one, receipt, block)


def test_a_classify_that_raises_stops_the_job(workbench: Build) -> None:
    def classify(exc: BaseException) -> Any:
        raise ValueError("no idea")

    flow = of(("a", lambda x: threading.Lock()))
    flow.set_error_handler(ErrorHandler(ErrorStrategy.CONTINUE, classify=classify))
    one = workbench(flow, packed=True)
    assert "job" in one.send("a.input", 1).stopped


def test_what_a_slice_left_undone_does_not_leak_into_the_next(workbench: Build) -> None:
    one = workbench(of(("a", lambda x: x)))
    one.send("a.input", 1, 2)
    receipt = one.send("a.input", 3)
    assert one.sent(receipt) == [3]
    assert receipt.tallies["job"].routines == {0: [1, 0]}


# ---- typed bodies ----------------------------------------------------------------------------------------------------


class Mine(Exception):
    """An exception that no other process knows."""


def test_with_the_typed_codec_everything_in_a_receipt_is_typed(workbench: Build) -> None:
    def act(routine: Any, x: Any) -> Any:
        routine.state["seen"].append((x,))
        return x

    def work(x: int) -> Any:
        job = rd.current_job()
        job.set_data("last", {"x": x})
        job.update("all", (x,), "append")
        if x == 2:
            raise KeyError("known")
        if x == 3:
            raise Mine("unknown")
        return {"x": {x}}

    handler = rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)
    flow = of(("a", work), ("s", stateful(act, seen=[])), links=("a.output s.input",), error_handler=handler)
    for name in ("a", "s"):
        one = workbench(flow, name, packed=True, keeps=True, codec=typed())
        slot = f"{name}.input"
        receipt = one.run(one.block(slot, [1, 2, 3]))
        found = list(bodies(receipt))
        assert len(found) >= 2
        assert {getattr(body, "form", None) for body in found} == {Form.TYPED}
    one = workbench(flow, "a", packed=True, codec=typed())
    known, unknown = one.run(one.block("a.input", [2, 3])).letters
    assert decode(known.failure.exception).args == ("known",)
    assert unknown.failure.exception is None
    assert (unknown.failure.error_type, unknown.failure.message) == ("Mine", "unknown")


def test_what_cannot_be_typed_is_named_with_routine_event_and_field(workbench: Build) -> None:
    one = workbench(of(("a", lambda x: {"rows": [1, {"when": Mine}]})), packed=True, codec=typed())
    failure = one.run(one.block("a.input", [1])).stopped["job"]
    assert failure.error_type == "SerializationError"
    assert "a.output emitted" in failure.message
    assert "payload['rows'][1]['when']: type type is not registered" in failure.message


def test_state_that_cannot_be_typed_ends_its_job(workbench: Build) -> None:
    def act(routine: Any, x: Any) -> None:
        routine.state["n"] = {1: Mine()}

    one = workbench(of(("s", stateful(act, n=0))), packed=True, keeps=True, codec=typed())
    failure = one.run(one.block("s.input", [1])).stopped["job"]
    assert "the state of routine 's'" in failure.message
    assert "Mine is not registered" in failure.message
