"""What to do about an error in a routine: strategies, and the pure decision."""

from __future__ import annotations

import enum
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import checks


class ErrorStrategy(str, enum.Enum):
    """What becomes of a message whose activation raised."""

    STOP = "stop"  #: the job fails
    CONTINUE = "continue"  #: dead letter, and the `error` event; the job goes on
    SKIP = "skip"  #: the routine is bypassed: the message goes on to its connected routines
    RETRY = "retry"  #: again after a delay; `exhausted` decides when the tries are spent

    def __str__(self) -> str:
        return self.value


class Severity(enum.Enum):
    """What `classify` may answer; it overrides the strategy."""

    RETRYABLE = "retryable"  #: as RETRY
    FATAL = "fatal"  #: as STOP
    WARNING = "warning"  #: as CONTINUE


RETRYABLE = Severity.RETRYABLE
FATAL = Severity.FATAL
WARNING = Severity.WARNING


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one failed activation; `delay` (seconds) matters for RETRY."""

    strategy: ErrorStrategy
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class ErrorHandler:
    """How errors of a routine (or of every routine of a flow) are treated.

    Attributes:
        strategy: What to do first.
        max_retries: RETRY: further tries after the first one; 3 means at most 4 attempts.
        retry_delay: RETRY: seconds before the first retry.
        retry_backoff: RETRY: factor by which the delay grows with each retry.
        jitter: RETRY: the delay is spread evenly over `delay * (1 ± jitter)`; between 0 and 1.
        retry_on: RETRY: exceptions worth another try; others are `exhausted` at once.
        classify: `exc -> rd.RETRYABLE | rd.FATAL | rd.WARNING | None`; None leaves the strategy as it is.
        exhausted: What to do when the tries are spent; not RETRY.
        max_delay: RETRY: upper bound of the delay in seconds.
    """

    strategy: ErrorStrategy = ErrorStrategy.STOP
    max_retries: int = 3
    retry_delay: float = 1.0
    retry_backoff: float = 2.0
    jitter: float = 0.0
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    classify: Callable[[BaseException], Severity | None] | None = None
    exhausted: ErrorStrategy = ErrorStrategy.STOP
    max_delay: float = 3600.0
    is_critical: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        retry_on: Any = self.retry_on
        listed: tuple[Any, ...] = tuple(retry_on) if isinstance(retry_on, Iterable) else (retry_on,)
        object.__setattr__(self, "retry_on", listed)
        object.__setattr__(self, "strategy", _strategy(self.strategy))
        object.__setattr__(self, "exhausted", _strategy(self.exhausted))
        classes = all(isinstance(t, type) and issubclass(t, BaseException) for t in listed)
        checks.refuse(
            "ErrorHandler",
            (
                "exhausted= cannot be RETRY; use STOP, CONTINUE or SKIP"
                if self.exhausted is ErrorStrategy.RETRY
                else "",
                checks.whole("max_retries", self.max_retries, least=0),
                checks.seconds("retry_delay", self.retry_delay, least=0, none=""),
                checks.number("retry_backoff", self.retry_backoff, above=0),
                checks.seconds("max_delay", self.max_delay, least=0, none=""),
                checks.number("jitter", self.jitter, least=0, most=1),
                ""
                if classes
                else f"retry_on={retry_on!r:.80}: has to be exception classes, such as (ConnectionError,)",
                checks.function("classify", self.classify, example="lambda exc: rd.FATAL", none="no say"),
                checks.flag("is_critical", self.is_critical),
            ),
        )

    def decide(self, exc: BaseException, attempt: int, token: str = "") -> Decision:
        """Decide about an activation that raised `exc`.

        Args:
            exc: What was raised.
            attempt: Which try this was, counted from 1.
            token: Anything that names the message; spreads the jitter of different messages without randomness.
        """
        strategy = self.strategy
        severity = self.classify(exc) if self.classify is not None else None
        if severity is Severity.FATAL:
            return Decision(ErrorStrategy.STOP)
        if severity is Severity.WARNING:
            return Decision(ErrorStrategy.CONTINUE)
        if severity is Severity.RETRYABLE:
            strategy = ErrorStrategy.RETRY
        elif severity is not None:
            raise ConfigurationError(
                f"classify= has to return rd.RETRYABLE, rd.FATAL, rd.WARNING or None, got {severity!r}"
            )
        if strategy is not ErrorStrategy.RETRY:
            return Decision(strategy)
        worth_it = severity is Severity.RETRYABLE or isinstance(exc, self.retry_on)
        if not worth_it or attempt > self.max_retries:
            return Decision(self.exhausted)
        return Decision(ErrorStrategy.RETRY, self.delay(attempt, token))

    @property
    def last_resort(self) -> ErrorStrategy:
        """What is done about an error when there is no further try."""
        return self.exhausted if self.strategy is ErrorStrategy.RETRY else self.strategy

    def delay(self, attempt: int, token: str = "") -> float:
        """Return the seconds to wait after attempt number `attempt` failed."""
        if not self.retry_delay:
            return 0.0
        try:
            delay = min(self.retry_delay * self.retry_backoff ** (attempt - 1), self.max_delay)
        except OverflowError:  # two to the power of a thousand: far beyond any bound
            delay = self.max_delay
        if self.jitter:
            spread = zlib.crc32(f"{token}:{attempt}".encode("utf-8", "surrogatepass")) / 0xFFFFFFFF
            delay *= 1 + self.jitter * (2 * spread - 1)
        return delay


def effective(own: ErrorHandler | None, retries: int | None, flow: ErrorHandler | None) -> ErrorHandler:
    """Return the handler that counts for a routine: its own, the one that `retries=` stands for, its flow's, or STOP."""
    if own is not None:
        return own
    if retries is not None:
        return ErrorHandler(ErrorStrategy.RETRY, max_retries=retries)
    return flow if flow is not None else ErrorHandler()


def _strategy(value: Any) -> ErrorStrategy:
    try:
        return ErrorStrategy(value.lower() if isinstance(value, str) else value)
    except ValueError:
        options = ", ".join(f"rd.ErrorStrategy.{s.name}" for s in ErrorStrategy)
        raise ConfigurationError(f"{value!r} is no error strategy; use one of {options}") from None
