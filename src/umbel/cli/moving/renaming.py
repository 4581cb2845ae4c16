"""Old names of settings in the text of a module, and the text with today's names."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from umbel.app.config.schema import OLD_NAMES


@dataclass(frozen=True, slots=True, order=True)
class Renaming:
    """One old name in a text."""

    #: From 1; from 0.
    line: int
    column: int
    old: str
    new: str


def renamings(text: str, names: Mapping[str, str]) -> list[Renaming]:
    """Find names that are to be replaced: as names, as attributes, and as texts of their own, such as the keys of a dict.

    Args:
        text: of a Python module.
        names: old → new.

    Raises:
        SyntaxError: it is no Python.
    """
    ast.parse(text)
    return sorted(Renaming(*token.start, old, names[old]) for token, old in _words(text) if old in names and names[old] != old)


def _words(text: str) -> Iterator[tuple[tokenize.TokenInfo, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text, newline="").readline):
        if token.type == tokenize.NAME:
            yield token, token.string
        elif token.type == tokenize.STRING:
            value = ast.literal_eval(token.string)
            if isinstance(value, str) and token.string[1:-1] == value:
                yield token._replace(start=(token.start[0], token.start[1] + 1)), value


def renamed(text: str, changes: list[Renaming]) -> str:
    """Return a text with the changes done; everything else, line ends included, stays.

    Args:
        text: of the module.
        changes: what `renamings` has found.
    """
    lines = text.splitlines(keepends=True)
    for change in sorted(changes, reverse=True):
        line = lines[change.line - 1]
        lines[change.line - 1] = line[: change.column] + change.new + line[change.column + len(change.old) :]
    return "".join(lines)


def names_for(*, django: bool) -> dict[str, str]:
    """Return old names with today's.

    Args:
        django: as they are written with ``namespace="CELERY"``.
    """
    return {old: f"CELERY_{new.upper()}" if django else new for old, new in OLD_NAMES.items()}
