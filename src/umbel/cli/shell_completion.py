"""Shell completion of the names of tasks, queues and workers, from the app and from workers that run; and the option that takes queues."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from umbel.cli.loading import LoadedApp, load
from umbel.cli.options import GlobalOptions, names_list

#: Seconds that a completion waits for replies of workers; and at most, when the broker does not answer.
_PATIENCE: Final = 0.3
_LONGEST: Final = 0.5


def _typed_value(words: list[str], *names: str) -> str | None:
    """Find the value of an option, by any of its ``names``, among typed ``words``."""
    for index, word in enumerate(words):
        if word in names and index + 1 < len(words):
            return words[index + 1]
        if word.startswith(f"{names[-1]}="):
            return word.partition("=")[2]
    return None


def _typed_options() -> GlobalOptions:
    words = _typed_words()
    app = _typed_value(words, "-A", "--app") or os.environ.get("UMBEL_APP") or os.environ.get("CELERY_APP")
    return GlobalOptions(app=app, broker=_typed_value(words, "-b", "--broker"), workdir=_typed_value(words, "--workdir"))


def _typed_words() -> list[str]:
    try:
        return shlex.split(os.environ.get("COMP_WORDS", ""))
    except ValueError:  # an open quote: the word is still being typed
        return []


def items(names: list[str], incomplete: str) -> list[CompletionItem]:
    """Complete what is ``incomplete`` by ``names``; after a comma, the next one."""
    before, comma, word = incomplete.rpartition(",")
    return [CompletionItem(f"{before}{comma}{name}") for name in names if name.startswith(word)]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Log nothing inside the block."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


def _loaded() -> LoadedApp | None:
    """The app that is typed; ``None`` where it cannot be loaded: completion never disturbs the line that is being typed."""
    try:
        return load(_typed_options())
    except (Exception, SystemExit):
        return None


def _of_app(names: Callable[[LoadedApp], list[str]]) -> list[str]:
    """Names that a named app knows."""
    with _silence(), contextlib.suppress(Exception, SystemExit):
        loaded = _loaded()
        if loaded is not None and loaded.path is not None:
            return names(loaded)
    return []


def _of_workers(names: Callable[[Any], Iterable[str]]) -> list[str]:
    """Names that workers know, as far as they reply in time; a broker that is away is not waited for.

    Args:
        names: asks them; called with `app.control`, on a thread that is left behind when it takes too long.
    """
    found: list[str] = []

    def ask(control: Any) -> None:
        with contextlib.suppress(Exception):
            found.extend(names(control))

    with _silence():
        loaded = _loaded()
        if loaded is not None:
            thread = threading.Thread(target=ask, args=(loaded.app.control,), daemon=True)
            thread.start()
            thread.join(_LONGEST)
    return sorted(set(found))


def _listed(control: Any, command: str) -> Iterator[Any]:
    """The lists with which workers reply, item by item."""
    for reply in control.broadcast(command, reply=True, timeout=_PATIENCE) or ():
        for answer in reply.values():
            if isinstance(answer, list):
                yield from answer


def _live_queues(control: Any) -> Iterator[str]:
    return (each["name"] for each in _listed(control, "active_queues"))


def _live_tasks(control: Any) -> Iterator[str]:
    return (name for text in _listed(control, "registered") if not (name := text.partition(" ")[0]).startswith(("celery.", "umbel.")))


def _nodes(control: Any) -> Iterator[str]:
    return (node for reply in control.ping(timeout=_PATIENCE) for node in reply)


def one_of(*words: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Make a completion of ``words``, for an option that takes more than it would list."""
    return lambda _context, _parameter, incomplete: items([*words], incomplete)


def complete_tasks(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete tasks whose names begin with ``incomplete``: the app's, or where none is named those of the workers that run."""
    return items(_of_app(LoadedApp.task_names) or _of_workers(_live_tasks), incomplete)


def complete_queues(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete queues whose names begin with ``incomplete``, the app's and those that workers read; after a comma, the next one."""
    return items(list(dict.fromkeys([*_of_app(LoadedApp.queue_names), *_of_workers(_live_queues)])), incomplete)


def complete_nodes(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of workers that run now and begin with ``incomplete``; after a comma, the next one."""
    return items(_of_workers(_nodes), incomplete)


def queues_option(*names: str, text: str = "Only these, e.g. -Q fast,slow.") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make an option that takes queues, with ``text`` as its help; ``-Q`` unless ``*names`` are given."""
    return click.option(
        *(names or ("-Q", "--queues")),
        multiple=True,
        callback=names_list,
        metavar="NAMES",
        shell_complete=complete_queues,
        help=text,
    )
