"""What a routine may ask of the place where it runs. The words are Ray's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import checks, naming


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of a routine.

    Attributes:
        num_cpus: CPUs that one running slice takes; None means 1, or 0 for async routines.
        num_gpus: GPUs, likewise.
        memory: Bytes of memory, likewise.
        resources: Custom resources by name.
        timeout: Seconds after which an activation is ended with `TimeoutError` (the error strategy then decides).
        retries: Short for an error handler with `RETRY` and this many retries.
        max_concurrency: Activations of an async routine that may be awaited at once, 100 by default; slices with any other
            routine that may run at once, by default as many as there are workers.
        rate_limit: Messages per second that may begin, in the whole running flow; up to a tenth of that at once.
        actors: Keep the routine in this many long-lived processes instead of tasks.
        runtime_env, label_selector, scheduling_strategy, accelerator_type: As in `ray.remote`.
        ray_options: Further options, handed to Ray as they are; not those by which Ray would run a message again, or that say
            how a call is made and named: these are the engine's.
    """

    num_cpus: float | None = None
    num_gpus: float = 0
    memory: float = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    timeout: float | None = None
    retries: int | None = None
    max_concurrency: int | None = None
    rate_limit: float | None = None
    actors: int | None = None
    runtime_env: Mapping[str, Any] | None = None
    label_selector: Mapping[str, str] | None = None
    scheduling_strategy: Any = None
    accelerator_type: str | None = None
    ray_options: Mapping[str, Any] = field(default_factory=dict)

    def faults(self) -> list[str]:
        """Return what is wrong with the values, one sentence each."""
        found = [
            checks.number("num_cpus", self.num_cpus, least=0, none="the default"),
            checks.number("num_gpus", self.num_gpus, least=0),
            checks.number("memory", self.memory, least=0, unit="a number of bytes"),
            checks.seconds("timeout", self.timeout, above=0),
            checks.whole("retries", self.retries, least=0, none="what the error handler says"),
            checks.whole("max_concurrency", self.max_concurrency, least=1, none="the default"),
            checks.number("rate_limit", self.rate_limit, above=0, unit="messages per second", none="no limit"),
            checks.whole("actors", self.actors, least=1, none="no actors of its own"),
            checks.mapping("resources", self.resources, example="{'tape': 1}"),
            checks.mapping("runtime_env", self.runtime_env, example="{'env_vars': {'MODE': 'fast'}}", none="none"),
            checks.mapping("label_selector", self.label_selector, example="{'region': 'eu'}", none="any node"),
            checks.text("accelerator_type", self.accelerator_type, example="A100", none="any"),
            checks.mapping("ray_options", self.ray_options, example="{'max_calls': 100}"),
        ]
        if isinstance(self.scheduling_strategy, str):  # others are Ray's classes, which check themselves
            found.append(checks.choice("scheduling_strategy", self.scheduling_strategy, ("DEFAULT", "SPREAD")))
        found += [_label_fault(name, value) for name, value in _entries(self.label_selector)]
        found += [_resource_fault(name, amount) for name, amount in _entries(self.resources)]
        found += [_ray_fault(name) for name, _ in _entries(self.ray_options)]
        return [fault for fault in found if fault]

    def replace(self, **changes: Any) -> Options:
        """Return these options with some changed.

        Raises:
            ConfigurationError: An option does not exist or has a wrong type.
        """
        known = self.__slots__
        for name in changes:
            if name not in known:
                raise ConfigurationError(
                    f"unknown routine option {name!r}; {naming.did_you_mean(name, known, 'options')}"
                )
        changed = dataclasses.replace(self, **changes)
        checks.refuse("routine options", changed.faults())
        return changed


#: What a message that failed, or whose process was lost, needs: Ray must not try behind the engine's back.
_RETRYING = ("max_retries", "max_task_retries", "max_restarts", "retry_exceptions")
#: How calls are made: what the engine relies on.
_OWNED = (
    *("name", "namespace", "lifetime", "get_if_exists", "num_returns", "max_pending_calls", "concurrency_groups"),
    *("allow_out_of_order_execution", "enable_tensor_transport", "_generator_backpressure_num_objects"),
    *("_actor_generator_backpressure_num_objects", "_num_objects_per_yield"),
)


def _entries(given: Any) -> list[tuple[Any, Any]]:
    return list(given.items()) if isinstance(given, Mapping) else []


def _label_fault(name: object, value: object) -> str:
    return checks.text(f"label_selector[{name!r}]", value, example="eu-west")


def _resource_fault(name: object, amount: object) -> str:
    if name in ("CPU", "GPU", "memory", "num_cpus", "num_gpus"):
        return f"resources={{{name!r}: …}}: use num_cpus=, num_gpus= or memory="
    return checks.number(f"resources[{name!r}]", amount, least=0)


def _ray_fault(name: object) -> str:
    if name in _RETRYING:
        return (
            f"ray_options={{{name!r}: …}}: Ray's own retries stay off, because the engine counts attempts; use retries= or "
            f"an rd.ErrorHandler"
        )
    if name in _OWNED:
        return f"ray_options={{{name!r}: …}}: the engine decides that for its calls; leave it out"
    if name in Options.__slots__:
        return f"ray_options={{{name!r}: …}}: give it as a routine option, {name}=…"
    return ""


DEFAULT = Options()
