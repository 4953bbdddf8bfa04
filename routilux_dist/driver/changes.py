"""A run goes on with another version of its flow: what waits and what is kept finds its place again, or it is refused.

Plans number things by their place in the flow; names stay. So a picture is translated by name from the plan that it was taken
with to the plan of now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from routilux_dist.coordinator import picture
from routilux_dist.coordinator.events import Restarted, TimerKey
from routilux_dist.coordinator.machine import Machine
from routilux_dist.coordinator.picture import Picture
from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import migrations
from routilux_dist.flow.migrations import Change, Migration
from routilux_dist.flow.routine import Routine
from routilux_dist.plan.plan import GroupKind, Plan, PortKind, PortPlan
from routilux_dist.wire.block import Block, Packed
from routilux_dist.wire.failure import Letter
from routilux_dist.wire.slices import FINISHED
from routilux_workers import keeping

#: When, and what for.
Timer = tuple[float, TimerKey]
#: Lanes in the making, by (group, partition).
_Lanes = dict[tuple[int, int], dict[str, Any]]


def schemas(routines: Mapping[str, Routine]) -> dict[str, dict[str, str]]:
    """Return what the state and the slots of routines look like, for telling whether kept state still fits."""
    return {name: _schema(routine) for name, routine in routines.items()}


def _schema(routine: Routine) -> dict[str, str]:
    declared = routine._declared
    slots = ", ".join(
        name
        if slot.merge is None
        else f"{name} (merge {slot.merge if isinstance(slot.merge, str) else 'by a function'})"
        for name, slot in declared.slots.items()
    )
    found = {"slots": slots or "none", "state": "none", "place": "none"}
    if declared.state is not None:
        state = declared.state
        key = state.key if isinstance(state.key, str) or state.key is None else "a function"
        found["state"] = ", ".join(f"{name}: {type(value).__name__}" for name, value in sorted(state.initial.items()))
        found["place"] = f"scope {state.scope}, key {key}"
    return found


class Before(Protocol):
    """What a run was made of, see `durable.Setting`."""

    @property
    def plan(self) -> Plan: ...

    @property
    def partitions(self) -> Mapping[int, int]: ...

    @property
    def schemas(self) -> Mapping[str, Any]: ...


class Adapted(NamedTuple):
    """What a run is for the flow of now: homes by group, the machine's picture, and the timers that are set."""

    partitions: dict[int, int]
    picture: Picture
    timers: list[Timer]


def needed(before: Before, plan: Plan, schemas: Mapping[str, Any]) -> bool:
    """Whether a run's flow has changed."""
    return before.plan != plan or before.schemas != schemas


def adapt(
    before: Before,
    machine: Machine,
    plan: Plan,
    partitions: Mapping[int, int],
    schemas: Mapping[str, Any],
    *,
    timers: Sequence[Timer] = (),
    known: Mapping[str, Migration] | None = None,
) -> Adapted:
    """Return what going on with a plan takes.

    Args:
        before: What the machine was made of.
        machine: The machine at the end of its journal.
        plan: The plan to go on with.
        partitions: Homes by its groups, where nothing of the past says otherwise.
        schemas: What the state and the slots of its routines look like.
        timers: What is set, see `durable.Past`.
        known: Migrations; those that are registered in this process, if None.

    Raises:
        ConfigurationError: Messages or state would be lost; every reason is named.
    """
    if not needed(before, plan, schemas):
        return Adapted(dict(before.partitions), picture.take(machine), list(timers))
    # Nothing is out any more: what was is put back in its place, so that queues and kept state are all there is.
    machine.handle(Restarted(0), now=machine.now)
    known = migrations.registered() if known is None else known
    return _Translation(before, plan, partitions, schemas, known).of(picture.take(machine), timers)


class _Way(NamedTuple):
    """How a routine of then comes to be one of now."""

    name: str
    slot: str | None
    changes: tuple[Change, ...]
    moved: bool

    def change(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return the state of now."""
        for step in self.changes:
            state = step(state)
        return state


class _Translation:
    """From one plan to another, by name."""

    def __init__(
        self,
        before: Before,
        plan: Plan,
        partitions: Mapping[int, int],
        schemas: Mapping[str, Any],
        known: Mapping[str, Migration],
    ) -> None:
        self._before, self._plan, self._schemas = before, plan, schemas
        self._faults: dict[str, None] = {}
        old = before.plan
        #: Routine of then -> how it comes to be one of now.
        self._ways = {name: self._way(name, known) for name in old.routines}
        self._ports = {port.index: self._port(port) for port in old.ports}
        self._routines = {
            routine.index: plan.routines[way.name].index
            for name, routine in old.routines.items()
            if (way := self._ways[name]) is not None
        }
        self._places: dict[str, dict[tuple[int, int], None]] = {}
        #: Routine of now -> the routine of then whose state it has.
        self._heirs: dict[str, str] = {}
        self._partitions = dict(partitions)
        set_by: dict[int, str] = {}
        for name, routine in old.routines.items():
            homes, way = before.partitions.get(routine.group), self._ways[name]
            if homes is not None and way is not None:
                self._set_homes(name, way.name, homes, set_by)

    def _way(self, name: str, known: Mapping[str, Migration]) -> _Way | None:
        """Follow migrations until there is a routine of that name."""
        now: str = name
        slot: str | None = None
        steps: list[Change | None] = []
        while now not in self._plan.routines and now in known and len(steps) <= len(known):
            step = known[now]
            steps.append(step.change)
            now, slot = step.target, step.slot
        if now not in self._plan.routines:
            return None
        same = known.get(name)
        if now == name and same is not None and same.target == name:
            slot = same.slot
            if self._schema_of(name, "state") != self._schemas.get(name, {}).get("state"):
                steps.append(same.change)
        return _Way(now, slot, tuple(step for step in steps if step is not None), moved=now != name)

    def _schema_of(self, name: str, part: str) -> Any:
        return self._before.schemas.get(name, {}).get(part)

    def _port(self, port: PortPlan) -> int | None:
        """Return the port of now for one of then."""
        way = self._ways[port.routine]
        if way is None:
            return None
        mine = {p.name: p.index for p in self._plan.ports if p.routine == way.name and p.kind is port.kind}
        if port.kind is not PortKind.SLOT or (port.name in mine and way.slot is None):
            return mine.get(port.name)
        if way.slot is not None and (way.moved or port.name not in mine):
            return mine.get(way.slot)
        if port.name not in mine and way.moved and len(mine) == 1:
            return next(iter(mine.values()))
        return mine.get(port.name)

    def _set_homes(self, name: str, now: str, homes: int, set_by: dict[int, str]) -> None:
        group = self._plan.routines[now].group
        if self._plan.groups[group].kind is not GroupKind.SHARDS:
            return
        first = set_by.setdefault(group, name)
        if first != name and self._partitions[group] != homes:
            self._fault(
                f"{first!r} has {self._partitions[group]} homes and {name!r} {homes}, they would share them now"
            )
        self._partitions[group] = homes

    def of(self, given: Picture, timers: Sequence[Timer]) -> Adapted:
        """Translate a picture and timers."""
        if self._before.plan.mode != self._plan.mode:
            self._fault(f"execution_mode was {self._before.plan.mode!s}, it is {self._plan.mode!s} now")
        lanes = self._lanes(given)
        for lane in lanes:
            for job in (*lane["queues"], *lane["kept"]):
                self._places.setdefault(job, {})[tuple(lane["place"])] = None
        translated = {
            **given,
            "jobs": [self._job(job) for job in given["jobs"]],
            "ended": [self._job(job, ended=True) for job in given["ended"]],
            "lanes": lanes,
            "costs": self._by_port(given["costs"]),
            "advice": self._by_port(given["advice"]),
            "apart": {},
            "slots": {},
        }
        if self._faults:
            faults = tuple(self._faults)
            raise ConfigurationError(
                f"flow {self._plan.flow!r} has changed since its checkpoint, and going on would lose something:\n  - "
                + "\n  - ".join(faults)
                + "\nBring back what is named, say what becomes of it (rd.migrations.register), or finish the job with the "
                "version that began it",
                problems=faults,
            )
        return Adapted(self._partitions, translated, self._timers(timers))

    def _timers(self, timers: Sequence[Timer]) -> list[Timer]:
        """Wake-up calls name a port; if it is no more, there is nothing to be woken."""
        found: list[Timer] = []
        for at, key in timers:
            if key[0] != "wake":
                found.append((at, key))
            elif (port := self._ports[key[2]]) is not None:
                found.append((at, (*key[:2], port, *key[3:])))
        return found

    def _by_port(self, given: Mapping[int, Any]) -> dict[int, Any]:
        return {new: value for port, value in given.items() if (new := self._ports[port]) is not None}

    # ---- messages ------------------------------------------------------------------------------------------------

    def _block(self, block: Block, waits: bool = True) -> Block:
        """Translate a message that waits, or an output that is only kept."""
        port = self._before.plan.ports[block.port]
        new = self._ports[block.port]
        if new is None:
            here = f"{port.path}, which is no more"
            if waits:
                fix = f"rd.migrations.register({port.routine!r}, 'routine.slot') says where they go"
                self._fault(f"{block.rows or 1} messages wait at {here}; {fix}")
            else:
                self._fault(f"outputs of {port.path} are kept, which is no output any more")
            return block
        if waits and port.kind is not PortKind.OUTPUT:
            self._check_kind(port.routine)
            if port.kind is PortKind.LOGIC:
                self._check_slots(port.routine)
        return block._replace(port=new)

    def _check_kind(self, name: str) -> None:
        way = self._ways[name]
        assert way is not None
        old, new = self._before.plan.routines[name], self._plan.routines[way.name]
        now = self._schemas.get(way.name, {}).get("place")
        same = (old.stateful, old.keyed, old.scope) == (new.stateful, new.keyed, new.scope)
        if not same or (new.stateful and self._schema_of(name, "place") != now):
            self._fault(
                f"messages or state of {name!r} would go to {way.name!r}, whose state is declared another way "
                f"({self._schema_of(name, 'place')}, now {now}): nobody knows their home"
            )
        elif new.stateful and not way.changes:
            self._check_state(name, way.name)

    def _check_state(self, name: str, now: str) -> None:
        old, new = self._schema_of(name, "state"), self._schemas.get(now, {}).get("state")
        if old != new:
            fix = f"rd.migrations.register({name!r}, {now!r}, fn) changes it"
            self._fault(f"the state of {name!r} was {old}, that of {now!r} is {new} now; {fix}")
        if name == now:
            self._check_slots(name)

    def _check_slots(self, name: str) -> None:
        way = self._ways[name]
        assert way is not None
        old, new = self._schema_of(name, "slots"), self._schemas.get(way.name, {}).get("slots")
        if old != new:
            self._fault(f"the slots of {name!r} were {old}, those of {way.name!r} are {new} now")

    def _fault(self, text: str) -> None:
        self._faults[text] = None

    def _blocks(self, blocks: Iterable[Block], waits: bool = True) -> list[Block]:
        return [self._block(block, waits) for block in blocks]

    # ---- lanes ---------------------------------------------------------------------------------------------------

    def _lanes(self, given: Picture) -> list[dict[str, Any]]:
        made: _Lanes = {}
        for lane in given["lanes"]:
            _, partition = lane["place"]
            for inner, entry in lane["queues"].values():
                for side, blocks in enumerate((inner, entry)):
                    for number, block in blocks:
                        self._queue(made, partition, side, number, self._block(block))
            for job, pieces in lane["kept"].items():
                for piece in pieces:
                    self._keep(made, job, partition, piece)
            for job, number in lane["held"].items():  # of a sequential flow, which has one lane
                self._lane(made, 0, 0)["held"][job] = number
        paused = {job["id"] for job in given["jobs"] if job["status"] == "paused"}
        for lane in made.values():
            lane["order"] = [job for job in lane["queues"] if job not in paused and job not in lane["held"]]
        return list(made.values())

    def _lane(self, made: _Lanes, group: int, partition: int) -> dict[str, Any]:
        homed = self._plan.groups[group].kind is GroupKind.SHARDS
        place = (group, partition if homed else 0)
        if place not in made:
            made[place] = {
                "place": list(place), "queues": {}, "order": [], "rows": {}, "rest_until": 0.0, "paced": [0.0, 0.0],
                "held": {}, "kept": {}, "cold": True, "forget": [],
            }  # fmt: skip
        return made[place]

    def _queue(self, made: _Lanes, partition: int, side: int, number: int, block: Block) -> None:
        if self._faults:
            return
        lane = self._lane(made, self._plan.ports[block.port].group, partition)
        lane["queues"].setdefault(block.job, [[], []])[side].append([number, block])
        lane["rows"][block.port] = lane["rows"].get(block.port, 0) + block.rows

    def _keep(self, made: _Lanes, job: str, partition: int, piece: tuple[int, int, Any]) -> None:
        routine, cell, body = piece
        name = next(n for n, r in self._before.plan.routines.items() if r.index == routine)
        way = self._ways[name]
        if way is None:
            fix = f"rd.migrations.register({name!r}, 'routine', fn) says whose it is"
            self._fault(f"state of {name!r} is kept, which is no more; {fix}")
            return
        self._check_kind(name)
        heir = self._heirs.setdefault(way.name, name)
        if heir != name:
            self._fault(f"the state of {heir!r} and of {name!r} would both become that of {way.name!r}")
        lane = self._lane(made, self._plan.routines[way.name].group, partition)
        if not self._faults and cell > FINISHED:
            body = self._changed(name, way, body)
        lane["kept"].setdefault(job, []).append([self._routines[routine], cell, body])

    def _changed(self, name: str, way: _Way, body: Packed) -> Packed:
        """Return a kept cell as the routine of now has it."""
        other_slots = self._schema_of(name, "slots") != self._schemas.get(way.name, {}).get("slots")
        if not way.changes and not other_slots:
            return body
        try:
            return keeping.changed(body, way.change if way.changes else None, other_slots)
        except Exception as exc:  # whatever the user's function raises
            self._fault(f"state of {name!r} cannot become that of {way.name!r}: {type(exc).__name__}: {exc}")
            return body

    # ---- jobs ----------------------------------------------------------------------------------------------------

    def _job(self, job: dict[str, Any], ended: bool = False) -> dict[str, Any]:
        places = {} if ended else dict(self._places.get(job["id"], {}))
        for group, partition in job["lanes"]:  # where it has been: it may have something to finish there
            for new in self._homes_of(group):
                places[new, partition] = None
        return {
            **job,
            "outputs": self._blocks(job["outputs"], waits=False),
            "letters": [Letter(letter.failure, self._block(letter.block), letter.seen) for letter in job["letters"]],
            "counts": self._counts(job["counts"]),
            "lanes": [list(place) for place in places],
            "sleeping": {number: self._block(block) for number, block in job["sleeping"].items()},
            "stage": 0 if job["stage"] == 0 else self._stage(job["stage"]),
            # A checkpoint is of one version; going back beyond a change of code is not possible.
            "checkpoints": {},
        }

    def _counts(self, given: Mapping[int, list[int]]) -> dict[int, list[int]]:
        """Translate counts; those of routines that became one are added."""
        found: dict[int, list[int]] = {}
        for index, values in given.items():
            if index in self._routines:
                new = self._routines[index]
                found[new] = [a + b for a, b in zip(found[new], values)] if new in found else values
        return found

    def _homes_of(self, group: int) -> list[int]:
        """Return the stateful groups that the routines of a stateful group are in now."""
        if self._before.plan.groups[group].kind is not GroupKind.SHARDS:
            return []
        found = {
            self._plan.routines[way.name].group
            for name in self._before.plan.groups[group].routines
            if (way := self._ways[name]) is not None
        }
        return sorted(new for new in found if self._plan.groups[new].kind is GroupKind.SHARDS)

    def _stage(self, stage: int) -> int:
        then = tuple(
            tuple(way.name if (way := self._ways[name]) is not None else name for name in stage)
            for stage in self._before.plan.stages
        )
        if then != self._plan.stages:
            self._fault("the job is finishing, and what has a finish() has changed")
        return stage
