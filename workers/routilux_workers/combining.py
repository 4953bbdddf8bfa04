"""Messages for one state that become one message while they wait to be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from routilux_dist.errors import ValidationError
from routilux_dist.flow.routine import MISSING
from routilux_dist.flow.state import key_of
from routilux_workers import faults
from routilux_workers.outbox import KeyedOutbox, Outbox, Pile

if TYPE_CHECKING:
    from routilux_workers.activity import Activity


class Refusal(NamedTuple):
    """Messages that could not be made one: their job has to end, for nobody knows what it would come to."""

    job: str
    port: int
    error: BaseException


class Bundle:
    """Payloads that an activation has emitted, those with equal keys made one."""

    __slots__ = ("by_key", "error", "rest")

    def __init__(self) -> None:
        self.by_key: dict[Any, Any] = {}
        #: Payloads without a key, and those that came after an error.
        self.rest: list[Any] = []
        self.error: BaseException | None = None


def _nobody(payload: Any) -> Any:
    """Stands for a key where nothing is to be combined."""
    raise LookupError


class CombiningOutbox(KeyedOutbox):
    """Collects the messages for a slot with `combine=`.

    Whatever cannot be combined goes as it is: messages without a key, those of a stream, which is told what became of each, and
    those that stay in this process.
    """

    __slots__ = ("combine", "off", "places", "read", "refused")

    def __init__(
        self, *arguments: Any, combine: Callable[[Any, Any], Any], refused: list[Refusal], **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self.combine = combine
        self.read: Callable[[Any], Any] = self.key if callable(self.key) else partial(key_of, self.key)
        #: Refusals of all outboxes of a host.
        self.refused = refused
        #: Key -> where its message of the present job waits: (payloads of its pile, place there, pile).
        self.places: dict[Any, tuple[list[Any], int, Pile]] = {}
        #: Whether the present job has a refusal.
        self.off = False

    def bundled(self, activity: Activity, payloads: Iterable[Any]) -> Iterable[Any]:
        # An activation may emit a million payloads: there is no need to keep all of them until it ends.
        return payloads if activity.item is not None else (self._bundle(payloads),)

    def told(self, boxed: Any) -> Iterable[Any]:
        return (*boxed.by_key.values(), *boxed.rest) if type(boxed) is Bundle else (boxed,)

    def _bundle(self, payloads: Iterable[Any]) -> Bundle:
        bundle, read, combine = Bundle(), self.read, self.combine
        by_key, rest = bundle.by_key, bundle.rest
        of_key = by_key.get
        for payload in payloads:
            try:
                key = read(payload)
                found = of_key(key, MISSING)
            except Exception:  # its home tells what is wrong with it
                rest.append(payload)
                continue
            if found is MISSING:
                by_key[key] = payload
                continue
            try:
                by_key[key] = combine(found, payload)
            except BaseException as exc:  # user code may raise anything
                bundle.error = exc
                rest.append(payload)
                break
        rest.extend(payloads)
        return bundle

    def _add_bundle(self, activity: Activity, bundle: Bundle, hops: int) -> None:
        error = bundle.error
        for key, payload in bundle.by_key.items():
            error = error or self._other_key(key, payload)
        self.add_all(activity, [(self, payload, hops) for payload in bundle.by_key.values()])
        if error is not None:
            self._refuse(activity.job_id, error)
        for payload in bundle.rest:
            super().add(activity, payload, hops)

    def add(self, activity: Activity, payload: Any, hops: int) -> None:
        self.add_all(activity, [(self, payload, hops)])

    def add_all(self, activity: Activity, boxed: list[tuple[Outbox, Any, int]]) -> None:
        if activity.job_id is not self.job:
            self._turn_to(activity.job_id)
        read, place_of, combine = self.read, self.places.get, self.combine
        if activity.item is not None:
            read = _nobody
        for _, payload, hops in boxed:
            if type(payload) is Bundle:
                self._add_bundle(activity, payload, hops)
                continue
            try:
                key = read(payload)
                found = place_of(key)
            except Exception:  # its home tells what is wrong with it
                super().add(activity, payload, hops)
                continue
            if found is None:
                self._add_first(activity, key, payload, hops)
                continue
            payloads, place, pile = found
            try:
                payloads[place] = combine(payloads[place], payload)
            except BaseException as exc:  # user code may raise anything
                self._refuse(activity.job_id, exc)
                super().add(activity, payload, hops)
            if hops > pile.hops:
                pile.hops = hops

    def _add_first(self, activity: Activity, key: Any, payload: Any, hops: int) -> None:
        """Take the first message with a key."""
        super().add(activity, payload, hops)
        pile = self.mine.get(self.known.get(key, -1))
        if not self.off and pile is not None and pile.payloads[-1] is payload:  # else it stays here
            self.places[key] = pile.payloads, len(pile.payloads) - 1, pile

    def _turn_to(self, job: str) -> None:
        self._look_at_keys()
        super()._turn_to(job)

    def empty(self) -> Iterator[Pile]:
        self._look_at_keys()
        return super().empty()

    def _look_at_keys(self) -> None:
        """See that what was made of messages with a key still has that key: it is on the way to the home of that one."""
        for key, (payloads, place, pile) in self.places.items():
            if (error := self._other_key(key, payloads[place])) is not None:
                self._refuse(pile.job, error)
                break
        self.places.clear()
        self.off = False

    def _other_key(self, key: Any, payload: Any) -> BaseException | None:
        try:
            now = self.read(payload)
            if now == key:
                return None
        except BaseException as exc:  # user code may raise anything
            return exc
        shown = faults.safe_text(payload, faults.PAYLOAD_CHARS, repr)
        return ValidationError(
            f"combine= made {shown} of messages with the key {key!r:.80}: its key is {now!r:.80}; return a payload with the key "
            f"of those that were given"
        )

    def _refuse(self, job: str, error: BaseException) -> None:
        """Note that messages of a job could not be made one; the others of it go as they are."""
        self.off = True
        self.places.clear()
        self.refused.append(Refusal(job, self.port, error))
