"""The graph: routines and the connections between their ports."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import checks, naming
from routilux_dist.flow import guards as guarding
from routilux_dist.flow.functions import as_routine
from routilux_dist.flow.guards import Guard
from routilux_dist.flow.handling import ErrorHandler
from routilux_dist.flow.ports import ERROR_EVENT
from routilux_dist.flow.routine import Routine


class ExecutionMode(str, enum.Enum):
    """How a flow's routines share the machine."""

    DISTRIBUTED = "distributed"  #: processes, on all machines of the cluster
    CONCURRENT = "concurrent"  #: threads of one process (local backend)
    SEQUENTIAL = "sequential"  #: one place, strictly first in, first out

    def __str__(self) -> str:
        return self.value


class Connection(NamedTuple):
    """One edge: an event of a routine to a slot of a routine."""

    source: str
    event: str
    target: str
    slot: str

    def __str__(self) -> str:
        return f"{self.source}.{self.event} -> {self.target}.{self.slot}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of every job of a flow; None means unbounded.

    Attributes:
        execution_timeout: Seconds from the first message of a job to its end.
        max_messages: Messages a job may accept, posted and emitted together.
        max_hops: Longest path of a message through the flow, in connections.
        max_history_size: Entries kept of a job's history; older ones go.
        history_ttl_seconds: Age at which entries of the history go.
        no_progress_timeout: Seconds a job may stand still, with work waiting and nothing running, before it fails.
    """

    execution_timeout: float | None = None
    max_messages: int | None = None
    max_hops: int | None = None
    max_history_size: int | None = 1000
    history_ttl_seconds: float | None = None
    no_progress_timeout: float | None = 600.0

    def faults(self) -> list[str]:
        """Return what is wrong, one sentence each."""
        counts = ("max_messages", "max_hops", "max_history_size")
        found = [
            checks.whole(name, value, least=1, none="no bound")
            if name in counts
            else checks.seconds(name, value, above=0)
            for name, value in ((name, getattr(self, name)) for name in self.__slots__)
        ]
        return [fault for fault in found if fault]


#: Options of a flow that are no limits.
OPTIONS = ("execution_mode", "max_workers", "entry", "error_handler")


class FlowModel:
    """Routines by id, and their connections. `routilux_dist.Flow` adds running to it."""

    def __init__(
        self,
        name: str = "flow",
        *,
        execution_mode: ExecutionMode | str = ExecutionMode.DISTRIBUTED,
        max_workers: int | None = None,
        entry: str | None = None,
        error_handler: ErrorHandler | None = None,
        **limits: Any,
    ) -> None:
        self.name = naming.check("flow", name)
        try:
            self.execution_mode = ExecutionMode(execution_mode)
        except ValueError:
            options = ", ".join(repr(str(m)) for m in ExecutionMode)
            raise ConfigurationError(
                f"flow {name!r}: execution_mode={execution_mode!r}; use one of {options}"
            ) from None
        self.max_workers = max_workers
        self.entry = entry
        self.error_handler = error_handler
        unknown = [key for key in limits if key not in Limits.__slots__]
        if unknown:
            hint = naming.did_you_mean(unknown[0], (*Limits.__slots__, *OPTIONS), "options")
            raise ConfigurationError(f"flow {name!r}: unknown option {unknown[0]!r}; {hint}")
        self.limits = Limits(**limits)
        checks.refuse(
            f"flow {name!r}",
            (
                checks.whole("max_workers", max_workers, least=1, none="the runtime's"),
                checks.text("entry", entry, example="clean.input", none="its only entry"),
                checks.instance(
                    "error_handler", error_handler, ErrorHandler, example="an rd.ErrorHandler", none="STOP"
                ),
                *self.limits.faults(),
            ),
        )
        self._routines: dict[str, Routine] = {}
        self._connections: dict[Connection, None] = {}
        self._guards: list[Guard] = []

    @property
    def routines(self) -> Mapping[str, Routine]:
        """Routines by id, in the order they were added. Read-only."""
        return MappingProxyType(self._routines)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """All connections, in the order they were made."""
        return tuple(self._connections)

    def add_routine(self, routine: Any, routine_id: str | None = None) -> str:
        """Add a routine, a routine function or a plain function; return its id.

        Args:
            routine: What to add. A function may be added many times, a routine object once.
            routine_id: Letters, digits, "_" and "-". Default: its name, or the name of its function or class.

        Raises:
            ConfigurationError: The id is taken or not allowed, or the routine belongs to a flow already.
        """
        added = as_routine(routine)
        if routine_id is None:
            routine_id = naming.suggest_name(added.name or type(added).__name__)
        naming.check("routine", routine_id)
        declared = added._declared
        if routine_id in self._routines:
            raise ConfigurationError(
                f"flow {self.name!r} has a routine {routine_id!r} already; ids are unique: "
                f"add it under another one, such as {self.free_id(routine_id)!r}"
            )
        if declared.flow is not None:
            raise ConfigurationError(
                f"routine {declared.id!r} belongs to flow {declared.flow.name!r} already; "
                f"a routine object is part of one flow: make another {type(added).__name__}"
            )
        declared.flow, declared.id = self, routine_id
        self._routines[routine_id] = added
        return routine_id

    def connect(self, source: str, target: str, *ports: str) -> FlowModel:
        """Connect an event to a slot: `connect("a.output", "b.input")` or `connect("a", "output", "b", "input")`.

        Connecting twice is the same as once. Returns the flow.

        Raises:
            ConfigurationError: A routine or port does not exist.
        """
        if len(ports) == 2:
            source, target = f"{source}.{target}", f"{ports[0]}.{ports[1]}"
        elif ports:
            raise ConfigurationError(
                f"connect takes ('routine.event', 'routine.slot') or (routine, event, routine, slot), "
                f"got {2 + len(ports)} words"
            )
        source_id, event = self._split(source, "event")
        target_id, slot = self._split(target, "slot")
        self.routine(source_id).get_event(event)
        self.routine(target_id).get_slot(slot)
        self._connections[Connection(source_id, event, target_id, slot)] = None
        return self

    def pipe(self, *routine_ids: str) -> FlowModel:
        """Connect routines in a row, default event to default slot. Returns the flow.

        Raises:
            ConfigurationError: A routine does not exist or has no default port.
        """
        if len(routine_ids) < 2:
            raise ConfigurationError(f"pipe connects two or more routines, got {len(routine_ids)}")
        for source, target in itertools.pairwise(routine_ids):
            self.connect(f"{source}.{self.default_event(source)}", f"{target}.{self.default_slot(target)}")
        return self

    def set_error_handler(self, handler: ErrorHandler) -> None:
        """Set what happens when a routine without a handler of its own raises."""
        if not isinstance(handler, ErrorHandler):
            raise ConfigurationError(f"set_error_handler takes an rd.ErrorHandler, got {handler!r}")
        self.error_handler = handler

    @property
    def guards(self) -> tuple[Guard, ...]:
        """What `add_validator` was given, in its order."""
        return tuple(self._guards)

    def add_validator(
        self,
        validator: Callable[[dict[str, Any]], Any] | Mapping[str, Any],
        routine: str | None = None,
        repair: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        """Say what the state of stateful routines has to be like. State that is not so is never committed.

        It is looked at in the worker, at the end of each slice that touched it. A wrong one is repaired if *repair* is given;
        else a saved job goes back to its checkpoint `last_good`, three times at most, and any other job fails.

        Args:
            validator: A function of the state, which raises, returns False or a text if it is wrong; or a JSON Schema (a dict).
            routine: Whose state; None for all routines that declare state.
            repair: Takes a wrong state and returns a right one.

        Raises:
            ConfigurationError: An argument is not allowed, or the routine has no state.
        """
        asked: Any = validator
        schema = isinstance(asked, Mapping)
        fault = "" if schema else checks.function("validator", asked, example="lambda state: state['total'] >= 0")
        wrong = checks.function("repair", repair, example="lambda state: {'total': 0}", none="going back to last_good")
        checks.refuse("add_validator", [fault, wrong])
        if schema:
            guarding.by_schema(asked)
        if routine is not None and self.routine(routine)._declared.state is None:
            raise ConfigurationError(
                f"add_validator: routine {routine!r} declares no state; declare it with add_state(…), or name another routine"
            )
        self._guards.append(Guard(asked, routine, repair))

    def routine(self, routine_id: str) -> Routine:
        """Return a routine by id.

        Raises:
            ConfigurationError: There is none.
        """
        try:
            return self._routines[routine_id]
        except (KeyError, TypeError):
            hint = naming.did_you_mean(str(routine_id), self._routines, "routines")
            raise ConfigurationError(f"flow {self.name!r} has no routine {routine_id!r}; {hint}") from None

    def default_event(self, routine_id: str) -> str:
        """Return the only event of a routine, or "output"."""
        return _default(self.routine(routine_id)._declared.events, "output", routine_id, "event")

    def default_slot(self, routine_id: str) -> str:
        """Return the only slot of a routine, or "input"."""
        return _default(self.routine(routine_id)._declared.slots, "input", routine_id, "slot")

    def entries(self) -> list[str]:
        """Return the routines without incoming connections."""
        fed = {c.target for c in self._connections}
        return [r for r in self._routines if r not in fed]

    def entry_slot(self, entry: str | None = None) -> tuple[str, str]:
        """Return (routine, slot) where a message enters.

        Args:
            entry: "routine.slot" or "routine"; default: the flow's `entry=`, else its only routine without incoming
                connections.

        Raises:
            ConfigurationError: It does not exist, or is not unique.
        """
        entry = entry if entry is not None else self.entry
        checks.refuse("", [checks.text("entry", entry, example="clean.input", none="the only entry")])
        if entry is None:
            candidates = self.entries()
            if len(candidates) != 1:
                raise ConfigurationError(self.entry_fault(candidates))
            entry = candidates[0]
        if "." in entry:
            routine_id, slot = self._split(entry, "slot")
            self.routine(routine_id).get_slot(slot)
            return routine_id, slot
        return entry, self.default_slot(entry)

    def entry_fault(self, candidates: list[str]) -> str:
        """Say why the entry is not unique."""
        if not self._routines:
            return f"flow {self.name!r} is empty: add routines with flow.add_routine(…)"
        which = (
            f"{len(candidates)} routines have no incoming connection ({', '.join(candidates)})"
            if candidates
            else "every routine has an incoming connection"
        )
        example = (candidates or list(self._routines))[0]
        return (
            f"flow {self.name!r}: the entry is not unique: {which}; "
            f"say where messages enter: rd.Flow(…, entry={example!r}) or entry= when running it"
        )

    def free_id(self, wanted: str) -> str:
        """Return `wanted`, or with a number behind it if a routine is called so."""
        number, free = 1, wanted
        while free in self._routines:
            number += 1
            free = f"{wanted}_{number}"
        return free

    def fingerprint(self) -> tuple[object, ...]:
        """Return something that changes whenever the flow is changed."""
        changes = sum(r._declared.changes for r in self._routines.values())
        shape = (len(self._routines), len(self._connections), changes)
        return (
            *shape,
            len(self._guards),
            self.error_handler,
            self.entry,
            self.execution_mode,
            self.max_workers,
            self.limits,
        )

    def _split(self, path: Any, kind: str) -> tuple[str, str]:
        routine_id, _, port = path.partition(".") if isinstance(path, str) else ("", "", "")
        if not routine_id or not port or "." in port:
            raise ConfigurationError(
                f"{path!r} does not name {'an' if kind == 'event' else 'a'} {kind}: write 'routine.{kind}'"
            )
        return routine_id, port

    def __repr__(self) -> str:
        sizes = f"{len(self._routines)} routines, {len(self._connections)} connections"
        return f"<{type(self).__name__} {self.name!r}: {sizes}>"


def _default(ports: Mapping[str, Any], preferred: str, routine_id: str, kind: str) -> str:
    names = [p for p in ports if p != ERROR_EVENT or kind == "slot"]
    if len(names) == 1:
        return names[0]
    if preferred in names:
        return preferred
    raise ConfigurationError(
        f"routine {routine_id!r} has no default {kind}: it has {len(names)} ({', '.join(names) or 'none'}) "
        f"and none is called {preferred!r}; name it: '{routine_id}.{kind}'"
    )
