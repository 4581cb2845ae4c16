"""`Request`: the call that a running task sees as ``self.request``.

One is made for every task that runs, so it keeps the message's headers as they came and looks things up when they are asked for. The
names are those of Celery's context (5.7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from umbel.messages.v2 import own_headers

#: Names that mean something else in a request than a header of the user's.
_TAKEN: Final = frozenset({"clock", "properties", "delivery_info", "logfile", "loglevel"})


class Request:
    """One run of a task.

    Args:
        task: the task object.
        id: the task's id; ``None`` outside of a worker.
        args: positional arguments.
        kwargs: keyword arguments.
        fields: protocol 2's headers, or the fields of protocol 1 under the same names.
        embed: callbacks, errbacks, chain, chord.
        properties: the message's properties.
        address: exchange and routing key that the message came by.
        hostname: the worker's name.
        is_eager: it runs in its caller.
        called_directly: the task was called as a plain function.
    """

    id: str | None
    task: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    hostname: str
    is_eager: bool
    called_directly: bool
    #: Result tuples of the tasks that this one sent.
    children: list[Any]
    retries: int
    eta: str | None
    expires: str | None
    root_id: str | None
    parent_id: str | None
    group: str | None
    group_index: int | None
    delivery_info: dict[str, Any]
    headers: dict[str, Any]
    reply_to: str | None
    correlation_id: str | None
    timelimit: tuple[float | None, float | None]
    callbacks: Sequence[Mapping[str, Any]] | None
    errbacks: Sequence[Mapping[str, Any]] | None
    chain: Sequence[Mapping[str, Any]] | None
    chord: Mapping[str, Any] | None
    shadow: str | None
    ignore_result: bool
    origin: str
    replaced_task_nesting: int
    stamped_headers: Sequence[str] | None
    stamps: Mapping[str, Any]
    #: Members that the task has added to its chord (`Task.add_to_chord`).
    chord_additions: int = 0
    #: The last state that `Task.checkpoint` was given, in this run or one before.
    checkpoint: Any
    #: Where it is kept, once the task has asked (`umbel.execution.checkpoints`).
    checkpoints: Any = None

    def __init__(  # noqa: PLR0913, PLR0917 - one per message: a value object would cost a second one
        self,
        task: Any,
        id: str | None,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        fields: Mapping[str, Any],
        embed: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        address: tuple[str, str, bool] = ("", "", False),
        hostname: str = "",
        is_eager: bool = False,
        called_directly: bool = False,
    ) -> None:
        self.task_object = task
        self.id = id
        self.args = args
        self.kwargs = kwargs
        self.fields = fields
        self.embed = embed
        self.properties = properties
        self.address = address
        self.hostname = hostname
        self.is_eager = is_eager
        self.called_directly = called_directly
        self.children = []
        #: Retries that the task asked for (see `Task.retry`).
        self.planned_retry: Any = None
        #: The plan of the workflow that takes its place (see `Task.replace`).
        self.planned_replacement: Any = None
        #: It published messages.
        self.has_sent = False
        #: What the task returned or raised.
        self.result: Any = None
        #: The request that was current before this one, in the same context.
        self.outer: Request | None = None

    @classmethod
    def outside(cls, task: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Request:
        """Make the request that a task sees when it is called as a plain function.

        Args:
            task: that is called.
            args: positional arguments.
            kwargs: keyword arguments.
        """
        return cls(task, None, args, kwargs or {}, {}, called_directly=True)

    def __getattr__(self, name: str) -> Any:
        look_up = _LAZY.get(name)
        if look_up is not None:
            value = look_up(self)
        elif name.startswith("__"):
            raise AttributeError(name)
        elif name in self.fields:
            value = self.fields[name]
        else:
            raise AttributeError(f"the request has no {name!r}, and its message has no such header")
        self.__dict__[name] = value
        return value

    def __repr__(self) -> str:
        return f"<Request: {self.task}[{self.id}] retries={self.retries}>"

    def get(self, name: str, default: Any = None) -> Any:
        """Return the attribute ``name``, or ``default``."""
        return getattr(self, name, default)

    def update(self, *others: Mapping[str, Any], **values: Any) -> None:
        """Set attributes from ``*others``, mappings, and ``**values``."""
        for other in others:
            self.__dict__.update(other)
        self.__dict__.update(values)

    def clear(self) -> None:
        """Forget everything, as after the task."""
        self.__dict__.clear()
        self.__init__(None, None, (), {}, {}, called_directly=True)  # type: ignore[misc]

    def as_execution_options(self) -> dict[str, Any]:
        """The calling options that send this task again as it was sent."""
        hard, soft = self.timelimit
        return {
            "task_id": self.id,
            "root_id": self.root_id,
            "parent_id": self.parent_id,
            "group_id": self.group,
            "group_index": self.group_index,
            "shadow": self.shadow,
            "chord": self.chord,
            "chain": self.chain,
            "link": self.callbacks,
            "link_error": self.errbacks,
            "expires": self.expires,
            "soft_time_limit": soft,
            "time_limit": hard,
            "headers": self.headers,
            "retries": self.retries,
            "reply_to": self.reply_to,
            "replaced_task_nesting": self.replaced_task_nesting,
            "origin": self.origin,
            "ignore_result": self.ignore_result,
            "stamped_headers": self.stamped_headers,
            "stamps": self.stamps,
        }


def _field(name: str, default: Any = None) -> Callable[[Request], Any]:
    return lambda request: request.fields.get(name, default)


def _embedded(name: str) -> Callable[[Request], Any]:
    return lambda request: (request.embed or {}).get(name)


def _property(name: str) -> Callable[[Request], Any]:
    return lambda request: (request.properties or {}).get(name)


def _task_name(request: Request) -> Any:
    return request.fields.get("task") or getattr(request.task_object, "name", None)


def _count(name: str) -> Callable[[Request], int]:
    def look_up(request: Request) -> int:
        found = request.fields.get(name)
        return found if type(found) is int and found > 0 else 0

    return look_up


def _checkpoint(request: Request) -> Any:
    from umbel.execution.checkpoints import checkpoints_of  # few tasks have some

    return checkpoints_of(request).read()


def _timelimit(request: Request) -> tuple[float | None, float | None]:
    found = request.fields.get("timelimit")
    if isinstance(found, (list, tuple)) and len(found) == 2:
        return (found[0], found[1])
    return (None, None)


def _delivery_info(request: Request) -> dict[str, Any]:
    if request.is_eager:
        return dict(request.fields.get("delivery_info") or {"is_eager": True, "exchange": None, "routing_key": None, "priority": None})
    exchange, routing_key, redelivered = request.address
    return {
        "exchange": exchange,
        "routing_key": routing_key,
        "priority": (request.properties or {}).get("priority"),
        "redelivered": redelivered,
    }


def _headers(request: Request) -> dict[str, Any]:
    return {name: value for name, value in own_headers(request.fields).items() if name not in _TAKEN}


_LAZY: Final[Mapping[str, Callable[[Request], Any]]] = {
    "checkpoint": _checkpoint,
    "task": _task_name,
    "retries": _count("retries"),
    "replaced_task_nesting": _count("replaced_task_nesting"),
    "timelimit": _timelimit,
    "time_limit": lambda request: request.timelimit[0],
    "soft_time_limit": lambda request: request.timelimit[1],
    "delivery_info": _delivery_info,
    "headers": _headers,
    "root_id": lambda request: request.fields.get("root_id") or request.id,
    "group": _field("group"),
    "taskset": _field("group"),
    "reply_to": _property("reply_to"),
    "correlation_id": _property("correlation_id"),
    "callbacks": _embedded("callbacks"),
    "errbacks": _embedded("errbacks"),
    "chain": _embedded("chain"),
    "chord": _embedded("chord"),
    "lang": _field("lang", "py"),
    "origin": _field("origin", ""),
    "utc": _field("utc", True),
    "ignore_result": _field("ignore_result", False),
    "stamps": lambda request: request.fields.get("stamps") or {},
    "logfile": _field("logfile"),
    "loglevel": _field("loglevel"),
    **{
        name: _field(name) for name in ("eta", "expires", "parent_id", "group_index", "shadow", "argsrepr", "kwargsrepr", "stamped_headers")
    },
}
