"""`inspect` and `replay`: what a store holds, message by message, and one of them once more in this process."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routilux_dist.checkpoint.inspection import inspect, list_runs
from routilux_dist.checkpoint.options import Checkpoint
from routilux_dist.checkpoint.stores import open_store
from routilux_dist.cli import saving, writing
from routilux_dist.cli.loading import load_flow
from routilux_dist.cli.outcomes import Exit, tell
from routilux_dist.client import replaying
from routilux_dist.driver import looking, messages
from routilux_dist.errors import CheckpointError, SerializationError
from routilux_dist.plan.plan import PortKind
from routilux_dist.wire import codec
from routilux_dist.wire.block import Form, Packed

if TYPE_CHECKING:
    from routilux_dist.driver.messages import Message

#: Messages of a run that `inspect` shows unless it is asked for all of them.
SHOWN = 20


def inspected(url: str, run: str | None, key_file: str | None) -> dict[str, dict[str, Any]]:
    """Return what a store holds, by run: its jobs, the first of its messages, and what its files are like."""
    store = open_store(url)
    runs = [run] if run is not None else list_runs(store)
    if not runs:
        raise CheckpointError(f"{store.url} holds nothing that was saved; look at the path")
    found = {name: inspect(store, name, saving.key_from(key_file)) for name in runs}
    for name, described in found.items():
        past = None if described["damage"] else looking.past_of(url, name, saving.key_from(key_file))
        described["jobs"] = {} if past is None else looking.states(past.machine)
        first = [] if past is None else itertools.islice(messages.listed(past.machine), SHOWN)
        described["messages"] = [message_line(one) for one in first]
    return found


def every(url: str, run: str | None, key_file: str | None) -> Iterator[dict[str, Any]]:
    """Yield every message that the journals in a store know."""
    for name in [run] if run is not None else list_runs(open_store(url)):
        # Nothing that is pickled is opened, so it may be there.
        place = Checkpoint(url, key=saving.key_from(key_file), allow_pickle=True)
        for one in messages.every(place, name):
            yield message_line(one)


def letters(url: str, run: str, key_file: str | None) -> Iterator[dict[str, Any]]:
    """Yield the dead letters of the jobs of a run, as `letters` does for those of a cluster."""
    past = looking.past_of(url, run, saving.key_from(key_file))
    of_job = past is not None and past.machine.find(run) is not None
    found = (
        [] if past is None else [(one, one.failure) for one in messages.listed(past.machine) if one.failure is not None]
    )
    for place, (one, failure) in enumerate(pair for pair in found if not of_job or pair[1].job == run):
        payload = _payload(one)
        shown = failure.payload if payload is None else payload
        yield saving.letter_line(place, failure, payload=shown, error=failure.message, message=one.name)


def _payload(message: Message) -> Any:
    """Return the payload, or None if opening it takes code: of a pickle, or of a type that only the user's code knows."""
    block = message.block
    if block is None or not isinstance(block.body, Packed) or block.body.form != Form.TYPED:
        return None
    with contextlib.suppress(SerializationError):
        payload = codec.rows_of(block).payloads[message.row]
        return payload[1] if message.kind is PortKind.LOGIC else payload
    return None


def message_line(message: Message) -> dict[str, Any]:
    """Return what is known of a message as plain data. A payload is shown where opening it runs no code."""
    failure, payload = message.failure, _payload(message)
    shown = "" if payload is None else f"{payload!r:.200}"
    said = (
        {} if failure is None else {"error": f"{failure.error_type}: {failure.message}", "attempts": failure.attempts}
    )
    place = {"message": message.name, "status": message.status, "routine": message.routine, "slot": message.slot}
    return {**place, "payload": shown, **said}


def message_lines(described: Mapping[str, Any]) -> Iterator[str]:
    """Say what messages of a run wait, run or have died."""
    for one in described["messages"]:
        error = f": {one['error']}" if "error" in one else ""
        where = f"{one['status']} at {one['routine']}.{one['slot']}"
        yield f"  message {one['message']}: {where}, {one['payload'] or 'closed'}{error}"
    counts = [state["messages"] for state in described["jobs"].values()]
    rest = sum(c["dead"] + c["pending"] + c["in_flight"] for c in counts) - len(described["messages"])
    if rest > 0:
        yield f"  … {rest:,} more messages; --messages lists them, and those that are done"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked of `replay`."""

    place: Checkpoint
    message: str
    job_id: str | None
    flow: str
    new_state: bool = False
    pdb: bool = False
    use_repr: bool = False


def replay(request: Request) -> Exit:
    """Run one activation in this process; write what it emitted."""
    writer = writing.Writer(use_repr=request.use_repr)
    with contextlib.redirect_stdout(sys.stderr):
        found = replaying.saved_message(request.place, request.message, request.job_id)
        run = replaying.ready(found, load_flow(request.flow), new_state=request.new_state)
        tell(f"{found.name}: {found.status}, for {found.routine}.{found.slot}")
        if nearly := found.nearly():
            tell(f"note: {nearly}")
        try:
            emitted = run()
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # whatever the routine raises is what was asked for
            _show(exc, request.pdb)
            return Exit.FAILED
    writer.write(emitted, indent=2)
    writer.close()
    return Exit.OK


def _show(exc: BaseException, pdb: bool) -> None:
    from routilux_workers import faults

    tell(faults.user_traceback(exc).rstrip())
    if pdb:
        import pdb as debugger

        debugger.post_mortem(exc.__traceback__ or _no_frames(exc))


def _no_frames(exc: BaseException) -> Any:
    """An exception that came from elsewhere, such as one of open(), has left its frames there."""
    try:
        raise exc
    except BaseException as again:
        return again.__traceback__
