"""What a routine may ask of the place where it runs. The words are Ray's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import naming


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
        max_concurrency: Activations of an async routine that may be awaited at once.
        actors: Keep the routine in this many long-lived processes instead of tasks.
        runtime_env, label_selector, scheduling_strategy, accelerator_type: As in `ray.remote`.
        ray_options: Further options, handed to Ray as they are.
    """

    num_cpus: float | None = None
    num_gpus: float = 0
    memory: float = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    timeout: float | None = None
    retries: int | None = None
    max_concurrency: int = 100
    actors: int | None = None
    runtime_env: Mapping[str, Any] | None = None
    label_selector: Mapping[str, str] | None = None
    scheduling_strategy: Any = None
    accelerator_type: str | None = None
    ray_options: Mapping[str, Any] = field(default_factory=dict)

    def faults(self) -> list[str]:
        """Return what is wrong with the values, one sentence each."""
        checks = (
            (self.num_cpus is not None and self.num_cpus < 0, f"num_cpus={self.num_cpus}: has to be 0 or more"),
            (self.num_gpus < 0, f"num_gpus={self.num_gpus}: has to be 0 or more"),
            (self.memory < 0, f"memory={self.memory}: bytes, 0 or more"),
            (
                self.timeout is not None and self.timeout <= 0,
                f"timeout={self.timeout}: seconds greater than 0, or None",
            ),
            (self.retries is not None and self.retries < 0, f"retries={self.retries}: has to be 0 or more"),
            (self.max_concurrency < 1, f"max_concurrency={self.max_concurrency}: has to be at least 1"),
            (self.actors is not None and self.actors < 1, f"actors={self.actors}: has to be at least 1, or None"),
        )
        faults = [text for broken, text in checks if broken]
        for name, amount in self.resources.items():
            if name in ("CPU", "GPU", "memory"):
                faults.append(f"resources={{{name!r}: …}}: use num_cpus=, num_gpus= or memory=")
            elif amount < 0:
                faults.append(f"resources[{name!r}]={amount}: has to be 0 or more")
        return faults

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
        try:
            changed = dataclasses.replace(self, **changes)
            faults = changed.faults()
        except TypeError as exc:
            raise ConfigurationError(f"routine options {changes!r}: {exc}") from None
        if faults:
            raise ConfigurationError("routine options: " + "; ".join(faults), problems=tuple(faults))
        return changed


DEFAULT = Options()
