"""What the commands about saved jobs do."""

from __future__ import annotations

import contextlib
import logging
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routilux_dist.cli import outcomes, reading, running, writing
from routilux_dist.cli.loading import load_flow
from routilux_dist.cli.outcomes import Exit
from routilux_dist.errors import ConfigurationError

if TYPE_CHECKING:
    from routilux_dist.checkpoint.options import Checkpoint
    from routilux_dist.client.job import Job
    from routilux_dist.client.results import DeadLetter
    from routilux_dist.client.runtime import Runtime
    from routilux_dist.wire.failure import Failure

#: Seconds in which the news of a job that has ended come.
NEWS_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked of `submit` or `recover`."""

    flow: str
    checkpoint: str
    job_id: str | None = None
    inputs: tuple[str, ...] = ()
    entry: str | None = None
    detach: bool = False
    durability: str = "group"
    key_file: str | None = None
    backend: str = "ray"
    address: str | None = None
    namespace: str = "routilux"
    workers: int | None = None
    output: str = "-"
    use_repr: bool = False
    quiet: bool = False
    retry_failed: bool = False
    force: bool = False

    def checked(self) -> Checkpoint:
        """Return where the job is saved, and how."""
        from routilux_dist.checkpoint.options import Checkpoint

        return Checkpoint(self.checkpoint, durability=self.durability, key=key_from(self.key_file))

    def recovering(self, job_id: str | None) -> str:
        """Return the command that goes on with the job."""
        words = ["routilux-dist", "recover", self.checkpoint, self.flow]
        for option, value, default in (
            ("--job-id", job_id, None),
            ("--key", self.key_file, None),
            ("--backend", self.backend, "ray"),
            ("--address", self.address, None),
            ("--namespace", self.namespace, "routilux"),
        ):
            if value is not None and value != default:
                words += [option, value]
        return shlex.join(words)


def key_from(file: str | None) -> bytes | None:
    """Return the secret in a file, without the line end."""
    return None if file is None else Path(file).read_bytes().rstrip(b"\r\n")


def submit(request: Request) -> Exit:
    """Start a saved job; wait for it and write its results, unless it is detached."""
    from routilux_dist.client.worker import check_job_id

    if len(request.inputs) > 1:
        raise ConfigurationError("a saved job begins with one message: give --input once; for several use run")
    job_id = check_job_id(request.job_id)
    writer = writing.Writer(request.output, use_repr=request.use_repr)
    with contextlib.redirect_stdout(sys.stderr):
        message = next(iter(reading.messages(request.inputs, "json", content=False)), None)
        flow = load_flow(request.flow)
        if request.entry is None:
            flow.compile(ship=request.backend == "ray")
        else:
            flow.entry_slot(request.entry)
        with _place(request, job_id) as runtime:
            job = runtime.submit(
                flow, message, entry=request.entry, job_id=job_id, checkpoint=request.checked(), detached=request.detach
            )
            return _through(request, job, writer)


def recover(request: Request) -> Exit:
    """Go on with a saved job; wait for it and write its results, unless it is detached."""
    from routilux_dist.client import progress

    writer = writing.Writer(request.output, use_repr=request.use_repr)
    with contextlib.redirect_stdout(sys.stderr):
        flow = load_flow(request.flow)
        with _place(request, request.job_id) as runtime:
            job = runtime.recover(
                request.checked(), flow, job_id=request.job_id, detached=request.detach, force=request.force
            )
            if request.retry_failed:
                progress.wait(job)
                job = job.retry_failed()
            return _through(request, job, writer)


def _through(request: Request, job: Job, writer: writing.Writer) -> Exit:
    if request.detach:
        if not request.quiet:
            outcomes.tell(f"it runs on the cluster; see routilux-dist status {job.job_id}, or result, pause, cancel")
        writer.write(job.job_id)
    else:
        outputs = running.watched(job, quiet=request.quiet)
        writer.write(outputs, indent=2)
    writer.close()
    return Exit.OK


@contextlib.contextmanager
def _place(request: Request, job_id: str | None) -> Iterator[Runtime]:
    """Open the runtime; an interrupt lets what is running be committed, a second one does not wait for that."""
    from routilux_dist.driver.session import DRAIN_SECONDS

    logging.getLogger("routilux_dist").addHandler(logging.NullHandler())  # what it says of open jobs is said here
    runtime = running.open_runtime(
        request.backend, request.address, request.workers, quiet=request.quiet, namespace=request.namespace
    )
    try:
        yield runtime
    except KeyboardInterrupt:
        go_on = f"go on with: {request.recovering(job_id)}"
        try:
            outcomes.tell(
                f"stopping: what is running has {DRAIN_SECONDS:g} s to be finished and saved; once more stops at once\n{go_on}"
            )
            runtime.shutdown()
        except KeyboardInterrupt as again:
            outcomes.tell(f"stopped at once: what was running will be run again\n{go_on}")
            outcomes.leave_at_once(again)
        raise
    except BaseException:
        runtime.shutdown()
        raise
    runtime.shutdown()


# ---- jobs of a cluster -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def connected(address: str | None, namespace: str) -> Iterator[Runtime]:
    """Connect to a cluster that is there: none is started to look for a job in it."""
    with (
        contextlib.redirect_stdout(sys.stderr),
        running.open_runtime("ray", address or "auto", None, quiet=True, namespace=namespace) as runtime,
    ):
        yield runtime


@contextlib.contextmanager
def attached(job_id: str, address: str | None, namespace: str) -> Iterator[Job]:
    """Find a job of a cluster; of one that has ended everything is known."""
    from routilux_dist.observe import progress

    with connected(address, namespace) as runtime:
        job = runtime.attach(job_id)
        if progress.has_ended(job.state()):
            job.wait_for_completion(NEWS_SECONDS)
        yield job


def states_in(url: str, key_file: str | None, run: str | None = None) -> dict[str, dict[str, Any]]:
    """Return the jobs in a store, by run: id -> state. What cannot be read is told and left out."""
    from routilux_dist.checkpoint.inspection import list_runs
    from routilux_dist.checkpoint.stores import open_store
    from routilux_dist.client import saving
    from routilux_dist.errors import CheckpointError

    found: dict[str, dict[str, Any]] = {}
    for name in list_runs(open_store(url)) if run is None else [run]:
        try:
            found[name] = saving.jobs_in(url, name, key_from(key_file))
        except CheckpointError as exc:
            if run is not None:
                raise
            outcomes.tell(f"{name}: {exc}")
    return found


def status_of(
    job_id: str, url: str | None, key_file: str | None, address: str | None, namespace: str
) -> dict[str, Any]:
    """Return a job's state, from its cluster or from where it is saved."""
    if url is None:
        with attached(job_id, address, namespace) as job:
            return job.state()
    jobs = states_in(url, key_file, job_id)[job_id]
    if job_id not in jobs:
        raise ConfigurationError(
            f"{url} holds {job_id!r} as a running flow with {len(jobs)} jobs: see routilux-dist inspect {url} {job_id}"
        )
    return dict(jobs[job_id])


# ---- as text ---------------------------------------------------------------------------------------------------------


def run_lines(jobs: Mapping[str, Any], name: str) -> Iterator[str]:
    """Say what the jobs of a run are like."""
    from routilux_dist.observe import progress

    if not jobs:
        yield f"{name}: no jobs"
    for job_id, state in jobs.items():
        yield f"{name if job_id == name else f'{name} / {job_id}'}: {progress.headline(state)}"


def state_lines(state: Mapping[str, Any]) -> Iterator[str]:
    """Say what a job is like."""
    from routilux_dist.observe import progress

    yield progress.headline(state)
    if state["waits_for"]:
        yield f"  {state['waits_for']}"
    for row in progress.rows(state, progress.Meter().rates(state)):
        busy = [f"{row.running:,} running"] * bool(row.running) + [f"{row.queued:,} queued"] * bool(row.queued)
        errors = [progress.counted(row.errors, "error")] * bool(row.errors)
        yield f"  {row.routine}: {', '.join([f'{row.done:,} done', *busy, *errors])}"


def file_lines(described: Mapping[str, Any]) -> Iterator[str]:
    """Say what the files of a run are like."""
    from routilux_dist.observe.progress import counted

    yield (
        f"  {counted(described['epoch'], 'writer')} so far; {counted(described['blobs'], 'blob')}; "
        f"{described['bytes']:,} bytes of log and snapshots"
    )
    if described["damage"]:
        yield f"  damaged: {described['damage']}"
    else:
        yield f"  {counted(described['seq'], 'record')}, {described['replay']:,} of them after the newest snapshot"
    for segment in described["segments"]:
        records = "" if segment["records"] is None else f", {counted(segment['records'], 'record')}"
        yield f"  {segment['file']}: {segment['state']}{records}, {segment['bytes']:,} bytes"
    for snapshot in described["snapshots"]:
        name = f" {snapshot['name']!r}" if snapshot["name"] else ""
        yield f"  {snapshot['file']}: {snapshot['state']},{name} up to record {snapshot['seq']:,}, {snapshot['bytes']:,} bytes"
    for note in described["notes"]:
        yield f"  note: {note}"


def letter_line(place: int, letter: DeadLetter | Failure, *, payload: Any, error: str, message: str) -> dict[str, Any]:
    """Return a dead letter as plain data, whether a cluster or a store tells of it."""
    return {
        "place": place,
        "routine": letter.routine,
        "slot": letter.slot,
        "payload": payload,
        "error": error,
        "error_type": letter.error_type,
        "attempts": letter.attempts,
        "message": message,
        "traceback": letter.traceback,
    }


def overview_line(name: str, overview: Mapping[str, Any] | None) -> str:
    """Say what a running flow of a cluster is doing."""
    if overview is None:
        return f"{name}: does not answer"
    statuses = list(overview["jobs"].values())
    if list(overview["jobs"]) == [name]:
        return f"{name}: {overview['flow']}: {statuses[0]}"
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    return f"{name}: {overview['flow']}: a running flow, {f'jobs: {counts}' if counts else 'no jobs'}"
