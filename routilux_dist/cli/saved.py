"""The commands about saved jobs."""

from __future__ import annotations

from typing import Any

import click

from routilux_dist.cli import options
from routilux_dist.cli.outcomes import CODES, Command, Exit, tell

DURABILITIES = click.Choice(["group", "sync", "async"])

SUBMIT_HELP = f"""Run FLOW on one message as a saved job, which outlives its processes.

\b
Run it:    routilux-dist submit flows.py --input '"to be"' --checkpoint ckpt/ --job-id nightly
Leave it:  routilux-dist submit flows.py --input @in.json --checkpoint s3://bucket/x --detach
Go on:     routilux-dist recover ckpt/ flows.py --job-id nightly

What the job has done is written down before anybody is told. When this process is lost, `recover` goes on from there; so it does
after Ctrl-C or SIGTERM: the first one lets what is running be finished, for ten seconds at most, and saves it; a second one stops
at once.

With --detach the job goes on in the cluster (Ray) without this process, and its name is written: see status, result, pause,
resume, cancel, letters. Otherwise its results are written as those of `run`: {{"routine.event": [...]}}.

{CODES}"""

RECOVER_HELP = f"""Go on with a saved job whose processes are gone, and write its results.

\b
  routilux-dist list --checkpoint ckpt/                        what is saved there
  routilux-dist recover ckpt/ flows.py:words                   the only job
  routilux-dist recover ckpt/ flows.py:words --job-id nightly  one of several
  routilux-dist recover ckpt/ flows.py:words --retry-failed    its dead letters again

URL is where the job is saved. FLOW may have changed, as long as nothing that waits and no state loses its place; else every
reason is named and nothing is touched. A job that had ended just gives its results. One that still runs elsewhere is taken over.

{CODES}"""


def saved_options(command: Any) -> Any:
    """Add the options of a job that is going to run here."""
    for option in (
        click.option(
            "--detach", is_flag=True, help="Let it run in the cluster without this process; write its name and end."
        ),
        click.option(
            "--durability",
            type=DURABILITIES,
            default="group",
            show_default=True,
            help="sync: nothing is begun before it is on disk; async: a crash may lose the last second.",
        ),
        click.option("--job-id", metavar="NAME", help="Name of the job."),
        options.KEY,
        options.NAMESPACE,
    ):
        command = option(command)
    return options.result_options(options.place_options(command))


@click.command(cls=Command, help=SUBMIT_HELP)
@options.flow_argument
@click.option(
    "--input", "inputs", multiple=True, metavar="VALUE", help="The message, JSON; @FILE and - (standard input) hold it."
)
@click.option(
    "--checkpoint", required=True, metavar="URL", help="Where it is saved: a folder, or a URL such as s3://bucket/jobs."
)
@options.ENTRY
@saved_options
def submit(**asked: Any) -> Exit:
    """Start a saved job."""
    from routilux_dist.cli import saving

    return saving.submit(saving.Request(**asked))


@click.command(cls=Command, help=RECOVER_HELP)
@click.argument("checkpoint", metavar="URL")
@options.flow_argument
@click.option("--retry-failed", is_flag=True, help="When it has ended, post its dead letters again, for their results.")
@click.option(
    "--force", is_flag=True, help="Go on also if it is quarantined, because it has killed its coordinator three times."
)
@saved_options
def recover(**asked: Any) -> Exit:
    """Go on with a saved job."""
    from routilux_dist.cli import saving

    return saving.recover(saving.Request(**asked))


@click.command("list", cls=Command)
@click.option("--checkpoint", "url", metavar="URL", help="Look into a store instead of a cluster.")
@options.KEY
@options.JSON
@options.cluster_options
def list_jobs(*, url: str | None, key_file: str | None, as_json: bool, address: str | None, namespace: str) -> None:
    r"""List the saved jobs and running flows of a cluster, or what is saved in a store.

    \b
      routilux-dist list                        what runs in the cluster
      routilux-dist list --checkpoint ckpt/     what is saved there, whether it runs or not
    """
    from routilux_dist.cli import saving, writing

    found: dict[str, Any]
    if url is not None:
        found = dict(saving.states_in(url, key_file))
        lines = [line for name, jobs in found.items() for line in saving.run_lines(jobs, name)]
    else:
        with saving.connected(address, namespace) as runtime:
            found = dict(runtime.overviews())
        lines = [saving.overview_line(name, one) for name, one in found.items()]
    if as_json:
        writing.Writer().write(found, indent=2)
    else:
        for line in lines:
            click.echo(line)


@click.command(cls=Command)
@options.job_argument
@click.option("--checkpoint", "url", metavar="URL", help="Look at what is saved there instead of into a cluster.")
@options.KEY
@options.JSON
@options.cluster_options
def status(
    *, job_id: str, url: str | None, key_file: str | None, as_json: bool, address: str | None, namespace: str
) -> None:
    """Say where JOB stands, what it has done and what it waits for."""
    from routilux_dist.cli import saving, writing

    state = saving.status_of(job_id, url, key_file, address, namespace)
    if as_json:
        writing.Writer(use_repr=True).write(state, indent=2)
        return
    for line in saving.state_lines(state):
        click.echo(line)


@click.command(cls=Command, help=f"Wait for JOB, and write its results as JSON.\n\n{CODES}")
@options.job_argument
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Most seconds to wait; the job goes on."
)
@options.QUIET
@options.result_options
@options.cluster_options
def result(
    *, job_id: str, timeout: float | None, quiet: bool, output: str, use_repr: bool, address: str | None, namespace: str
) -> None:
    """Write a job's results."""
    from routilux_dist.cli import saving, writing
    from routilux_dist.client import progress

    writer = writing.Writer(output, use_repr=use_repr)
    with saving.attached(job_id, address, namespace) as job:
        progress.watch(job, quiet=quiet, timeout=timeout)
        outputs = job.result(timeout=0 if timeout is not None else None)
    writer.write(outputs, indent=2)
    writer.close()


@click.command(cls=Command)
@options.job_argument
@options.cluster_options
def pause(*, job_id: str, address: str | None, namespace: str) -> None:
    """Dispatch nothing further of JOB; what is running is finished and saved."""
    _control(job_id, address, namespace, "pause")


@click.command(cls=Command)
@options.job_argument
@options.cluster_options
def resume(*, job_id: str, address: str | None, namespace: str) -> None:
    """Go on with JOB after `pause`."""
    _control(job_id, address, namespace, "resume")


@click.command(cls=Command)
@options.job_argument
@options.cluster_options
def cancel(*, job_id: str, address: str | None, namespace: str) -> None:
    """End JOB and drop what waits. It can still be rolled back."""
    _control(job_id, address, namespace, "cancel")


def _control(job_id: str, address: str | None, namespace: str, action: str) -> None:
    from routilux_dist.cli import saving
    from routilux_dist.errors import StateError

    with saving.attached(job_id, address, namespace) as job:
        if job.done():
            raise StateError(f"job {job_id!r} has ended: {job.status}")
        getattr(job, action)()
        now = job.status
    click.echo(f"{job_id}: {now}")


@click.command(cls=Command)
@options.job_argument
@click.argument("name", required=False, default="last_good")
@options.cluster_options
def rollback(*, job_id: str, name: str, address: str | None, namespace: str) -> None:
    r"""Make JOB what it was at checkpoint NAME: messages, state, job data and outputs.

    Without NAME that is the checkpoint that the engine took last. A job that has ended goes on. What routines did outside
    stays, and happens again.

    \b
      routilux-dist checkpoints nightly           what there is to go back to
      routilux-dist rollback nightly before-load
    """
    from routilux_dist.cli import saving

    with saving.attached(job_id, address, namespace) as job:
        now = job.rollback(name).status
    click.echo(f"{job_id}: rolled back to {name}, {now}")


@click.command(cls=Command)
@options.job_argument
@click.option("--checkpoint", "url", metavar="URL", help="Look at what is saved there instead of into a cluster.")
@options.KEY
@options.JSON
@options.cluster_options
def checkpoints(
    *, job_id: str, url: str | None, key_file: str | None, as_json: bool, address: str | None, namespace: str
) -> None:
    """List the checkpoints that JOB can be rolled back to, oldest first."""
    import datetime as dt

    from routilux_dist.cli import saving, writing

    found: dict[str, float] = saving.status_of(job_id, url, key_file, address, namespace)["checkpoints"]
    if as_json:
        writing.Writer().write(found, indent=2)
        return
    for name, taken in sorted(found.items(), key=lambda one: one[1]):
        moment = dt.datetime.fromtimestamp(taken, dt.timezone.utc)
        click.echo(f"{moment:%Y-%m-%d %H:%M:%S} UTC  {name}")


@click.command("retry-failed", cls=Command, help=f"Post the dead letters of JOB again.\n\n{CODES}")
@options.job_argument
@click.option(
    "--letter", "places", multiple=True, type=int, metavar="N", help="Only this one; may be given again; see letters."
)
@options.QUIET
@options.result_options
@options.cluster_options
def retry_failed(
    *,
    job_id: str,
    places: tuple[int, ...],
    quiet: bool,
    output: str,
    use_repr: bool,
    address: str | None,
    namespace: str,
) -> None:
    """Post dead letters again: of a job that has ended as a new job, whose results are waited for and written."""
    from routilux_dist.cli import running, saving, writing

    writer = writing.Writer(output, use_repr=use_repr)
    with saving.attached(job_id, address, namespace) as job:
        again = job.retry_failed(places or None)
        if again is job:
            tell(f"{job_id} goes on with them")
            return
        outputs = running.watched(again, quiet=quiet)
    writer.write(outputs, indent=2)
    writer.close()


@click.command(cls=Command)
@options.job_argument
@click.option("--checkpoint", "url", metavar="URL", help="Look at what is saved there instead of into a cluster.")
@options.KEY
@options.cluster_options
def letters(*, job_id: str, url: str | None, key_file: str | None, address: str | None, namespace: str) -> None:
    r"""Write the dead letters of JOB, the messages that ended without success, as lines of JSON.

    \b
      routilux-dist letters nightly > letters.jsonl
      routilux-dist letters nightly --checkpoint ckpt/                    its processes may be gone
      routilux-dist retry-failed nightly --letter 0 --letter 3
      routilux-dist recover ckpt/ flows.py --job-id nightly --retry-failed
    """
    from routilux_dist.cli import saving, writing

    writer = writing.Writer(use_repr=True)
    if url is not None:
        from routilux_dist.cli import replaying

        lines = list(replaying.letters(url, job_id, key_file))
    else:
        with saving.attached(job_id, address, namespace) as job:
            lines = [
                saving.letter_line(n, one, payload=one.payload, error=str(one.error), message=one.message)
                for n, one in enumerate(job.dead_letters)
            ]
    for line in lines:
        writer.write(line)
    writer.close()


COMMANDS = (
    submit, recover, list_jobs, status, result, pause, resume, cancel, rollback, checkpoints, retry_failed, letters,
)  # fmt: skip
