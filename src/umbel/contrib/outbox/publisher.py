"""`TransactionalPublisher`: writes a message into the transaction that is open, and publishes it where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from typing import Any, Final

from umbel.brokers.base import Publisher
from umbel.brokers.confirms.receipts import Receipt, Receipts
from umbel.brokers.topology import Destination, Outgoing, Queue, whole
from umbel.contrib.outbox.base import Writer
from umbel.contrib.outbox.rows import render
from umbel.wire.message import Call, Message, Stencil

#: Messages in one statement.
_BATCH: Final = 200


class TransactionalPublisher:
    """A `umbel.brokers.base.Publisher` that stands before another one. While a transaction is open it never asks the broker for anything.

    Args:
        inner: publishes where no transaction is open.
        writer: finds what writes in the transaction that is open here; ``None`` where none is.
    """

    def __init__(self, inner: Publisher, writer: Callable[[], Writer | None]) -> None:
        self._inner = inner
        self._writer = writer
        self._receipts = Receipts()
        #: Address → queue: a stencil does not say to which queue it leads.
        self._queues: dict[tuple[str, str], Queue] = {}
        #: The broker has not been asked for them yet.
        self._undeclared: dict[str, Queue] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:
        """Write a message, or publish it.

        Args:
            message: of a task.
            to: its address.
            confirm: return when the broker has it, where no transaction is open.
            timeout: seconds, there.
        """
        write = self._writer()
        if write is None:
            self._inner.publish(message, to, confirm=confirm, timeout=timeout)
        else:
            write([render(message, self._complete(to))])

    def publish_stencil(self, stencil: Stencil, call: Call) -> None:
        """Write a plain call, or publish it.

        Args:
            stencil: of its task.
            call: what goes into the holes.
        """
        write = self._writer()
        if write is None:
            self._declare_all()
            self._inner.publish_stencil(stencil, call)
        else:
            write([render(*self._whole((call, stencil)))])

    def publish_many(self, messages: Iterable[Outgoing], *, confirm: bool = False) -> int:
        """Write messages, or publish them; returns how many.

        Args:
            messages: and their addresses.
            confirm: return when the broker has them, where no transaction is open.
        """
        write = self._writer()
        if write is None:
            self._declare_all()
            return self._inner.publish_many(messages, confirm=confirm)
        count, source = 0, iter(messages)
        while rows := [render(*self._whole(outgoing)) for outgoing in islice(source, _BATCH)]:
            write(rows)
            count += len(rows)
        return count

    def declare(self, queue: Queue) -> None:
        """See to it that a queue exists when a message to it is published.

        Args:
            queue: of messages that come.
        """
        to = Destination.of(queue)
        self._queues[to.exchange, to.routing_key] = queue
        if self._writer() is None:
            self._inner.declare(queue)
        else:
            self._undeclared[queue.name] = queue

    def _declare_all(self) -> None:
        while self._undeclared:
            name, queue = next(iter(self._undeclared.items()))
            self._inner.declare(queue)
            self._undeclared.pop(name, None)

    def _whole(self, outgoing: Outgoing) -> tuple[Message, Destination]:
        message, to = whole(outgoing)
        return message, self._complete(to)

    def _complete(self, to: Destination) -> Destination:
        """Add the queue, where it is known: whoever publishes the row must see to it that there is one."""
        return to if to.queue is not None else Destination(to.exchange, to.routing_key, self._queue_of(to), to.mandatory)

    def _queue_of(self, to: Destination) -> Queue | None:
        found = self._queues.get((to.exchange, to.routing_key))
        if found is not None or not to.exchange:
            return found
        same = (queue for queue in self._queues.values() if any(each.exchange.name == to.exchange for each in queue.all_bindings()))
        return next(same, None)

    def retrying(self, retries: int) -> AbstractContextManager[None]:
        """Inside this block this thread tries so often again to reach the broker.

        Args:
            retries: times.
        """
        return nullcontext() if self._writer() is not None else self._inner.retrying(retries)

    def flush(self, timeout: float | None = None) -> None:
        """Return when every message that was published is confirmed; those that were written are their transaction's.

        Args:
            timeout: seconds.
        """
        if self._writer() is None:
            self._inner.flush(timeout)

    @contextmanager
    def receipt(self, *, wait: bool = True) -> Iterator[Receipt]:
        """Learn what becomes of the messages inside this block. What is written is settled at once.

        Args:
            wait: what publishes may wait.
        """
        if self._writer() is None:
            with self._inner.receipt(wait=wait) as receipt:
                yield receipt
        else:
            with self._receipts.opened() as receipt:
                yield receipt

    def close(self) -> None:
        """Flush and disconnect."""
        self._inner.close()
