"""Messages for one state that become one message while they wait to be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from routilux_dist.errors import ValidationError
from routilux_dist.flow.context import ACTIVITY
from routilux_dist.flow.routine import MISSING
from routilux_dist.flow.state import key_of
from routilux_workers import faults
from routilux_workers.outbox import KeyedOutbox, Pile
from routilux_workers.timing import TimeUp

if TYPE_CHECKING:
    from routilux_workers.activity import Activity


class Refusal(NamedTuple):
    """Messages that could not be made one: their job has to end, for nobody knows what it would come to."""

    job: str
    port: int
    error: BaseException


class Bundle:
    """Payloads that an activation has emitted, those with equal keys made one."""

    __slots__ = ("by_key", "error", "made", "rest")

    def __init__(self) -> None:
        self.by_key: dict[Any, Any] = {}
        #: Keys whose payload was made of several.
        self.made: set[Any] = set()
        #: Payloads without a key, and those that came after an error.
        self.rest: list[Any] = []
        self.error: BaseException | None = None


class CombiningOutbox(KeyedOutbox):
    """Collects the messages for a slot with `combine=`.

    Whatever cannot be combined goes as it is: messages without a key, those of a stream, which is told what became of each, and
    those that stay in this process.

    What one activation yields is combined while it runs, so that a million payloads need not be kept until it ends. The user's
    function works on behalf of no activation, then and when several have ended: `current_job()` is not there for it.
    """

    __slots__ = ("combine", "made", "off", "places", "read", "refused")

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
        #: Keys whose message was made of several.
        self.made: set[Any] = set()
        #: Whether the present job has a refusal.
        self.off = False

    def _combine(self, one: Any, other: Any) -> Any:
        token = ACTIVITY.set(None)
        try:
            return self.combine(one, other)
        finally:
            ACTIVITY.reset(token)

    # ---- while an activation runs --------------------------------------------------------------------------------

    def bundled(self, activity: Activity, payloads: Iterable[Any]) -> Iterable[Any]:
        return payloads if activity.item is not None else (self._bundle(payloads),)

    def told(self, boxed: Any) -> Iterable[Any]:
        return (*boxed.by_key.values(), *boxed.rest) if type(boxed) is Bundle else (boxed,)

    def _bundle(self, payloads: Iterable[Any]) -> Bundle:
        bundle, read, combine = Bundle(), self.read, self._combine
        by_key, rest, note = bundle.by_key, bundle.rest, bundle.made.add
        of_key = by_key.get
        for payload in payloads:
            try:
                key = read(payload)
                found = of_key(key, MISSING)
            except TimeUp:
                raise
            except BaseException:  # its home tells what is wrong with it
                rest.append(payload)
                continue
            if found is MISSING:
                by_key[key] = payload
                continue
            try:
                by_key[key] = combine(found, payload)
                note(key)
            except TimeUp:
                raise
            except BaseException as exc:  # user code may raise anything
                bundle.error = exc
                rest.append(payload)
                break
        rest.extend(payloads)
        return bundle

    # ---- when it has ended ---------------------------------------------------------------------------------------

    def add(self, activity: Activity, payload: Any, hops: int) -> None:
        if activity.job_id is not self.job:
            self._turn_to(activity.job_id)
        if activity.item is not None:
            super().add(activity, payload, hops)
            return
        if type(payload) is Bundle:
            self._add_bundle(activity, payload, hops)
            return
        try:
            key = self.read(payload)
            found = self.places.get(key)
        except BaseException:  # its home tells what is wrong with it
            super().add(activity, payload, hops)
            return
        if found is None:
            self._add_first(activity, key, payload, hops)
            return
        payloads, place, pile = found
        try:
            payloads[place] = self._combine(payloads[place], payload)
            self.made.add(key)
        except BaseException as exc:  # user code may raise anything
            self._refuse(activity.job_id, exc)
            super().add(activity, payload, hops)
        if hops > pile.hops:
            pile.hops = hops

    def _add_bundle(self, activity: Activity, bundle: Bundle, hops: int) -> None:
        error = bundle.error
        for key in bundle.made:
            error = error or self._other_key(key, bundle.by_key[key])
        for payload in bundle.by_key.values():
            self.add(activity, payload, hops)
        if error is not None:
            self._refuse(activity.job_id, error)
        for payload in bundle.rest:
            super().add(activity, payload, hops)

    def _add_first(self, activity: Activity, key: Any, payload: Any, hops: int) -> None:
        """Take the first message with a key."""
        super().add(activity, payload, hops)
        pile = self.mine.get(self.known.get(key, -1))
        if not self.off and pile is not None and pile.payloads[-1] is payload:  # else it stays here
            self.places[key] = pile.payloads, len(pile.payloads) - 1, pile

    def _turn_to(self, job: str) -> None:
        if job == self.job:  # the same name in another object, from another block
            self.job = job
            return
        self._look_at_keys()
        super()._turn_to(job)

    def empty(self) -> Iterator[Pile]:
        self._look_at_keys()
        return super().empty()

    def _look_at_keys(self) -> None:
        """See that what was made of messages with a key still has that key: it is on the way to the home of that one."""
        for key in self.made:
            payloads, place, pile = self.places[key]
            if (error := self._other_key(key, payloads[place])) is not None:
                self._refuse(pile.job, error)
                break
        self.places.clear()
        self.made.clear()
        self.off = False

    def _other_key(self, key: Any, payload: Any) -> BaseException | None:
        try:
            now = self.read(payload)
            if now == key:
                return None
        except BaseException as exc:  # user code may raise anything
            return exc
        shown, one, other = (faults.safe_text(value, faults.PAYLOAD_CHARS, repr) for value in (payload, key, now))
        return ValidationError(
            f"combine= made {shown} of messages with the key {one}: its key is {other}; return a payload with the key of those "
            f"that were given"
        )

    def _refuse(self, job: str, error: BaseException) -> None:
        """Note that messages of a job could not be made one; the others of it go as they are."""
        self.off = True
        self.places.clear()
        self.made.clear()
        self.refused.append(Refusal(job, self.port, error))
