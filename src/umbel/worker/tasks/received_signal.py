"""The signal ``task_received``: whoever listens to it is told of each message that is admitted, on a thread beside the start of its task.

While nobody listens it costs nothing: the worker begins to tell when the first receiver is connected.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from umbel import hooks
from umbel.brokers.base import Delivery
from umbel.errors import UmbelError
from umbel.execution.request import Request
from umbel.runtime.service import Service
from umbel.runtime.signal_thread import SignalThread
from umbel.wire import compression, serializers
from umbel.wire.message import Message
from umbel.wire.signing import ENCRYPTED
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.reserved import ReservedTask

if TYPE_CHECKING:
    from umbel.wire.signing.keys import KeyRing

#: What follows the task: the third part of a body.
_FOLLOWING: Final = ("callbacks", "errbacks", "chain", "chord")
#: Receivers that were written for Celery's workers read the whole body under the last name, for want of another.
_OF_THE_BODY: Final = frozenset({"args", "kwargs", *_FOLLOWING, "_Request__payload"})


class ReceivedRequest(Request):
    """The request that receivers get. Its arguments, and what follows it, are read when they are asked for.

    Args:
        delivery: the message, of protocol 2.
        hostname: the worker's name.
        accept: content types that may be decoded.
        limit: bytes of a decompressed body.
        ring: keys, where bodies may be encrypted.
    """

    def __init__(self, delivery: Delivery, hostname: str, accept: frozenset[str], limit: int, ring: KeyRing | None = None) -> None:
        address = (delivery.exchange, delivery.routing_key, delivery.redelivered)
        super().__init__(None, delivery.headers["id"], (), {}, delivery.headers, None, delivery.properties, address, hostname)
        self.name = self.type = self.task_name = delivery.headers["task"]
        self.task_id: str | None = self.id
        self._body = partial(_payload, delivery, accept, limit, ring)
        for name in _OF_THE_BODY & vars(self).keys():
            delattr(self, name)

    def __getattr__(self, name: str) -> Any:
        if name in _OF_THE_BODY:
            self.args, self.kwargs, following = payload = self._body()
            self.__dict__.update({each: following.get(each) for each in _FOLLOWING}, _Request__payload=payload)
            return self.__dict__[name]
        return super().__getattr__(name)


def _payload(delivery: Delivery, accept: frozenset[str], limit: int, ring: KeyRing | None) -> tuple[Any, Any, dict[str, Any]]:
    """Read the arguments, and what follows the task, where that runs nobody's code; else none."""
    try:
        message: Message = delivery
        if delivery.content_type == ENCRYPTED:
            from umbel.wire.signing.seals import unseal

            message = unseal(delivery, ring)
        data, method = message.body, delivery.headers.get("compression")
        if method:
            data = compression.plain.decompress(data, str(method), limit)
        args, kwargs, following = serializers.plain.loads(data, message.content_type, message.content_encoding, accept)
    except (UmbelError, ValueError, TypeError):
        return (), {}, {}
    return args, kwargs, following if isinstance(following, dict) else {}


class ReceivedSignal(Service):
    """Tells the receivers of ``task_received``.

    Args:
        events: of the worker's tasks.
        signals: the thread on which receivers are called.
        spawn: runs a coroutine.
        request: makes the request of a message.
        worker: the sender.
    """

    def __init__(
        self,
        events: TaskEvents,
        signals: SignalThread,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        request: Callable[[Delivery], ReceivedRequest],
        worker: Any,
    ) -> None:
        super().__init__()
        self._events = events
        self._signals = signals
        self._spawn = spawn
        self._request = request
        self._worker = worker
        self._listens = False

    async def begin(self) -> None:
        hooks.task_received.watch(self._listen)
        self._listen()

    async def end(self) -> None:
        hooks.task_received.unwatch(self._listen)

    def _listen(self) -> None:
        if hooks.task_received.receivers and not self._listens:
            self._listens = True
            self._events.received.listen(self._tell)

    def _tell(self, task: ReservedTask) -> None:
        if self.started and hooks.task_received.receivers:
            send = partial(hooks.task_received.send, self._worker, request=self._request(task.delivery))
            self._spawn(self._signals.call(send))
