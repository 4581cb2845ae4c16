"""The parts of a publisher that follow from `publish` and `declare`."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from umbel.brokers.confirms.receipts import Receipt, Receipts, WouldBlock
from umbel.brokers.topology import Destination, Outgoing, Queue, whole
from umbel.wire.message import Call, Message, Stencil


class PublisherDefaults(abc.ABC):
    """A `Publisher` whose `publish` returns when the broker has the message: nothing is under way then, or refused later.

    A broker writes `publish` and `declare`; what else it can do better it overrides. One that is answered later rests on
    `umbel.brokers.confirmed_publisher.ConfirmedPublisher` instead.
    """

    #: `publish` waits for nobody: no network, no disk, no other process. Else nothing is published where nothing may wait.
    never_waits = False

    def __init__(self) -> None:
        self._receipts = Receipts()

    @abc.abstractmethod
    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None: ...

    @abc.abstractmethod
    def declare(self, queue: Queue) -> None: ...

    def publish_stencil(self, stencil: Stencil, call: Call) -> None:
        self.publish(stencil.fill(call), Destination(stencil.exchange, stencil.routing_key))

    def publish_many(self, messages: Iterable[Outgoing], *, confirm: bool = False) -> int:
        count = 0
        for outgoing in messages:
            self.publish(*whole(outgoing), confirm=confirm)
            count += 1
        return count

    def retrying(self, retries: int) -> AbstractContextManager[None]:  # noqa: ARG002 - there is nothing to reach again
        return nullcontext()

    def flush(self, timeout: float | None = None) -> None:  # noqa: B027 - a default, not a gap
        pass  # nothing is under way

    @contextmanager
    def receipt(self, *, wait: bool = True) -> Iterator[Receipt]:
        if not wait and not self.never_waits:
            raise WouldBlock
        with self._receipts.opened() as receipt:
            yield receipt

    def close(self) -> None:  # noqa: B027
        pass  # there is no connection
