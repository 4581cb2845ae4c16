"""A worker whose tasks run in this process's main thread (``-P solo``)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from umbel.app.app import Umbel
from umbel.pools.base import Seat, SeatListener
from umbel.pools.child import watch_soft_limit
from umbel.pools.effects import AppEffects
from umbel.pools.executor import Executor
from umbel.pools.solo import SoloSeat
from umbel.worker.stopping import StopRequest


class SoloSeating:
    """One seat, made on the loop, served by the thread that calls `run`.

    Args:
        app: whose tasks run.
        hostname: of the worker.
        stop: requested when that thread fails.
    """

    def __init__(self, app: Umbel, hostname: str, stop: StopRequest) -> None:
        self._app = app
        self._hostname = hostname
        self._stop = stop
        self._interruptible = False
        self._seat: SoloSeat | None = None
        self._is_made = threading.Event()
        self.is_closing = False
        self._is_gone = False

    def run(self, main: Callable[[], Coroutine[Any, Any, int]]) -> int:
        """The loop on a thread, the tasks here."""
        in_main = self._interruptible = threading.current_thread() is threading.main_thread()
        code: Future[int] = Future()

        def serve() -> None:
            try:
                code.set_result(asyncio.run(main()))
            except BaseException as error:
                code.set_exception(error)
            finally:
                self._is_made.set()

        thread = threading.Thread(target=serve, name="umbel-consumer")
        thread.start()
        self._is_made.wait()
        seat = self._seat
        try:
            if seat is not None:
                runner = self._app.runner(self._hostname)
                if in_main:
                    watch_soft_limit(seat.board, runner.soft_limit)
                Executor(runner, seat.board, seat, AppEffects(self._app)).run()
        except BaseException:
            self._stop.request()
            raise
        finally:
            if seat is not None and thread.is_alive():
                seat.gone()
            thread.join()
        return code.result()

    def open(self, listener: SeatListener, count: int) -> None:  # noqa: ARG002 - there is only one main thread
        """Make the seat."""
        self._seat = SoloSeat(listener, asyncio.get_running_loop(), interruptible=self._interruptible)
        self._is_made.set()
        listener.on_ready(self._seat)

    def replace(self, seat: Seat) -> None:
        """The main thread is not replaced: it goes on."""
        seat.is_ready = True

    def filled(self, seat: Seat) -> None:  # noqa: ARG002 - there is only one
        """The main thread has left."""
        self._is_gone = True

    def close(self) -> None:
        """Let the main thread leave."""
        self.is_closing = True
        if self._seat is not None:
            self._seat.quit()

    def kill(self) -> None:
        """Let the main thread leave; what it runs cannot be ended."""
        self.close()

    @property
    def is_empty(self) -> bool:
        """Whether the main thread has left, or never came."""
        return self._seat is None or self._is_gone
