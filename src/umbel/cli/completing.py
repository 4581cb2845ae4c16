"""Names that the shell completes while a command is being typed: tasks and queues of the app."""

from __future__ import annotations

import os
import shlex

import click
from click.shell_completion import CompletionItem


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


def _items(names: list[str], incomplete: str) -> list[CompletionItem]:
    before, comma, word = incomplete.rpartition(",")
    return [CompletionItem(f"{before}{comma}{name}") for name in names if name.startswith(word)]


def _names(kind: str) -> list[str]:
    from umbel.cli.loading import load
    from umbel.cli.options import GlobalOptions

    text = _app_named_in(_typed_words())
    if text is None:
        return []
    try:
        found = load(GlobalOptions(app=text))
        return found.task_names() if kind == "tasks" else found.queue_names()
    except (Exception, SystemExit):  # completion never disturbs the line that is being typed
        return []


def complete_tasks(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Tasks whose names begin like this."""
    return _items(_names("tasks"), incomplete)


def complete_queues(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Queues whose names begin like this; after a comma, the next one."""
    return _items(_names("queues"), incomplete)
