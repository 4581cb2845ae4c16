"""`Control`: what can be done to workers and queues from outside; and the same for coroutines."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from umbel.brokers.base import Broker, QueueClient
from umbel.brokers.topology import Queue
from umbel.control.calls import Calls
from umbel.control.inspection import Asked, Inspections
from umbel.control.mailbox import Mailbox, Replies, request_to
from umbel.errors import OperationalError, UmbelError
from umbel.results.revocation_store import entries_of

logger: logging.Logger = logging.getLogger("umbel.control")


class Control(Calls["Replies | None"]):
    """Remote control of the workers of one app.

    Args:
        mailbox: sends requests.
        queues: the app's queues, by name.
        broker: makes or returns the broker.
        keep_revoked: keeps what is revoked, for workers that are started later.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        queues: Callable[[], Mapping[str, Queue]],
        broker: Callable[[], Broker],
        keep_revoked: Callable[[Collection[str]], None],
    ) -> None:
        #: Sends requests and collects replies.
        self.mailbox = mailbox
        self._queues = queues
        self._broker = broker
        self._keep_revoked = keep_revoked

    def broadcast(  # noqa: PLR0913, PLR0917 - Celery's interface
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        destination: Sequence[str] | str | None = None,
        connection: Any = None,
        reply: bool = False,
        timeout: float | None = 1.0,
        limit: int | None = None,
        callback: Callable[[dict[str, Any]], object] | None = None,
        channel: Any = None,
        pattern: str | None = None,
        matcher: str | None = None,
        **more: Any,
    ) -> Replies | None:
        """Send a command to workers, to all that listen now unless a destination or a pattern is given.

        Args:
            command: its name: one of Umbel's, or of an app's own (`umbel.control.control_command`).
            arguments: by name.
            destination: names of nodes, or one; an empty list is nobody.
            connection: Celery's; without effect.
            reply: wait for replies.
            timeout: seconds to wait for them; one when ``None``.
            limit: return as soon as so many have come; as many as ``destination`` has names when not given.
            callback: called with each reply, ``{node: reply}``.
            channel: Celery's; without effect.
            pattern: of the names of nodes.
            matcher: the kind of pattern: ``glob`` (the default) or ``pcre``.
            **more: further arguments of the command.

        Returns:
            ``[{node: reply}, …]``; ``None`` without ``reply``.

        Raises:
            EncodeError: an argument cannot be written.
            OperationalError: the broker cannot be reached.
            TypeError: the destination is no list of names.
        """
        del connection, channel
        nodes = [destination] if isinstance(destination, str) else destination
        request = request_to(command, {**(arguments or {}), **more}, destination=nodes, pattern=pattern, matcher=matcher)
        if nodes is not None and not nodes and pattern is None:
            return [] if reply else None  # nobody; a worker of Celery's would take it for everybody
        if nodes is None and pattern is None:
            self._keep(entries_of(command, request.arguments))
        if not reply:
            self.mailbox.tell(request, timeout)
            return None
        known = len(nodes) if nodes and pattern is None else None
        return self.mailbox.ask(request, timeout=timeout, limit=limit or known, callback=callback)

    def _keep(self, entries: Collection[str]) -> None:
        """Keep what all workers are told to revoke. Where the store is away, those that run now are told all the same."""
        if not entries:
            return
        try:
            self._keep_revoked(entries)
        except UmbelError as error:
            logger.warning("what is revoked is not kept, so a worker that is started later may run it: %s", error)

    def inspect(
        self,
        destination: Sequence[str] | str | None = None,
        timeout: float = 1.0,
        callback: Callable[[dict[str, Any]], object] | None = None,
        connection: Any = None,
        app: Any = None,
        limit: int | None = None,
        pattern: str | None = None,
        matcher: str | None = None,
    ) -> Inspections[Any]:
        """Choose workers to ask: ``app.control.inspect().active()``.

        Args:
            destination: names of nodes; all when not given. Of one name, given as text, the reply itself is returned.
            timeout: seconds to wait for replies.
            callback: called with each reply, ``{node: reply}``.
            connection: Celery's; without effect.
            app: Celery's; without effect.
            limit: return as soon as so many have come.
            pattern: of the names of nodes.
            matcher: the kind of pattern: ``glob`` (the default) or ``pcre``.
        """
        del connection, app
        asked = Asked(destination=destination, timeout=timeout, callback=callback, limit=limit, pattern=pattern, matcher=matcher)
        return Inspections(asked, self._inspect)

    def _inspect(self, asked: Asked, command: str, arguments: Mapping[str, Any]) -> Any:
        return asked.answer(self.broadcast(command, arguments, **asked.options()))

    @property
    def aio(self) -> AsyncControl:
        """The same for coroutines: ``await app.control.aio.ping()``, ``await app.control.aio.inspect().active()``."""
        return AsyncControl(self)

    def purge(self, queues: Iterable[str] | None = None) -> int:
        """Drop the messages that wait in queues.

        Args:
            queues: names; the app's own queues when not given.

        Returns:
            How many messages were dropped.
        """
        client = self._broker().queue_client()
        try:
            return sum(client.purge(name) for name in (self._queues() if queues is None else queues))
        finally:
            client.close()

    discard_all = purge

    def pause_queues(self, *names: str) -> None:
        """Have no worker of the fleet consume from these queues until they are resumed.

        The broker keeps that, so workers that start later know it, too. Tasks that run end; what workers hold and have not begun goes back.

        Args:
            *names: of queues; they need not exist.

        Raises:
            OperationalError: the broker cannot be reached.
        """
        self._change_paused(lambda client, name: client.pause(name), names)

    def resume_queues(self, *names: str) -> None:
        """Let workers consume from these queues again.

        Args:
            *names: of queues; those that are not paused are passed over.

        Raises:
            OperationalError: the broker cannot be reached.
        """
        self._change_paused(lambda client, name: client.resume(name), names)

    def paused_queues(self, names: Iterable[str] | None = None) -> list[str]:
        """List the paused queues.

        Args:
            names: of queues to ask about; the app's own when not given.

        Raises:
            OperationalError: the broker cannot be reached.
        """
        asked = list(self._queues() if names is None else names)
        with contextlib.closing(self._broker().queue_client()) as client:
            found = client.paused(asked)
        return [name for name in asked if name in found]

    def _change_paused(self, change: Callable[[QueueClient, str], None], names: Sequence[str]) -> None:
        with contextlib.closing(self._broker().queue_client()) as client:
            for name in names:
                change(client, name)
        try:
            self.broadcast("check_paused_queues")  # those that do not hear it look by themselves, a moment later
        except OperationalError as error:
            logger.debug("workers are not told that paused queues have changed: %s", error)


class AsyncControl(Calls[Coroutine[Any, Any, "Replies | None"]]):
    """`Control` for coroutines: each command is a coroutine, and the event loop never waits.

    Args:
        control: does the work, in threads.
    """

    def __init__(self, control: Control) -> None:
        self._control = control

    async def broadcast(self, command: str, arguments: Mapping[str, Any] | None = None, *args: Any, **options: Any) -> Replies | None:
        """Send a command to workers.

        Args:
            command: as for `Control.broadcast`.
            arguments: likewise.
            *args: likewise.
            **options: likewise; a ``callback`` is called in a thread.
        """
        import asyncio

        return await asyncio.to_thread(self._control.broadcast, command, arguments, *args, **options)

    def inspect(self, *args: Any, **options: Any) -> Inspections[Coroutine[Any, Any, Any]]:
        """Choose workers to ask; each question is a coroutine.

        Args:
            *args: those of `Control.inspect`.
            **options: likewise.
        """
        chosen = self._control.inspect(*args, **options)
        return Inspections(chosen.asked, self._inspect)

    async def _inspect(self, asked: Asked, command: str, arguments: Mapping[str, Any]) -> Any:
        return asked.answer(await self.broadcast(command, arguments, **asked.options()))

    async def purge(self, queues: Iterable[str] | None = None) -> int:
        """Drop the messages that wait in queues; returns how many.

        Args:
            queues: names; the app's own queues when not given.
        """
        import asyncio

        return await asyncio.to_thread(self._control.purge, queues)

    async def pause_queues(self, *names: str) -> None:
        """As `Control.pause_queues`.

        Args:
            *names: likewise.
        """
        import asyncio

        await asyncio.to_thread(self._control.pause_queues, *names)

    async def resume_queues(self, *names: str) -> None:
        """As `Control.resume_queues`.

        Args:
            *names: likewise.
        """
        import asyncio

        await asyncio.to_thread(self._control.resume_queues, *names)

    async def paused_queues(self, names: Iterable[str] | None = None) -> list[str]:
        """As `Control.paused_queues`.

        Args:
            names: likewise.
        """
        import asyncio

        return await asyncio.to_thread(self._control.paused_queues, names)
