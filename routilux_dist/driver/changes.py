"""A run goes on with another version of its flow: what waits and what is kept finds its place again, or it is refused.

Plans number things by their place in the flow; names stay. So a picture is translated by name from the plan that it was taken
with to the plan of now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from routilux_dist.coordinator import picture
from routilux_dist.coordinator.events import Restarted
from routilux_dist.coordinator.machine import Machine
from routilux_dist.coordinator.picture import Picture
from routilux_dist.errors import ConfigurationError
from routilux_dist.flow.routine import Routine
from routilux_dist.plan.plan import GroupKind, Plan, PortKind
from routilux_dist.wire.block import Block
from routilux_dist.wire.failure import Letter

#: Lanes in the making, by (group, partition).
_Lanes = dict[tuple[int, int], dict[str, Any]]


def schemas(routines: Mapping[str, Routine]) -> dict[str, str]:
    """Return what the state and the slots of routines look like, for telling whether kept state still fits."""
    return {name: _schema(routine) for name, routine in routines.items()}


def _schema(routine: Routine) -> str:
    declared = routine._declared
    slots = ", ".join(
        name
        if slot.merge is None
        else f"{name} (merge {slot.merge if isinstance(slot.merge, str) else 'by a function'})"
        for name, slot in declared.slots.items()
    )
    state = declared.state
    if state is None:
        return f"slots {slots or 'none'}; no state"
    fields = ", ".join(f"{name}: {type(value).__name__}" for name, value in sorted(state.initial.items()))
    key = state.key if isinstance(state.key, str) or state.key is None else "a function"
    return f"slots {slots or 'none'}; state {fields}; scope {state.scope}; key {key}"


class _Before:
    """What a run was made of."""

    def __init__(self, plan: Plan, partitions: Mapping[int, int], schemas: Mapping[str, Any]) -> None:
        self.plan, self.partitions, self.schemas = plan, partitions, schemas


def adapt(
    setting: Any, machine: Machine, plan: Plan, partitions: Mapping[int, int], schemas: Mapping[str, Any]
) -> tuple[dict[int, int], Picture]:
    """Return (homes by group, picture) for going on with a plan.

    Args:
        setting: What the machine was made of, see `durable.Setting`.
        machine: The machine at the end of its journal.
        plan: The plan to go on with.
        partitions: Homes by its groups, where nothing of the past says otherwise.
        schemas: What the state and the slots of its routines look like.

    Raises:
        ConfigurationError: Messages or state would be lost; every reason is named.
    """
    before = _Before(setting.plan, setting.partitions, setting.schemas)
    if before.plan == plan and before.schemas == schemas:
        return dict(before.partitions), picture.take(machine)
    # Nothing is out any more: what was is put back in its place, so that queues and kept state are all there is.
    machine.handle(Restarted(0), now=machine.now)
    return _Translation(before, plan, partitions, schemas).of(picture.take(machine))


class _Translation:
    """From one plan to another, by name."""

    def __init__(self, before: _Before, plan: Plan, partitions: Mapping[int, int], schemas: Mapping[str, Any]) -> None:
        self._before, self._plan, self._schemas = before, plan, schemas
        self._faults: dict[str, None] = {}
        old = before.plan
        self._ports: dict[int, int | None] = {}
        by_name = {(p.routine, p.kind, p.name): p.index for p in plan.ports}
        for port in old.ports:
            self._ports[port.index] = by_name.get((port.routine, port.kind, port.name))
        self._routines = {
            routine.index: plan.routines[name].index for name, routine in old.routines.items() if name in plan.routines
        }
        self._places: dict[str, dict[tuple[int, int], None]] = {}
        self._partitions = dict(partitions)
        for name, routine in old.routines.items():
            homes = before.partitions.get(routine.group)
            if homes is not None and name in plan.routines:
                self._set_homes(name, homes)

    def _set_homes(self, routine: str, homes: int) -> None:
        group = self._plan.routines[routine].group
        if self._plan.groups[group].kind is GroupKind.SHARDS:
            self._partitions[group] = homes

    def of(self, given: Picture) -> tuple[dict[int, int], Picture]:
        """Translate a picture."""
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
                + "\nBring back what is named, or finish the job with the version that began it",
                problems=faults,
            )
        return self._partitions, translated

    def _by_port(self, given: Mapping[int, Any]) -> dict[int, Any]:
        return {new: value for port, value in given.items() if (new := self._ports[port]) is not None}

    # ---- messages ------------------------------------------------------------------------------------------------

    def _block(self, block: Block, waits: bool = True) -> Block:
        """Translate a message that waits, or an output that is only kept."""
        port = self._before.plan.ports[block.port]
        new = self._ports[block.port]
        if new is None:
            if waits:
                self._fault(f"{block.rows or 1} messages wait at {port.path}, which is no more")
            else:
                self._fault(f"outputs of {port.path} are kept, which is no output any more")
            return block
        if waits and port.kind is not PortKind.OUTPUT:
            self._check_kind(port.routine)
        return block._replace(port=new)

    def _check_kind(self, name: str) -> None:
        old, new = self._before.plan.routines[name], self._plan.routines[name]
        if (old.stateful, old.keyed, old.scope) != (new.stateful, new.keyed, new.scope):
            self._fault(f"messages wait for {name!r}, whose state is declared another way now: nobody knows their home")
        if self._before.schemas.get(name) != self._schemas.get(name) and new.stateful:
            self._check_schema(name)

    def _check_schema(self, name: str) -> None:
        old, new = self._before.schemas.get(name), self._schemas.get(name)
        if old != new:
            self._fault(f"the state of {name!r} was {old}, it is {new} now")

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
                "place": list(place), "queues": {}, "order": [], "rows": {}, "rest_until": 0.0, "held": {}, "kept": {},
                "cold": True, "forget": [],
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
        if name not in self._plan.routines:
            self._fault(f"state of {name!r} is kept, which is no more")
            return
        self._check_kind(name)
        lane = self._lane(made, self._plan.routines[name].group, partition)
        lane["kept"].setdefault(job, []).append([self._routines[routine], cell, body])

    # ---- jobs ----------------------------------------------------------------------------------------------------

    def _job(self, job: dict[str, Any], ended: bool = False) -> dict[str, Any]:
        places = {} if ended else dict(self._places.get(job["id"], {}))
        for group, partition in job["lanes"]:  # where it has been: it may have something to finish there
            for new in self._homes_of(group):
                places[new, partition] = None
        return {
            **job,
            "outputs": self._blocks(job["outputs"], waits=False),
            "letters": [Letter(letter.failure, self._block(letter.block)) for letter in job["letters"]],
            "counts": {self._routines[i]: values for i, values in job["counts"].items() if i in self._routines},
            "lanes": [list(place) for place in places],
            "sleeping": {number: self._block(block) for number, block in job["sleeping"].items()},
            "stage": 0 if job["stage"] == 0 else self._stage(job["stage"]),
            # A checkpoint is of one version; going back beyond a change of code is not possible.
            "checkpoints": {},
        }

    def _homes_of(self, group: int) -> list[int]:
        """Return the stateful groups that the routines of a stateful group are in now."""
        if self._before.plan.groups[group].kind is not GroupKind.SHARDS:
            return []
        found = {
            self._plan.routines[name].group
            for name in self._before.plan.groups[group].routines
            if name in self._plan.routines
        }
        return sorted(new for new in found if self._plan.groups[new].kind is GroupKind.SHARDS)

    def _stage(self, stage: int) -> int:
        if self._before.plan.stages != self._plan.stages:
            self._fault("the job is finishing, and what has a finish() has changed")
        return stage
