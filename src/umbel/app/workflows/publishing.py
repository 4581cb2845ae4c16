"""`Workflows`: plans an app's workflows, records their chords, publishes their calls, and makes result objects of their handles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from umbel import current
from umbel.app.connections import seconds
from umbel.app.sending.calls import TaskCall
from umbel.app.sending.options import PublishOptions
from umbel.app.sending.plans import plans_of
from umbel.canvas import shapes
from umbel.canvas.freezing import Naming
from umbel.canvas.handles import Handle
from umbel.canvas.planning import ChordStart, Lineage, Plan, PlannedCall, plan
from umbel.errors import ImproperlyConfigured
from umbel.messages.ids import uuid7
from umbel.results.handles import GroupResult

#: Options of a call that a plain task does not have: with one of them it is planned like a workflow.
_PLANNED = frozenset({"chain", "chord"})
#: Options that planning gives to a member of a chord: there is nothing to check in them.
_MADE = frozenset({"task_id", "reply_to", "root_id", "parent_id", "group_id", "group_index", "chord", "add_to_parent"})
_NONE: Mapping[str, str] = {}


class Workflows:
    """The workflows of one app.

    Args:
        app: renders and publishes.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def naming(self) -> Naming:
        """Make the names for workflows that are sent from here."""
        app = self._app
        return Naming(
            new_id=lambda: uuid7(app.time.now()),
            reply_to=app.outbox.sender.reply_to,
            errbacks_in_header=bool(app.conf.task_allow_error_cb_on_chord_header),
            most_copied=app.conf.task_chord_body_limit,
            polled_every=polled_every(app),
            chord_timeout=seconds(app.conf.task_chord_timeout),
        )

    def publish(self, workflow: shapes.Shape, args: Iterable[Any], kwargs: shapes.Shape, options: Mapping[str, Any]) -> Any:
        """Send a workflow.

        Args:
            workflow: any signature.
            args: in front of its first tasks' own.
            kwargs: over its first tasks' own.
            options: calling options.

        Returns:
            Its result: an `AsyncResult`, a `GroupResult`; ``None`` for an empty chain.

        Raises:
            ImproperlyConfigured: there is a chord in it, and no result store that counts its members.
            OperationalError: the broker or the store cannot be reached.
            TypeError: a task takes other arguments, or there is no such option, or a part cannot be started (see `plan`).
        """
        if shapes.kind(workflow) == shapes.TASK and not _PLANNED & (workflow.get("options") or {}).keys():
            own = shapes.merged(workflow, args, kwargs, options)
            return self._send_one(own["task"], own["args"], own["kwargs"], own["options"])
        if self._app.conf.task_always_eager:
            return self.run(workflow, args, kwargs, options, as_sent=True)
        planned = self._plan(workflow, args, kwargs, options, self._app.conf.task_chain_limit)
        if planned.kept and not self._can_keep():
            planned = self._plan(workflow, args, kwargs, options, 0)
        calls = self._made(planned.calls)
        self._open_chords(planned.records, calls)
        for key, part in planned.kept:
            self._app.store.groups.save(key, part)
        self._app.outbox.expect(planned.later)  # whoever waits for a later task may do so from now on
        others = self._send(calls)
        if planned.handle is None:
            return None
        found = self.result(planned.handle, others)
        self.remember(found.as_tuple() if others else planned.handle.as_tuple(), options)
        # As in Celery (5.7): a group whose only member ends in a group is worth that group's values.
        only = found.results[0] if isinstance(found, GroupResult) and shapes.kind(workflow) == shapes.GROUP and len(found) == 1 else None
        return only if isinstance(only, GroupResult) else found

    def can_stream(self) -> bool:
        """Report whether a chord's members may be sent while its header is read."""
        from umbel.app.workflows import streaming

        return streaming.can_stream(self._app)

    def stream(self, members: Iterator[Any], body: shapes.Shape) -> Any:
        """Send a chord while its header is read; see `umbel.app.workflows.streaming`.

        Args:
            members: yields the header's signatures.
            body: of the chord.
        """
        from umbel.app.workflows import streaming

        return streaming.publish(self._app, members, body, lineage_of(self._app))

    def _plan(
        self, workflow: shapes.Shape, args: Iterable[Any], kwargs: shapes.Shape, options: Mapping[str, Any], most_chained: int
    ) -> Plan:
        lineage = lineage_of(self._app)
        return plan(workflow, self.naming(), args=args, kwargs=kwargs, options=options, lineage=lineage, most_chained=most_chained)

    def _can_keep(self) -> bool:
        store = self._app.store
        return store is not None and store.groups is not None

    def run(
        self, workflow: shapes.Shape, args: Iterable[Any], kwargs: shapes.Shape, options: Mapping[str, Any], *, as_sent: bool = False
    ) -> Any:
        """Run a workflow here and now.

        Args:
            workflow: any signature.
            args: in front of its first tasks' own.
            kwargs: over its first tasks' own.
            options: calling options, and ``throw``: raise what a task raises.
            as_sent: it stands for messages (``task_always_eager``).
        """
        from umbel.app.workflows.eager import EagerRun

        return EagerRun(self._app, replace(self.naming(), most_copied=0, polled_every=None, chord_timeout=None), as_sent=as_sent).run(
            workflow, args, kwargs, options
        )

    def result(self, handle: Handle, others: Mapping[str, str] = _NONE) -> Any:
        """The result object of a handle, with those of what is before it.

        Args:
            handle: of a frozen workflow.
            others: ids of unique calls that were not sent → of those that stand for them.
        """
        # Members of a group are mostly calls of one task, which is asked once.
        return self._result(handle, {}, others)

    def _result(self, handle: Handle, ignoring: dict[str | None, bool], others: Mapping[str, str]) -> Any:
        app = self._app
        found: Any = None
        before = () if handle.parent is None else reversed(list(handle.parents))
        for each in (*before, handle):
            if each.is_group:
                found = GroupResult(each.id, [self._result(child, ignoring, others) for child in each.children], found, app)
                continue
            found = app.AsyncResult(others.get(each.id, each.id), None, each.name, found)
            if each.ignore_result is not None:
                found.ignored = bool(each.ignore_result)
            else:
                if each.name not in ignoring:
                    task = app.tasks.get(each.name)
                    ignoring[each.name] = task is not None and bool(task.ignore_result)
                found.ignored = ignoring[each.name]
        return found

    def _made(self, planned: Iterable[PlannedCall]) -> list[TaskCall]:
        return [
            TaskCall(call.task, call.args, call.kwargs, {**call.options, "add_to_parent": False}, self._app.tasks.get(call.task))
            for call in planned
        ]

    def send(self, planned: Iterable[PlannedCall]) -> dict[str, str]:
        """Publish calls; returns the ids of unique ones that were not sent, with those that stand for them.

        Args:
            planned: none is fine.
        """
        calls = self._made(planned)
        return self._send(calls) if calls else {}

    def open_chords(self, records: Sequence[ChordStart], planned: Iterable[PlannedCall]) -> None:
        """Record chords, before the calls of their headers are sent.

        Args:
            records: of the chords.
            planned: the calls.
        """
        self._open_chords(records, self._made(planned))

    def _open_chords(self, records: Sequence[ChordStart], calls: list[TaskCall]) -> None:
        """Record the chords of a plan. What cannot be sent is told before: nobody would close them."""
        if not records:
            return
        for _, args, kwargs, options, task in calls:
            if not options.keys() <= _MADE or type(options["task_id"]) is not str:
                PublishOptions.parse(options)
            if task is not None and (check := plans_of(task).check) is not None:
                check(args, kwargs)
        store = self._app.store
        if store is None or store.groups is None:
            raise ImproperlyConfigured(
                "a chord needs a result store that counts its header's tasks: set result_backend to redis://, sqlite:// or another shared store"
            )
        for record in records:
            if record.kept:
                store.groups.save(record.kept, record.body)
            store.groups.open(record.group_id, record.size, record.header)

    def _send(self, calls: list[TaskCall]) -> dict[str, str]:
        """Publish calls: together, unless one of their tasks has a way of its own to send them.

        Returns:
            Ids of unique calls that were not sent → of those that have their keys, and stand for them.
        """
        if any(call.task is not None and call.task.sends_in_its_own_way for call in calls):
            handles = [self._send_one(call.name, call.args, call.kwargs, dict(call.options)) for call in calls]
        elif len(calls) == 1:
            handles = [self._app.outbox.publish_one(*calls[0])]
        else:
            handles = self._app.outbox.publish(calls)
        sent = zip((call.options.get("task_id") for call in calls), handles, strict=True)
        return {task_id: handle.id for task_id, handle in sent if task_id and getattr(handle, "id", task_id) != task_id}

    def _send_one(self, name: str, args: Any, kwargs: Any, options: dict[str, Any]) -> Any:
        task = self._app.tasks.get(name)
        if task is None:
            return self._app.send_task(name, args, kwargs, **options)
        return task.apply_async(args, kwargs, **options)

    @staticmethod
    def remember(result: Any, options: Mapping[str, Any]) -> None:
        """Note in the running task that it has sent this workflow.

        Args:
            result: of the workflow, as a tuple.
            options: of the call.
        """
        parent = current.request.get()
        if parent is not None and parent.id is not None and options.get("add_to_parent", True):
            parent.children.append(result)


def polled_every(app: Any) -> float | None:
    """Return the seconds between looks at a chord's header, where its members are not counted by the result store; ``None`` where they are.

    Args:
        app: whose chords.
    """
    store = app.store
    if store is None or not store.shared or (store.groups is not None and not app.conf.result_chord_polling):
        return None
    return float(seconds(app.conf.result_chord_retry_interval) or 1.0)


def lineage_of(app: Any) -> Lineage:
    """Find out whom the workflows come from that are sent from here.

    Args:
        app: that sends.
    """
    parent = current.request.get()
    if parent is None or parent.id is None:
        return Lineage()
    priority = (parent.properties or {}).get("priority") if app.conf.task_inherit_parent_priority else None
    return Lineage(root_id=parent.root_id, parent_id=parent.id, priority=priority)
