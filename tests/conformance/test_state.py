"""State: one per job, or per running flow; per key where it is keyed; one writer at a time."""

from __future__ import annotations

import enum
from collections import Counter
from typing import Any

import routilux_dist as rd
from tests.conformance.routines.basic import each
from tests.conformance.routines.stateful import (
    CountByKey,
    Record,
    Total,
    TotalByField,
    TotalByRemainder,
    Visits,
    VisitsByUser,
)
from tests.conformance.support import Running, build, run


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def test_state_keyed_by_a_field(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "total": TotalByField()}, "each -> total")
    sales = [{"user": f"u{i % 7}", "amount": i} for i in range(210)]
    outputs = run(runtime, flow, sales)
    expected: Counter[str] = Counter()
    for sale in sales:
        expected[sale["user"]] += sale["amount"]
    assert sorted(outputs["total.output"]) == sorted(expected.items())


def test_state_keyed_by_a_function(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "total": TotalByRemainder(5)}, "each -> total")
    outputs = run(runtime, flow, range(50))
    assert sorted(outputs["total.output"]) == [list(range(r, 50, 5)) for r in range(5)]


def test_many_keys(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "count": CountByKey()}, "each -> count")
    outputs = run(runtime, flow, [{"key": f"k{i % 2000}"} for i in range(6000)])
    seen: dict[str, list[int]] = {}
    for key, count in outputs["count.output"]:
        seen.setdefault(key, []).append(count)
    assert len(seen) == 2000
    assert all(counts == [1, 2, 3] for counts in seen.values())


def test_keys_of_every_allowed_type(runtime: rd.Runtime) -> None:
    keys: list[Any] = ["a", "", b"a", 7, True, None, 2.5, Colour.RED, Colour.BLUE]
    keys += [("a", 1), ("a", 2), (), frozenset({"x", "y"})]
    flow = build({"each": each, "count": CountByKey()}, "each -> count")
    outputs = run(runtime, flow, [{"key": key} for key in keys for _ in range(3)])
    assert Counter(outputs["count.output"]) == Counter((key, n) for key in keys for n in (1, 2, 3))


def test_a_new_job_starts_with_fresh_state(runtime: rd.Runtime) -> None:
    """Also where the initial value is a list: every state has its own copy."""
    running = Running(runtime, build({"each": each, "record": Record()}, "each -> record"))
    assert running.run("each.input", [1, 2]) == {"record.output": [[1, 2]]}
    assert running.run("each.input", [3]) == {"record.output": [[3]]}


def test_messages_arrive_in_the_order_in_which_one_activation_sent_them(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "record": Record()}, "each -> record")
    assert run(runtime, flow, range(3000)) == {"record.output": [list(range(3000))]}


def test_state_is_not_shared_between_routines_of_one_class(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "one": Total(), "two": Total()}, "each -> one\neach -> two")
    outputs = run(runtime, flow, [1, 2, 3])
    assert outputs == {"one.output": [{"count": 3, "sum": 6}], "two.output": [{"count": 3, "sum": 6}]}


def test_worker_scope_outlives_a_job(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"visits": Visits()}))
    numbers = [running.run("visits.input", i)["visits.output"] for i in range(4)]
    assert numbers == [[1], [2], [3], [4]]


def test_worker_scope_has_one_writer_for_all_jobs(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"each": each, "visits": Visits()}, "each -> visits"))
    jobs = [running.post("each.input", range(20)) for _ in range(25)]
    numbers = [n for job in jobs for n in job.result(timeout=60)["visits.output"]]
    assert sorted(numbers) == list(range(1, 501))


def test_worker_scope_per_key(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"visits": VisitsByUser()}))
    users = ["ann", "bob", "ann", "ann", "bob"]
    visits = [running.run("visits.input", {"user": user})["visits.output"][0] for user in users]
    assert visits == [("ann", 1), ("bob", 1), ("ann", 2), ("ann", 3), ("bob", 2)]


def test_every_running_flow_has_worker_state_of_its_own(runtime: rd.Runtime) -> None:
    first, second = Running(runtime, build({"visits": Visits()})), Running(runtime, build({"visits": Visits()}))
    assert first.run("visits.input", "x") == {"visits.output": [1]}
    assert second.run("visits.input", "x") == {"visits.output": [1]}
    assert first.run("visits.input", "x") == {"visits.output": [2]}
