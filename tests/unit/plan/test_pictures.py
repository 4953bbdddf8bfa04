"""Pictures: the same drawing in three languages, with every name made safe."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from routilux_dist.compiler.compile import prepare
from routilux_dist.flow.model import FlowModel
from routilux_dist.flow.routine import Routine
from routilux_dist.plan.pictures import to_d2, to_dot, to_mermaid
from routilux_dist.plan.plan import Plan
from tests.unit.plan.example import clean, words

Draw = Callable[[Plan], str]
LANGUAGES = pytest.mark.parametrize("draw", [to_mermaid, to_dot, to_d2])

UGLY = 'a "b" `<lambda>` #1; \\ ${x} ünïcödé & {c} |d| [e]\nnew line'


class Named(Routine):
    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)

    def setup(self) -> None:
        self.add_slot("in-put")
        self.add_event("out-put")
        self.add_state(count=0)

    def logic(self, x: Any) -> None: ...


def small() -> Plan:
    flow = FlowModel("small-flow")
    flow.add_routine(clean, "first-step")
    flow.add_routine(Named(), "end")
    flow.connect("first-step.output", "end.in-put")
    flow.connect("first-step.error", "end.in-put")
    return prepare(flow)


def ugly() -> Plan:
    flow = FlowModel("ugly")
    flow.add_routine(Named(UGLY), "end")
    return prepare(flow)


def test_mermaid() -> None:
    assert to_mermaid(small()) == (
        "flowchart LR\n"
        '  subgraph g0["pool 0: 1 CPU by default"]\n'
        '    r0["first-step<br/>clean"]\n'
        "  end\n"
        '  subgraph g1["shards 1: 1 CPU by default"]\n'
        '    r1[("end<br/>Named")]\n'
        "  end\n"
        '  entry(["in"])\n'
        "  entry --> r0\n"
        '  o0(["end.out-put"])\n'
        '  r0 -->|"output → in-put"| r1\n'
        '  r0 -.->|"error → in-put"| r1\n'
        "  r1 --> o0\n"
    )


def test_dot() -> None:
    text = to_dot(small())
    assert text.startswith('digraph "small-flow" {\n')
    assert text.endswith("}\n")
    for line in (
        "  subgraph cluster_g1 {",
        '    label="shards 1: 1 CPU by default";',
        '    r0 [label="first-step\\nclean"];',
        '    r1 [label="end\\nNamed", shape=cylinder];',
        "  entry -> r0;",
        '  o0 [label="end.out-put", shape=plaintext];',
        '  r0 -> r1 [label="output → in-put"];',
        '  r0 -> r1 [label="error → in-put", style=dashed];',
        "  r1 -> o0;",
    ):
        assert f"\n{line}\n" in text


def test_d2() -> None:
    assert to_d2(small()) == (
        "direction: right\n"
        'g0: "pool 0: 1 CPU by default" {\n'
        '  r0: "first-step\\nclean"\n'
        "}\n"
        'g1: "shards 1: 1 CPU by default" {\n'
        '  r1: "end\\nNamed" {shape: cylinder}\n'
        "}\n"
        "entry: in {shape: text}\n"
        "entry -> g0.r0\n"
        'o0: "end.out-put" {shape: text}\n'
        'g0.r0 -> g1.r1: "output → in-put"\n'
        'g0.r0 -> g1.r1: "error → in-put" {style.stroke-dash: 4}\n'
        "g1.r1 -> o0\n"
    )


@LANGUAGES
def test_the_usual_ports_need_no_name(draw: Draw) -> None:
    text = draw(words(max_hops=9))
    assert "output → input" not in text
    assert "output → left" in text
    assert "error → input" in text


@LANGUAGES
def test_every_routine_and_connection_is_drawn(draw: Draw) -> None:
    plan = words(max_hops=9)
    text = draw(plan)
    for routine in plan.routines:
        assert routine in text
    arrows = len(re.findall(r"-->|-\.->", text) if draw is to_mermaid else re.findall(r" -> ", text))
    assert arrows == len(plan.connections) + len(plan.outputs) + 1


@LANGUAGES
def test_the_same_plan_is_the_same_text(draw: Draw) -> None:
    assert draw(words()) == draw(words())


@LANGUAGES
def test_without_an_entry_there_is_no_way_in(draw: Draw) -> None:
    flow = FlowModel("two")
    flow.add_routine(clean, "a")
    flow.add_routine(clean, "b")
    assert "entry" not in draw(prepare(flow, need_entry=False))


def test_a_place_that_takes_nothing_is_called_by_its_name_only() -> None:
    assert '  subgraph g1["async pool 1"]' in to_mermaid(words()).splitlines()


# ---- names that mean something in the language ---------------------------------------------------------------------


def test_mermaid_gets_entities() -> None:
    [line] = [line for line in to_mermaid(ugly()).splitlines() if line.startswith("    r0")]
    label = line.removeprefix('    r0[("').removesuffix('")]')
    assert label == (
        "end<br/>a #quot;b#quot; #96;#lt;lambda#gt;#96; #35;1; #92; ${x} ünïcödé #amp; {c} |d| [e] new line"
    )


def test_graphviz_gets_escapes() -> None:
    assert r'r0 [label="end\na \"b\" `<lambda>` #1; \\ ${x} ünïcödé & {c} |d| [e] new line", ' in to_dot(ugly())


def test_d2_gets_escapes_and_no_substitution() -> None:
    assert r'r0: "end\na \"b\" `<lambda>` #1; \\ \${x} ünïcödé & {c} |d| [e] new line" {' in to_d2(ugly())


@LANGUAGES
def test_no_text_breaks_a_line(draw: Draw) -> None:
    assert len(draw(ugly()).splitlines()) == len(draw(_like_ugly("fine")).splitlines())


def _like_ugly(name: str) -> Plan:
    flow = FlowModel("ugly")
    flow.add_routine(Named(name), "end")
    return prepare(flow)
