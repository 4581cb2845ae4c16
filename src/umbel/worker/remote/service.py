"""The service that answers remote control: it listens to the worker's mailbox, runs commands, and sends what they return."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from umbel.brokers.base import Broker, ConnectionState, Delivery, Subscriber
from umbel.brokers.fanout import private_queues
from umbel.brokers.fanout.buffer import BroadcastBuffer
from umbel.control.commands import COMMANDS, Commands
from umbel.control.mailbox import MailboxOptions
from umbel.control.requests import Request, parse_request, render_reply
from umbel.errors import EncodeError, MessageError, OperationalError
from umbel.runtime.clock import SYSTEM
from umbel.runtime.logs import escape
from umbel.runtime.service import Service
from umbel.wire.message import Message
from umbel.worker.remote import about, events, limits, memory, pool, queues, revocations, tasks
from umbel.worker.remote.facade import WorkerFacade
from umbel.worker.seals.requests import SealedRequests

logger: logging.Logger = logging.getLogger("umbel.worker")

#: The modules whose commands every worker has.
BUILT_IN: Final = (about, events, limits, memory, pool, queues, revocations, tasks)

#: Commands that are under way at a time, and that wait; more are dropped.
_MOST_UNDER_WAY: Final = 100
_MOST_WAITING: Final = 10_000
#: Threads for commands that are no coroutine functions.
_THREADS: Final = 4
#: Bytes of a reply.
_MOST_REPLY: Final = 8 * 1024 * 1024
#: Warnings about requests in a minute.
_MOST_COMPLAINTS: Final = 20
#: Characters of an error in a reply.
_MOST_ERROR: Final = 2000
#: Seconds that the start waits for a mailbox; and after which one is opened again that the broker has refused.
_PATIENCE: Final = 3.0
_AGAIN: Final = 30.0


class _Complaints:
    """Warnings about requests: so many a minute, for whoever can send requests can send very many."""

    def __init__(self) -> None:
        self._minute, self._count = 0.0, 0

    def __call__(self, text: str, *values: object) -> None:
        minute = SYSTEM.monotonic() // 60.0
        if minute != self._minute:
            self._minute, self._count = minute, 0
        self._count += 1
        if self._count <= _MOST_COMPLAINTS:
            logger.warning(text, *values)
        elif self._count == _MOST_COMPLAINTS + 1:
            logger.warning("Remote control: no more is said about such messages in this minute")


class RemoteControl(Service):
    """Listens to a worker's mailbox. A worker that cannot have one works without.

    Args:
        state: the worker, as commands see it.
        broker: where the mailbox is.
        options: of the mailbox.
        enabled: ``worker_enable_remote_control``; else nothing listens.
        commands: that are known.
    """

    def __init__(
        self, state: WorkerFacade, broker: Broker, options: MailboxOptions, *, enabled: bool = True, commands: Commands = COMMANDS
    ) -> None:
        super().__init__()
        self._state = state
        self._broker = broker
        self._options = options
        self._enabled = enabled
        self._commands = commands
        self._replies: BroadcastBuffer | None = None
        self._subscriber: Subscriber | None = None
        self._opening: asyncio.Task[None] | None = None
        self._waiting: deque[Request] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._threads: ThreadPoolExecutor | None = None
        #: The first attempt to open the mailbox has ended.
        self._tried = asyncio.Event()
        self._was_lost = self._is_told = False
        self._detail = ""
        self._complain = _Complaints()
        self._seals = SealedRequests(options)

    async def begin(self) -> None:
        """Open the mailbox: what is sent to it from now on is answered. Where that takes long, the worker goes on without."""
        if not self._enabled:
            return
        self._replies = BroadcastBuffer(self._broker.broadcaster())
        self._opening = asyncio.get_running_loop().create_task(self._open())
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._tried.wait()
        except TimeoutError:
            self._tell(self._detail or "the broker does not answer")

    async def end(self) -> None:
        """Close the mailbox, and send what has been answered."""
        if self._opening is not None:
            self._opening.cancel()
        if self._subscriber is not None:
            await self._subscriber.aclose()
        self._waiting.clear()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=1.0)
        for task in self._under_way:
            task.cancel()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._replies is not None:
            await self._replies.aclose()

    async def _open(self) -> None:
        while True:
            self._subscriber = self._broker.subscriber(self._options.queue_of(self._state.hostname))
            try:
                await self._subscriber.start(self)
            except OperationalError as error:
                self._tell(str(error))
                self._tried.set()
                await self._subscriber.aclose()
                await asyncio.sleep(_AGAIN)
            else:
                break
        self._tried.set()
        if self._is_told:
            logger.info("Remote control works now")

    def _tell(self, why: str) -> None:
        self._is_told = True
        logger.error(
            "Remote control does not work yet; is there another worker named %s? The worker goes on without: %s", self._state.hostname, why
        )

    # brokers.base.SubscriberSink

    def on_messages(self, messages: list[Delivery]) -> None:
        """Begin to answer requests."""
        for message in messages:
            try:
                self._seals.check(message)
                request = parse_request(message, self._options.accept)
                if not request.is_for(self._state.hostname):
                    continue
            except (MessageError, ValueError) as error:
                self._complain("A remote control message is passed over: %s", escape(str(error), _MOST_ERROR))
                continue
            self._state.clock.adjust(request.clock)
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(request)
                self._begin_waiting()
            else:
                self._complain("More than %d remote control commands wait: others are dropped", _MOST_WAITING)

    def on_connection(self, state: ConnectionState, detail: str) -> None:
        """Learn what was revoked while nothing was heard."""
        if state is not ConnectionState.CONNECTED:
            self._was_lost, self._detail = True, detail
            logger.debug("Remote control: %s", detail)
        elif self._was_lost:
            self._was_lost = False
            self._state.parts.revoking.learn_again()

    def _begin_waiting(self) -> None:
        while self._waiting and len(self._under_way) < _MOST_UNDER_WAY:
            task = asyncio.get_running_loop().create_task(self._answer(self._waiting.popleft()))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._begin_waiting()

    async def _answer(self, request: Request) -> None:
        answer = await self.run(request)
        if request.reply_to is not None:
            self._send(request, answer)

    async def run(self, request: Request) -> Any:
        """Run the command of a request; returns its answer, ``{"error": …}`` where it fails.

        Args:
            request: for this worker.
        """
        command = self._commands.find(request.method)
        if command is None:
            self._complain("Remote control: there is no command %a", request.method)
            return {"error": repr(KeyError(request.method))}
        try:
            if inspect.iscoroutinefunction(command.handler):
                return await command.handler(self._state, **request.arguments)
            return await self._in_thread(partial(command.handler, self._state, **request.arguments))
        except Exception as error:
            self._complain("Remote control command %s fails: %s", command.name, escape(repr(error), _MOST_ERROR))
            return {"error": _error(error)}

    async def _in_thread(self, call: partial[Any]) -> Any:
        """Run a command that may block; not in the loop's own threads, which results wait for."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "umbel-control")
        found = await asyncio.get_running_loop().run_in_executor(self._threads, call)
        return await found if isinstance(found, Coroutine) else found

    def _send(self, request: Request, answer: Any) -> None:
        """Send an answer to where replies are sent in this fleet, and nowhere else: a request must not have messages put into other queues."""
        exchange = private_queues.control_reply_exchange(self._options.namespace)
        assert request.reply_to is not None
        if request.reply_to.exchange != exchange.name or self._replies is None:
            self._complain("Remote control: no reply is sent to exchange %a, but to %s", request.reply_to.exchange, exchange.name)
            return
        self._replies.broadcast(exchange, self._rendered(request, answer), request.reply_to.routing_key)

    def _rendered(self, request: Request, answer: Any) -> Message:
        node, clock = self._state.hostname, self._state.clock.forward()
        try:
            message = render_reply(node, answer, request, clock)
        except EncodeError as error:
            return render_reply(node, {"error": _error(error)}, request, clock)
        if len(message.body) > _MOST_REPLY:
            too_large = f"the reply has {len(message.body):,} bytes: at most {_MOST_REPLY:,} are sent"
            return render_reply(node, {"error": too_large}, request, clock)
        return message


def _error(error: Exception) -> str:
    """An error as Celery's workers write it."""
    text = repr(error)
    return text if len(text) <= _MOST_ERROR else text[:_MOST_ERROR] + "…"
