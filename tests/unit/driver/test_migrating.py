from __future__ import annotations

import itertools
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.checkpoint.journal import Journal
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.checkpoint.options import Checkpoint
from routilux_dist.coordinator import picture
from routilux_dist.driver import changes, durable, migrating, records
from routilux_dist.driver.session import Durable, Opening
from routilux_dist.errors import ConfigurationError
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing import Bench
from routilux_dist.wire.slices import Kept
from tests.unit.coordinator.conftest import total
from tests.unit.driver.test_changes import cell, flow_of, states

_names = itertools.count()


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rd.migrations, "_known", {})


def saved(flow: rd.Flow) -> str:
    """Save a run with one state; return its store."""
    name = f"migrating-{next(_names)}"
    one = Bench(flow, homes=2, keeps=True)
    routine = next(iter(one.plan.routines.values()))
    one.post("j", f"{routine.id}.input", last=False)
    one.finish(kept=[Kept("j", routine.index, 0, cell({"total": 3}))])
    setting = durable.Setting(
        plan=one.plan,
        tuning=Tuning(),
        partitions=one.machine.partitions,
        lookahead=True,
        schemas=changes.schemas(flow.routines),
    )
    journal, _ = Journal.open(MemoryStore.named(name), "run")
    journal.snapshot(records.dumps(durable.as_snapshot(setting, picture.take(one.machine), []), journal.put_blob))
    journal.close()
    return name


def opening_of(flow: rd.Flow, store: str, **how: Any) -> Opening:
    return Opening(
        plan=Bench(flow).plan,
        routines={},
        flow_handler=None,
        workers=3,
        tuning=Tuning(),
        validate=True,
        worker_id="run",
        client_id="c",
        durable=Durable(
            checkpoint=Checkpoint(f"memory://{store}"),
            run="run",
            schemas=changes.schemas(flow.routines),
            **{"begin": False, "go_on": True, **how},
        ),
    )


def opened(store: str) -> durable.Past:
    journal, found = Journal.open(MemoryStore.named(store), "run")
    past = durable.read(found, journal.get_blob)
    assert past is not None
    return past


def test_whoever_opens_it_next_finds_nothing_to_translate() -> None:
    store, new = saved(flow_of(one=total())), flow_of(two=total())
    rd.migrations.register("one", "two", lambda state: {"total": state["total"] + 1})
    opening = opening_of(new, store)
    migrating.migrate(opening)
    past = opened(store)
    other = Bench(new, homes=2, keeps=True)
    other.machine = past.machine
    assert states(other, "two") == [{"total": 4}]
    assert opening.durable is not None
    assert not changes.needed(past.setting, opening.plan, opening.durable.schemas)
    migrating.migrate(opening)
    other.machine = opened(store).machine
    assert states(other, "two") == [{"total": 4}], "it is changed once"


def test_where_nothing_is_registered_nothing_is_touched() -> None:
    store = saved(flow_of(one=total()))
    before = dict(MemoryStore.named(store).files)
    migrating.migrate(opening_of(flow_of(two=total()), store))
    rd.migrations.register("one", "two")
    migrating.migrate(opening_of(flow_of(two=total()), store, begin=True, go_on=False))
    migrating.migrate(opening_of(flow_of(two=total()), f"{store}-nobody"))
    assert MemoryStore.named(store).files == before


def test_what_is_refused_can_be_tried_again() -> None:
    store = saved(flow_of(one=total()))
    rd.migrations.register("one", "three")
    with pytest.raises(ConfigurationError, match="state of 'one' is kept, which is no more"):
        migrating.migrate(opening_of(flow_of(two=total()), store))
    rd.migrations.register("one", "two")
    migrating.migrate(opening_of(flow_of(two=total()), store))
    assert "two" in opened(store).setting.plan.routines
