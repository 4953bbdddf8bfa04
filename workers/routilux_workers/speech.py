"""What routines print in a worker process says who printed it."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from routilux_dist.flow.context import ACTIVITY


class Voiced:
    """A text stream that begins the lines of a running activation with its flow, routine and job.

    Everything else passes as it is. What is logged to the standard streams goes this way, too.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._fresh = True

    def write(self, text: str) -> int:
        """Write text; see `TextIOBase.write`."""
        activity: Any = ACTIVITY.get(None)
        step = getattr(activity, "step", None)
        if step is None or not text:
            self._stream.write(text)
        else:
            voice = f"[{activity.flow_id}/{step.routine_id} {activity.job_id}] "
            body = text[:-1] if text.endswith("\n") else text
            begun = voice if self._fresh else ""
            self._stream.write(begun + body.replace("\n", "\n" + voice) + text[len(body) :])
        if text:
            self._fresh = text.endswith("\n")
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def give_voice() -> None:
    """Have the standard streams of this process say who prints."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Voiced):
            setattr(sys, name, Voiced(stream))
