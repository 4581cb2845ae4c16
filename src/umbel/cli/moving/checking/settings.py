"""Settings in the modules of a project: in modules and classes of settings, ``app.conf``, and the arguments of ``Celery()``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from umbel.app.config import schema
from umbel.app.config.setting import Status
from umbel.cli.moving.checking.findings import Finding, Verdict
from umbel.cli.moving.checking.places import check_place
from umbel.cli.moving.checking.reading import UNKNOWN, Source, dotted, literal
from umbel.errors import ImproperlyConfigured

#: Arguments of the app that are settings by another name, and those that are none.
_ARGUMENTS: Final = {"broker": "broker_url", "backend": "result_backend", "include": "include"}
_NO_SETTINGS: Final = frozenset(
    [
        "main",
        "loader",
        "amqp",
        "events",
        "log",
        "control",
        "set_as_current",
        "tasks",
        "changes",
        "config_source",
        "fixups",
        "task_cls",
        "autofinalize",
        "namespace",
        "strict_typing",
        "time",
        "broker_connection",
    ]
)
_PREFIX: Final = "CELERY_"
#: What is otherwise where a project says nothing.
_DEFAULTS: Final = {
    "broker_url": "messages are in a SQLite file; with Celery, in RabbitMQ on this machine",
    "task_acks_late": "a task is acknowledged when it has ended, so it may run again; with False it runs at most once, as with Celery",
    "task_reject_on_worker_lost": "a task whose process died runs again, at most task_max_deliveries times; with False it has failed, as with Celery",
    "worker_prefetch_multiplier": "as many messages wait in a worker as the rate of its tasks demands; with Celery, 4 for each process",
}
#: One setting, where it stands: name, line, value.
_Given = tuple[str, int, ast.expr | None]


def check_settings(source: Source) -> Iterator[Finding]:
    """Look at the settings that a module gives.

    Args:
        source: the module.
    """
    for name, line, value in _given(source):
        yield from _check(source, name, line, value)
    names = {name for name, _, _ in _assigned(source.tree)}
    old = {name for name in names if name in schema.OLD_NAMES and not _is_prefixed(name)}
    new = {name for name in names if name in schema.SETTINGS}
    if old and new:
        text = f"Old and new names are mixed in one module, which is an error: umbel upgrade settings {source.path}"
        yield Finding(source.path, 0, Verdict.MUST_CHANGE, "settings", text)


def given_in(source: Source) -> set[str]:
    """Return the names of the settings that a module gives.

    Args:
        source: the module.
    """
    return {name for name, _, _ in _given(source)}


def _given(source: Source) -> list[_Given]:
    return [*_assigned(source.tree), *_configured(source.tree)]


def _assigned(tree: ast.Module) -> list[_Given]:
    """Settings that are assigned in the module or in a class, if there are any: a name alone such as ``result_path`` says nothing."""
    found: list[_Given] = []
    for body in (tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))):
        for node in body:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
            found += [(target.id, node.lineno, node.value) for target in targets if isinstance(target, ast.Name)]  # type: ignore[attr-defined]
    known = [name for name, _, _ in found if schema.canonical(name) in schema.SETTINGS]
    is_module_of_settings = len(known) > 1 or any(name.startswith(_PREFIX) for name in known)
    return [each for each in found if is_module_of_settings and (schema.canonical(each[0]) or schema.looks_like_setting(each[0]))]


def _configured(tree: ast.Module) -> Iterator[_Given]:
    """Settings that are given to an app: ``app.conf.x = …``, ``app.conf.update(x=…)``, ``Celery(broker=…)``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Attribute) and dotted(target.value).endswith(".conf"):
                    yield target.attr, node.lineno, node.value
                elif isinstance(target, ast.Subscript) and dotted(target.value).endswith(".conf"):
                    key = literal(target.slice)
                    if isinstance(key, str):
                        yield key, node.lineno, node.value
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            if name.endswith(".conf.update"):
                yield from _pairs(node)
            elif name.rpartition(".")[2] == "Celery":
                for word in node.keywords:
                    if word.arg and word.arg not in _NO_SETTINGS:
                        yield _ARGUMENTS.get(word.arg, word.arg), node.lineno, word.value


def _pairs(call: ast.Call) -> Iterator[_Given]:
    for word in call.keywords:
        if word.arg:
            yield word.arg, word.value.lineno, word.value
    for argument in call.args:
        if isinstance(argument, ast.Dict):
            for key, value in zip(argument.keys, argument.values, strict=True):
                name = literal(key)
                if isinstance(name, str):
                    yield name, value.lineno, value


def _is_prefixed(name: str) -> bool:
    return name.startswith(_PREFIX) and name[len(_PREFIX) :].lower() in schema.SETTINGS


def _check(source: Source, name: str, line: int, value: ast.expr | None) -> Iterator[Finding]:
    today = schema.canonical(name)
    if today is None:
        meant = schema.suggest(name)
        text = "There is no such setting, which is an error; " + (f"did you mean {meant}?" if meant else "take it away")
        yield Finding(source.path, line, Verdict.MUST_CHANGE, name, text)
        return
    row = schema.SETTINGS.get(today)
    if row is None:
        yield Finding(source.path, line, Verdict.DIFFERS, name, "It belongs to another package: it is kept, and Umbel does nothing with it")
        return
    written = literal(value)
    if written is not UNKNOWN:
        try:
            row.convert(written)
        except ImproperlyConfigured as error:
            yield Finding(source.path, line, Verdict.MUST_CHANGE, name, str(error))
            return
        if place := check_place(source.path, line, today, written):
            yield place
            return
    if row.status is Status.ACCEPTED:
        yield Finding(
            source.path, line, Verdict.DIFFERS, name, "It is read and changes nothing: what it tunes is done otherwise, or not yet"
        )
    elif name != today and not _is_prefixed(name):
        yield Finding(source.path, line, Verdict.WORKS, name, f"Its name is {today} today")
    else:
        yield Finding(source.path, line, Verdict.WORKS, name)


def check_defaults(given: set[str]) -> Iterator[Finding]:
    """Tell of defaults that are others than Celery's, and that a project leaves alone.

    Args:
        given: names of settings that the project sets, by any name.
    """
    known = {schema.canonical(name) for name in given}
    for name, text in _DEFAULTS.items():
        if name not in known:
            yield Finding("", 0, Verdict.DIFFERS, name, f"Not set: {text}")
