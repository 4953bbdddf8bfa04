"""What has to be known of a routine before it can be placed."""

from __future__ import annotations

from dataclasses import dataclass

from routilux_dist.flow import activation
from routilux_dist.flow.calls import functions, is_async
from routilux_dist.flow.options import Options
from routilux_dist.flow.routine import Routine


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about one routine.

    Attributes:
        logic_slots: Slots that go to `logic`, in declaration order.
        stateful: Why the routine has state; empty for stateless ones.
        has_open: Whether it acquires resources per process.
    """

    id: str
    routine: Routine
    logic_slots: tuple[str, ...]
    stateful: tuple[str, ...]
    keyed: bool
    scope: str
    has_finish: bool
    flushes: bool
    has_open: bool
    is_async: bool
    options: Options
    policy: activation.Policy

    @property
    def label(self) -> str:
        """Name of the function or class."""
        return self.routine.name or type(self.routine).__name__


def look(routine_id: str, routine: Routine) -> Facts:
    """Gather the facts about a routine."""
    declared = routine._declared
    logic_slots = tuple(name for name, slot in declared.slots.items() if slot.handler is None)
    has_finish = type(routine).finish is not Routine.finish
    return Facts(
        id=routine_id,
        routine=routine,
        logic_slots=logic_slots,
        stateful=tuple(_why_stateful(routine, logic_slots, has_finish)),
        keyed=declared.state is not None and declared.state.key is not None,
        scope=declared.state.scope if declared.state is not None else "job",
        has_finish=has_finish,
        flushes=isinstance(declared.policy, (activation.Batch, activation.Every)) and bool(logic_slots),
        has_open=type(routine).open is not Routine.open,
        is_async=any(is_async(f) for f in functions(routine)),
        options=declared.options,
        policy=declared.policy,
    )


def _why_stateful(routine: Routine, logic_slots: tuple[str, ...], has_finish: bool) -> list[str]:
    declared = routine._declared
    reasons = []
    if declared.state is not None:
        by = "" if declared.state.key is None else " by key"
        reasons.append(f"it keeps state per {'job' if declared.state.scope == 'job' else 'running flow'}{by}")
    if has_finish:
        reasons.append("it has finish()")
    merging = [slot.name for slot in declared.slots.values() if slot.merge is not None]
    if merging:
        reasons.append(f"slot {', '.join(merging)} merges")
    if logic_slots and not activation.is_direct(declared.policy, len(logic_slots)):
        if isinstance(declared.policy, activation.AllReady):
            reasons.append(f"logic joins {len(logic_slots)} slots")
        else:
            reasons.append(f"policy {declared.policy} keeps messages waiting")
    return reasons
