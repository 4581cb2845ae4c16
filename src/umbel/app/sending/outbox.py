"""`Outbox`: the one road by which messages leave an app."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Protocol, cast

from umbel import current, hooks
from umbel.app.config.settings import Settings
from umbel.app.connections import AppConnections, publish_retries
from umbel.app.sending import announcing
from umbel.app.sending.calls import NOTHING, TaskCall
from umbel.app.sending.event_loop import LoopPublishing
from umbel.app.sending.members import MemberPlan, MemberPlans
from umbel.app.sending.options import PublishOptions
from umbel.app.sending.plans import plans_of
from umbel.app.sending.publishing import Calling, Plan, Sender, SinglePlan, plan_plain, plan_single, too_large
from umbel.app.sending.routing import Router
from umbel.brokers.topology import Destination, Outgoing
from umbel.errors import ImproperlyConfigured
from umbel.execution.preparing import task_names
from umbel.messages.ids import uuid7
from umbel.results.base import ResultStore
from umbel.results.handles import AsyncResult
from umbel.runtime.clock import SYSTEM, Clock
from umbel.wire.message import Call, Message

if TYPE_CHECKING:
    from umbel.app.sending.keyed.claiming import Claims, Keyed
    from umbel.app.sending.sent_events import SentEvents

_PERSISTENT, _TRANSIENT = 2, 1
#: Calls that are rendered, and told to the result store, in one go.
_BATCH = 500
_PLAIN = PublishOptions()

#: The fields of a `TaskCall`; a plain tuple costs less.
_Call = tuple[str, tuple[Any, ...], dict[str, Any], Mapping[str, Any], Any]
#: A call on its way: its handle, its plan, its message (or what goes into the holes of the plan's stencil); ``None``: another one stands for it.
_Outgoing = tuple[AsyncResult[Any], Plan | SinglePlan | MemberPlan, Call | Message | None]


class SendingApp(Protocol):
    """The part of an app that its outbox needs; see `umbel.app.app.Umbel`."""

    time: Clock
    conf: Settings
    connections: AppConnections

    @property
    def router(self) -> Router: ...
    @property
    def events(self) -> Any: ...
    @property
    def answers_by_message(self) -> bool: ...
    @property
    def timezone(self) -> tzinfo: ...
    def registered(self, name: str) -> Any: ...


class Outbox:
    """Publishes for one app. Thread-safe.

    `publish` and `publish_one` are the same road, for many calls and for one. What is done for each message that leaves the app is done in `_outgoing` and
    in `_render`, which it calls, and nowhere else.

    Args:
        app: whose messages it publishes.
    """

    def __init__(self, app: SendingApp) -> None:
        self._app = app
        self._connections = app.connections
        self._lock = threading.RLock()
        self._sender: Sender | None = None
        self._version = -1
        #: Of the sender's, those that each call needs.
        self._max_body, self._always_eager = 0, False
        #: Told of ids before their messages are published; ``None`` where nobody needs to know.
        self._expect: Callable[[Sequence[str]], None] | None = None
        #: Tells whoever watches of each message; ``None`` where that is not wanted.
        self._sent: SentEvents | None = None
        #: For coroutines.
        self.loop: LoopPublishing = LoopPublishing(lambda: app.connections.publisher, self._can_block)

    @property
    def sender(self) -> Sender:
        """The settings of sending, as of now."""
        sender = self._sender
        if sender is None or self._app.conf.version != self._version:
            sender = self.refresh()
        return sender

    def refresh(self) -> Sender:
        """Read the settings again, if they have changed."""
        with self._lock:
            sender = self._sender
            if sender is None or self._app.conf.version != self._version:
                sender = self._sender = self._compile()
                self._version = self._app.conf.version
            return sender

    def forget(self) -> None:
        """After a fork or a close: another process, another origin, another store."""
        self._sender = None
        self._expect = self._sent = None
        self.loop = LoopPublishing(lambda: self._connections.publisher, self._can_block)
        self._lock = threading.RLock()

    def close(self) -> None:
        """Wait for the threads that publish for coroutines."""
        self.loop.close()

    def _compile(self) -> Sender:
        app = self._app
        conf = app.conf
        if conf.task_protocol == 1 and conf.message_keys:
            raise ImproperlyConfigured(
                "messages of protocol 1 have no headers that could be signed: set task_protocol to 2, or no message_keys"
            )
        reply_to = expect = None
        store = app.connections.store if app.answers_by_message or conf.task_store_queued else None
        if store is not None:
            reply_to = store.reply_to
            announce = functools.partial(store.announce, publisher=app.connections.publisher)
            expect = announce if store.shared else functools.partial(_expect, store)
        self._expect = expect
        self._max_body, self._always_eager = conf.message_max_body, conf.task_always_eager
        origin = f"gen{os.getpid()}@{socket.gethostname()}"
        self._sent = _sent_events(app, origin) if conf.task_send_sent_event else None
        return Sender(
            router=app.router,
            serializer=conf.task_serializer,
            compression=conf.task_compression,
            delivery_mode=_TRANSIENT if conf.task_default_delivery_mode in (1, "transient") else _PERSISTENT,
            priority=conf.task_default_priority,
            inherit_priority=conf.task_inherit_parent_priority,
            mirrors_priorities=app.connections.mirrors_priorities(),
            protocol=conf.task_protocol,
            zone=app.timezone,
            origin=origin,
            reply_to=reply_to or app.connections.oid,
        )

    def plan(self, task: Any, options: PublishOptions) -> Plan | None:
        """Plan the calls of ``task`` with these ``options`` (see `publishing.plan_plain`); their queue is declared by then."""
        calling = Calling(name=task.name, options=options, task=task, attributes=task.sending_options(), now=0.0)
        found = plan_plain(self.sender, calling)
        task_names.warn_of_main(self._app, task)
        if found is not None and found.to.queue is not None and not found.to.queue.no_declare:
            self._connections.publisher.declare(found.to.queue)
        return found

    # the road

    def publish(self, calls: Iterable[TaskCall | _Call], options: Mapping[str, Any] = NOTHING) -> list[AsyncResult[Any]]:
        """Publish calls, with as few system calls as possible; returns their handles.

        Args:
            calls: may be of different tasks, each with options of its own; some hundreds at a time are taken from a generator.
            options: of every call that does not say otherwise.

        Raises:
            EncodeError: arguments cannot be sent, or are too large. Calls of batches before this one have left.
            OperationalError: the broker cannot be reached, or did not take a message.
            TypeError: a function takes other arguments, or there is no such option.
        """
        self.refresh()
        if self._always_eager:
            return [self.publish_one(name, args, kwargs, {**options, **own}, task) for name, args, kwargs, own, task in calls]
        handles: list[AsyncResult[Any]] = []
        held: list[Keyed] = []
        source = iter(calls)
        outgoing = self._outgoing(iter(lambda: list(islice(source, _BATCH)), []), held, options, MemberPlans(self.plan))
        publisher = self._connections.publisher
        try:
            for (confirm, retry, policy), run in groupby(outgoing, lambda each: each[1].delivery):
                with self._retrying(retry, policy):
                    publisher.publish_many(_messages(run, handles), confirm=confirm)
        except BaseException:
            self._give_up(held)
            raise
        if held:
            self._claims.keep(held)
        return handles

    def publish_one(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any] = NOTHING, task: Any = None
    ) -> AsyncResult[Any]:
        """Publish one call; returns its handle. What is raised is raised by `publish`, too.

        Args:
            name: of the task.
            args: positional arguments of the task.
            kwargs: keyword arguments of the task.
            options: calling options by name.
            task: the task object, or ``None`` for a call by name, see `TaskCall`.
        """
        if self._version != self._app.conf.version:
            self.refresh()
        if self._always_eager and task is not None:
            return self._run_here(args, kwargs, options, task)
        held: list[Keyed] = []
        try:
            for handle, plan, content in self._outgoing((((name, args, kwargs, options, task),),), held):  # noqa: B007 - returned
                if type(content) is Call:
                    self._connections.publisher.publish_stencil(plan.stencil, content)
                elif content is not None:
                    (confirm, retry, policy), timeout = plan.delivery, plan.options.timeout
                    with self._retrying(retry, policy):
                        self._connections.publisher.publish(cast("Message", content), plan.to, confirm=confirm, timeout=timeout)
        except BaseException:
            self._give_up(held)
            raise
        if held:
            self._claims.keep(held)
        return handle

    @functools.cached_property
    def _claims(self) -> Claims:
        from umbel.app.sending.keyed.claiming import Claims  # most programs have no unique tasks

        return Claims(lambda: self._connections.leases)

    def _give_up(self, held: list[Keyed]) -> None:
        """Free the keys of calls that could not be sent."""
        if held:
            self._claims.give_up(held)

    def expect(self, task_ids: Sequence[str]) -> None:
        """Tell the result store of tasks that others will send.

        Args:
            task_ids: of tasks that come later in a workflow.
        """
        self.refresh()
        if self._expect is not None:
            for start in range(0, len(task_ids), _BATCH):
                self._expect(task_ids[start : start + _BATCH])

    def prepare(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: PublishOptions
    ) -> tuple[str, Message, Destination]:
        """Render a call that a worker publishes as the effect of an execution: id, message, address.

        Args:
            name: of the task.
            args: positional arguments of the task.
            kwargs: keyword arguments of the task.
            options: of the call.
        """
        parent = current.request.get()
        if parent is not None and parent.id is None:
            parent = None
        call = (name, tuple(args), dict(kwargs), NOTHING, None)
        handle, plan, content = self._render(call, NOTHING, options, parent, listeners=True, keyed=[])
        return handle.id, cast("Message", content), plan.to

    def _outgoing(
        self, batches: Iterable[Sequence[_Call]], held: list[Keyed], common: Mapping[str, Any] = NOTHING, members: MemberPlans | None = None
    ) -> Iterator[_Outgoing]:
        """Do what is to be done for each message, before and after whoever asks for it hands it to the publisher.

        Args:
            batches: of calls.
            held: the keys that were taken for them are added here.
            common: options of all calls.
            members: finds plans for members of groups among them.
        """
        options = PublishOptions.parse(common) if common else _PLAIN
        listeners = hooks.before_task_publish.receivers or hooks.after_task_publish.receivers or self._sent
        parent = current.request.get()
        if parent is not None:
            if parent.id is None:
                parent = None
            else:
                parent.has_sent = True
        keyed: list[str] = []
        for batch in batches:
            rendered = []
            for call in batch:  # a comprehension would be one call more, which counts for a batch of one
                rendered.append(self._render(call, common, options, parent, listeners, keyed, members))  # noqa: PERF401
            if keyed:
                self.loop.may_block()
                rendered = self._claims.take(rendered, self._handle, held)
                keyed.clear()
            if self._expect is not None:
                self._expect([handle.id for handle, _, content in rendered if content is not None])
            for outgoing in rendered:
                yield outgoing
                if listeners or parent is not None:
                    handle, plan, content = outgoing
                    if listeners and content is not None:
                        self.tell_sent(cast("Message", content), plan.to)
                    if parent is not None and plan.options.add_to_parent:
                        parent.children.append([[handle.id, None], None])

    def tell_sent(self, message: Message, to: Destination) -> None:
        """Tell listeners, and whoever watches, of a message that has been published.

        Args:
            message: of a task.
            to: its address.
        """
        announcing.after(message, to)
        self.refresh()
        if self._sent is not None:
            self._sent.send(message, to)

    def _render(
        self,
        call: _Call,
        common: Mapping[str, Any],
        options: PublishOptions,
        parent: Any,
        listeners: object,
        keyed: list[str],
        members: MemberPlans | None = None,
    ) -> _Outgoing:
        """Check one call, plan it, give it an id and its kin, write it, and see that it is not too large.

        Args:
            call: the call.
            common: options of all calls.
            options: these, parsed.
            parent: the request of the task that sends, if any.
            listeners: of what is published; anything true where there are some.
            keyed: the name of a key that it needs is added here.
            members: finds plans for members of groups.
        """
        name, args, kwargs, given, task = call
        given = {**common, **given} if common and given else given or common
        plan: Plan | SinglePlan | MemberPlan | None = None
        if task is not None:
            plans = task._plans  # noqa: SLF001 - forgotten by the task, kept for the outbox
            if plans is None or plans.version != self._version:
                plans = plans_of(task)
            check = plans.check
            if check is not None:
                check(args, kwargs)
            plan = plans.find(given) if given else plans.usual or plans.find(given)
            if plan is None and members is not None:
                plan = members.find(task, given)
        if plan is None:
            plan = self._plan_single(call, given, None if given is not common else options, parent)
            if plan.unique is not None:
                keyed.append(plan.unique.name)
        content: Call | Message
        if isinstance(plan, MemberPlan):
            task_id, content = given["task_id"], plan.render(given, parent, args, kwargs)
        else:
            said = plan.options
            task_id = said.task_id or uuid7(plan.begins_at or SYSTEM.now())
            root_id, parent_id = said.root_id, said.parent_id
            if parent is not None:
                root_id, parent_id = root_id or parent.root_id, parent_id or parent.id
            content = plan.render(task_id, root_id or task_id, parent_id, args, kwargs)
        if len(content.body) > self._max_body:
            raise too_large(name, len(content.body), self._max_body)
        if listeners:
            content = plan.stencil.fill(content) if isinstance(content, Call) else content
            announcing.before(content, plan.to, self._policy(plan.options))
        handle: AsyncResult[Any] = AsyncResult(task_id, None, name, self._app)
        if plan.ignored:
            handle.ignored = True
        return handle, plan, content

    def _handle(self, task_id: str, name: str) -> AsyncResult[Any]:
        """Make the handle of a call that was sent before."""
        return AsyncResult(task_id, None, name, self._app)

    def _plan_single(self, call: _Call, given: Mapping[str, Any], options: PublishOptions | None, parent: Any) -> SinglePlan:
        """Plan a call that has something of its own.

        Args:
            call: the call.
            given: its options.
            options: these, parsed, where that was done before.
            parent: the request of the task that sends, if any.
        """
        name, args, kwargs, _, task = call
        if task is not None and "shadow" not in given:
            shadow = task.shadow_name(args, kwargs, given)
            if shadow is not None:
                given, options = {**given, "shadow": shadow}, None
        known = task if task is not None else self._app.registered(name)
        return plan_single(
            self.sender,
            Calling(
                name=name,
                args=args,
                kwargs=kwargs,
                options=PublishOptions.parse(given) if options is None else options,
                task=known,
                attributes=known.sending_options() if known is not None else NOTHING,
                parent=parent,
                now=self._app.time.now(),
            ),
        )

    def _run_here(self, args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any], task: Any) -> AsyncResult[Any]:
        """Run a call in place of publishing it (``task_always_eager``)."""
        from umbel.app import eager  # which imports what runs tasks

        if (check := plans_of(task).check) is not None:
            check(args, kwargs)
        serializer = PublishOptions.parse(options).serializer or task.serializer or self.sender.serializer
        args, kwargs = eager.as_received(args, kwargs, serializer)
        return eager.apply(task, args, kwargs, options, as_sent=True)

    def _policy(self, options: PublishOptions) -> dict[str, Any]:
        """The ``retry_policy`` of a call, for those who listen."""
        return {**(self._app.conf.task_publish_retry_policy or {}), **(options.retry_policy or {})}

    def _retrying(self, retry: bool | None, policy: Mapping[str, Any] | None) -> contextlib.AbstractContextManager[None]:
        if retry is None and policy is None:
            return contextlib.nullcontext()
        return self._connections.publisher.retrying(publish_retries(self._app.conf, retry, policy))

    def _can_block(self) -> bool:
        """Tell whether publishing may wait for more than the publisher: for a store that has to be told, or a listener."""
        if hooks.before_task_publish.receivers or hooks.after_task_publish.receivers:
            return True
        self.refresh()
        return self._expect is not None


def _messages(run: Iterable[_Outgoing], handles: list[AsyncResult[Any]]) -> Iterator[Outgoing]:
    for handle, plan, content in run:
        handles.append(handle)
        if content is not None:
            yield (content, plan.stencil) if isinstance(content, Call) else (content, plan.to)


def _sent_events(app: SendingApp, origin: str) -> SentEvents:
    from umbel.app.sending.sent_events import SentEvents

    return SentEvents(app.events.Dispatcher(hostname=origin))


def _expect(store: ResultStore, task_ids: Sequence[str]) -> None:
    for task_id in task_ids:
        store.expect(task_id)
