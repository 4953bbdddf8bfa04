from __future__ import annotations

import dataclasses
import pickle

import cloudpickle

import routilux_dist as rd
from routilux_dist.testing import Workbench
from routilux_dist.wire.block import Block, Form
from routilux_dist.wire.codec import typed
from routilux_dist.wire.slices import JobNote, Slice
from routilux_workers import entry
from tests.unit.workers.conftest import of, stateful


def act(routine: object, x: int) -> int:
    routine.state["n"] += x  # type: ignore[attr-defined]
    return int(routine.state["n"])  # type: ignore[attr-defined]


def shipment() -> tuple[entry.Shipment, Workbench]:
    flow = of(("s", stateful(act, n=0)))
    one = Workbench(flow)
    return entry.Shipment(one.plan, entry.pack_code(flow.routines, None), {0: 1}, 1 << 20), one


def work(one: Workbench, *payloads: int) -> Slice:
    block: Block = one.block("s.input", payloads)
    return Slice(1, 1, 0, 0, [(1, block)], 9.0, {"job": JobNote()}, {}, 100)


def test_a_shipped_host_runs_slices_and_hosts_do_not_share() -> None:
    shipped, one = shipment()
    first, second = entry.open_host(shipped, 0), entry.open_host(shipped, 0)
    assert sum(block.rows for block in first.run(work(one, 1, 2)).outputs) == 2
    assert first.routines["s"] is not second.routines["s"]
    for host in (first, second, one):
        host.close()


def test_a_slice_whose_host_cannot_be_built_stops_its_jobs() -> None:
    _, one = shipment()
    receipt = entry.refuse(work(one, 1), RuntimeError("no"))
    assert receipt.stopped["job"].kind == "open"
    assert "no" in receipt.stopped["job"].message
    one.close()


def test_a_process_keeps_hosts_of_tasks_and_forgets_the_oldest() -> None:
    shipped, one = shipment()
    entry._hosts.clear()
    built = []

    def ship() -> entry.Shipment:
        built.append(1)
        return shipped

    never = lambda job: False  # noqa: E731
    host = entry.task_host("f0", ship, 0, never)
    assert entry.task_host("f0", ship, 0, never) is host
    for n in range(1, entry._MAX_HOSTS + 1):
        entry.task_host(f"f{n}", ship, 0, never)
    assert len(entry._hosts) == entry._MAX_HOSTS
    assert ("f0", 0) not in entry._hosts
    assert len(built) == entry._MAX_HOSTS + 1
    for left in entry._hosts.values():
        left.close()
    entry._hosts.clear()
    one.close()


class Closing(rd.Routine):
    closed: list[str] = []

    def setup(self) -> None:
        self.add_slot("input")

    def logic(self, x: int) -> None:
        pass

    def close(self) -> None:
        self.closed.append("closed")


def test_the_hosts_of_a_flow_are_closed_with_it() -> None:
    flow = of(("r", Closing()))
    one = Workbench(flow)
    shipped = entry.Shipment(one.plan, entry.pack_code(flow.routines, None), {}, 1 << 20)
    one.close()
    entry._hosts.clear()
    Closing.closed.clear()
    never = lambda job: False  # noqa: E731
    for running in ("f", "g", "h"):
        entry.task_host(running, lambda: shipped, 0, never)
    entry.close_flow("f")
    assert list(entry._hosts) == [("g", 0), ("h", 0)]
    assert Closing.closed == ["closed"]
    entry.close_all()
    assert not entry._hosts
    assert Closing.closed == ["closed"] * 3


class OpensLate(rd.Routine):
    tries: list[int] = []

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def open(self) -> None:
        self.tries.append(1)
        if len(self.tries) == 1:
            raise OSError("not yet")

    def logic(self, x: int) -> int:
        return x


def test_a_host_whose_open_failed_is_built_again_for_the_next_slice() -> None:
    flow = of(("r", OpensLate()))
    one = Workbench(flow)  # opens, and fails
    OpensLate.tries.clear()
    shipped = entry.Shipment(one.plan, entry.pack_code(flow.routines, None), {}, 1 << 20)
    entry._hosts.clear()
    never = lambda job: False  # noqa: E731
    slices = [Slice(n, 1, 0, 0, [(n, one.block("r.input", [1]))], 9.0, {"job": JobNote()}, {}, 100) for n in (1, 2)]
    broken = entry.task_host("f", lambda: shipped, 0, never)
    assert broken.run(slices[0]).stopped["job"].kind == "open"
    again = entry.task_host("f", lambda: shipped, 0, never)
    assert not again.run(slices[1]).stopped
    assert entry.task_host("f", lambda: shipped, 0, never) is again
    again.close()
    entry._hosts.clear()
    one.close()


def test_a_shipped_host_encodes_as_it_was_told() -> None:
    shipped, one = shipment()
    shipped = dataclasses.replace(shipped, codec=typed())
    host = entry.open_host(pickle.loads(cloudpickle.dumps(shipped)), 0)
    (block,) = host.run(work(one, 1)).outputs
    assert block.body.form == Form.TYPED
    assert entry.refuse(work(one, 1), KeyError("a"), typed()).stopped["job"].exception.form == Form.TYPED  # type: ignore[union-attr]
    host.close()
    one.close()
