"""From a task and its options to a plan, and from a plan and arguments to a message. Pure: the time, the ids and the current request are arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, ClassVar

from umbel.app.sending.options import PublishOptions
from umbel.app.sending.routing import Router
from umbel.brokers.topology import Destination
from umbel.errors import EncodeError, ImproperlyConfigured
from umbel.messages import timing, v2
from umbel.messages.model import Embed, TaskMessage
from umbel.messages.preview import preview
from umbel.wire.message import Call, Message, Stencil

if TYPE_CHECKING:
    from umbel.app.sending.keyed.unique import UniqueCall
    from umbel.messages.task_keys import TaskKeys

Delivery = tuple[bool, bool | None, Mapping[str, Any] | None]

_TRANSIENT = frozenset({1, "1", "transient"})
_NOTHING = Embed()
#: A named tuple's own constructor takes twice as long.
_new = tuple.__new__


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """An app as a sender: what its settings say of it; made anew when they change."""

    router: Router
    serializer: str
    compression: str | None
    #: 1 or 2.
    delivery_mode: int
    priority: int | None
    inherit_priority: bool
    #: Priorities are the other way round in messages (``priority_order``).
    mirrors_priorities: bool = False
    protocol: int
    #: In which times are written.
    zone: tzinfo
    #: ``gen<pid>@<host>``.
    origin: str
    #: Address of results, or the id of this client.
    reply_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling:
    """One call: which task, with what, from where."""

    name: str
    #: For routes only.
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: PublishOptions
    #: The task object, where there is one.
    task: Any = None
    #: Options that the task itself has.
    attributes: Mapping[str, Any]
    #: The request of the task that sends.
    parent: Any = None
    #: Seconds since the epoch.
    now: float


@dataclass(slots=True)
class SinglePlan:
    """The plan of one call that has more of its own than arguments. What has the same name in a `Plan` means the same."""

    sender: Sender
    calling: Calling
    #: Those of the call, of its task and of its route.
    options: PublishOptions
    to: Destination
    #: ISO 8601.
    eta: str | None
    #: Seconds since the epoch.
    begins_at: float
    #: No result will be stored.
    ignored: bool
    #: The key that no other call may have.
    unique: UniqueCall | None
    #: All its keys, as they travel.
    keys: TaskKeys | None

    stencil: ClassVar[Any] = None

    @property
    def delivery(self) -> Delivery:
        """See `Plan.delivery`. A key and its message must agree, so a unique call waits for the broker's word."""
        return self.options.confirm or self.unique is not None, self.options.retry, self.options.retry_policy

    def render(self, task_id: str, root_id: str, parent_id: str | None, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Message:
        """Render the message.

        Args:
            task_id: of the call.
            root_id: of the task that everything began with.
            parent_id: of the task that sends it, if any.
            args: positional arguments.
            kwargs: keyword arguments.

        Raises:
            EncodeError: the arguments cannot be written.
        """
        sender, options = self.sender, self.options
        task = _task_message(self, task_id, root_id, parent_id, args, kwargs)
        render = v2.render
        if sender.protocol == 1:
            from umbel.messages.v1 import render  # few send it
        message = render(
            task,
            serializer=options.serializer or sender.serializer,
            compression=options.compression or sender.compression,
            delivery_mode=_delivery_mode(options.delivery_mode, self.to, sender.delivery_mode),
        )
        if options.properties:
            message.properties.update(options.properties)
        return message


def plan_single(sender: Sender, calling: Calling) -> SinglePlan:
    """Find out how one call is to be sent.

    Precedence, from the strongest: calling options, the task's attributes, route, settings (Celery's user guide, "Routing tasks").

    Args:
        sender: of the app.
        calling: the call.

    Raises:
        ImproperlyConfigured: a unique call in protocol 1.
        QueueNotFound: the queue is unknown and may not be made.
        TypeError: an option of a unique call is of another kind.
        ValueError: a time, or an option of a unique call, cannot be understood.
    """
    options = _all_options(sender, calling)
    to = sender.router.destination(options)
    eta = timing.eta_text(options.eta, options.countdown, calling.now, sender.zone)
    # The age of an id tells whether a result may be gone already: what waits for its time has none yet.
    begins_at = max(calling.now, timing.timestamp(eta)) if eta else calling.now
    unique, keys = None, None
    if options.is_unique or "concurrency_key" in calling.attributes or "rate_limit_key" in calling.attributes:
        unique, keys = _keys(sender, calling, options, begins_at)
    return SinglePlan(sender, calling, options, to, eta, begins_at, bool(_ignore_result(options, calling.task)), unique, keys)


def _keys(sender: Sender, calling: Calling, options: PublishOptions, begins_at: float) -> tuple[UniqueCall | None, TaskKeys | None]:
    """Make the keys of a call: the one that no other call may have, and all, as they travel."""
    from umbel.app.sending.keyed.making import limit_key  # most programs have no tasks with keys
    from umbel.app.sending.keyed.unique import unique_call
    from umbel.messages.task_keys import TaskKeys

    unique = unique_call(options, calling.task, calling.name, calling.args, calling.kwargs, begins_at - calling.now)
    if unique is not None and sender.protocol != 2:
        raise ImproperlyConfigured(f"task {calling.name} is unique, which messages of protocol 1 cannot say: set task_protocol to 2")
    keys = TaskKeys() if unique is None or unique.keys is None else unique.keys
    if sender.protocol == 2:
        concurrency, rate = (
            limit_key(option, calling.attributes[option], calling.task, calling.name, calling.args, calling.kwargs)
            if option in calling.attributes
            else ""
            for option in ("concurrency_key", "rate_limit_key")
        )
        keys = replace(keys, concurrency=concurrency, rate=rate)
    return unique, keys or None


def too_large(name: str, size: int, most: int) -> EncodeError:
    """Make the error of a body that is larger than workers take.

    Args:
        name: of the task.
        size: bytes.
        most: bytes that workers take.
    """
    return EncodeError(
        f"the arguments of {name} are too large: {size:,} bytes, and workers take {most:,} (message_max_body). "
        "Send a reference to them instead, or raise that setting, in workers too"
    )


def _all_options(sender: Sender, calling: Calling) -> PublishOptions:
    """The options of a call, with those of its task and its route."""
    options = calling.options.over(calling.attributes)
    if options.is_unique:
        from umbel.app.sending.keyed.unique import delayed

        options = delayed(options)
    if not sender.router.rules:
        return options
    given = {name: getattr(options, name) for name in ("queue", "exchange", "routing_key", "priority")}
    name = options.route_name or calling.name
    return options.over(sender.router.lookup(name, calling.args, calling.kwargs, given, calling.task) or {})


def _task_message(
    plan: SinglePlan, task_id: str, root_id: str, parent_id: str | None, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> TaskMessage:
    sender, calling, options = plan.sender, plan.calling, plan.options
    embed = _NOTHING
    if options.link or options.link_error or options.chain is not None or options.chord:
        embed = Embed(
            callbacks=list(options.link) or None, errbacks=list(options.link_error) or None, chain=options.chain, chord=options.chord
        )
    expires = timing.expires_text(options.expires, calling.now, sender.zone)
    if expires:
        timing.timestamp(expires)  # what is no time is an error here, not in a worker
    return TaskMessage(
        task=calling.name,
        id=task_id,
        args=args,
        kwargs=kwargs,
        embed=embed,
        shadow=options.shadow,
        eta=plan.eta,
        expires=expires,
        group=options.group_id,
        group_index=options.group_index,
        retries=options.retries,
        timelimit=_timelimit(calling.name, options),
        root_id=root_id,
        parent_id=parent_id,
        argsrepr=options.argsrepr or preview(args),
        kwargsrepr=options.kwargsrepr or preview(kwargs),
        origin=options.origin or sender.origin,
        ignore_result=_ignore_result(options, calling.task),
        replaced_task_nesting=options.replaced_task_nesting,
        stamped_headers=options.stamped_headers,
        stamps=options.stamps,
        headers=_headers(plan),
        reply_to=sender.reply_to if options.reply_to is None else options.reply_to,
        priority=_priority(sender, options, calling.parent),
    )


def _timelimit(name: str, options: PublishOptions) -> tuple[float | None, float | None]:
    """Return the hard and the soft time limit, in the message's order."""
    hard, soft = options.time_limit, options.soft_time_limit
    if hard is not None and soft is not None and soft > hard:
        raise ValueError(f"soft_time_limit must be less than or equal to time_limit: task {name} has {soft:g} s and {hard:g} s")
    return hard, soft


def _headers(plan: SinglePlan) -> Mapping[str, Any]:
    own = plan.options.headers or {}
    return own if plan.keys is None else {**own, v2.KEYS: plan.keys.header}


def _ignore_result(options: PublishOptions, task: Any) -> Any:
    if options.ignore_result is not None:
        return bool(options.ignore_result)
    return None if task is None else bool(task.ignore_result)  # null, as Celery: the worker's own setting decides


def _priority(sender: Sender, options: PublishOptions, parent: Any) -> int:
    """The priority in the message."""
    priority = options.priority
    if priority is None and sender.inherit_priority and parent is not None:
        priority = (parent.properties or {}).get("priority")
    if priority is None:
        priority = sender.priority or 0
    if sender.mirrors_priorities:
        from umbel.messages.priorities import mirrored  # few want it

        return mirrored(priority)
    return int(priority)


def _delivery_mode(given: int | str | None, to: Destination, default: int) -> int:
    if given is not None:
        return 1 if given in _TRANSIENT else 2
    if to.queue is not None and to.queue.exchange is not None and to.queue.exchange.delivery_mode is not None:
        return int(to.queue.exchange.delivery_mode)
    return default


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of all calls of one task that differ in their arguments only: stencil and address."""

    stencil: Stencil
    to: Destination
    serializer: str
    #: No result will be stored.
    ignored: bool

    #: Of the call: nothing.
    options: ClassVar[PublishOptions] = PublishOptions()
    #: ``confirm``, ``retry`` and ``retry_policy``, which the publisher is told: messages of one bulk agree in them.
    delivery: ClassVar[Delivery] = (False, None, None)
    #: Now.
    begins_at: ClassVar[float | None] = None
    #: It has no key.
    unique: ClassVar[UniqueCall | None] = None

    def render(self, task_id: str, root_id: str, parent_id: str | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """Render what goes into the holes of the stencil.

        Args:
            task_id: of the call.
            root_id: of the task that everything began with.
            parent_id: of the task that sends it, if any.
            args: positional arguments.
            kwargs: keyword arguments.

        Raises:
            EncodeError: the arguments cannot be written.
        """
        body = v2.body(args, kwargs, serializer=self.serializer)[2]
        return _new(Call, (task_id, root_id, parent_id, preview(args), preview(kwargs) if kwargs else "{}", body, None))


def plan_plain(sender: Sender, calling: Calling) -> Plan | None:
    """The plan of calls with the same options; ``None`` where calls differ in more than arguments and ids.

    Args:
        sender: of the app.
        calling: a call without arguments.
    """
    if not sender.router.static or sender.inherit_priority or sender.protocol != 2 or calling.options.over(calling.attributes).is_unique:
        return None
    single = plan_single(sender, calling)
    options, to = single.options, single.to
    changing = options.expires is not None or options.countdown is not None or options.eta is not None
    if changing or not to.mandatory or options.compression or sender.compression or options.headers or options.stamped_headers:
        return None
    serializer = options.serializer or sender.serializer
    stencil = v2.stencil(
        _task_message(single, "", "", None, (), {}),
        exchange=to.exchange,
        routing_key=to.routing_key,
        serializer=serializer,
        delivery_mode=_delivery_mode(options.delivery_mode, to, sender.delivery_mode),
    )
    return Plan(stencil, to, serializer, single.ignored)
