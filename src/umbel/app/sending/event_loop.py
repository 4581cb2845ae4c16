"""Publishing from coroutines: the event loop never waits for the broker, and the coroutine goes on when the broker has its message."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

from umbel.brokers.base import Publisher
from umbel.brokers.confirms.receipts import Receipt, WouldBlock

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

#: Threads in which messages of coroutines wait for the broker.
_THREADS = 8
#: Arguments of a call, and items or characters of an argument, from which on rendering may take an event loop's time.
_FEW, _SHORT = 100, 10_000


class LoopPublishing:
    """Calls what publishes: at once where nothing can block, else in a thread.

    Args:
        publisher: finds the app's publisher.
        can_block: tells whether more than the publisher could block: a store that has to be told, a listener.
    """

    def __init__(self, publisher: Callable[[], Publisher], can_block: Callable[[], bool]) -> None:
        self._publisher = publisher
        self._can_block = can_block
        self._pool: ThreadPoolExecutor | None = None
        #: The threads that publish for an event loop just now, and must not wait for anything.
        self._direct = threading.local()
        #: A message was sent, so that whatever is imported or connected at the first one is there.
        self._is_ready = False

    def close(self) -> None:
        """Wait for the threads that publish: one that was given up would connect again after the app has disconnected."""
        if self._pool is not None:
            self._pool.shutdown()

    async def publish(self, publish: Callable[[], Any], args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> Any:
        """Call ``publish``; return what it returns when the broker has its messages.

        Args:
            publish: publishes.
            args: of the call; what takes long to render is rendered in a thread.
            kwargs: of the call.

        Raises:
            OperationalError: the broker has not taken a message.
        """
        import asyncio

        if self._is_ready and _is_small(args, kwargs) and not self._can_block():
            with contextlib.suppress(WouldBlock):
                with self._publisher().receipt(wait=False) as receipt, self._at_once():
                    published = publish()
                await settled(receipt)
                return published
        context = contextvars.copy_context()
        published, receipt = await asyncio.get_running_loop().run_in_executor(self._threads, context.run, self._with_receipt, publish)
        await settled(receipt)
        return published

    @contextlib.contextmanager
    def _at_once(self) -> Iterator[None]:
        self._direct.is_set = True
        try:
            yield
        finally:
            self._direct.is_set = False

    def may_block(self) -> None:
        """See to it that this thread may wait, for another server than the broker.

        Raises:
            WouldBlock: it is an event loop's. Nothing may have been sent.
        """
        if getattr(self._direct, "is_set", False):
            raise WouldBlock

    def _with_receipt(self, publish: Callable[[], Any]) -> tuple[Any, Receipt]:
        with self._publisher().receipt() as receipt:
            published = publish()
        self._is_ready = True
        return published, receipt

    @property
    def _threads(self) -> ThreadPoolExecutor:
        """Threads that may wait for the broker. The loop's own are for whoever uses the loop."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="umbel-publish")
        return self._pool


def _is_small(args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None) -> bool:
    """Tell whether arguments are rendered in no time, as far as one can see without looking into them."""
    values = [*(args or ()), *(kwargs or {}).values()]
    return len(values) < _FEW and all(len(value) < _SHORT for value in values if isinstance(value, Sized))


async def settled(receipt: Receipt) -> None:
    """Wait until the broker has taken the messages of ``receipt``.

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
