"""`routilux-dist`: the commands and what they say about themselves."""

from __future__ import annotations

from typing import Any

import click

from routilux_dist.cli import saved, stores
from routilux_dist.cli.options import ENTRY, OUTPUT, REPR, flow_argument, place_options
from routilux_dist.cli.outcomes import CODES, Command, Exit

GROUP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=GROUP)
def main() -> None:
    r"""Run and look at flows of routilux_dist.

    FLOW is "package.module:attribute" or "path/to/file.py:attribute": a flow, or a function that returns one. The attribute
    may be left out where a file holds one flow.

    \b
      routilux-dist demo                              see it work
      routilux-dist explain flows.py:words            what would run where, and why
      routilux-dist run flows.py:words --input '"to be or not"'
      routilux-dist submit flows.py:words --input '"to be"' --checkpoint ckpt/    a job that outlives its processes

    Results go to standard output; progress, warnings and errors to standard error.
    """


RUN_HELP = f"""Run FLOW, and write its results as JSON.

\b
One message:    routilux-dist run flows.py:words --input '"to be or not"'
From a file:    routilux-dist run flows.py:words --input @message.json
Several:        routilux-dist run flows.py:words --input 1 --input 2
JSON lines:     routilux-dist run flows.py:words --format jsonl --input @big.jsonl
Lines of text:  routilux-dist run flows.py:words --format lines --input - < big.txt
Files:          routilux-dist run flows.py:words --files 'data/**/*.txt' --read
Go on:          routilux-dist run flows.py:words --files '*.txt' --on-error collect

One JSON message gives one JSON object with all outputs, {{"routine.event": [...]}}. Otherwise each message is run on its own, and
each result is written as one line of JSON, in the order of the messages, as soon as it is there; messages are read only as fast
as results are written. With --on-error collect a message that failed gives a line with "item", "error", "error_type" and
"routine". Without --input, the message is null.

{CODES}"""


@main.command(cls=Command, help=RUN_HELP)
@flow_argument
@click.option(
    "--input", "inputs", multiple=True, metavar="VALUE", help="A message; @FILE and - (standard input) hold messages."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "jsonl", "lines", "files"]),
    help="What the input is made of  [default: json]",
)
@click.option("--files", multiple=True, metavar="PATTERN", help="The messages are the paths that match, sorted.")
@click.option(
    "--read", "content", is_flag=True, help="With --files: the messages are what the files hold (UTF-8 text)."
)
@ENTRY
@place_options
@OUTPUT
@REPR
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip", "collect"]),
    default="raise",
    show_default=True,
    help="What to do about a message that fails: end, leave it out, or write an error line.",
)
@click.option("--unordered", is_flag=True, help="Write results in the order in which they are done.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Most seconds to wait for results."
)
def run(
    *, flow: str, inputs: tuple[str, ...], form: str | None, files: tuple[str, ...], content: bool, **options: Any
) -> Exit:
    """Run a flow."""
    from routilux_dist.cli import running

    if files and (inputs or form not in (None, "files")):
        raise click.UsageError("--files takes the place of --input and --format; give one or the other")
    form = "files" if files else form or "json"
    inputs = files or inputs
    if content and form != "files":
        raise click.UsageError("--read goes with --files")
    if form != "json" and not inputs:
        raise click.UsageError(f"--format {form} needs --input; --input - reads standard input")
    if inputs.count("-") > 1:
        raise click.UsageError("--input - can be given once: standard input is read to its end")
    return running.run(running.Request(flow=flow, inputs=inputs, form=form, content=content, **options))


@main.command(cls=Command)
@flow_argument
def explain(flow: str) -> None:
    """Say what would run where, what is fused into one, and why."""
    click.echo(_load(flow).explain())


@main.command(cls=Command)
@flow_argument
def validate(flow: str) -> None:
    """Check FLOW without running it; every fault is listed, with its fix.

    Exit codes: 0 the flow is fine, 2 it is not.
    """
    found = _load(flow)
    for warning in found.validate():
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{found.name} is fine: {len(found.routines)} routines, {len(found.connections)} connections")


@main.command(cls=Command)
@flow_argument
@click.option("--format", "form", type=click.Choice(["mermaid", "dot", "d2"]), default="mermaid", show_default=True)
def graph(flow: str, form: str) -> None:
    r"""Draw FLOW as text for Mermaid, Graphviz or D2.

    \b
      routilux-dist graph flows.py:words --format dot | dot -Tsvg > words.svg
    """
    found = _load(flow)
    click.echo({"mermaid": found.to_mermaid, "dot": found.to_dot, "d2": found.to_d2}[form]())


@main.command(cls=Command)
@place_options
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Read only the first N files.")
def demo(*, limit: int | None, backend: str, address: str | None, workers: int | None, quiet: bool) -> None:
    """Measure the standard library of this Python: read, parse and count on all CPUs.

    The flow is short; read it: routilux_dist/cli/demo_flow.py.
    """
    from routilux_dist.cli import demo_flow, running

    with running.open_runtime(backend, address, workers, quiet=quiet) as runtime:
        job = runtime.submit(demo_flow.flow, {"root": demo_flow.standard_library(), "limit": limit})
        (report,) = running.watched(job, quiet=quiet)["tally.report"]
    click.echo(demo_flow.as_text(report))


@main.command(cls=Command)
def version() -> None:
    """Show the versions of routilux_dist, Python and Ray."""
    import platform
    from importlib import metadata

    import routilux_dist

    try:
        ray = metadata.version("ray")
    except metadata.PackageNotFoundError:
        ray = "not installed (only --backend local works)"
    click.echo(f"routilux_dist {routilux_dist.__version__}\nPython {platform.python_version()}\nRay {ray}")


for _command in (*saved.COMMANDS, *stores.COMMANDS):
    main.add_command(_command)


def _load(flow: str) -> Any:
    import contextlib
    import sys

    from routilux_dist.cli.loading import load_flow

    with contextlib.redirect_stdout(sys.stderr):  # what a module prints is no result
        return load_flow(flow)
