"""Options of tasks and calls."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from typing import Final

from umbel.app.sending.options import OPTIONS
from umbel.app.task.options import TaskOptions
from umbel.cli.moving.checking.findings import Finding, Verdict
from umbel.cli.moving.checking.reading import Source, dotted

_DECORATORS: Final = frozenset({"task", "shared_task", "periodic_task"})
#: Of a decorator that are no attributes of tasks.
_OF_DECORATORS: Final = frozenset(
    [
        "name",
        "bind",
        "base",
        "shared",
        "lazy",
        "filter",
        "on_bound",
        "run_every",
        "pydantic",
        "pydantic_strict",
        "pydantic_context",
        "pydantic_dump_kwargs",
        "lend",
    ]
)
_ARGUMENTS: Final = frozenset({"args", "kwargs", "link", "link_error", "task_id", "producer", "connection", "shadow"})
#: Options that mean something else, or nothing.
_DIFFERS: Final = {
    "send_events": "without effect: events are sent for all tasks or none (worker_send_task_events)",
    "trail": "without effect: children are always kept",
    "resultrepr_maxsize": "without effect",
}
_ATTRIBUTES: Final = frozenset(TaskOptions.__annotations__)


def check_tasks(source: Source) -> Iterator[Finding]:
    """Look at how a module makes tasks and calls them.

    Args:
        source: the module.
    """
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _decorated(source, node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("apply_async", "send_task"):
            yield from _called(source, node)


def _decorated(source: Source, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Finding]:
    for decorator in function.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        name = dotted(call.func if call else decorator).rpartition(".")[2]
        if name not in _DECORATORS:
            continue
        if name == "periodic_task":
            yield Finding(
                source.path, function.lineno, Verdict.MUST_CHANGE, function.name, "periodic_task is Celery 3's: use beat_schedule"
            )
            continue
        findings = [*_options(source, function, call)] if call else []
        yield from findings or [Finding(source.path, function.lineno, Verdict.WORKS, f"task {function.name}")]


def _options(source: Source, function: ast.FunctionDef | ast.AsyncFunctionDef, call: ast.Call) -> Iterator[Finding]:
    for word in call.keywords:
        given = word.arg or ""
        if given in _DIFFERS:
            yield Finding(source.path, function.lineno, Verdict.DIFFERS, f"{function.name}: {given}", _DIFFERS[given])
        elif given and given not in _ATTRIBUTES and given not in _OF_DECORATORS:
            near = difflib.get_close_matches(given, [*_ATTRIBUTES], n=1, cutoff=0.85)
            if near:
                text = f"There is no such option, it becomes an attribute of the task; did you mean {near[0]}?"
                yield Finding(source.path, function.lineno, Verdict.DIFFERS, f"{function.name}: {given}", text)


def _called(source: Source, call: ast.Call) -> Iterator[Finding]:
    stamped = any(word.arg in ("stamped_headers", None) for word in call.keywords)
    for word in call.keywords:
        name = word.arg or ""
        if not name or stamped or name in OPTIONS or name in _ARGUMENTS or name[:1].isupper():
            continue
        near = difflib.get_close_matches(name, [*OPTIONS], n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        yield Finding(source.path, call.lineno, Verdict.MUST_CHANGE, name, f"There is no calling option {name}, which is an error{hint}")
