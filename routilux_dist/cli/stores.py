"""The commands that look into a store: what lies there, and one message of it once more."""

from __future__ import annotations

from typing import Any

import click

from routilux_dist.cli import options as shared
from routilux_dist.cli.outcomes import Command, Exit


@click.command(cls=Command)
@click.argument("url", metavar="URL")
@click.argument("run", metavar="[RUN]", required=False)
@click.option("--messages", "everything", is_flag=True, help="Write every message that is known, as lines of JSON.")
@shared.KEY
@shared.JSON
def inspect(*, url: str, run: str | None, everything: bool, key_file: str | None, as_json: bool) -> None:
    r"""Say what is saved at URL: jobs, log, snapshots, damage. Nothing is taken over, and no code of flows is loaded.

    \b
      routilux-dist inspect ckpt/                       every run
      routilux-dist inspect ckpt/ nightly               one of them
      routilux-dist inspect ckpt/ nightly --messages    what replay can run again

    Shown are the first messages that died, wait or are with a worker, under the names that replay takes.
    """
    from routilux_dist.cli import replaying, saving, writing

    if everything:
        lines = writing.Writer()
        for one in replaying.every(url, run, key_file):
            lines.write(one)
        lines.close()
        return
    found = replaying.inspected(url, run, key_file)
    if as_json:
        writing.Writer(use_repr=True).write(found, indent=2)
        return
    for name, described in found.items():
        for line in (
            *saving.run_lines(described["jobs"], name),
            *replaying.message_lines(described),
            *saving.file_lines(described),
        ):
            click.echo(line)


@click.command(cls=Command)
@click.argument("url", metavar="CHECKPOINT")
@click.argument("message", metavar="MESSAGE")
@shared.flow_argument
@click.option("--job-id", metavar="NAME", help="What the job is saved as, if MESSAGE does not say so.")
@click.option("--pdb", is_flag=True, help="If the routine raises, look at it in Python's debugger.")
@click.option("--new-state", is_flag=True, help="Let it see a new state instead of the saved one.")
@click.option("--allow-pickle", is_flag=True, help="Open pickled messages: this runs code from the store.")
@shared.KEY
@shared.REPR
def replay(
    *, url: str, message: str, job_id: str | None, key_file: str | None, allow_pickle: bool, **options: Any
) -> Exit:
    r"""Run one message of a saved job again, in this process, and write what it emits.

    \b
      routilux-dist inspect ckpt/                                     the messages that died, wait or run
      routilux-dist replay ckpt/ nightly/17.0 flows.py:words --pdb    one of them, in the debugger

    The routine sees the message, the job's metadata and data, and the state that it saw, or as near to it as the journal has;
    what is not the same is told. Nothing reaches the job, and nothing is taken over. FLOW may have been mended meanwhile.

    \b
    Exit codes:
      0    it returned
      1    it raised, there is no such message, or the state that it saw is not known any more
      2    the command or the flow is wrong: no such routine or slot, or its state is declared another way
      130  interrupted (Ctrl-C)
    """
    from routilux_dist.checkpoint.options import Checkpoint
    from routilux_dist.cli import replaying, saving

    place = Checkpoint(url, key=saving.key_from(key_file), allow_pickle=allow_pickle)
    return replaying.replay(replaying.Request(place, message, job_id, **options))


COMMANDS = (inspect, replay)
