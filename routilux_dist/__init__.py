"""Event-driven flows on Ray: durable, parallel, at a function call's cost per light message.

The public names, loaded when they are first used: importing this package imports neither Ray nor anything else that is slow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from routilux_dist import testing as testing
    from routilux_dist.checkpoint.options import Checkpoint as Checkpoint
    from routilux_dist.client.flows import Flow as Flow
    from routilux_dist.client.flows import pipeline as pipeline
    from routilux_dist.client.flows import shutdown as shutdown
    from routilux_dist.client.job import Job as Job
    from routilux_dist.client.replaying import replay as replay
    from routilux_dist.client.replaying import replay_saved as replay_saved
    from routilux_dist.client.results import DeadLetter as DeadLetter
    from routilux_dist.client.results import ErrorRecord as ErrorRecord
    from routilux_dist.client.results import ItemError as ItemError
    from routilux_dist.client.runtime import Runtime as Runtime
    from routilux_dist.client.worker import FlowWorker as FlowWorker
    from routilux_dist.errors import CheckpointDamagedError as CheckpointDamagedError
    from routilux_dist.errors import CheckpointError as CheckpointError
    from routilux_dist.errors import CheckpointVersionError as CheckpointVersionError
    from routilux_dist.errors import ConfigurationError as ConfigurationError
    from routilux_dist.errors import ConnectError as ConnectError
    from routilux_dist.errors import ExecutionError as ExecutionError
    from routilux_dist.errors import FencedError as FencedError
    from routilux_dist.errors import InternalError as InternalError
    from routilux_dist.errors import JobCancelledError as JobCancelledError
    from routilux_dist.errors import JobFailedError as JobFailedError
    from routilux_dist.errors import JobTimeoutError as JobTimeoutError
    from routilux_dist.errors import LimitExceededError as LimitExceededError
    from routilux_dist.errors import NoProgressError as NoProgressError
    from routilux_dist.errors import RoutiluxError as RoutiluxError
    from routilux_dist.errors import SerializationError as SerializationError
    from routilux_dist.errors import SlotHandlerError as SlotHandlerError
    from routilux_dist.errors import StateError as StateError
    from routilux_dist.errors import StoreError as StoreError
    from routilux_dist.errors import ValidationError as ValidationError
    from routilux_dist.errors import WorkerLostError as WorkerLostError
    from routilux_dist.flow import migrations as migrations
    from routilux_dist.flow.activation import SlotView as SlotView
    from routilux_dist.flow.activation import all_ready as all_ready
    from routilux_dist.flow.activation import batch as batch
    from routilux_dist.flow.activation import every as every
    from routilux_dist.flow.activation import immediate as immediate
    from routilux_dist.flow.context import JobContext as JobContext
    from routilux_dist.flow.context import current_job as current_job
    from routilux_dist.flow.functions import routine as routine
    from routilux_dist.flow.handling import FATAL as FATAL
    from routilux_dist.flow.handling import RETRYABLE as RETRYABLE
    from routilux_dist.flow.handling import WARNING as WARNING
    from routilux_dist.flow.handling import ErrorHandler as ErrorHandler
    from routilux_dist.flow.handling import ErrorStrategy as ErrorStrategy
    from routilux_dist.flow.model import ExecutionMode as ExecutionMode
    from routilux_dist.flow.ports import Event as Event
    from routilux_dist.flow.ports import Slot as Slot
    from routilux_dist.flow.registry import FlowRegistry as FlowRegistry
    from routilux_dist.flow.routine import Routine as Routine
    from routilux_dist.ids import JobStatus as JobStatus
    from routilux_dist.plan.tuning import Tuning as Tuning
    from routilux_dist.wire.registry import register_type as register_type

#: Module -> the public names it holds.
_HOMES = {
    "checkpoint.options": ("Checkpoint",),
    "client.flows": ("Flow", "pipeline", "shutdown"),
    "client.job": ("Job",),
    "client.replaying": ("replay", "replay_saved"),
    "client.results": ("DeadLetter", "ErrorRecord", "ItemError"),
    "client.runtime": ("Runtime",),
    "client.worker": ("FlowWorker",),
    "errors": (
        "CheckpointDamagedError", "CheckpointError", "CheckpointVersionError", "ConfigurationError", "ConnectError",
        "ExecutionError", "FencedError", "InternalError", "JobCancelledError", "JobFailedError", "JobTimeoutError",
        "LimitExceededError", "NoProgressError", "RoutiluxError", "SerializationError", "SlotHandlerError", "StateError",
        "StoreError", "ValidationError", "WorkerLostError",
    ),
    "flow.activation": ("SlotView", "all_ready", "batch", "every", "immediate"),
    "flow.context": ("JobContext", "current_job"),
    "flow.functions": ("routine",),
    "flow.handling": ("FATAL", "RETRYABLE", "WARNING", "ErrorHandler", "ErrorStrategy"),
    "flow.model": ("ExecutionMode",),
    "flow.ports": ("Event", "Slot"),
    "flow.registry": ("FlowRegistry",),
    "flow.routine": ("Routine",),
    "ids": ("JobStatus",),
    "plan.tuning": ("Tuning",),
    "wire.registry": ("register_type",),
}  # fmt: skip
#: Public names that are modules.
_MODULES = {"migrations": "flow.migrations", "testing": "testing"}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"routilux_dist.{_MODULES[name]}")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'routilux_dist' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"routilux_dist.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
