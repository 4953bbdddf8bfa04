"""Dead letters once more: in the caller's process, under a debugger, or as lines of text."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from routilux_dist.checkpoint.inspection import list_runs
from routilux_dist.checkpoint.options import Checkpoint, as_checkpoint
from routilux_dist.checkpoint.stores import open_store
from routilux_dist.client.results import DeadLetter, revive
from routilux_dist.compiler.compile import compile_flow
from routilux_dist.driver import changes, messages
from routilux_dist.driver.messages import Message
from routilux_dist.errors import CheckpointError, ConfigurationError, StateError
from routilux_dist.flow import checks, naming
from routilux_dist.flow.model import FlowModel
from routilux_dist.flow.routine import Routine, replica
from routilux_dist.plan.plan import Plan, PortKind, RoutinePlan
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Packed, Rows
from routilux_dist.wire.slices import JobNote
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
    cells = () if source.seen is None else (source.seen,)
    block = source.block._replace(attempt=letter.attempts, origin=letter.message)
    return _ready(flow, letter.routine, source.kind, source.slot)(block, source.note, cells)


def replay_saved(
    checkpoint: Checkpoint | str, message: str, flow: FlowModel, *, job_id: str | None = None, new_state: bool = False
) -> dict[str, list[Any]]:
    """Run the activation of a message of a saved job, here and now, as `replay` does: for a debugger.

    The job may run, have ended, or be gone with its cluster: what is saved is read, nothing of it is taken over or changed. Where
    the journal does not have all that the activation saw, the logger `routilux_dist` says so.

    Args:
        checkpoint: Where the job is saved: a path, URL or `rd.Checkpoint`.
        message: What the message is called, such as "nightly/17.0": see `routilux-dist inspect`, `DeadLetter.message`, or
            `rd.current_job().idempotency_key`. It may have died, wait, run, or be done since the oldest snapshot that is kept.
        flow: Its flow, or a mended one with a routine of the same id and state.
        job_id: What the job is saved as; not needed where it is the job in the message's name, or the only one there.
        new_state: Whether it sees a new state instead of the saved one.

    Returns:
        What it emitted: {event: [payloads]}.

    Raises:
        BaseException: What the routine raises, as it is.
        CheckpointError: Nothing is saved there, or it is damaged.
        ConfigurationError: The flow has no such routine or slot any more, or its state is declared another way.
        StateError: There is no such message, or the state that it saw is not known any more.
    """
    found = saved_message(checkpoint, message, job_id)
    run = ready(found, flow, new_state=new_state)
    if nearly := found.nearly():
        logging.getLogger("routilux_dist").warning("%s: %s", found.name, nearly)
    return run()


def saved_message(checkpoint: Checkpoint | str, message: str, job_id: str | None = None) -> Message:
    """Find a message in what is saved; see `replay_saved`."""
    checks.refuse("rd.replay_saved", [checks.text("message", message, example="nightly/17.0")])
    place = as_checkpoint(checkpoint)
    if place is None:
        raise ConfigurationError("rd.replay_saved: say where the job is saved, such as 'ckpt/'")
    if job_id is None:
        runs = list_runs(open_store(place.url))
        named = message.partition("/")[0]
        if named not in runs and len(runs) != 1:
            held = f"{len(runs)} jobs; say which with job_id=: {', '.join(runs)}" if runs else "nothing that was saved"
            raise CheckpointError(f"{place.url} holds {held}")
        job_id = named if named in runs else runs[0]
    return messages.find(place, job_id, message)


def ready(found: Message, flow: FlowModel, *, new_state: bool = False) -> Callable[[], dict[str, list[Any]]]:
    """Return what runs the activation of a saved message; see `replay_saved`."""
    if found.block is None:
        raise StateError(
            f"{found.name} is no message that can be run again: an error in finish(), or a payload that could not leave its "
            f"process"
        )
    run = _ready(flow, found.routine, found.kind, found.slot)
    cells = () if new_state else found.cells
    if cells is None:
        raise StateError(
            f"the state that {found.name} saw at {found.routine!r} is not known any more: it was too large for its dead letter, "
            f"and the log has no slice with it. new_state=True (--new-state) runs it with a new state"
        )
    then, now = found.schema, changes.schemas(flow.routines)[found.routine]
    differs = [what for what in now if then.get(what, now[what]) != now[what]] if cells else []
    if differs:
        raise ConfigurationError(
            f"the state of routine {found.routine!r} was saved with other {', '.join(differs)}: then "
            f"{_declared(then, differs)}; now {_declared(now, differs)}. Use the code of then, or new_state=True (--new-state)"
        )
    [payload] = codec.rows_of(found.block).payloads[found.row : found.row + 1]
    body = Rows([payload])
    attempt = found.failure.attempts if found.failure is not None else found.block.attempt
    block = found.block._replace(rows=1, body=body, part=None, attempt=attempt, origin=found.name)
    return functools.partial(run, block, found.note, cells)


def _declared(schema: Mapping[str, str], parts: Iterable[str]) -> str:
    return ", ".join(f"{part} {schema[part]}" for part in parts)


def _ready(flow: FlowModel, routine_id: str, kind: PortKind, slot: str) -> Callable[..., dict[str, list[Any]]]:
    """Return what runs (block, note, cells) by themselves.

    Raises:
        ConfigurationError: The flow has no such routine or slot.
    """
    if routine_id not in flow.routines:
        hint = naming.did_you_mean(routine_id, flow.routines, "routines")
        raise ConfigurationError(f"flow {flow.name!r} has no routine {routine_id!r}; {hint}")
    copy, plan = _alone(flow, routine_id)
    port = _port(plan.routines[routine_id], kind, slot)

    def run(block: Block, note: JobNote, cells: Sequence[Packed]) -> dict[str, list[Any]]:
        host = Host(plan, {routine_id: copy}, 0, packed=False)
        try:
            if host.broken is not None:
                raise revive(host.broken)
            return replaying.activate(host, block._replace(port=port, partition=0), note, cells)
        finally:
            host.close()

    return run


def _alone(flow: FlowModel, routine_id: str) -> tuple[Routine, Plan]:
    """Return a copy of a routine, and a plan for it alone: all its events are outputs."""
    copy: Routine = replica(flow.routines[routine_id])
    # Whoever looks at it with a debugger takes his time.
    copy._declared.options = dataclasses.replace(copy._declared.options, timeout=None)
    alone = FlowModel(flow.name, execution_mode="sequential")
    alone.add_routine(copy, routine_id)
    return copy, compile_flow(alone)


def _port(routine: RoutinePlan, kind: PortKind, slot: str) -> int:
    if kind is PortKind.LOGIC and routine.logic_port >= 0:
        return routine.logic_port
    if kind is PortKind.SLOT and slot in routine.slots:
        return routine.slots[slot]
    raise ConfigurationError(
        f"routine {routine.id!r} has no slot {slot!r} any more; {naming.did_you_mean(slot, routine.slots, 'slots')}"
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
            "message": letter.message,
            "traceback": letter.traceback,
        }
        yield json.dumps(fields)


def _shown(payload: Any) -> str:
    try:
        return repr(payload)
    except Exception as exc:  # a user's __repr__ may raise anything
        return f"<{type(payload).__name__} whose text cannot be made: {type(exc).__name__}>"
