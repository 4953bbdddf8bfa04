"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Any

import click

BACKENDS = click.Choice(["ray", "local"])
ADDRESS = click.option(
    "--address", metavar="HOST:PORT", help="Ray cluster  [default: RAY_ADDRESS, a running one, or a new one]"
)
NAMESPACE = click.option(
    "--namespace", default="routilux", show_default=True, metavar="NAME", help="Ray namespace of the jobs."
)
QUIET = click.option("--quiet", is_flag=True, help="No progress and no warnings; errors only.")
ENTRY = click.option("--entry", metavar="R.S", help="Routine (and slot) where messages enter.")
OUTPUT = click.option("--output", default="-", metavar="FILE", help="Write results to a file; - is standard output.")
REPR = click.option("--repr", "use_repr", is_flag=True, help="Write what JSON cannot hold as Python shows it.")
JSON = click.option("--json", "as_json", is_flag=True, help="Write JSON.")
KEY = click.option(
    "--key", "key_file", metavar="FILE", help="File with the secret that what is saved is signed with, if it is."
)


def flow_argument(command: Any) -> Any:
    """Add the argument FLOW."""
    return click.argument("flow", metavar="FLOW")(command)


def job_argument(command: Any) -> Any:
    """Add the argument JOB."""
    return click.argument("job_id", metavar="JOB")(command)


def place_options(command: Any) -> Any:
    """Add the options that say where a flow runs."""
    workers = click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        help="How much runs at once  [default: all CPUs; local: 1]",
    )
    backend = click.option(
        "--backend", type=BACKENDS, default="ray", show_default=True, help="local: in this process, without Ray."
    )
    return _all(command, QUIET, workers, ADDRESS, backend)


def cluster_options(command: Any) -> Any:
    """Add the options that say which cluster holds a job."""
    address = click.option(
        "--address", metavar="HOST:PORT", help="Ray cluster  [default: RAY_ADDRESS, or a running one]"
    )
    return _all(command, NAMESPACE, address)


def result_options(command: Any) -> Any:
    """Add the options that say how results are written."""
    return _all(command, REPR, OUTPUT)


def _all(command: Any, *options: Any) -> Any:
    for option in options:
        command = option(command)
    return command
