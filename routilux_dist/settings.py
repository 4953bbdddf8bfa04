"""Settings of the engine. The only reader of environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment asks for."""

    #: Check the coordinator's invariants after every event, and after every slice whether a routine has changed what is inside
    #: its attributes (slow; for tests and hunting bugs).
    validate: bool = False
    #: Width of text output, 0 = ask the terminal.
    columns: int = 0
    #: Plain progress lines even on a terminal.
    plain_progress: bool = False

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read ``ROUTILUX_VALIDATE``, ``COLUMNS`` and ``ROUTILUX_PLAIN``."""
        env = os.environ if environ is None else environ
        columns = env.get("COLUMNS", "")
        return cls(
            validate=env.get("ROUTILUX_VALIDATE", "") not in ("", "0"),
            columns=int(columns) if columns.isdigit() else 0,
            plain_progress=env.get("ROUTILUX_PLAIN", "") not in ("", "0"),
        )
