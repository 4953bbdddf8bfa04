"""Builds what a host runs: a step for each port of its group, and the way from every event to who receives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from types import GeneratorType
from typing import Any

from routilux_dist.flow import handling
from routilux_dist.flow.calls import functions, handler_of, is_async, logic_of
from routilux_dist.flow.functions import FunctionRoutine
from routilux_dist.flow.handling import ErrorHandler
from routilux_dist.flow.routine import Routine
from routilux_dist.plan.plan import GroupKind, Plan, PortKind, RoutinePlan
from routilux_workers.activity import Activity
from routilux_workers.combining import CombiningOutbox, Refusal
from routilux_workers.outbox import KeyedOutbox, Outbox
from routilux_workers.stateful import StatefulRoutine
from routilux_workers.steps import Routes, Step, as_call, make_emit, make_returned, sole_receiver
from routilux_workers.timing import Watchdog
from routilux_workers.waiting import Loop


class Wiring:
    """Steps, outboxes and stateful routines of a host.

    Args:
        plan: The plan.
        routines: Copies of all routines of the flow; those of other groups are only asked for their state's key.
        group: Index of the host's group.
        partition: Home that the host is.
        partitions: Number of homes, by group index.
        activity: The host's activity; effects of steps go there.
        loop: Waits for async functions where they are served one by one.
        watchdog: Ends calls that take longer than their routine may.
        flow_handler: What to do about errors of routines without a handler of their own.
        clock: Seconds that go on, for time-driven policies.
    """

    def __init__(  # noqa: PLR0913 - called by the host alone
        self,
        plan: Plan,
        routines: Mapping[str, Routine],
        group: int,
        partition: int,
        partitions: Mapping[int, int],
        activity: Activity,
        loop: Loop,
        watchdog: Watchdog,
        flow_handler: ErrorHandler | None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.plan, self.routines, self.activity, self.loop, self.watchdog = plan, routines, activity, loop, watchdog
        self.group, self.clock = plan.groups[group], clock
        self.partition, self.partitions = partition, partitions
        self.flow_handler = flow_handler
        self.steps: dict[int, Step] = {}
        self.stateful: list[StatefulRoutine] = []
        #: Finish or wake port -> (stateful routine, step that flushes, step that finishes).
        self.endings: dict[int, tuple[StatefulRoutine, Step, Step]] = {}
        #: Outboxes by port, and those that hold something.
        self.outboxes: dict[int, Outbox] = {}
        self.opened: list[Outbox] = []
        #: What could not be combined in this slice.
        self.refused: list[Refusal] = []
        #: What is done about errors of the group's routines.
        self.handlers = {routine_id: self._handler(routines[routine_id]) for routine_id in self.group.routines}
        for routine_id in self.group.routines:
            self._add(plan.routines[routine_id], routines[routine_id])
        self._connect()

    def _add(self, plan: RoutinePlan, routine: Routine) -> None:
        handler = self.handlers[plan.id]
        stateful: StatefulRoutine | None = None
        if plan.stateful:
            logic_step = self._step(plan, routine, handler, plan.logic_port, "logic")
            stateful = StatefulRoutine(routine, plan, self.activity, self.clock, logic_step.returned)
            self.stateful.append(stateful)
            logic = stateful.logic
            logic_step.call = self._finished(routine, logic_step, stateful.run_again, logic)
            stateful.logic = self._finished_logic(routine, stateful.logic)
            logic_step.stateful = stateful
        for name, port in plan.slots.items():
            step = self._step(plan, routine, handler, port, name)
            if stateful is not None:
                function = handler_of(routine, routine._declared.slots[name]) or logic_of(routine)
                step.stateful = stateful
                step.call = self._finished(routine, step, stateful.slot_call(name), function)
            else:
                self._stateless(plan, routine, step)
        if stateful is not None:
            flush = self._step(plan, routine, handler, plan.wake_port, "logic")
            finish = self._step(plan, routine, handler, plan.finish_port, "finish")
            flush.call = self._finished(routine, flush, stateful.flush, logic_of(routine))
            finish.call = self._finished(routine, finish, stateful.finish, routine.finish)
            for control in (flush, finish):
                control.control, control.stateful = True, stateful
            self.endings[plan.finish_port] = self.endings[plan.wake_port] = (stateful, flush, finish)

    def _handler(self, routine: Routine) -> ErrorHandler:
        declared = routine._declared
        return handling.effective(declared.handler, declared.options.retries, self.flow_handler)

    def _step(self, plan: RoutinePlan, routine: Routine, handler: ErrorHandler, port: int, slot: str) -> Step:
        step = self.steps[port] = Step(port, slot, plan.id, plan.index, handler)
        step.returned = make_returned(step, routine, self.activity)
        return step

    def _stateless(self, plan: RoutinePlan, routine: Routine, step: Step) -> None:
        slot = routine._declared.slots[step.slot]
        function = handler_of(routine, slot)
        if function is not None:
            call = as_call(function, plan.id, single=True)
        else:
            function = logic_of(routine)
            assert function is not None, f"{plan.id}.{step.slot} has no code; validate() reports that"
            names = [n for n, s in routine._declared.slots.items() if s.handler is None]
            if len(names) == 1:
                call = as_call(function, plan.id, single=not isinstance(routine, FunctionRoutine))
            else:  # immediate(): the other slots get None
                call = _spread(function, names.index(step.slot), len(names))
        if self.group.is_async:
            step.call, step.timeout = call, routine._declared.options.timeout
        else:
            step.call = self._finished(routine, step, call, function)

    def _finished(
        self, routine: Routine, step: Step, call: Callable[[Any], Any], function: Callable[..., Any] | None
    ) -> Callable[[Any], Any]:
        """Wrap a step's call of a function so that it is over when it returns: async ones are waited for, time-outs are kept.

        The loop keeps the time of async functions, and has the watchdog guard their steps.
        """
        timeout, label = routine._declared.options.timeout, routine._label
        if timeout is not None and not (function is not None and is_async(function)):
            call = self.watchdog.guard(_running_generators(step, call), timeout, label)
        if any(is_async(f) for f in (*functions(routine), routine.finish)):
            call = self.loop.waiting(call, timeout, label)
        return call

    def _finished_logic(self, routine: Routine, logic: Callable[..., Any] | None) -> Callable[..., Any] | None:
        # Logic that a stateful routine calls itself, beyond the call that a step makes.
        if logic is None or not is_async(logic):
            return logic
        return self.loop.waiting(logic, routine._declared.options.timeout, routine._label)

    def _connect(self) -> None:
        track = any(s.has_state for s in self.stateful)
        for stateful in self.stateful:
            stateful.track = track
        routes: dict[str, Routes] = {}
        for routine_id in self.group.routines:
            events = self.plan.routines[routine_id].events
            routes[routine_id] = {event: self._targets(ports) for event, ports in events.items()}
        for step in self.steps.values():
            step.routes = routes[step.routine_id]
            step.sole = sole_receiver(step, self.routines[step.routine_id])
        if not self.group.is_async:  # there, activations interleave and each finds its own activity
            for routine_id in self.group.routines:
                self.routines[routine_id].__dict__["emit"] = make_emit(routine_id, routes[routine_id], self.activity)

    def _targets(self, ports: tuple[int, ...]) -> tuple[tuple[Step, ...], tuple[Outbox, ...]]:
        local: list[Step] = []
        outboxes: list[Outbox] = []
        for port in ports:
            target = self.plan.ports[port]
            here = target.group == self.group.index
            if here and (self.group.kind is GroupKind.SOLO or not self.plan.routines[target.routine].stateful):
                local.append(self.steps[port])
            else:
                outboxes.append(self.outbox(port))
        return tuple(local), tuple(outboxes)

    def outbox(self, port: int) -> Outbox:
        """Return the outbox of a port; there is one for all events that lead to it."""
        if port in self.outboxes:
            return self.outboxes[port]
        target = self.plan.ports[port]
        routine = self.plan.routines[target.routine]
        if target.kind is PortKind.OUTPUT or not routine.stateful or self.group.kind is GroupKind.SOLO:
            outbox = Outbox(port, target.kind is PortKind.OUTPUT, self.opened)
        else:
            declared = self.routines[target.routine]._declared
            combine = declared.slots[target.name].combine if target.kind is PortKind.SLOT else None
            make: Callable[..., KeyedOutbox] = KeyedOutbox
            if combine is not None:
                make = partial(CombiningOutbox, combine=combine, refused=self.refused)
            outbox = make(
                port,
                self.opened,
                key=declared.state.key if declared.state is not None else None,
                partitions=self.partitions.get(target.group, 1),
                per_job=routine.scope == "job",
                home=(self.partition, self.steps[port]) if target.group == self.group.index else None,
            )
        self.outboxes[port] = outbox
        return outbox


def _running_generators(step: Step, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap a step's call so that a generator runs within it, which is where its code is."""

    def run(payload: Any) -> Any:
        result = call(payload)
        if type(result) is not GeneratorType:
            return result
        step.returned(result)
        return None

    return run


def _spread(function: Callable[..., Any], place: int, width: int) -> Callable[[Any], Any]:
    before, after = (None,) * place, (None,) * (width - place - 1)
    return lambda value: function(*before, value, *after)
