"""`Outbox`: renders and publishes the messages of one app."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from datetime import tzinfo
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from umbel import current, hooks
from umbel.app.config.settings import Settings
from umbel.app.connections import publish_retries
from umbel.app.sending import announcing
from umbel.app.sending.options import PublishOptions
from umbel.app.sending.publishing import Calling, Plan, Prepared, Sender, plan, prepare
from umbel.app.sending.routing import Router
from umbel.brokers.base import Publisher
from umbel.brokers.receipts import Receipt, WouldBlock
from umbel.brokers.topology import Destination
from umbel.execution.preparing import task_names
from umbel.results.base import ResultStore
from umbel.results.handles import AsyncResult
from umbel.runtime.clock import Clock
from umbel.wire.message import Call, Message

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_PERSISTENT, _TRANSIENT = 2, 1
#: Threads in which messages of coroutines wait for the broker.
_THREADS = 8
#: Arguments of a call, and items or characters of an argument, from which on rendering may take an event loop's time.
_FEW, _SHORT = 100, 10_000
#: Ids of a bulk that the result store is told of in one round trip.
_TOLD_AT_ONCE = 500


class SendingApp(Protocol):
    """What an outbox needs of its app; see `umbel.app.app.Umbel`."""

    clock: Clock
    conf: Settings

    @property
    def router(self) -> Router: ...
    @property
    def publisher(self) -> Publisher: ...
    @property
    def store(self) -> ResultStore | None: ...
    @property
    def answers_by_message(self) -> bool: ...
    @property
    def timezone(self) -> tzinfo: ...
    @property
    def oid(self) -> str: ...
    def handle(self, task_id: str, name: str | None = None) -> AsyncResult[Any]: ...


class Outbox:
    """Publishes for one app. Thread-safe."""

    def __init__(self, app: SendingApp) -> None:
        self._app = app
        self._lock = threading.RLock()
        self._sender: Sender | None = None
        self._version = -1
        #: Told of each id before its message is published; ``None`` where nobody needs to know.
        self._expect: Callable[[Sequence[str]], None] | None = None
        self._pool: ThreadPoolExecutor | None = None
        #: A message was sent, so that whatever is made at the first one is there.
        self._is_ready = False

    @property
    def sender(self) -> Sender:
        """What the settings say of sending, as of now."""
        version = self._app.conf.version
        sender = self._sender
        if sender is None or version != self._version:
            sender = self.refresh()
        return sender

    def refresh(self) -> Sender:
        """Read the settings again, if they have changed."""
        with self._lock:
            sender = self._sender
            if sender is None or self._app.conf.version != self._version:
                sender = self._sender = self._compile()
                self._version = self._app.conf.version
            return sender

    def forget(self) -> None:
        """After a fork or a close: another process, another origin, another store."""
        self._sender = None
        self._expect = None
        self._pool = None
        self._is_ready = False
        self._lock = threading.RLock()

    def close(self) -> None:
        """Wait for the threads that publish for coroutines: one that was given up would connect again after the app has disconnected."""
        if self._pool is not None:
            self._pool.shutdown()

    def _compile(self) -> Sender:
        app = self._app
        conf = app.conf
        reply_to = expect = None
        store = app.store if app.answers_by_message or conf.task_store_queued else None
        if store is not None:
            reply_to = store.reply_to
            announce = functools.partial(store.announce, publisher=app.publisher)
            expect = announce if store.shared else functools.partial(_expect, store)
        self._expect = expect
        return Sender(
            router=app.router,
            serializer=conf.task_serializer,
            compression=conf.task_compression,
            delivery_mode=_TRANSIENT if conf.task_default_delivery_mode in (1, "transient") else _PERSISTENT,
            priority=conf.task_default_priority,
            inherit_priority=conf.task_inherit_parent_priority,
            protocol=conf.task_protocol,
            zone=app.timezone,
            origin=f"gen{os.getpid()}@{socket.gethostname()}",
            reply_to=reply_to or app.oid,
            max_body=conf.message_max_body,
        )

    def plan(self, task: Any, options: PublishOptions) -> Plan | None:
        """The plan of a task's calls with these options (see `publishing.plan`); its queue is declared by then."""
        app = self._app
        if app.conf.task_always_eager:
            return None
        calling = Calling(name=task.name, args=(), kwargs={}, options=options, task=task, attributes=task.sending_options(), now=0.0)
        found = plan(self.sender, calling)
        task_names.warn_of_main(app, task)
        if found is not None and found.to.queue is not None and not found.to.queue.no_declare:
            app.publisher.declare(found.to.queue)
        return found

    def prepare(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: PublishOptions, task: Any = None) -> Prepared:
        """Render one call, sent from the current task if there is one."""
        parent = current.request.get()
        if parent is not None and parent.id is None:
            parent = None
        attributes = task.sending_options() if task is not None else {}
        return prepare(
            self.sender,
            Calling(
                name=name,
                args=args,
                kwargs=kwargs,
                options=options,
                task=task,
                attributes=attributes,
                parent=parent,
                now=self._app.clock.now(),
            ),
        )

    def send(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: PublishOptions, task: Any = None) -> Any:
        """Publish one call; returns its handle."""
        prepared = self.prepare(name, args, kwargs, options, task)
        if self._expect is not None:
            self._expect((prepared.task_id,))
        message, to = prepared.message, prepared.to
        announcing.before(message, to, self._policy(options))
        with self._retrying(options):
            self._app.publisher.publish(message, to, confirm=options.confirm, timeout=options.timeout)
        announcing.after(message, to)
        self._remember(prepared.task_id, options)
        handle = self._app.handle(prepared.task_id, name)
        handle.ignored = prepared.ignored
        return handle

    def _policy(self, options: PublishOptions) -> dict[str, Any]:
        """The ``retry_policy`` of a call, for those who listen."""
        return {**(self._app.conf.task_publish_retry_policy or {}), **(options.retry_policy or {})}

    def send_many(self, task: Any, calls: Iterable[tuple[Any, ...]], options: PublishOptions) -> list[Any]:
        """Publish many calls of a task; returns their handles."""
        handles: list[Any] = []

        def rendered() -> Iterable[tuple[str, Message, Destination]]:
            for args in calls:
                task.check_arguments(args, {})
                prepared = self.prepare(task.name, args, {}, options, task)
                self._remember(prepared.task_id, options)
                handle = self._app.handle(prepared.task_id, task.name)
                handle.ignored = prepared.ignored
                handles.append(handle)
                announcing.before(prepared.message, prepared.to, self._policy(options))
                yield prepared.task_id, prepared.message, prepared.to
                announcing.after(prepared.message, prepared.to)

        with self._retrying(options):
            self._app.publisher.publish_many(self._expected(rendered()), confirm=options.confirm)
        return handles

    def send_stencil(self, made: Plan, call: Call) -> None:
        """Publish a plain call."""
        if self._expect is not None:
            self._expect((call.task_id,))
        self._app.publisher.publish_stencil(made.stencil, call)

    def send_filled(self, made: Plan, calls: Iterable[Call]) -> None:
        """Publish many plain calls, with few system calls."""
        self._app.publisher.publish_many(self._expected((call.task_id, made.stencil.fill(call), made.to) for call in calls))

    async def send_from_loop(self, send: Callable[[], Any], args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> Any:
        """Call ``send`` without blocking the event loop, and return when the broker has its message.

        Args:
            send: publishes.
            args: of the call; what takes long to render is rendered in a thread.
            kwargs: of the call.

        Raises:
            OperationalError: the broker has not taken this message.
        """
        import asyncio

        if _is_small(args, kwargs) and self._can_send_at_once():
            with contextlib.suppress(WouldBlock):
                with self._app.publisher.receipt(wait=False) as receipt:
                    handle = send()
                await settled(receipt)
                return handle
        context = contextvars.copy_context()
        handle, receipt = await asyncio.get_running_loop().run_in_executor(self._threads, context.run, self._send_with_receipt, send)
        await settled(receipt)
        return handle

    def _send_with_receipt(self, send: Callable[[], Any]) -> tuple[Any, Receipt]:
        with self._app.publisher.receipt() as receipt:
            handle = send()
        self._is_ready = True
        return handle, receipt

    def _can_send_at_once(self) -> bool:
        """Whether nothing but the publisher could block: no store that has to be told, no listeners, nothing to import or to connect first."""
        if not self._is_ready or hooks.before_task_publish.receivers or hooks.after_task_publish.receivers:
            return False
        self.refresh()
        return self._expect is None

    @property
    def _threads(self) -> ThreadPoolExecutor:
        """Threads that may wait for the broker. The loop's own are for whoever uses the loop."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="umbel-publish")
        return self._pool

    def _retrying(self, options: PublishOptions) -> contextlib.AbstractContextManager[None]:
        if options.retry is None and options.retry_policy is None:
            return contextlib.nullcontext()
        return self._app.publisher.retrying(publish_retries(self._app.conf, options.retry, options.retry_policy))

    def _expected(self, rendered: Iterable[tuple[str, Message, Destination]]) -> Iterable[tuple[Message, Destination]]:
        """Messages whose ids the store has been told of, a few hundred at a time."""
        source = iter(rendered)
        while chunk := list(islice(source, _TOLD_AT_ONCE)):
            if self._expect is not None:
                self._expect([task_id for task_id, _, _ in chunk])
            yield from ((message, to) for _, message, to in chunk)

    @staticmethod
    def _remember(task_id: str, options: PublishOptions) -> None:
        """Note in the running task that it has sent this one."""
        parent = current.request.get()
        if parent is None or parent.id is None:
            return
        parent.has_sent = True
        if options.add_to_parent:
            parent.children.append([[task_id, None], None])


def _expect(store: ResultStore, task_ids: Sequence[str]) -> None:
    for task_id in task_ids:
        store.expect(task_id)


def _is_small(args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> bool:
    """Whether arguments are rendered in no time, as far as one can see without looking into them."""
    values = [*(args or ()), *(kwargs or {}).values()]
    return len(values) < _FEW and all(len(value) < _SHORT for value in values if isinstance(value, Sized))


async def settled(receipt: Receipt) -> None:
    """Wait until the broker has taken the messages of a receipt.

    Raises:
        OperationalError: it has not taken one of them.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def tell(error: BaseException | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, error)

    receipt.when_settled(tell)
    await future
