"""Names that a project imports from Celery and kombu."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from typing import Any, Final

from umbel.cli.moving.checking.findings import Finding, Verdict
from umbel.cli.moving.checking.reading import Source
from umbel.runtime import plugins

#: Module → what is in it: the tables by which ``import celery`` is ours. They stand above the command line, which only reads them.
_TABLES: Final = "umbel.compat.names:TABLES"
#: Packages of which names are looked up; of the others beside it only the finding that they stay.
_OURS: Final = ("celery", "kombu", "billiard")
_BESIDE: Final = frozenset({"kombu", "billiard"})
_KEPT: Final = "Umbel has no {}: install {} beside it for this, where it stays as it is"


@functools.cache
def _tables() -> dict[str, Any]:
    tables: dict[str, Any] = plugins.load(_TABLES, "umbel migrate-check")
    return tables


def check_imports(source: Source) -> Iterator[Finding]:
    """Look at the imports of a module.

    Args:
        source: the module.
    """
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] in _OURS:
                    yield _module(source, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level and node.module.partition(".")[0] in _OURS:
            for alias in node.names:
                yield _name(source, node.lineno, node.module, alias.name)


def _module(source: Source, line: int, module: str) -> Finding:
    if module in _tables() or any(name.startswith(f"{module}.") for name in _tables()):
        return Finding(source.path, line, Verdict.WORKS, module)
    return _missing(source, line, module, "")


def _name(source: Source, line: int, module: str, name: str) -> Finding:
    whole, table = f"{module}.{name}", _tables().get(module)
    if name == "*" or whole in _tables():
        return _module(source, line, module if name == "*" else whole)
    if table is None:
        return _missing(source, line, whole, "")
    if name not in table.elsewhere and (table.live or name in table.values or any(name == theirs for theirs, _, _ in table.places())):
        return Finding(source.path, line, Verdict.WORKS, whole)
    return _missing(source, line, whole, table.elsewhere.get(name, ""))


def _missing(source: Source, line: int, whole: str, instead: str) -> Finding:
    root = whole.partition(".")[0]
    if root in _BESIDE:
        return Finding(source.path, line, Verdict.DIFFERS, whole, _KEPT.format(whole, root) + (f"; or use {instead}" if instead else ""))
    text = f"Umbel has no {whole}" + (f": use {instead}" if instead else "; docs/guide/moving-from-celery.md lists what there is")
    return Finding(source.path, line, Verdict.MUST_CHANGE, whole, text)
