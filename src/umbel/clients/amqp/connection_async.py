"""One AMQP connection on the event loop: an `asyncio.Protocol` over the sans-I/O core."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from pamqp import base, commands

from umbel.clients.amqp.addresses import Address, tls_context
from umbel.clients.amqp.channels import TOPOLOGY_CHANNEL, ChannelError
from umbel.clients.amqp.connection_blocking import tune_socket
from umbel.clients.connect_errors import cause
from umbel.errors import AccessRefused, OperationalError, ProtocolError
from umbel.wire.amqp import events
from umbel.wire.amqp.connection import Connection, State
from umbel.wire.amqp.fastpath import Receiver
from umbel.wire.amqp.methods import HEARTBEAT, method
from umbel.wire.amqp.refusals import LOGIN_REFUSED, PRECONDITION_FAILED
from umbel.wire.attempts import ATTEMPTS
from umbel.wire.message import Delivery, MessageLimits


class AsyncConnection(asyncio.Protocol):
    """A connection that is open or lost; it never reconnects. Made by `AsyncConnection.open`.

    Whoever opens it is told of deliveries (a list for each chunk), confirms and events by three plain functions.
    """

    def __init__(self, address: Address, limits: MessageLimits) -> None:
        loop = asyncio.get_running_loop()
        self.address = address
        self.core: Connection[Delivery] = Connection(address.login, Receiver(limits, Delivery, ATTEMPTS))
        self.on_deliveries: Callable[[list[Delivery]], None] = lambda _deliveries: None
        self.on_confirms: Callable[[list[tuple[int, int, int]]], None] = lambda _confirms: None
        self.on_event: Callable[[events.Event], None] = lambda _event: None
        #: Told once why the connection is over.
        self.on_lost: Callable[[str], None] = lambda _reason: None
        #: Why it cannot be used any more.
        self.lost: str | None = None
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[None] = loop.create_future()
        self._waiting: dict[int, deque[asyncio.Future[Any]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._heard = self._spoke = False
        self._silent = 0
        self._topology = asyncio.Lock()

    @classmethod
    async def open(cls, address: Address, limits: MessageLimits) -> AsyncConnection:
        """Connect and do the handshake.

        Raises:
            AccessRefused: the broker refuses the user, the password or the virtual host.
            OperationalError: it cannot be reached in time.
        """
        loop = asyncio.get_running_loop()
        context, name = None, None
        if address.tls is not None:
            context = tls_context(address.tls)
            name = address.tls.get("server_hostname") or address.host
        connection = cls(address, limits)
        try:
            async with asyncio.timeout(address.connect_timeout):
                await loop.create_connection(lambda: connection, address.host, address.port, ssl=context, server_hostname=name)
                await connection._opened
        except TimeoutError as error:
            connection._lose("no answer in time")
            raise OperationalError(f"cannot connect to {address}: no answer in {address.connect_timeout:g} s") from error
        except OSError as error:
            raise OperationalError(f"cannot connect to {address}: {cause(error)}") from error
        except BaseException:
            connection._lose("not opened")
            raise
        return connection

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        sock = transport.get_extra_info("socket")
        if sock is not None:
            tune_socket(sock)
        self.flush()

    def data_received(self, data: bytes) -> None:
        self._heard = True
        core = self.core
        receiver = core.receiver
        try:
            found = core.receive_data(data)
        except ProtocolError as error:
            self._lose(str(error))
            return
        if receiver.deliveries:
            self.on_deliveries(receiver.take_deliveries())
        for event in found:
            self._dispatch(event)
        if receiver.confirms:
            confirms, receiver.confirms = receiver.confirms, []
            self.on_confirms(confirms)
        if core.outgoing:
            self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
        self._lose(str(exc) if exc else "the broker closed the connection")

    # talking

    def write(self, data: bytes) -> None:
        """Send bytes that are frames already."""
        if self._transport is not None and self.lost is None:
            self._spoke = True
            self._transport.write(data)

    def flush(self) -> None:
        """Send what the core has to send."""
        data = self.core.data_to_send()
        if data:
            self.write(data)

    def ask(self, frame: base.Frame, channel: int) -> asyncio.Future[Any]:
        """Send a method; the future is its answer.

        Raises (from the future):
            ChannelError: the broker closed the channel instead.
            OperationalError: the connection was lost.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        future.add_done_callback(_looked_at)
        if self.lost is not None:
            future.set_exception(OperationalError(self.lost))
            return future
        self._waiting.setdefault(channel, deque()).append(future)
        self.core.send(frame, channel)
        self.flush()
        return future

    async def call_all(self, frames: Iterable[base.Frame], channel: int) -> list[Any]:
        """Send methods together and wait for their answers."""
        futures = [self.ask(frame, channel) for frame in frames]
        return [await future for future in futures]

    async def open_channel(self, channel: int, *, confirm: bool = False) -> None:
        """Open a channel, perhaps in confirm mode."""
        frames: list[base.Frame] = [method(commands.Channel.Open)]
        if confirm:
            frames.append(method(commands.Confirm.Select))
        await self.call_all(frames, channel)

    async def declare(self, frames: list[base.Frame]) -> str | None:
        """Declare things; returns the refusal when something exists with other arguments (406): it is used as it is.

        Raises:
            ChannelError: the broker refuses for another reason.
            OperationalError: the connection was lost.
        """
        if not frames:
            return None
        async with self._topology:
            await self.open_channel(TOPOLOGY_CHANNEL)
            try:
                await self.call_all(frames, TOPOLOGY_CHANNEL)
            except ChannelError as error:
                if error.code != PRECONDITION_FAILED:
                    raise
                return error.text
            except BaseException:  # a name that AMQP cannot carry, for one: the channel is open still
                with contextlib.suppress(OperationalError):
                    await self._close_channel(TOPOLOGY_CHANNEL)
                raise
            await self._close_channel(TOPOLOGY_CHANNEL)
        return None

    async def _close_channel(self, channel: int) -> None:
        await self.ask(method(commands.Channel.Close, reply_code=200, reply_text="", class_id=0, method_id=0), channel)

    async def aclose(self, timeout: float = 2.0) -> None:
        """Say goodbye and wait until the socket is closed."""
        if self.lost is None:
            self.core.close()
            self.flush()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await asyncio.shield(self._ended)
        self._lose("the connection was closed")
        if self._transport is not None:
            await self._ended

    def drop(self, reason: str) -> None:
        """Give the connection up at once."""
        self._lose(reason)

    # inside

    def _dispatch(self, event: events.Event) -> None:
        if isinstance(event, events.Replied):
            waiting = self._waiting.get(event.channel)
            if not waiting:
                self._lose(f"the broker answered {event.method.name}, which nobody asked for")
                return
            future = waiting.popleft()
            if not future.done():
                future.set_result(event.method)
        elif isinstance(event, events.Opened):
            self._start_heartbeat(event.heartbeat)
            if not self._opened.done():
                self._opened.set_result(None)
        elif isinstance(event, events.Closed):
            self._on_closed(event)
        else:
            if isinstance(event, events.ChannelClosed):
                self._fail_waiting(event.channel, ChannelError(event.code, event.text))
            self.on_event(event)

    def _on_closed(self, event: events.Closed) -> None:
        self.flush()
        if not self._opened.done():
            kind = AccessRefused if event.code in LOGIN_REFUSED else OperationalError
            self._opened.set_exception(kind(f"{self.address} refused the connection: {event.code} {event.text}"))
        self._lose(f"{event.code} {event.text}")

    def _fail_waiting(self, channel: int, error: Exception) -> None:
        for future in self._waiting.pop(channel, ()):
            if not future.done():
                future.set_exception(error)

    def _lose(self, reason: str) -> None:
        if self.lost is not None:
            return
        self.lost = f"the connection to {self.address} is over: {reason}"
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            # What is buffered may still leave, but nobody waits for a peer that does not read.
            self._transport.close() if self.core.state is State.CLOSED else self._transport.abort()
        for channel in list(self._waiting):
            self._fail_waiting(channel, OperationalError(self.lost))
        if not self._opened.done():
            self._opened.set_exception(OperationalError(self.lost))
            self._opened.exception()
        else:
            self.on_lost(self.lost)

    def _start_heartbeat(self, interval: int) -> None:
        if interval:
            self._timer = self._loop.call_later(interval / 2, self._beat, interval / 2)

    def _beat(self, half: float) -> None:
        """Twice an interval: send a sign of life if we sent nothing, and give up after two intervals without one."""
        self._silent = 0 if self._heard else self._silent + 1
        self._heard = False
        if self._silent >= 4:
            self._lose(f"no sign of life for {self._silent * half:g} s")
            return
        if not self._spoke:
            self.write(HEARTBEAT)
        self._spoke = False
        self._timer = self._loop.call_later(half, self._beat, half)


def _looked_at(future: asyncio.Future[Any]) -> None:
    """Mark an answer's failure as seen: nobody need await the answer to a qos."""
    if not future.cancelled():
        future.exception()
