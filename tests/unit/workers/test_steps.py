from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.errors import StateError, ValidationError
from routilux_dist.testing import Workbench
from routilux_workers.steps import as_call, default_event
from tests.unit.workers.conftest import of

Build = Callable[..., Workbench]


def area(width: int, height: int, unit: str = "m") -> str:
    return f"{width * height} {unit}"


def test_one_parameter_gets_the_payload_and_several_their_names() -> None:
    assert as_call(lambda x: x, "r", single=False)({"x": 1}) == {"x": 1}
    assert as_call(area, "r", single=False)({"width": 2, "height": 3}) == "6 m"
    assert as_call(lambda a, b=2: (a, b), "r", single=True)({"a": 1}) == ({"a": 1}, 2)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (5, ["takes width, height, unit", "dict", "int"]),
        ({"width": 1}, ["missing height"]),
        ({"width": 1, "height": 2, "depth": 3}, ["unknown depth", "**"]),
        ({1: 2}, ["missing"]),
    ],
)
def test_a_misfit_is_explained(payload: Any, words: list[str]) -> None:
    with pytest.raises(ValidationError, match="routine 'r'") as caught:
        as_call(area, "r", single=False)(payload)
    assert all(word in str(caught.value) for word in ["area", *words])


def test_a_type_error_inside_is_the_users() -> None:
    def broken(a: int, b: int) -> None:
        len(a)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="len"):
        as_call(broken, "r", single=False)({"a": 1, "b": 2})


def returning(events: list[str], value: Any) -> rd.Routine:
    made = rd.Routine("r")
    made.add_slot("input", handler=lambda x: value() if callable(value) else value)
    for event in events:
        made.add_event(event)
    return made


def items() -> Iterator[int]:
    yield from (1, 2)


@pytest.mark.parametrize(
    ("events", "value", "sent"),
    [
        (["only"], 5, [5]),
        (["output", "other"], 5, [5]),
        (["output"], None, []),
        (["output"], items, [1, 2]),
        (["output"], [1, 2], [[1, 2]]),
        ([], 5, []),
        ([], items, []),
    ],
)
def test_where_returned_values_go(workbench: Build, events: list[str], value: Any, sent: list[Any]) -> None:
    one = workbench(of(("r", returning(events, value))))
    receipt = one.send("r.input", 1)
    assert receipt.stopped == {}
    assert one.sent(receipt) == sent


def test_a_returned_value_without_a_default_event(workbench: Build) -> None:
    one = workbench(of(("r", returning(["a", "b"], 5))))
    failure = one.send("r.input", 1).stopped["job"]
    assert failure.error_type == "ValidationError"
    assert "a, b" in failure.message
    assert default_event(returning(["a", "b"], 5)) is None


def test_forms_of_emit(workbench: Build) -> None:
    class Forms(rd.Routine):
        def setup(self) -> None:
            self.add_slot("input")
            self.add_event("output")

        def logic(self, x: int) -> None:
            self.emit("output", x)
            self.emit("output", a=1, b=2)
            self.emit("output")
            self.emit("output", None)
            if x == 2:
                self.emit("output", x, a=1)
            if x == 3:
                self.emit("outptu", x)

    one = workbench(of(("r", Forms()), error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)))
    receipt = one.send("r.input", 1, 2, 3)
    assert one.sent(receipt) == [1, {"a": 1, "b": 2}, {}, None]
    assert ["both" in letter.failure.message for letter in receipt.letters] == [True, False]
    assert "outptu" in receipt.letters[1].failure.message


def test_emit_raises_where_no_activation_runs(workbench: Build) -> None:
    class Emits(rd.Routine):
        def setup(self) -> None:
            self.add_slot("input")
            self.add_event("output")

        def open(self) -> None:
            with pytest.raises(StateError, match="routine 'r' cannot emit 'output' now"):
                self.emit("output", 0)

        def logic(self, x: int) -> None:
            with ThreadPoolExecutor(1) as pool:
                error = pool.submit(self.emit, "output", 0).exception()
            self.emit("output", type(error).__name__)

    one = workbench(of(("r", Emits())))
    assert one.host.broken is None
    assert one.sent(one.send("r.input", 1)) == ["StateError"]
    with pytest.raises(StateError):
        one.host.routines["r"].emit("output", 0)
