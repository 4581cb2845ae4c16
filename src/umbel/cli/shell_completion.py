"""Shell completion of the names of tasks and queues of the app; and the option that takes queues."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from umbel.cli.loading import load
from umbel.cli.options import GlobalOptions, names_list


def _app_named_in(words: list[str]) -> str | None:
    for index, word in enumerate(words):
        if word in ("-A", "--app") and index + 1 < len(words):
            return words[index + 1]
        if word.startswith("--app="):
            return word.partition("=")[2]
    return os.environ.get("UMBEL_APP") or os.environ.get("CELERY_APP")


def _typed_words() -> list[str]:
    try:
        return shlex.split(os.environ.get("COMP_WORDS", ""))
    except ValueError:  # an open quote: the word is still being typed
        return []


def items(names: list[str], incomplete: str) -> list[CompletionItem]:
    """Complete what is ``incomplete`` by ``names``; after a comma, the next one."""
    before, comma, word = incomplete.rpartition(",")
    return [CompletionItem(f"{before}{comma}{name}") for name in names if name.startswith(word)]


def _names(kind: str) -> list[str]:
    text = _app_named_in(_typed_words())
    if text is None:
        return []
    try:
        found = load(GlobalOptions(app=text))
        return found.task_names() if kind == "tasks" else found.queue_names()
    except (Exception, SystemExit):  # completion never disturbs the line that is being typed
        return []


def one_of(*words: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Make a completion of ``words``, for an option that takes more than it would list."""
    return lambda _context, _parameter, incomplete: items([*words], incomplete)


def complete_tasks(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete tasks whose names begin with ``incomplete``."""
    return items(_names("tasks"), incomplete)


def complete_queues(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete queues whose names begin with ``incomplete``; after a comma, the next one."""
    return items(_names("queues"), incomplete)


#: Seconds that a completion waits for workers.
_PATIENCE = 0.5


def complete_nodes(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of workers that run now and begin with ``incomplete``; after a comma, the next one."""
    try:
        app = load(GlobalOptions(app=_app_named_in(_typed_words()))).app
        replies = app.control.ping(timeout=_PATIENCE)
    except (Exception, SystemExit):  # completion never disturbs the line that is being typed
        return []
    return items(sorted(node for reply in replies for node in reply), incomplete)


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
