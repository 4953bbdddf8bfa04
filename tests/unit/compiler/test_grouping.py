"""Grouping: which routines share a process, drawn before and after."""

from __future__ import annotations

from typing import Any

import pytest

from routilux_dist.flow.functions import routine
from routilux_dist.plan.plan import GroupKind, Needs
from tests.unit.compiler.drawing import Counts, Made, Opens, Sums, apart, flow_of, grouped, pair, picture, step


@routine
async def waits(x: Any) -> Any:
    return x


def asks(**options: Any) -> Any:
    return routine(**options)(step)


def keyed(**state: Any) -> Made:
    made = Made()
    made.add_state(**{"key": "user", **state})
    return made


# ---- what goes together --------------------------------------------------------------------------------------------


def test_light_routines_share_one_pool() -> None:
    """::

    before            after

    a --> b --> d     [a b c d] tasks
     '--> c ----^
    """
    draft = grouped(flow_of("a -> b -> d\na -> c -> d"))
    assert picture(draft) == "[a b d c] tasks"
    assert apart(draft) == []


def test_a_cycle_of_light_routines_shares_one_pool() -> None:
    """::

    a --> b --> c
          ^-----'
    """
    draft = grouped(flow_of("a -> b -> c -> b"))
    assert picture(draft) == "[a b c] tasks"
    assert apart(draft) == []


def test_unconnected_routines_with_equal_needs_share_a_pool() -> None:
    assert picture(grouped(flow_of("a\nb"))) == "[a b] tasks"


# ---- what does not -------------------------------------------------------------------------------------------------


def test_state_has_a_home_of_its_own() -> None:
    """::

    before                     after

    a --> count(state) --> b   [a b] tasks  |  [count] shards
    """
    draft = grouped(flow_of("a -> count -> b", {"count": Counts()}))
    assert picture(draft) == "[a b] tasks  [count] shards"
    assert [reason for *_, reason in draft.splits] == [
        "count is stateful (it keeps state per job): each partition has one home",
        "count is stateful and b is not: stateless work is spread over all workers",
    ]
    assert draft.reasons["count"] == ("it keeps state per job",)


def test_state_of_one_job_is_in_one_place() -> None:
    """::

    before                          after

    a --> count(state) --> sum(state)   [a] tasks  |  [count -> sum] shards
    """
    draft = grouped(flow_of("a -> count -> sum", {"count": Counts(), "sum": Sums()}))
    assert picture(draft) == "[a] tasks  [count sum] shards"
    assert apart(draft) == ["a | count"]


def test_a_key_may_lead_elsewhere_even_from_itself() -> None:
    """::

    count(state) --> by_user(key) --> by_city(key)
                     ^-----'
    """
    draft = grouped(
        flow_of(
            "count -> by_user -> by_city\nby_user -> by_user",
            {"count": Counts(), "by_user": keyed(), "by_city": keyed(key="city")},
        )
    )
    assert picture(draft) == "[count by_user by_city] shards"
    assert apart(draft) == ["count | by_user", "by_user | by_city", "by_user | by_user"]


def test_state_of_the_flow_and_state_of_a_job_have_different_homes() -> None:
    draft = grouped(flow_of("count -> visits", {"count": Counts(), "visits": keyed(key=None, scope="worker")}))
    assert draft.splits == (("count", "visits", "their state has different scopes"),)


@pytest.mark.parametrize(
    ("routines", "partitions"),
    [
        ({"a": Counts()}, 0),
        ({"a": keyed(key=None, scope="worker")}, 1),
        ({"a": keyed(scope="worker")}, 0),
        ({"a": Counts(), "b": keyed(key=None, scope="worker")}, 0),
    ],
    ids=["per job", "per flow", "per flow and key", "mixed"],
)
def test_how_many_partitions_there_are(routines: dict[str, Any], partitions: int) -> None:
    """0 stands for as many as there are workers."""
    fresh = {name: type(r)() if isinstance(r, Counts) else _again(r) for name, r in routines.items()}
    [shards] = grouped(flow_of("\n".join(fresh), fresh)).groups
    assert (shards.kind, shards.partitions) == (GroupKind.SHARDS, partitions)


def _again(made: Made) -> Made:
    state = made._declared.state
    assert state is not None
    return keyed(key=state.key, scope=state.scope)


def test_different_needs_are_different_pools() -> None:
    """::

    before                  after

    a --> heavy(2) --> b    [a b] tasks  |  [heavy] tasks, 2 CPU
    """
    draft = grouped(flow_of("a -> heavy -> b", {"heavy": asks(num_cpus=2)}))
    assert picture(draft) == "[a b] tasks  [heavy] tasks"
    assert draft.groups[1].needs == Needs(num_cpus=2, explicit_cpus=True)
    assert draft.splits[0] == ("a", "heavy", "they need different resources (1 CPU by default and 2 CPU)")


def test_a_cpu_that_was_asked_for_is_not_a_default_one() -> None:
    """The default may be shared out among routines; what was asked for may not."""
    draft = grouped(flow_of("a -> b", {"b": asks(num_cpus=1)}))
    assert draft.splits[0][2] == "they need different resources (1 CPU by default and 1 CPU)"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"runtime_env": {"pip": ["x"]}}, "1 CPU by default, runtime_env={'pip': ['x']}"),
        ({"label_selector": {"zone": "a"}}, "1 CPU by default, label_selector={'zone': 'a'}"),
        ({"scheduling_strategy": "SPREAD"}, "1 CPU by default, scheduling_strategy='SPREAD'"),
        ({"accelerator_type": "A100"}, "1 CPU by default, accelerator_type='A100'"),
        ({"ray_options": {"max_calls": 3}}, "1 CPU by default, max_calls=3"),
        ({"resources": {"tape": 1}}, "1 CPU by default, 1 tape"),
        ({"memory": 2**30}, "1 CPU by default, 1024 MiB memory"),
    ],
)
def test_equal_wishes_of_any_kind_share_a_pool(options: dict[str, Any], words: str) -> None:
    draft = grouped(flow_of("a -> b -> c", {"a": asks(**options), "b": asks(**options)}))
    assert picture(draft) == "[a b] tasks  [c] tasks"
    assert apart(draft) == ["b | c"]
    assert draft.splits[0][2] == f"they need different resources ({words} and 1 CPU by default)"


def test_what_opens_a_resource_lives_on() -> None:
    """::

    before                  after

    a --> model(open)       [a] tasks  |  [model other] actors
     '--> other(open)
    """
    draft = grouped(flow_of("a -> model\na -> other\nmodel -> other", {"model": Opens(), "other": Opens()}))
    assert picture(draft) == "[a] tasks  [model other] actors"
    assert draft.reasons["model"] == ("it has open()",)
    assert [reason for *_, reason in draft.splits] == ["they are kept in different kinds of processes"] * 2


def test_actors_that_are_asked_for() -> None:
    draft = grouped(flow_of("a -> b -> c", {"b": asks(actors=3), "c": asks(actors=3)}))
    assert picture(draft) == "[a] tasks  [b c] actors"
    assert draft.groups[1].size == 3


def test_what_waits_together_takes_no_cpu() -> None:
    """::

    before                  after

    a --> fetch(async)      [a] tasks  |  [fetch post] actors, 0 CPU
     '--> post(async)
    """
    draft = grouped(flow_of("a -> fetch\na -> post", {"fetch": waits, "post": waits}))
    assert picture(draft) == "[a] tasks  [fetch post] actors"
    pool = draft.groups[1]
    assert (pool.is_async, pool.size, pool.max_concurrency, pool.needs.num_cpus) == (True, 1, 100, 0)
    assert draft.splits[0][2] == "fetch is async, the other is not"


def test_async_routines_with_different_bounds_are_bounded_apart() -> None:
    narrow = routine(max_concurrency=3)(waits)
    assert picture(grouped(flow_of("a -> b", {"a": waits, "b": narrow}))) == "[a] actors  [b] actors"


def test_what_is_bounded_by_itself_is_alone() -> None:
    """::

    before                      after

    a --> b(rate) --> c(few)    [a d] tasks  |  [b] tasks, 5/s  |  [c] tasks, 2 at once
                       '--> d
    """
    draft = grouped(flow_of("a -> b -> c -> d", {"b": asks(rate_limit=5), "c": asks(max_concurrency=2)}))
    assert picture(draft) == "[a d] tasks  [b] tasks  [c] tasks"
    assert [(g.rate_limit, g.at_once) for g in draft.groups] == [(0, 0), (5, 0), (0, 2)]
    assert draft.splits[0] == ("a", "b", "b is bounded by itself (its rate_limit is 5/s)")
    assert draft.reasons["c"] == ("its max_concurrency is 2",)


def test_async_state_is_a_shard_all_the_same() -> None:
    class AsyncSum(Counts):
        async def logic(self, *payloads: Any) -> None: ...

    [shards] = grouped(flow_of("a", {"a": AsyncSum()})).groups
    assert (shards.kind, shards.max_concurrency, shards.is_async) == (GroupKind.SHARDS, 100, False)


# ---- one place for all ---------------------------------------------------------------------------------------------


def test_a_sequential_flow_is_in_one_place() -> None:
    """::

    before                              after

    a --> heavy(2) --> pair(state)      [a heavy pair] solo
     '-----------------^
    """
    flow = flow_of(
        "a -> heavy -> pair.left\na -> pair.right",
        {"heavy": asks(num_cpus=2, resources={"tape": 1}), "pair": pair()},
        execution_mode="sequential",
    )
    draft = grouped(flow)
    assert picture(draft) == "[a heavy pair] solo"
    assert draft.groups[0].needs == Needs(num_cpus=2, explicit_cpus=True, resources=(("tape", 1),))
    assert apart(draft) == []


def test_a_place_for_all_takes_the_most_that_anyone_needs() -> None:
    flow = flow_of(
        "a -> b",
        {"a": asks(num_gpus=1, resources={"tape": 1}), "b": asks(num_cpus=3, memory=5, resources={"tape": 2})},
        execution_mode="sequential",
    )
    assert grouped(flow).groups[0].needs.amounts() == {"CPU": 3, "GPU": 1, "memory": 5, "tape": 2}
