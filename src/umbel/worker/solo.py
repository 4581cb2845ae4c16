"""Run a worker whose tasks run in this process's main thread (``-P solo``)."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Protocol

from umbel.app.app import Umbel
from umbel.pools.base import Seat, SeatListener
from umbel.pools.child import watch_soft_limit
from umbel.pools.effects import AppEffects
from umbel.pools.executor import Executor
from umbel.pools.solo import SoloSeat


class SoloSeating:
    """One seat, made on the loop, served by the main thread."""

    def __init__(self, *, interruptible: bool) -> None:
        self._interruptible = interruptible
        self.seat: SoloSeat | None = None
        self.is_made = threading.Event()
        self.is_closing = False
        self._is_gone = False

    def open(self, listener: SeatListener, count: int) -> None:  # noqa: ARG002 - there is only one main thread
        """Make the seat."""
        self.seat = SoloSeat(listener, asyncio.get_running_loop(), interruptible=self._interruptible)
        self.is_made.set()
        listener.on_ready(self.seat)

    def replace(self, seat: Seat) -> None:
        """The main thread is not replaced: it goes on."""
        seat.is_ready = True

    def filled(self, seat: Seat) -> None:  # noqa: ARG002 - there is only one
        """The main thread has left."""
        self._is_gone = True

    def close(self) -> None:
        """Let the main thread leave."""
        self.is_closing = True
        if self.seat is not None:
            self.seat.quit()

    def kill(self) -> None:
        """Let the main thread leave; what it runs cannot be ended."""
        self.close()

    @property
    def is_empty(self) -> bool:
        """Whether the main thread has left, or never came."""
        return self.seat is None or self._is_gone


class SoloWorker(Protocol):
    """What is run; see `umbel.worker.worker.Worker`."""

    app: Umbel
    hostname: str

    async def main(self, seating: SoloSeating) -> int: ...
    def request_stop(self) -> None: ...


def run_solo(worker: SoloWorker) -> int:
    """The loop on a thread, the tasks here."""
    in_main = threading.current_thread() is threading.main_thread()
    seating = SoloSeating(interruptible=in_main)
    code: Future[int] = Future()

    def serve() -> None:
        try:
            code.set_result(asyncio.run(worker.main(seating)))
        except BaseException as error:
            code.set_exception(error)
        finally:
            seating.is_made.set()

    thread = threading.Thread(target=serve, name="umbel-consumer")
    thread.start()
    seating.is_made.wait()
    seat = seating.seat
    try:
        if seat is not None:
            runner = worker.app.runner(worker.hostname)
            if in_main:
                watch_soft_limit(seat.board, runner.soft_limit)
            Executor(runner, seat.board, seat, AppEffects(worker.app)).run()
    except BaseException:
        worker.request_stop()
        raise
    finally:
        if seat is not None and thread.is_alive():
            seat.gone()
        thread.join()
    return code.result()
