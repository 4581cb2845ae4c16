"""A TCP proxy that misbehaves on command: latency, one-byte slices, cuts after N bytes, half-open silence, refusal, a corrupt byte.

It runs its own event loop in a thread, so that blocking tests can use it. Every misbehaviour counts itself in `Proxy.fired`: a test asserts that
its fault took place.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

T = TypeVar("T")
Direction = Literal["up", "down"]


@dataclass
class Rules:
    """How connections behave; read at each chunk, so that a change applies at once."""

    #: Seconds before each chunk is passed on.
    latency: float = 0.0
    #: Pass on chunks of this many bytes, each by its own write; 0 is as they come.
    slice: int = 0
    #: Cut (RST both sides) after so many bytes in a direction, counted per connection. "up" is from the client to the server.
    cut_after: dict[Direction, int] | None = None
    #: How many connections are cut before `cut_after` no longer applies; ``None`` is all.
    cuts: int | None = None
    #: Swallow everything: the peer seems alive, but is not. A connection that has lost bytes this way is reset at its next word afterwards.
    silent: bool = False
    #: Reset new connections.
    refuse: bool = False
    #: Invert the byte at this offset from the server, once per connection.
    corrupt_at: int | None = None


class Proxy:
    """Forwards to one address; use as a context manager."""

    def __init__(self, host: str, port: int) -> None:
        self.upstream = (host, port)
        self.rules = Rules()
        self.fired: collections.Counter[str] = collections.Counter()
        #: Bytes passed on, over all connections.
        self.passed: collections.Counter[str] = collections.Counter()
        self.port = 0
        self._open: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        #: Connections that have lost bytes to silence.
        self._deaf: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut_now(self) -> int:
        """Reset every open connection; returns how many."""
        return self._call(self._cut_now())

    @property
    def connections(self) -> int:
        return len(self._open)

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(15)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._cut_now()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _cut_now(self) -> int:
        pairs = list(self._open)
        for pair in pairs:
            _reset(*pair)
        self._open.clear()
        if pairs:
            self.fired["cut"] += len(pairs)
        return len(pairs)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.rules.refuse:
            self.fired["refuse"] += 1
            _reset(writer)
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(*self.upstream)
        except OSError:
            _reset(writer)
            return
        pair = (writer, server_writer)
        self._open.add(pair)
        try:
            await asyncio.gather(self._pump("up", reader, server_writer, pair), self._pump("down", server_reader, writer, pair))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(pair)
            self._deaf.discard(pair)
            _reset(*pair)

    async def _pump(
        self,
        direction: Direction,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        count = 0
        while data := await source.read(65536):
            rules = self.rules
            if rules.silent:
                self.fired["silent"] += 1
                self._deaf.add(pair)
                continue
            if pair in self._deaf:
                _reset(*pair)
                raise ConnectionResetError
            if rules.latency:
                self.fired["latency"] += 1
                await asyncio.sleep(rules.latency)
            limit = (rules.cut_after or {}).get(direction)
            cut = limit is not None and rules.cuts != 0 and count + len(data) >= limit
            if cut and limit is not None:
                data = data[: limit - count]
            if direction == "down" and rules.corrupt_at is not None and count <= rules.corrupt_at < count + len(data):
                at = rules.corrupt_at - count
                data = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
                self.fired["corrupt"] += 1
            await self._write(sink, data, rules.slice)
            count += len(data)
            self.passed[direction] += len(data)
            if cut:
                self.fired["cut"] += 1
                if rules.cuts is not None:
                    rules.cuts -= 1
                _reset(*pair)
                raise ConnectionResetError
        with contextlib.suppress(OSError):
            sink.write_eof()

    async def _write(self, sink: asyncio.StreamWriter, data: bytes, size: int) -> None:
        if not size:
            sink.write(data)
            await sink.drain()
            return
        self.fired["slice"] += 1
        for start in range(0, len(data), size):
            sink.write(data[start : start + size])
            await sink.drain()


def _reset(*writers: asyncio.StreamWriter) -> None:
    """Close so that the peer sees a reset, not an orderly end."""
    for writer in writers:
        sock = writer.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
