"""Successors of a task, as effects: its next attempt, callbacks, the next link of its chain, error callbacks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from umbel.canvas import successors
from umbel.canvas.freezing import Naming
from umbel.canvas.kept_parts import FAIL_KEPT, kept_key
from umbel.canvas.planning import Plan
from umbel.canvas.successors import Ended
from umbel.execution import retrying
from umbel.execution.concluding.unique_keys import kept
from umbel.execution.environment import Environment
from umbel.execution.model import Effect, OpenChord, Publish
from umbel.execution.request import Request
from umbel.messages.ids import uuid7
from umbel.messages.task_keys import KEYS
from umbel.results.group_store import CHORD_CLAIM
from umbel.wire import failures

logger: logging.Logger = logging.getLogger("umbel.execution")


class Successors:
    """Renders the successors of the tasks of one app.

    Args:
        environment: the app's parts.
    """

    def __init__(self, environment: Environment) -> None:
        self._env = environment
        self.naming: Naming = Naming(
            new_id=lambda: uuid7(environment.clock.now()),
            errbacks_in_header=environment.errbacks_in_header,
            most_copied=environment.chord_body_limit,
            polled_every=environment.polled_every,
            chord_timeout=environment.chord_timeout,
        )

    def next_attempt(self, request: Request) -> list[Effect]:
        """Render the next attempt, when the task asked for one, even if it then ended in another way: asking is what sends it in Celery.

        Args:
            request: of the task.

        Raises:
            Exception: it cannot be rendered: that is the task's failure, and it is not tried again.
        """
        attempt = request.planned_retry
        if attempt is None or request.is_eager:
            return []
        request.planned_retry = None
        _, message, to = self._env.prepare(request.task, attempt.args, attempt.kwargs, retrying.options_of(request, attempt))
        if KEYS in message.headers or KEYS in request.fields:
            kept(request, message.headers)
        request.planned_retry = attempt
        return [Publish(message, to)]

    def replacement(self, request: Request) -> list[Effect]:
        """Render what takes the task's place, when it asked for that.

        Args:
            request: of the task.

        Raises:
            Exception: a part cannot be rendered.
        """
        plan = request.planned_replacement
        return [] if plan is None else self.effects(plan, request, children=False)

    def after_success(self, request: Request, value: Any) -> list[Effect]:
        """Render the successors of a task that succeeded.

        Args:
            request: of the task.
            value: its result.

        Raises:
            Exception: one cannot be rendered.
        """
        found = self.next_attempt(request)
        if request.callbacks or request.chain:
            for plan in successors.successors(self.ended(request), value, self.naming):
                found += self.effects(plan, request)
        return found

    def fail_kept(self, task: Mapping[str, Any], request: Request, error: BaseException) -> list[Effect]:
        """Render what fails the part of a workflow that waits in the result store; nothing where a task stands for no such part.

        Args:
            task: that will not run.
            request: of the task that failed.
            error: what it failed with.
        """
        key = kept_key(task)
        if not key:
            return []
        options = {**(task.get("options") or {}), "root_id": request.root_id, "parent_id": request.id, "task_id": None}
        given = {name: value for name, value in options.items() if value is not None}
        return [Publish(*self._env.prepare(FAIL_KEPT, (failures.render(error),), {"key": key}, given)[1:])]

    def errbacks(self, request: Request) -> tuple[list[Effect], list[Mapping[str, Any]]]:
        """Render the error callbacks of a task that failed.

        Args:
            request: of the task.

        Returns:
            Those to publish, with the failed task's id; and the signatures of those that are called here, after the record is stored,
            because they take (request, exc, traceback).
        """
        return self.errbacks_of(request.errbacks or (), request, request.id)

    def errbacks_of(
        self, signatures: Sequence[Mapping[str, Any]], request: Request, failed_id: str | None
    ) -> tuple[list[Effect], list[Mapping[str, Any]]]:
        """Render error callbacks.

        Args:
            signatures: of the error callbacks.
            request: of the task that they follow.
            failed_id: what they are told has failed.

        Returns:
            As `errbacks`.
        """
        published: list[Effect] = []
        inline: list[Mapping[str, Any]] = []
        for signature in signatures:
            task = self._env.tasks.get(signature["task"])
            own = () if signature.get("immutable") else signature.get("args") or ()
            if task is not None and task.takes_exception(own, signature.get("kwargs")):
                inline.append(signature)
                continue
            try:
                plan = successors.successors(self.ended(request, callbacks=(signature,)), failed_id, self.naming)[0]
                published += self.effects(plan, request, children=False)
            except Exception:  # the failure it follows must be stored all the same
                logger.exception(
                    "Task %s[%s]: the error callback %s cannot be sent and is left out", request.task, request.id, signature["task"]
                )
        return published, inline

    def ended(self, request: Request, callbacks: Sequence[Mapping[str, Any]] | None = None) -> Ended:
        """Tell the canvas of a task that has ended.

        Args:
            request: of the task.
            callbacks: what follows it in place of its own callbacks and chain.
        """
        return Ended(
            id=request.id or "",
            root_id=request.root_id or request.id or "",
            callbacks=callbacks if callbacks is not None else request.callbacks or (),
            chain=None if callbacks is not None else request.chain,
            priority=(request.properties or {}).get("priority") if self._env.inherit_priority else None,
        )

    def effects(self, plan: Plan, request: Request, *, children: bool = True, claim: str = "") -> list[Effect]:
        """Render what starts a workflow.

        Args:
            plan: of the workflow.
            request: of the task that it follows.
            children: note in the request that it has sent it.
            claim: on the chord whose body it is, as `CHORD_CLAIM` carries it.

        Raises:
            Exception: a call cannot be rendered.
        """
        anew = not request.address[2]  # its message was not delivered again
        found: list[Effect] = [
            OpenChord(record.group_id, record.size, record.header, (record.kept, record.body) if record.kept else None, anew)
            for record in plan.records
        ]
        for call in plan.calls:
            options = {name: value for name, value in call.options.items() if value is not None}
            if request.reply_to:  # whoever waits for this task may wait for what follows it, too
                options.setdefault("reply_to", request.reply_to)
            _, message, to = self._env.prepare(call.task, call.args, call.kwargs, options)
            if claim:
                message.headers[CHORD_CLAIM] = claim
            found.append(Publish(message, to))
        if children and plan.handle is not None:
            request.children.append(plan.handle.as_tuple())
        return found
