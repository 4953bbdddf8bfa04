"""Dead letters once more: in the caller's process, under a debugger, or as lines of text."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from routilux_dist.client.results import DeadLetter, revive
from routilux_dist.compiler.compile import compile_flow
from routilux_dist.errors import ConfigurationError, StateError
from routilux_dist.flow import checks, naming
from routilux_dist.flow.model import FlowModel
from routilux_dist.flow.routine import Routine, replica
from routilux_dist.plan.plan import PortKind
from routilux_workers import replaying
from routilux_workers.host import Host


def replay(letter: DeadLetter, flow: FlowModel) -> dict[str, list[Any]]:
    """Run the activation of a dead letter again, here and now, as a plain call: set a breakpoint in the routine.

    It sees its payload, the job's metadata and data, and the state that it saw then (a new one, if that was too large to be kept
    with the letter). `open()` runs before it and `close()` after it. Nothing that it does reaches the job, there is no time-out,
    and no error strategy is asked.

    Args:
        letter: One of `job.dead_letters`.
        flow: Its flow, or a mended one with a routine of the same id.

    Returns:
        What it emitted: {event: [payloads]}.

    Raises:
        BaseException: What the routine raises, as it is.
        ConfigurationError: The flow has no such routine or slot.
        StateError: The letter is no message, such as an error in `finish()`.
    """
    given: tuple[Any, Any] = letter, flow
    checks.refuse(
        "rd.replay",
        (
            checks.instance("letter", given[0], DeadLetter, example="one of job.dead_letters"),
            checks.instance("flow", given[1], FlowModel, example="the rd.Flow that it is from"),
        ),
    )
    source = letter.source
    if source is None or not source.block.rows:
        raise StateError(
            f"the dead letter of {letter.routine}.{letter.slot} is no message that can be run again: an error in finish(), or a "
            f"payload that could not leave its process"
        )
    if letter.routine not in flow.routines:
        hint = naming.did_you_mean(letter.routine, flow.routines, "routines")
        raise ConfigurationError(f"flow {flow.name!r} has no routine {letter.routine!r}; {hint}")
    host = _alone(flow, letter.routine)
    try:
        if host.broken is not None:
            raise revive(host.broken)
        port = _port(host, letter, source.kind, source.slot)
        block = source.block._replace(port=port, partition=0, attempt=letter.attempts)
        return replaying.activate(host, block, source.note, source.seen)
    finally:
        host.close()


def _alone(flow: FlowModel, routine_id: str) -> Host:
    """Return a host of one routine, whose events are all outputs."""
    copy: Routine = replica(flow.routines[routine_id])
    # Whoever looks at it with a debugger takes his time.
    copy._declared.options = dataclasses.replace(copy._declared.options, timeout=None)
    alone = FlowModel(flow.name, execution_mode="sequential")
    alone.add_routine(copy, routine_id)
    return Host(compile_flow(alone), {routine_id: copy}, 0, packed=False)


def _port(host: Host, letter: DeadLetter, kind: PortKind, slot: str) -> int:
    routine = host.plan.routines[letter.routine]
    if kind is PortKind.LOGIC and routine.logic_port >= 0:
        return routine.logic_port
    if kind is PortKind.SLOT and slot in routine.slots:
        return routine.slots[slot]
    raise ConfigurationError(
        f"routine {letter.routine!r} has no slot {slot!r} any more; {naming.did_you_mean(slot, routine.slots, 'slots')}"
    )


def export(path: str | os.PathLike[str], job_id: str, flow: str, letters: Iterable[DeadLetter]) -> int:
    """Write dead letters to a file; return how many there are."""
    checks.refuse("job.export_letters", [checks.instance("path", path, (str, os.PathLike), example="'dead.jsonl'")])
    found = list(lines(job_id, flow, letters))
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in found)
    return len(found)


def lines(job_id: str, flow: str, letters: Iterable[DeadLetter]) -> Iterator[str]:
    """Yield dead letters as lines of JSON."""
    for letter in letters:
        fields: Mapping[str, Any] = {
            "job": job_id,
            "flow": flow,
            "routine": letter.routine,
            "slot": letter.slot,
            "payload": _shown(letter.payload),
            "error": f"{letter.error_type}: {letter.error}",
            "error_type": letter.error_type,
            "attempts": letter.attempts,
            "traceback": letter.traceback,
        }
        yield json.dumps(fields)


def _shown(payload: Any) -> str:
    try:
        return repr(payload)
    except Exception as exc:  # a user's __repr__ may raise anything
        return f"<{type(payload).__name__} whose text cannot be made: {type(exc).__name__}>"
