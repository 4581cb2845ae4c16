"""Files, classes, functions and folders stay small enough to be read in one sitting."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "umbel"

FILE_LINES = 500
#: Nothing may be longer, whatever the list below says.
FILE_LINES_EVER = 600
TEST_FILE_LINES = 900
FUNCTION_LINES = 60
CLASS_LINES = 400
FOLDER_FILES = 12

#: Files over `FILE_LINES`, each with why. This list only ever gets shorter.
LONG_FILES: dict[str, str] = {}
#: ``file:function`` over `FUNCTION_LINES`, each with why.
LONG_FUNCTIONS: dict[str, str] = {}
#: ``file:class`` over `CLASS_LINES`, each with why.
LONG_CLASSES: dict[str, str] = {}


def files(folder: Path = SOURCE) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def length(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def nodes(kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> Iterator[tuple[str, ast.AST]]:
    for path in files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kind):
                yield f"{name_of(path)}:{node.name}", node


def lines_without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    docstring = (first.end_lineno - first.lineno + 1) if is_docstring else 0
    return node.end_lineno - node.lineno + 1 - docstring


def test_files_are_short():
    too_long = {name_of(path): length(path) for path in files() if length(path) > FILE_LINES and name_of(path) not in LONG_FILES}
    assert not too_long, "split these by what they decide"


def test_no_file_is_huge():
    assert not {name_of(path): length(path) for path in files() if length(path) > FILE_LINES_EVER}


def test_test_files_are_not_huge():
    assert not {str(path.relative_to(ROOT)): length(path) for path in files(ROOT / "tests") if length(path) > TEST_FILE_LINES}


def test_functions_are_short():
    found = {name: lines_without_docstring(node) for name, node in nodes((ast.FunctionDef, ast.AsyncFunctionDef))}
    assert not {name: lines for name, lines in found.items() if lines > FUNCTION_LINES and name not in LONG_FUNCTIONS}


def test_classes_are_short():
    found = {name: lines_without_docstring(node) for name, node in nodes(ast.ClassDef)}
    assert not {name: lines for name, lines in found.items() if lines > CLASS_LINES and name not in LONG_CLASSES}


def test_folders_hold_few_files():
    folders = {path.parent for path in files()}
    counts = {name_of(folder): sum(1 for path in folder.glob("*.py") if path.name != "__init__.py") for folder in folders}
    assert not {name: number for name, number in counts.items() if number > FOLDER_FILES}


@pytest.mark.parametrize("listed", sorted(LONG_FILES) or ["-"])
def test_the_list_of_long_files_only_shrinks(listed):
    if listed != "-":
        assert (SOURCE / listed).exists() and length(SOURCE / listed) > FILE_LINES, f"{listed} has become short: strike it off the list"
