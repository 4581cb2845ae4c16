"""Beat in a worker (``umbel worker -B``): a service with a thread, because sending may block."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

from umbel.beat.service import Service as Beat
from umbel.runtime.service import Service


class EmbeddedBeat(Service):
    """Runs beat beside a worker. Any number of workers may do so: one of them leads.

    Args:
        beat: to be run.
    """

    #: Seconds: a message may be on its way to a broker that does not answer.
    stop_timeout: float | None = 20.0

    def __init__(self, beat: Beat) -> None:
        super().__init__()
        self.beat = beat
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def name(self) -> str:
        return "Beat"

    async def begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="umbel-beat", daemon=True)
        self._thread.start()

    async def end(self) -> None:
        self.beat.stop()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            self.beat.start(embedded_process=True)
        except Exception as error:
            assert self._loop is not None
            with contextlib.suppress(RuntimeError):  # the worker has ended
                self._loop.call_soon_threadsafe(self.die, error)


def embedded(app: Any, **options: Any) -> Any:
    """Make a function that makes the service, for ``app.worker_services``.

    Args:
        app: whose tasks are sent.
        **options: of `umbel.beat.service.Service`.
    """
    beat = Beat(app, **options)
    return lambda _worker: EmbeddedBeat(beat)
