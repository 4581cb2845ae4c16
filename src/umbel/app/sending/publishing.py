"""From a task, its arguments and options to a message and its address. Pure: the time, the ids and the current request are arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from umbel.app.sending.options import PublishOptions
from umbel.app.sending.routing import Router
from umbel.brokers.topology import Destination
from umbel.errors import EncodeError
from umbel.messages import timing, v1, v2
from umbel.messages.ids import uuid7
from umbel.messages.model import Embed, TaskMessage
from umbel.messages.preview import preview
from umbel.wire.message import Message, Stencil

_TRANSIENT = frozenset({1, "1", "transient"})
_NOTHING = Embed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sends, and what its settings say; made anew when they change."""

    router: Router
    serializer: str
    compression: str | None
    #: 1 or 2.
    delivery_mode: int
    priority: int | None
    inherit_priority: bool
    protocol: int
    #: In which times are written.
    zone: tzinfo
    #: ``gen<pid>@<host>``.
    origin: str
    #: Address of results, or the id of this client.
    reply_to: str
    #: Bytes of body that workers take.
    max_body: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message that is ready to go."""

    task_id: str
    message: Message
    to: Destination
    #: No result will be stored.
    ignored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling:
    """One call: which task, with what, from where."""

    name: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    options: PublishOptions
    #: The task object, where there is one.
    task: Any = None
    #: Options that the task itself has.
    attributes: Mapping[str, Any]
    #: The request of the task that sends.
    parent: Any = None
    #: Seconds since the epoch.
    now: float


def prepare(sender: Sender, calling: Calling) -> Prepared:
    """Render one call.

    Precedence, from the strongest: calling options, the task's attributes, route, settings (Celery's user guide, "Routing tasks").

    Raises:
        EncodeError: the arguments cannot be written, or are too large.
        QueueNotFound: the queue is unknown and may not be made.
        ValueError: a time cannot be understood.
    """
    options = _all_options(sender, calling)
    to = sender.router.destination(options)
    task = _task_message(sender, calling, options)
    if task.expires:
        timing.timestamp(task.expires)  # what is no time is an error here, not in a worker
    render = v1.render if sender.protocol == 1 else v2.render
    message = render(
        task,
        serializer=options.serializer or sender.serializer,
        compression=options.compression or sender.compression,
        delivery_mode=_delivery_mode(options.delivery_mode, to, sender.delivery_mode),
    )
    if len(message.body) > sender.max_body:
        raise too_large(calling.name, len(message.body), sender.max_body)
    if options.properties:
        message.properties.update(options.properties)
    return Prepared(task.id, message, to, bool(task.ignore_result))


def too_large(name: str, size: int, most: int) -> EncodeError:
    """That a body is larger than workers take."""
    return EncodeError(
        f"the arguments of {name} are too large: {size:,} bytes, and workers take {most:,} (message_max_body). "
        "Send a reference to them instead, or raise that setting, in workers too"
    )


def _all_options(sender: Sender, calling: Calling) -> PublishOptions:
    """The options of a call, with those of its task and its route."""
    options = calling.options.over(calling.attributes)
    if not sender.router.rules:
        return options
    given = {name: getattr(options, name) for name in ("queue", "exchange", "routing_key", "priority")}
    name = options.route_name or calling.name
    return options.over(sender.router.lookup(name, calling.args, calling.kwargs, given, calling.task) or {})


def _task_message(sender: Sender, calling: Calling, options: PublishOptions) -> TaskMessage:
    parent = calling.parent
    eta = timing.eta_text(options.eta, options.countdown, calling.now, sender.zone)
    # The age of an id tells whether a result may be gone already: what waits for its time has none yet.
    task_id = options.task_id or uuid7(max(calling.now, timing.timestamp(eta)) if eta else calling.now)
    embed = _NOTHING
    if options.link or options.link_error or options.chain is not None or options.chord:
        embed = Embed(
            callbacks=list(options.link) or None, errbacks=list(options.link_error) or None, chain=options.chain, chord=options.chord
        )
    return TaskMessage(
        task=calling.name,
        id=task_id,
        args=calling.args,
        kwargs=calling.kwargs,
        embed=embed,
        shadow=options.shadow,
        eta=eta,
        expires=timing.expires_text(options.expires, calling.now, sender.zone),
        group=options.group_id,
        group_index=options.group_index,
        retries=options.retries,
        timelimit=(options.time_limit, options.soft_time_limit),
        root_id=options.root_id or (parent.root_id if parent is not None and parent.id else None) or task_id,
        parent_id=options.parent_id or (parent.id if parent is not None else None),
        argsrepr=options.argsrepr or preview(calling.args),
        kwargsrepr=options.kwargsrepr or preview(calling.kwargs),
        origin=options.origin or sender.origin,
        ignore_result=_ignore_result(options, calling.task),
        replaced_task_nesting=options.replaced_task_nesting,
        stamped_headers=options.stamped_headers,
        stamps=options.stamps,
        headers=options.headers or {},
        reply_to=sender.reply_to if options.reply_to is None else options.reply_to,
        priority=_priority(sender, options, parent),
    )


def _ignore_result(options: PublishOptions, task: Any) -> Any:
    if options.ignore_result is not None:
        return bool(options.ignore_result)
    return None if task is None else bool(task.ignore_result)  # null, as Celery: the worker's own setting decides


def _priority(sender: Sender, options: PublishOptions, parent: Any) -> int:
    if options.priority is not None:
        return options.priority
    if sender.inherit_priority and parent is not None:
        inherited = (parent.properties or {}).get("priority")
        if inherited is not None:
            return int(inherited)
    return sender.priority or 0


def _delivery_mode(given: int | str | None, to: Destination, default: int) -> int:
    if given is not None:
        return 1 if given in _TRANSIENT else 2
    if to.queue is not None and to.queue.exchange is not None and to.queue.exchange.delivery_mode is not None:
        return to.queue.exchange.delivery_mode
    return default


@dataclass(frozen=True, slots=True)
class Plan:
    """What all calls of one task share that differ in their arguments only: stencil and address."""

    stencil: Stencil
    to: Destination
    serializer: str
    #: Bytes.
    max_body: int


def plan(sender: Sender, calling: Calling) -> Plan | None:
    """The plan of calls with the same options; ``None`` where calls differ in more than arguments and ids.

    Args:
        calling: a call without arguments.
    """
    if not sender.router.static or sender.inherit_priority or sender.protocol != 2:
        return None
    options = _all_options(sender, calling)
    changing = options.expires is not None or options.countdown is not None or options.eta is not None
    if changing or options.compression or sender.compression or options.headers or options.stamped_headers:
        return None
    to = sender.router.destination(options)
    task = _task_message(sender, calling, options)
    serializer = options.serializer or sender.serializer
    stencil = v2.stencil(
        task,
        exchange=to.exchange,
        routing_key=to.routing_key,
        serializer=serializer,
        delivery_mode=_delivery_mode(options.delivery_mode, to, sender.delivery_mode),
    )
    return Plan(stencil, to, serializer, sender.max_body)
