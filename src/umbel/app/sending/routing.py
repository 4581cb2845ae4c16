"""Routing: ``task_routes`` compiled once, and the address of one message."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from umbel.app.argument_check import warn_of_typing_errors
from umbel.app.config.sources import import_object
from umbel.app.sending.options import OPTIONS, PublishOptions
from umbel.app.sending.queues import Queues
from umbel.brokers.topology import Destination, Queue
from umbel.errors import ImproperlyConfigured

#: What a route says: calling options, `queue` above all.
Route = Mapping[str, Any]


class Rule(Protocol):
    """One entry of ``task_routes``."""

    #: Depends on nothing but the task's name.
    static: bool

    def route(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any], task: Any) -> Route | None:
        """Find where a call goes, or ``None`` when this rule does not say.

        Args:
            name: of the task.
            args: positional arguments of the call.
            kwargs: keyword arguments of the call.
            options: calling options that are said already: queue, exchange, routing_key, priority.
            task: the task, where this process has it.
        """


class TableRule:
    """Names, globs and expressions, in their order; an exact name comes first.

    Args:
        pairs: (name, glob or compiled expression; route).
    """

    static = True

    def __init__(self, pairs: Sequence[tuple[Any, Any]]) -> None:
        self._exact: dict[str, Route] = {}
        self._patterns: list[tuple[re.Pattern[str], Route]] = []
        for key, value in pairs:
            route = _as_route(value, key)
            warn_of_typing_errors(f"task_routes, the route of {key!r}", route, OPTIONS)
            if isinstance(key, re.Pattern):
                self._patterns.append((key, route))
            elif not isinstance(key, str):
                raise ImproperlyConfigured(f"task_routes: a key is a task's name, a pattern or a compiled expression, got {key!r}")
            elif any(letter in key for letter in "*?["):
                self._patterns.append((re.compile(fnmatch.translate(key)), route))
            else:
                self._exact[key] = route

    def route(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any], task: Any) -> Route | None:  # noqa: ARG002
        """Find where the table sends ``name``; ``args``, ``kwargs``, ``options`` and ``task`` do not matter."""
        found = self._exact.get(name)
        if found is None:
            found = next((route for pattern, route in self._patterns if pattern.match(name)), None)
        return found


class FunctionRule:
    """A user's ``function``: ``route_task(name, args, kwargs, options, task=None, **kw)``."""

    static = False

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def route(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any], task: Any) -> Route | None:
        """Ask the function, with ``name``, ``args``, ``kwargs``, ``options`` and ``task``."""
        said = self._function(name, args, kwargs, options, task=task)
        return None if not said else _as_route(said, name)


class OldRouterRule:
    """A ``router``: an object with ``route_for_task(task, args, kwargs)``."""

    static = False

    def __init__(self, router: Any) -> None:
        self._router = router

    def route(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any], task: Any) -> Route | None:  # noqa: ARG002
        """Ask the object, with ``name``, ``args`` and ``kwargs``; it does not want ``options`` and ``task``."""
        said = self._router.route_for_task(name, args, kwargs)
        return None if not said else _as_route(said, name)


def compile_routes(given: Any) -> tuple[Rule, ...]:
    """Compile ``task_routes``, which is ``given``, to rules, in the order in which they are asked.

    Raises:
        ImproperlyConfigured: an entry is none of the accepted kinds.
    """
    if not given:
        return ()
    if isinstance(given, (list, tuple)) and (not _is_pair(given) or _is_table(given[1])):
        return _compile_list(given)
    return (_compile_one(given),)


def _compile_list(entries: Sequence[Any]) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    pairs: list[tuple[Any, Any]] = []
    for entry in entries:
        if _is_pair(entry):
            pairs.append((entry[0], entry[1]))
            continue
        if pairs:
            rules.append(TableRule(pairs))
            pairs = []
        rules.extend(_compile_list(entry) if isinstance(entry, (list, tuple)) else [_compile_one(entry)])
    if pairs:
        rules.append(TableRule(pairs))
    return tuple(rules)


def _is_pair(entry: Any) -> bool:
    return (
        isinstance(entry, (list, tuple))
        and len(entry) == 2
        and isinstance(entry[0], (str, re.Pattern))
        and isinstance(entry[1], (str, Mapping))
    )


def _is_table(route: Any) -> bool:
    """Report whether a dict is one of routes, and no route: a router's path and a dict look like a pattern and its route."""
    return isinstance(route, Mapping) and any(
        isinstance(value, Mapping) or "." in str(key) or "*" in str(key) for key, value in route.items()
    )


def _compile_one(entry: Any) -> Rule:
    if isinstance(entry, str):
        entry = import_object(entry)
        if isinstance(entry, type):
            entry = entry()
    if _is_pair(entry):
        return TableRule([(entry[0], entry[1])])
    if isinstance(entry, Mapping):
        return TableRule(list(entry.items()))
    if hasattr(entry, "route_for_task"):
        return OldRouterRule(entry)
    if callable(entry):
        return FunctionRule(entry)
    raise ImproperlyConfigured(f"task_routes: expected a dict, pairs, a function or an import path, got {type(entry).__name__}")


def _as_route(value: Any, key: Any) -> Route:
    if isinstance(value, str):
        return {"queue": value}
    if isinstance(value, Mapping):
        return value
    if isinstance(value, Queue):
        return {"queue": value}
    raise ImproperlyConfigured(f"task_routes: the route of {key!r} must be a queue's name or a dict, got {type(value).__name__}")


class Router:
    """Decides where messages of one app go.

    Args:
        rules: asked in their order.
        queues: of the app.
    """

    def __init__(self, rules: Sequence[Rule], queues: Queues) -> None:
        self.rules = rules
        self.queues = queues
        #: The route depends on the task's name only.
        self.static: bool = all(rule.static for rule in rules)

    def lookup(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any], task: Any = None
    ) -> Route | None:
        """Ask the rules in their order; returns what the first says that knows the task.

        Args:
            name: of the task.
            args: positional arguments of the call.
            kwargs: keyword arguments of the call.
            options: calling options that are said already: queue, exchange, routing_key, priority.
            task: the task, where this process has it.
        """
        for rule in self.rules:
            route = rule.route(name, args, kwargs, options, task)
            if route:
                return route
        return None

    def destination(self, options: PublishOptions) -> Destination:
        """Find the address that ``options`` which went through `lookup` lead to.

        A queue on a direct exchange is addressed by its name on the default exchange, unless exchange and routing key are both given,
        as Celery does (5.7). A broadcast reaches whoever is there: that nobody is there is no error, unless the call says so.
        """
        exchange, key = options.exchange, options.routing_key
        queue = self._queue(options)
        if queue is None and exchange:
            queue = self.queues.broadcast_to(exchange)
        mandatory = options.mandatory is not False
        if queue is not None and queue.is_broadcast:
            mandatory = options.mandatory is True
        if exchange is not None and key is not None:
            return Destination(exchange, key, queue, mandatory)
        if queue is None and exchange:
            return Destination(exchange, self.queues.default.resolved().routing_key or "", None, mandatory)
        home = (queue or self.queues.default).resolved()
        assert home.exchange is not None
        assert home.routing_key is not None
        if home.exchange.type == "direct":
            return Destination("", home.name, home, mandatory)
        return Destination(exchange or home.exchange.name, key or home.routing_key, home, mandatory)

    def _queue(self, options: PublishOptions) -> Queue | None:
        """The queue that was named."""
        if options.queue is None:
            return None
        if isinstance(options.queue, Queue):
            return options.queue
        if isinstance(options.queue, str):
            return self.queues[options.queue]
        return self.queues.add(options.queue)
