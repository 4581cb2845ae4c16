"""Commands of remote control: a table of what workers answer to, and the decorators that add to it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, overload

F = TypeVar("F", bound=Callable[..., Any])

#: ``inspect`` commands look, ``control`` commands change.
Kind = Literal["inspect", "control"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command that a worker answers to."""

    name: str
    kind: Kind
    #: Called with the worker's façade and the request's arguments by name. A coroutine function runs on the worker's event loop and must not block; any
    #: other function runs in a thread.
    handler: Callable[..., Any]
    #: Other names that it goes by.
    aliases: tuple[str, ...] = ()
    #: Name and type of each argument that the command line takes, in order.
    args: tuple[tuple[str, Callable[[str], Any]], ...] = ()
    #: Name of the argument that takes all further words of the command line, as a list.
    variadic: str | None = None
    #: The arguments, as the command line shows them.
    signature: str = ""
    #: Seconds that the command line waits for replies.
    default_timeout: float = 1.0
    #: Listed by the command line.
    visible: bool = True
    #: One line on what it does.
    help: str = ""


class Commands:
    """All commands of this process, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Command] = {}

    def __iter__(self) -> Iterator[Command]:
        """Each command once, by name."""
        return iter(sorted(set(self._by_name.values()), key=lambda command: command.name))

    def add(self, command: Command) -> None:
        """Add a ``command``; it takes the place of another one of the same name."""
        for name in (command.name, *command.aliases):
            self._by_name[name] = command

    def find(self, name: str) -> Command | None:
        """Find the command that goes by this ``name``."""
        return self._by_name.get(name)


#: Filled when modules are imported, as by the decorators in an app's own: a worker has the commands of the modules that it has imported.
COMMANDS: Final = Commands()


@overload
def control_command(function: F, /) -> F: ...


@overload
def control_command(
    *,
    args: Sequence[tuple[str, Callable[[str], Any]]] = ...,
    signature: str = ...,
    default_timeout: float = ...,
    variadic: str | None = ...,
    alias: str | Sequence[str] = ...,
    visible: bool = ...,
    help: str = ...,
    name: str | None = ...,
) -> Callable[[F], F]: ...


def control_command(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a command that changes something in a worker: ``app.control.broadcast("its_name", {…})``, ``umbel control its_name``.

    Args:
        function: called with the worker's façade (`umbel.worker.remote.facade.WorkerFacade`: ``app``, ``hostname``, …) and the request's arguments by name. What
            it returns is the reply, by convention ``{"ok": …}`` or ``{"error": …}``. A coroutine function runs on the worker's event loop and must
            not block; any other one runs in a thread.
        options: ``args``, name and type of each argument on the command line; ``signature``, how the command line shows them; ``default_timeout``, seconds that
            it waits for replies (1); ``variadic``, the name of an argument that takes all further words; ``alias``, another name, or several;
            ``visible``, whether it is listed; ``help``, one line (the docstring's first); ``name``, its name (the function's).
    """
    return _decorate("control", function, options)


@overload
def inspect_command(function: F, /) -> F: ...


@overload
def inspect_command(
    *,
    args: Sequence[tuple[str, Callable[[str], Any]]] = ...,
    signature: str = ...,
    default_timeout: float = ...,
    variadic: str | None = ...,
    alias: str | Sequence[str] = ...,
    visible: bool = ...,
    help: str = ...,
    name: str | None = ...,
) -> Callable[[F], F]: ...


def inspect_command(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a command that looks at a worker: ``app.control.broadcast("its_name", reply=True)``, ``umbel inspect its_name``.

    Args:
        function: as for `control_command`; what it returns is the reply.
        options: likewise.
    """
    return _decorate("inspect", function, options)


def _decorate(kind: Kind, function: Callable[..., Any] | None, options: dict[str, Any]) -> Any:
    if function is None:
        return lambda later: _decorate(kind, later, options)
    COMMANDS.add(_command(kind, function, **options))
    return function


def _command(
    kind: Kind,
    function: Callable[..., Any],
    *,
    args: Sequence[tuple[str, Callable[[str], Any]]] = (),
    alias: str | Sequence[str] = (),
    name: str | None = None,
    help: str = "",
    **options: Any,
) -> Command:
    return Command(
        name=name or function.__name__,
        kind=kind,
        handler=function,
        aliases=(alias,) if isinstance(alias, str) else tuple(alias),
        args=tuple((argument, convert) for argument, convert in args),
        help=help or (inspect.getdoc(function) or "").partition("\n")[0],
        **options,
    )
