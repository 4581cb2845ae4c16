"""The service that introduces a worker to those that are there already: they tell each other which tasks are revoked, and their logical time.

Nobody waits for it: children take longer to load than the others to answer, and what they tell also holds for messages that are here by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final

from umbel.app.app import Umbel
from umbel.control.mailbox import Question, request_to
from umbel.errors import UmbelError
from umbel.runtime.clock import SYSTEM
from umbel.runtime.service import Service
from umbel.worker.revoking.service import Revoking

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Ids that are told, the newest; and taken from one worker.
MOST_TOLD: Final = 10_000
_MOST_TAKEN: Final = 100_000
#: Seconds for which replies are of use: nobody waits for them. And that the thread has to end.
_PATIENCE: Final = 5.0
_LEAVE_TIMEOUT: Final = 5.0


class Mingling(Service):
    """Says hello to the other workers.

    Args:
        app: whose workers they are.
        hostname: of this worker.
        revoking: what is told and learnt.
        enabled: else it does nothing.
    """

    def __init__(self, app: Umbel, hostname: str, revoking: Revoking, *, enabled: bool) -> None:
        super().__init__()
        self._app = app
        self._hostname = hostname
        self._revoking = revoking
        self._enabled = enabled
        self._loop: asyncio.AbstractEventLoop | None = None
        self._question: Question | None = None
        self._thread: threading.Thread | None = None

    async def begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._enabled:
            told = list(self._revoking.ids)[-MOST_TOLD:]
            self._question = self._app.control.mailbox.question(request_to("hello", {"from_node": self._hostname, "revoked": told}))
            self._thread = threading.Thread(target=self._greet, args=(self._question,), daemon=True, name="umbel-mingling")
            self._thread.start()

    async def end(self) -> None:
        self._loop = None
        if self._question is not None and self._thread is not None:
            await asyncio.to_thread(self._question.close)
            await asyncio.to_thread(self._thread.join, _LEAVE_TIMEOUT)

    def _greet(self, question: Question) -> None:
        try:
            question.ask(timeout=_PATIENCE, callback=self._hear)
        except UmbelError as error:
            logger.debug("the other workers cannot be asked for what was revoked: %s", error)
        finally:
            question.close()

    def _hear(self, reply: Mapping[str, Any]) -> None:
        loop = self._loop
        for node, answer in reply.items():
            if loop is None or node == self._hostname or not isinstance(answer, dict):
                continue
            self._app.clock.adjust(answer.get("clock"))
            with contextlib.suppress(RuntimeError):  # the loop has just closed
                loop.call_soon_threadsafe(self._revoking.learn, revoked_there(answer.get("revoked")))


def revoked_there(told: Any) -> dict[str, float]:
    """Read the ids that another worker remembers as revoked, with the time of now: when it was is told in a way of its own by each version.

    Args:
        told: a list of ids, or a mapping of ids; nothing in it is trusted.
    """
    ids: Iterable[Any] = told if isinstance(told, (list, tuple, dict)) else ()
    now = SYSTEM.now()
    return {
        task_id: now for task_id in list(ids)[:_MOST_TAKEN] if isinstance(task_id, str) and 0 < len(task_id) < 256 and task_id.isprintable()
    }
