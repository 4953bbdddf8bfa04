from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.coordinator import picture
from routilux_dist.driver import changes
from routilux_dist.driver.durable import Setting
from routilux_dist.errors import ConfigurationError
from routilux_dist.flow.migrations import Migration
from routilux_dist.plan.plan import GroupKind
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing import Bench
from routilux_dist.wire import codec
from routilux_dist.wire.slices import Kept
from tests.unit.coordinator.conftest import total


def keep(x: Any) -> Any:
    return x


def flow_of(*connections: str, **routines: Any) -> rd.Flow:
    flow = rd.Flow("changing")
    for name, routine in routines.items():
        flow.add_routine(routine, name)
    for connection in connections:
        source, target = connection.split(" -> ")
        flow.connect(f"{source}.output", f"{target}.input")
    return flow


def before() -> rd.Flow:
    return flow_of("a -> b", "b -> total", a=keep, b=keep, total=total())


def adapt(
    old: rd.Flow, new: rd.Flow, live: Callable[[Bench], None], *moves: Migration, timers: list[Any] | None = None
) -> Bench:
    """Bring a machine of the old flow into some state, and go on with the new flow."""
    timers, known = timers if timers is not None else [], {move.source: move for move in moves}
    one, other = Bench(old, homes=2, keeps=True), Bench(new, homes=3, keeps=True)
    live(one)
    setting = Setting(
        plan=one.plan,
        tuning=Tuning(),
        partitions=one.machine.partitions,
        lookahead=True,
        schemas=changes.schemas(old.routines),
    )
    adapted = changes.adapt(
        setting,
        one.machine,
        other.plan,
        other.machine.partitions,
        changes.schemas(new.routines),
        timers=timers,
        known=known,
    )
    machine = Setting(plan=other.plan, tuning=Tuning(), partitions=adapted.partitions, lookahead=True).machine(
        validate=True
    )
    picture.restore(machine, adapted.picture)
    timers[:] = adapted.timers
    other.machine = machine
    other.check()
    return other


def lively(one: Bench) -> None:
    """Messages wait at every routine, and state is kept."""
    one.post("j", "a.input", 4, last=False)
    one.finish(emit={"b.input": 3}, output={}, data={"j": {"n": ("sum", 1)}}, dead=1, retry=(60.0, 1))
    one.finish(emit={"total.input": 2})
    index = one.plan.routines["total"].index
    work = next(w for w in one.slices.values() if one.plan.groups[w.group].kind is GroupKind.SHARDS)
    one.finish(work, kept=[Kept("j", index, 0, cell({"total": 3}))])
    one.post("j", "total.input", 5, last=False)
    one.ask("j", "pause")


def cell(data: dict[str, Any], queue: tuple[int, ...] = ()) -> Any:
    """A cell as a home keeps it."""
    return codec.typed().encode((None, data, [list(queue)], {}, [], None))


def waiting(one: Bench) -> dict[str, int]:
    found: dict[str, int] = {}
    for lane in one.machine.lanes.values():
        for port, rows in lane.rows.items():
            if rows:
                found[one.machine.plan.ports[port].path] = rows
    return found


def test_nothing_changes_where_nothing_changed() -> None:
    one = Bench(before(), homes=2, keeps=True)
    lively(one)
    taken = picture.take(one.machine)
    other = adapt(before(), before(), lively)
    assert picture.take(other.machine) == taken


def test_another_routine_in_between() -> None:
    new = flow_of(
        "first -> a", "a -> b", "b -> mid", "mid -> total", first=keep, a=keep, b=keep, mid=keep, total=total()
    )
    same, other = adapt(before(), before(), lively), adapt(before(), new, lively)
    flying = {
        one: sum(block.rows for flight in one.machine.flights.values() for block in flight.blocks.values())
        for one in (same, other)
    }
    assert flying[other] == 0, "nothing is out any more"
    assert sum(waiting(other).values()) == sum(waiting(same).values()) + flying[same]
    index = new_index(other, "total")
    pieces = [piece for lane in other.machine.lanes.values() for piece in lane.kept.get("j", {})]
    assert pieces == [(index, 0)]
    job = other.machine.jobs["j"]
    assert (job.data, job.dead, len(job.sleeping)) == ({"n": ("sum", 1)}, 1, 1)
    assert all(lane.cold for lane in other.machine.lanes.values() if lane.kept)


def new_index(one: Bench, routine: str) -> int:
    return one.plan.routines[routine].index


def test_homes_keep_their_number() -> None:
    new = flow_of("a -> b", "b -> total", "b -> more", a=keep, b=keep, total=total(), more=keep)
    other = adapt(before(), new, lively)
    assert set(other.machine.partitions.values()) == {2}


def test_a_routine_that_is_gone_is_named_if_something_waits_for_it() -> None:
    def live(one: Bench) -> None:
        one.post("j", "a.input", last=False)
        one.finish(emit={"b.input": 3})

    new = flow_of("a -> total", a=keep, total=total())
    with pytest.raises(ConfigurationError, match=r"3 messages wait at b\.input, which is no more") as caught:
        adapt(before(), new, live)
    assert "Bring back what is named" in str(caught.value)


def test_a_routine_that_is_gone_does_not_matter_if_nothing_waits() -> None:
    new = flow_of("a -> total", a=keep, total=total())

    def live(one: Bench) -> None:
        one.post("j", "a.input", 4, last=False)

    assert waiting(adapt(before(), new, live)) == {"a.input": 4}


def test_state_that_is_gone_is_named() -> None:
    def live(one: Bench) -> None:
        one.post("j", "total.input", last=False)
        one.finish(kept=[Kept("j", one.plan.routines["total"].index, 0, codec.encode("state"))])

    with pytest.raises(ConfigurationError, match="state of 'total' is kept, which is no more"):
        adapt(before(), flow_of("a -> b", a=keep, b=keep), live)


def test_state_of_another_shape_is_named() -> None:
    routine = total()
    routine.add_state(count=0)
    new = flow_of("a -> b", "b -> total", a=keep, b=keep, total=routine)
    with pytest.raises(
        ConfigurationError, match=r"the state of 'total' was total: int.*is count: int.*\.register\('total'"
    ):
        adapt(before(), new, lively)


def test_state_that_is_keyed_now_is_named() -> None:
    new = flow_of("a -> b", "b -> total", a=keep, b=keep, total=total("user"))
    with pytest.raises(ConfigurationError, match="nobody knows their home"):
        adapt(before(), new, lively)


def test_outputs_of_an_event_that_is_connected_now_are_named() -> None:
    def live(one: Bench) -> None:
        one.post("j", "b.input", last=False)
        one.finish(output={"b.output": 1})

    with pytest.raises(ConfigurationError, match=r"outputs of b\.output are kept"):
        adapt(flow_of("a -> b", a=keep, b=keep), flow_of("a -> b", "b -> c", a=keep, b=keep, c=keep), live)


def test_ended_jobs_are_kept() -> None:
    def live(one: Bench) -> None:
        one.post("done", "a.input")
        one.run_out()

    new = flow_of("a -> b", "b -> total", "b -> more", a=keep, b=keep, total=total(), more=keep)
    assert str(adapt(before(), new, live).machine.ended["done"].status) == "completed"


# ---- migrations ------------------------------------------------------------------------------------------------------


def states(one: Bench, routine: str) -> list[Any]:
    index = new_index(one, routine)
    found = [lane.kept.get("j", {}) for lane in one.machine.lanes.values()]
    return [codec.decode(body)[1] for kept in found for (owner, _), body in kept.items() if owner == index]


def counting() -> rd.Routine:
    routine = total()
    routine.add_state(count=0)
    return routine


def test_state_and_messages_move_to_another_name() -> None:
    new = flow_of("a -> b", "b -> sum", a=keep, b=keep, sum=total())
    other = adapt(before(), new, lively, Migration("total", "sum"))
    same = adapt(before(), before(), lively)
    assert states(other, "sum") == [{"total": 3}]
    flying = sum(block.rows for flight in same.machine.flights.values() for block in flight.blocks.values())
    assert sum(waiting(other).values()) == sum(waiting(same).values()) + flying
    assert waiting(other)["sum.input"] >= 5


def test_state_is_changed_where_it_is_declared_another_way() -> None:
    new = flow_of("a -> b", "b -> total", a=keep, b=keep, total=counting())
    move = Migration("total", "total", change=lambda state: {"count": state["total"] * 10})
    assert states(adapt(before(), new, lively, move), "total") == [{"count": 30}]
    more = flow_of("a -> b", "b -> total", "b -> c", a=keep, b=keep, total=total(), c=keep)
    assert states(adapt(before(), more, lively, move), "total") == [{"total": 3}], "its state is what it was"


def test_migrations_follow_each_other() -> None:
    new = flow_of("a -> b", "b -> last", a=keep, b=keep, last=counting())
    moves = [
        Migration("total", "middle", change=lambda state: {"mid": state["total"]}),
        Migration("middle", "last", change=lambda state: {"count": state["mid"] + 1}),
    ]
    assert states(adapt(before(), new, lively, *moves), "last") == [{"count": 4}]
    with pytest.raises(ConfigurationError, match="which is no more"):
        adapt(before(), new, lively, Migration("total", "middle"), Migration("middle", "total"))


def test_messages_go_to_the_slot_that_is_named() -> None:
    def live(one: Bench) -> None:
        one.post("j", "a.input", last=False)
        one.finish(emit={"b.input": 3})

    two = rd.Routine()
    two.add_slot("left", handler=keep)
    two.add_slot("right", handler=keep)
    new = flow_of(a=keep, two=two)
    assert waiting(adapt(before(), new, live, Migration("b", "two", "right"))) == {"two.right": 3}
    with pytest.raises(ConfigurationError, match=r"b\.input, which is no more; rd\.migrations\.register"):
        adapt(before(), new, live, Migration("b", "two"))


def test_a_migration_that_fails_is_named() -> None:
    new = flow_of("a -> b", "b -> total", a=keep, b=keep, total=counting())
    with pytest.raises(ConfigurationError, match=r"state of 'total' cannot become that of 'total': KeyError: 'x'"):
        adapt(before(), new, lively, Migration("total", "total", change=lambda state: {"count": state["x"]}))
    with pytest.raises(ConfigurationError, match="fn returned None; it has to return the state"):
        adapt(before(), new, lively, Migration("total", "total", change=lambda state: None))  # type: ignore[arg-type, return-value]


def test_two_routines_cannot_leave_their_state_to_one() -> None:
    def live(one: Bench) -> None:
        one.post("j", "one.input", last=False)
        one.post("j", "two.input", last=False)
        for name in ("one", "two"):
            work = next(w for w in one.slices.values() if one.plan.ports[w.blocks[0][1].port].routine == name)
            one.finish(work, kept=[Kept("j", new_index(one, name), 0, cell({"total": 3}))])

    old, new = flow_of(one=total(), two=total()), flow_of(both=total())
    with pytest.raises(ConfigurationError, match="the state of 'one' and of 'two' would both become that of 'both'"):
        adapt(old, new, live, Migration("one", "both"), Migration("two", "both"))


def test_wake_up_calls_go_to_the_port_of_now() -> None:
    old, new = before(), flow_of("x -> a", "a -> b", "b -> total", x=keep, a=keep, b=keep, total=total())
    one = Bench(old, homes=2, keeps=True)
    wake, gone = one.plan.routines["total"].wake_port, one.plan.routines["b"].wake_port
    timers: list[Any] = [(5.0, ("wake", "j", wake, 1)), (6.0, ("stall",)), (7.0, ("wake", "j", gone, 0))]
    other = adapt(old, new, lively, timers=timers)
    routines = other.plan.routines
    assert timers == [
        (5.0, ("wake", "j", routines["total"].wake_port, 1)),
        (6.0, ("stall",)),
        (7.0, ("wake", "j", routines["b"].wake_port, 0)),
    ]
