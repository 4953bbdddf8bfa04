from __future__ import annotations

import pickle
import sys
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.errors import ConfigurationError
from routilux_dist.flow.guards import Guard

SCHEMA = {"type": "object", "properties": {"total": {"type": "integer", "minimum": 0}}, "required": ["total"]}


def raising(state: dict[str, Any]) -> None:
    if state["total"] < 0:
        raise ValueError("too little")


def test_a_function_says_what_is_wrong_by_raising_or_by_its_answer() -> None:
    wrong = Guard(raising).finder()
    assert (wrong({"total": 1}), wrong({"total": -1})) == ("", "ValueError: too little")
    assert Guard(lambda state: "so it is").finder()({}) == "so it is"
    assert Guard(lambda state: False).finder()({}).endswith("returned False")
    for fine in (True, None, "", 0):
        assert Guard(lambda state, fine=fine: fine).finder()({}) == ""


def test_a_schema_says_where() -> None:
    wrong = pickle.loads(pickle.dumps(Guard(SCHEMA))).finder()
    assert wrong({"total": 3}) == ""
    assert wrong({"total": -3}) == "at state.total: -3 is less than the minimum of 0"
    assert "'total' is a required property" in wrong({})


def test_a_schema_looks_up_nothing_elsewhere() -> None:
    wrong = Guard({"$ref": "https://example.org/schema.json"}).finder()
    with pytest.raises(Exception, match="example"):
        wrong({})


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"no JSON Schema: at \$\.type"):
        Guard({"type": "whatever"}).finder()


def test_a_schema_says_which_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(ConfigurationError, match=r"'jsonschema': pip install 'routilux_dist\[schema\]'"):
        Guard(SCHEMA).finder()


def flow_of() -> rd.Flow:
    flow = rd.Flow("guarded")
    routine = rd.Routine()
    routine.add_slot("input", handler=lambda x: x)
    routine.add_state(total=0)
    flow.add_routine(routine, "sum")
    flow.add_routine(lambda x: x, "plain")
    return flow


def test_a_flow_has_its_validators_in_order_and_is_another_one_by_each() -> None:
    flow = flow_of()
    before = flow.fingerprint()
    flow.add_validator(raising, routine="sum")
    flow.add_validator(SCHEMA, repair=dict)
    assert flow.guards == (Guard(raising, "sum"), Guard(SCHEMA, None, dict))
    assert flow.fingerprint() != before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((3,), "validator=3"),
        ((raising, "sum", 3), "repair=3"),
        ((raising, "som"), "sum"),
        ((raising, "plain"), "declares no state"),
        (({"type": "whatever"},), "no JSON Schema"),
    ],
)
def test_what_is_no_validator_is_refused(arguments: Any, text: str) -> None:
    flow = flow_of()
    with pytest.raises(ConfigurationError, match=text):
        flow.add_validator(*arguments)
    assert flow.guards == ()
