"""What follows a task, as messages: the next attempt, callbacks, the next link of its chain, error callbacks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from umbel.execution import completion, retrying
from umbel.execution.environment import Environment
from umbel.execution.model import Publish
from umbel.execution.request import Request

logger = logging.getLogger("umbel.execution")


class Following:
    """Renders what follows the tasks of one app."""

    def __init__(self, environment: Environment) -> None:
        self._env = environment

    def next_attempt(self, request: Request) -> list[Publish]:
        """The next attempt, when the task asked for one, even if it then ended in another way: asking is what sends it in Celery.

        Raises:
            Exception: it cannot be rendered: that is the task's failure, and it is not tried again.
        """
        attempt = request.planned_retry
        if attempt is None or request.is_eager:
            return []
        request.planned_retry = None
        _, message, to = self._env.prepare(request.task, attempt.args, attempt.kwargs, retrying.options_of(request, attempt))
        request.planned_retry = attempt
        return [Publish(message, to)]

    def successors(self, request: Request, value: Any) -> list[Publish]:
        """What follows a success.

        Raises:
            Exception: one cannot be rendered.
        """
        found = self.next_attempt(request)
        for signature in request.callbacks or ():
            found.append(self._follow(signature, value, request))
        chain = list(request.chain or ())
        if chain:
            following = chain.pop()
            found.append(self._follow(following, value, request, chain))
        return found

    def errbacks(self, request: Request) -> tuple[list[Publish], list[Mapping[str, Any]]]:
        """What follows a failure: error callbacks to publish, with the failed task's id; and those that are called here, after the record is
        stored, because they take (request, exc, traceback).
        """
        published: list[Publish] = []
        inline: list[Mapping[str, Any]] = []
        for signature in request.errbacks or ():
            task = self._env.tasks.get(signature["task"])
            if task is not None and task.takes_exception:
                inline.append(signature)
                continue
            args, kwargs, options = completion.follow(signature, request.id, request)
            try:
                _, message, to = self._env.prepare(signature["task"], args, kwargs, options)
            except Exception:  # the failure it follows must be stored all the same
                logger.exception("Task %s[%s]: the error callback %s cannot be sent", request.task, request.id, signature["task"])
            else:
                published.append(Publish(message, to))
        return published, inline

    def _follow(self, signature: Mapping[str, Any], value: Any, request: Request, chain: Sequence[Any] | None = None) -> Publish:
        args, kwargs, options = completion.follow(signature, value, request, chain)
        task_id, message, to = self._env.prepare(signature["task"], args, kwargs, options)
        request.children.append([[task_id, None], None])
        return Publish(message, to)
