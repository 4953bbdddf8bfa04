"""Explain: a page that says where everything runs, and why."""

from __future__ import annotations

import itertools
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from routilux_dist.compiler.compile import prepare
from routilux_dist.flow.model import FlowModel
from routilux_dist.plan.explain import chains, explain, to_dict
from tests.unit.plan.example import Total, clean, words

PAGE = """\
Flow words, distributed                                         9 routines, 11 connections, 5 groups
────────────────────────────────────────────────────────────────────────────────────────────────────
  entry    clean.input
  outputs  by_user.output, pair.output
  limits   max_hops=1000

Pool 0: stateless; any worker takes its messages
  takes   1 CPU by default
  as one  clean → tokenize → loop → tokenize
  clean
  tokenize  Tokenize
  loop      <lambda>

Async pool 1: stateless; 1 lasting process, awaiting up to 8 activations each
  takes  no CPU: it mostly waits
  fetch  async · because it is async

Actor pool 2: stateless; a lasting process per worker
  takes  1 CPU by default, 1 GPU
  embed  Embed · because it has open()

Shards 3: stateful; as many partitions as workers, each with one home and one writer
  takes   1 CPU by default
  as one  total → pair
  total    Total · because it keeps state per job; it has finish()
  by_user  ByUser · batch(10, timeout=3) · because it keeps state per job by key; it has finish();
           policy batch(10, timeout=3) keeps messages waiting
  pair     Pair · slots left, right · because logic joins 2 slots

Pool 4: stateless; any worker takes its messages
  takes  2 CPU
  heavy  len

Messages change places
  tokenize → fetch  fetch is async, the other is not
  fetch → embed     fetch is async, the other is not
  embed → total     total is stateful (it keeps state per job; it has finish()): each partition has
                    one home
  loop → heavy      they need different resources (1 CPU by default and 2 CPU)
  heavy → by_user   by_user is stateful (it keeps state per job by key; it has finish(); policy
                    batch(10, timeout=3) keeps messages waiting): each partition has one home
  embed → pair      pair is stateful (logic joins 2 slots): each partition has one home
  by_user → clean   by_user is stateful and clean is not: stateless work is spread over all workers

At the end of a job, in this order
"""


def test_the_page_of_an_example() -> None:
    page = explain(words(max_hops=1000))
    assert page.startswith(PAGE)
    assert page.count("runs finish()") == 2
    assert "by_user flushes what waits for batch(10, timeout=3) and runs finish() per key" in page


def test_a_sequential_flow_is_one_place() -> None:
    page = explain(words("sequential", max_hops=1000))
    assert "Solo: everything in one place, strictly first in, first out" in page
    assert "  why      the flow is sequential: everything runs in one place, first in, first out" in page
    assert "in turn  clean → tokenize → fetch → embed → total → pair" in page
    assert "Messages change places" not in page


def test_limits_workers_and_warnings_are_told() -> None:
    page = explain(words(max_messages=5, max_workers=3))
    assert "limits   max_messages=5" in page
    assert "workers  at most 3" in page
    assert "Warnings" not in page
    assert "\nWarnings\n  •  cycle" in explain(words())
    assert "limits   none" in explain(words())


def test_a_flow_whose_messages_name_their_entry() -> None:
    flow = FlowModel("two")
    flow.add_routine(clean, "a")
    flow.add_routine(clean, "b")
    page = explain(prepare(flow, need_entry=False))
    assert "entry    none: messages name theirs" in page
    assert "outputs  a.output, b.output" in page


def test_a_cycle_ends_as_one() -> None:
    flow = FlowModel("ring", entry="a", max_hops=9)
    flow.add_routine(Total(), "a")
    flow.add_routine(Total(), "b")
    flow.pipe("a", "b", "a")
    assert "1.  a runs finish(); b runs finish(), together because they are a cycle" in explain(prepare(flow))


def test_the_page_keeps_its_width() -> None:
    for columns in (60, 100, 160):
        assert max(map(len, explain(words(), columns=columns).splitlines())) <= columns


def test_a_large_flow_is_told_in_short() -> None:
    flow = FlowModel("large")
    names = [f"r{i}" for i in range(3000)]
    for name in names:
        flow.add_routine(clean, name)
    flow.pipe(*names)
    page = explain(prepare(flow))
    assert len(page.splitlines()) < 100
    assert "… and 2,940 more" in page
    assert "r0 → r1 → r2" in page


def test_tools_get_the_same_as_plain_values() -> None:
    plan = words(max_hops=5)
    facts = to_dict(plan)
    assert json.loads(json.dumps(facts)) == facts
    assert (facts["flow"], facts["mode"], facts["entry"]) == ("words", "distributed", "clean.input")
    assert facts["outputs"] == ["by_user.output", "pair.output"]
    assert facts["limits"]["max_hops"] == 5
    assert facts["groups"][0]["runs_on"] == [["clean", "tokenize"], ["tokenize", "loop"], ["loop", "tokenize"]]
    assert facts["groups"][4]["needs"] == {"CPU": 2}
    assert facts["groups"][3]["kind"] == "shards"
    assert facts["routines"]["by_user"]["events"] == {"output": ["by_user.output"], "error": ["clean.input"]}
    assert facts["routines"]["pair"]["slots"] == ["left", "right"]
    assert len(facts["splits"]) == len(plan.splits)
    assert [name for stage in facts["stages"] for name in stage] == [name for stage in plan.stages for name in stage]


# ---- chains --------------------------------------------------------------------------------------------------------


def test_a_chain_is_one_path_and_a_tree_few() -> None:
    """::

    a --> b --> c
           '--> d
    """
    assert chains([("a", "b"), ("b", "c")]) == [["a", "b", "c"]]
    assert chains([("a", "b"), ("b", "c"), ("b", "d")]) == [["a", "b", "c"], ["b", "d"]]
    assert chains([("b", "c"), ("a", "b")]) == [["a", "b", "c"]]
    assert chains([("a", "b"), ("b", "a")]) == [["a", "b", "a"]]
    assert chains([]) == []


EDGES = st.lists(st.tuples(*[st.sampled_from("abcdef")] * 2), unique=True, max_size=20)


@settings(deadline=None)
@given(EDGES)
def test_every_edge_is_on_one_path(edges: list[tuple[str, str]]) -> None:
    found = [pair for path in chains(edges) for pair in itertools.pairwise(path)]
    assert sorted(found) == sorted(edges)
