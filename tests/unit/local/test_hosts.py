from __future__ import annotations

import threading
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.driver.session import Opening
from routilux_dist.local.hosts import Hosts, Threads, run_slice
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing.bench import compile_for
from routilux_dist.wire.block import Block, Rows
from routilux_dist.wire.slices import JobNote, Slice

broken = False


class Fragile(rd.Routine):
    """Its `setup` raises when it is replayed."""

    def setup(self) -> None:
        if broken:
            raise OSError("not here")
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: Any) -> Any:
        return threading.get_ident(), x


@pytest.fixture
def hosts() -> Hosts:
    flow = rd.Flow("hosts")
    flow.add_routine(Fragile(), "a")
    made = rd.Routine("s")
    made.add_slot("input", handler=lambda x: None)
    made.add_state(n=0)
    flow.add_routine(made, "s")
    flow.connect("a.output", "s.input")
    plan = compile_for(flow)
    opening = Opening(
        plan=plan, routines=flow.routines, flow_handler=None, workers=2, tuning=Tuning(), validate=True, worker_id="w",
        client_id="c",
    )  # fmt: skip
    recipes = {name: one.__reduce__() for name, one in flow.routines.items()}
    return Hosts(opening, recipes, opening.partitions(2), lambda job: False)


def work(number: int = 1) -> Slice:
    block = Block("j", 0, 0, 1, 0, 1, 0, True, "", Rows([number]))
    return Slice(number, 1, 0, 0, [(number, block)], 9.0, {"j": JobNote()}, {}, 16)


def test_stateless_groups_have_a_host_for_each_thread_and_homes_have_one(hosts: Hosts) -> None:
    assert hosts.get(0, 0, 0) is hosts.get(0, 0, 0)
    assert hosts.get(0, 0, 0) is not hosts.get(0, 0, 1)
    assert hosts.get(1, 0, 0) is hosts.get(1, 0, 1)
    assert hosts.get(1, 0) is not hosts.get(1, 1)
    hosts.close()


def test_a_host_that_cannot_be_built_stops_its_jobs(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Fragile.setup.__globals__, "broken", True)
    receipt = run_slice(hosts, work(), 0).receipt
    assert receipt.stopped["j"].error_type == "OSError"


def test_threads_run_slices_until_they_are_closed(hosts: Hosts) -> None:
    found: list[Any] = []
    all_there = threading.Event()

    def finished(event: Any) -> None:
        found.append(event.receipt.slice_id)
        if len(found) == 5:
            all_there.set()

    threads = Threads(hosts, 2, finished)
    for number in range(5):
        threads.submit(work(number))
    assert all_there.wait(20)
    threads.close()
    assert sorted(found) == list(range(5))
    hosts.close()
