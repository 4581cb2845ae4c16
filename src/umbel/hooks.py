"""Signals: functions that are called, in the same process and thread, when something happens.

The names and keyword arguments are those of ``celery.signals`` (5.7). A receiver that raises is logged and does not harm the sender.
The cheap question before any work is done for a signal is ``if task_prerun.receivers:``.
"""

from __future__ import annotations

import inspect
import logging
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType
from typing import Any, TypeVar, overload

logger: logging.Logger = logging.getLogger("umbel.hooks")

Receiver = TypeVar("Receiver", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class _Connection:
    key: object
    sender: object
    #: Returns the receiver, or ``None`` when it is gone.
    find: Callable[[], Callable[..., Any] | None]

    def wants(self, sender: object) -> bool:
        return self.sender is None or self.sender is sender or (isinstance(self.sender, str) and self.sender == _name_of(sender))


def _name_of(sender: object) -> object:
    return sender if isinstance(sender, str) else getattr(sender, "name", None)


class Signal:
    """One thing that happens.

    Args:
        name: for messages.
        arguments: the keywords that receivers get.
    """

    __slots__ = ("_lock", "_watchers", "arguments", "name", "receivers")

    def __init__(self, name: str, *arguments: str) -> None:
        self.name: str = name
        self.arguments: tuple[str, ...] = arguments
        #: Empty when none is connected; replaced, never changed, so that sending needs no lock.
        self.receivers: tuple[_Connection, ...] = ()
        self._watchers: tuple[Callable[[], object], ...] = ()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Signal: {self.name} {self.arguments}>"

    @overload
    def connect(
        self, receiver: Receiver, sender: object = ..., *, weak: bool = ..., dispatch_uid: object = ..., retry: bool = ...
    ) -> Receiver: ...
    @overload
    def connect(
        self, receiver: None = ..., sender: object = ..., *, weak: bool = ..., dispatch_uid: object = ..., retry: bool = ...
    ) -> Callable[[Receiver], Receiver]: ...
    def connect(
        self,
        receiver: Any = None,
        sender: object = None,
        *,
        weak: bool = True,
        dispatch_uid: object = None,
        retry: bool = False,  # noqa: ARG002 - Celery's; a receiver that raises is only logged
    ) -> Any:
        """Call ``receiver(signal=…, sender=…, **arguments)`` from now on. Also a decorator, with or without arguments.

        Args:
            receiver: the function; takes keyword arguments.
            sender: only for this sender; a task's name stands for the task.
            weak: hold the receiver by a weak reference; a local function needs ``weak=False``.
            dispatch_uid: a second connection under the same name replaces the first.
            retry: Celery's; without effect, for a receiver that raises is logged and stays connected.

        Raises:
            TypeError: the receiver cannot be called.
            ValueError: it does not take keyword arguments.
        """
        if receiver is None:
            return lambda function: self.connect(function, sender, weak=weak, dispatch_uid=dispatch_uid)
        if not callable(receiver):
            raise TypeError(f"{self.name}.connect() needs a function, got {receiver!r}")
        if not _takes_keywords(receiver):
            raise ValueError(
                f"a receiver of {self.name} must take keyword arguments: def {getattr(receiver, '__name__', 'receiver')}(sender, **kwargs)"
            )
        key = (dispatch_uid, _sender_key(sender)) if dispatch_uid is not None else (_identity(receiver), _sender_key(sender))
        connection = _Connection(key, sender, self._reference(receiver, key) if weak else _strong(receiver))
        with self._lock:
            self.receivers = (*(kept for kept in self.receivers if kept.key != key), connection)
        for watcher in self._watchers:
            watcher()
        return receiver

    def watch(self, watcher: Callable[[], object]) -> None:
        """Call a function each time a receiver is connected: whoever sends the signal can begin then.

        Args:
            watcher: takes nothing; called on the thread that connects.
        """
        with self._lock:
            self._watchers = (*self._watchers, watcher)

    def unwatch(self, watcher: Callable[[], object]) -> None:
        """Undo `watch`.

        Args:
            watcher: the function.
        """
        with self._lock:
            self._watchers = tuple(kept for kept in self._watchers if kept != watcher)

    def _reference(self, receiver: Callable[..., Any], key: object) -> Callable[[], Callable[..., Any] | None]:
        # The callback must not keep the signal's lock busy: garbage may be collected while it is held.
        forget: Callable[[Any], None] = lambda _: self._drop(key)  # noqa: E731
        if not inspect.ismethod(receiver):
            return weakref.ref(receiver, forget)
        # Not WeakMethod: it stumbles when one garbage collection takes an object before its method's function.
        owner, function = weakref.ref(receiver.__self__, forget), weakref.ref(receiver.__func__, forget)
        return lambda: _bound(function(), owner())

    def _drop(self, key: object) -> None:
        self.receivers = tuple(kept for kept in self.receivers if kept.key != key or kept.find() is not None)

    def disconnect(self, receiver: Any = None, sender: object = None, weak: bool | None = None, dispatch_uid: object = None) -> bool:  # noqa: ARG002
        """Undo `connect`, called with the same arguments; returns whether there was such a connection.

        Args:
            receiver: the function.
            sender: the sender that it was connected for.
            weak: without effect.
            dispatch_uid: the name that it was connected under.
        """
        key = (dispatch_uid, _sender_key(sender)) if dispatch_uid is not None else (_identity(receiver), _sender_key(sender))
        with self._lock:
            before = self.receivers
            self.receivers = tuple(kept for kept in before if kept.key != key)
            return len(before) != len(self.receivers)

    def has_listeners(self, sender: object = None) -> bool:
        """Report whether a receiver is connected for ``sender``."""
        return any(connection.wants(sender) for connection in self.receivers)

    def send(self, sender: object, **named: Any) -> list[tuple[Callable[..., Any], Any]]:
        """Call every receiver; returns each with what it returned, or with the exception it raised (which is logged).

        Args:
            sender: most often the task.
            named: the arguments of the receivers.
        """
        responses: list[tuple[Callable[..., Any], Any]] = []
        for connection in self.receivers:
            if not connection.wants(sender):
                continue
            receiver = connection.find()
            if receiver is None:
                continue
            try:
                response = receiver(signal=self, sender=sender, **named)
            except Exception as error:
                logger.exception("Signal %s: the receiver %r raised; the others are called", self.name, receiver)
                response = error
            responses.append((receiver, response))
        return responses

    send_robust = send


def _bound(function: Callable[..., Any] | None, owner: object) -> Callable[..., Any] | None:
    return None if function is None or owner is None else MethodType(function, owner)


def _strong(receiver: Callable[..., Any]) -> Callable[[], Callable[..., Any]]:
    return lambda: receiver


def _identity(receiver: Any) -> object:
    if inspect.ismethod(receiver):
        return id(receiver.__self__), id(receiver.__func__)
    return id(receiver)


def _takes_keywords(receiver: Callable[..., Any]) -> bool:
    try:
        return any(each.kind is each.VAR_KEYWORD for each in inspect.signature(receiver).parameters.values())
    except (ValueError, TypeError):  # written in C
        return True


def _sender_key(sender: object) -> object:
    return sender if isinstance(sender, str) else id(sender)


before_task_publish: Signal = Signal(
    "before_task_publish", "body", "exchange", "routing_key", "headers", "properties", "declare", "retry_policy"
)
after_task_publish: Signal = Signal("after_task_publish", "body", "exchange", "routing_key", "headers")
#: Ours: the broker did not take a message, and the call that sent it has returned. The sender is the task's name, where it is known.
task_publish_failed: Signal = Signal("task_publish_failed", "task_id", "exception")
task_received: Signal = Signal("task_received", "request")
task_prerun: Signal = Signal("task_prerun", "task_id", "task", "args", "kwargs")
task_postrun: Signal = Signal("task_postrun", "task_id", "task", "args", "kwargs", "retval", "state")
task_success: Signal = Signal("task_success", "result", "runtime")
task_retry: Signal = Signal("task_retry", "request", "reason", "einfo")
task_failure: Signal = Signal("task_failure", "task_id", "exception", "args", "kwargs", "traceback", "einfo")
task_internal_error: Signal = Signal("task_internal_error", "task_id", "args", "kwargs", "request", "exception", "traceback", "einfo")
task_revoked: Signal = Signal("task_revoked", "request", "terminated", "signum", "expired")
task_rejected: Signal = Signal("task_rejected", "message", "exc")
task_unknown: Signal = Signal("task_unknown", "message", "exc", "name", "id")
task_sent: Signal = Signal("task_sent", "task_id", "task", "args", "kwargs", "eta", "taskset")

import_modules: Signal = Signal("import_modules")
celeryd_init: Signal = Signal("celeryd_init", "instance", "conf", "options")
celeryd_after_setup: Signal = Signal("celeryd_after_setup", "instance", "conf")
worker_init: Signal = Signal("worker_init")
worker_before_create_process: Signal = Signal("worker_before_create_process")
worker_process_init: Signal = Signal("worker_process_init")
worker_process_shutdown: Signal = Signal("worker_process_shutdown", "pid", "exitcode")
worker_ready: Signal = Signal("worker_ready")
worker_shutdown: Signal = Signal("worker_shutdown")
worker_shutting_down: Signal = Signal("worker_shutting_down", "sig", "how", "exitcode")
heartbeat_sent: Signal = Signal("heartbeat_sent")

setup_logging: Signal = Signal("setup_logging", "loglevel", "logfile", "format", "colorize")
after_setup_logger: Signal = Signal("after_setup_logger", "logger", "loglevel", "logfile", "format", "colorize")
after_setup_task_logger: Signal = Signal("after_setup_task_logger", "logger", "loglevel", "logfile", "format", "colorize")

beat_init: Signal = Signal("beat_init")
beat_embedded_init: Signal = Signal("beat_embedded_init")
eventlet_pool_started: Signal = Signal("eventlet_pool_started")
eventlet_pool_preshutdown: Signal = Signal("eventlet_pool_preshutdown")
eventlet_pool_postshutdown: Signal = Signal("eventlet_pool_postshutdown")
eventlet_pool_apply: Signal = Signal("eventlet_pool_apply", "target", "args", "kwargs")
user_preload_options: Signal = Signal("user_preload_options", "app", "options")

#: Celery's signals that are never sent here: what they tell of is not there yet.
UNSENT = (
    task_sent, worker_before_create_process, heartbeat_sent, eventlet_pool_started,
    eventlet_pool_preshutdown, eventlet_pool_postshutdown, eventlet_pool_apply, user_preload_options,
)  # fmt: skip
