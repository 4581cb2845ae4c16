"""The files of a project, read as syntax trees."""

from __future__ import annotations

import ast
import os
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from umbel.cli.moving.checking.findings import Finding, Verdict

#: Folders that hold other people's code, or none.
_SKIPPED: Final = frozenset({"node_modules", "site-packages", "__pycache__", "build", "dist", "venv", "env", "migrations"})
#: Bytes of a file; larger ones are data.
_MOST: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """One module of the project."""

    #: Relative to the project.
    path: str
    tree: ast.Module


def sources(project: Path) -> Iterator[Source | Finding]:
    """Read the modules of a project; what cannot be read is a finding.

    Args:
        project: a folder, or one file.
    """
    for path in files(project, (".py",)):
        shown = relative(path, project)
        try:
            if path.stat().st_size > _MOST:
                continue
            with tokenize.open(path) as file, warnings.catch_warnings(action="ignore"):
                yield Source(shown, ast.parse(file.read()))
        except (SyntaxError, ValueError, RecursionError, UnicodeDecodeError) as error:
            line = getattr(error, "lineno", None) or 0
            yield Finding(shown, line, Verdict.MUST_CHANGE, "syntax", f"This is no Python of the version that runs this command: {error}")
        except OSError as error:
            yield Finding(shown, 0, Verdict.MUST_CHANGE, "file", f"It cannot be read: {error.strerror}")


def files(project: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    """Find files in a project, in the order of their names; not in environments and hidden folders, and not through links.

    Args:
        project: a folder, or one file.
        endings: of names.
    """
    if project.is_file():
        yield project
        return
    for folder, inner, names in os.walk(project):
        here = Path(folder)
        inner[:] = sorted(
            name for name in inner if not name.startswith(".") and name not in _SKIPPED and not (here / name / "pyvenv.cfg").exists()
        )
        yield from (here / name for name in sorted(names) if name.endswith(endings) and (here / name).is_file())


def relative(path: Path, project: Path) -> str:
    """Return a path as it is shown.

    Args:
        path: of a file.
        project: that it belongs to.
    """
    return path.name if path == project else path.relative_to(project).as_posix()


def literal(node: ast.expr | None) -> object:
    """Return the value of an expression that is written out, else `UNKNOWN`.

    Args:
        node: the expression.
    """
    if node is None:
        return UNKNOWN
    try:
        value: object = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN
    return value


#: The value of what is computed.
UNKNOWN: Final = object()


def dotted(node: ast.expr) -> str:
    """Return the dotted name that an expression is, such as ``app.conf.update``; empty where it is none.

    Args:
        node: the expression.
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])
