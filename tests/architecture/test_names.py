"""A file is named for what it is about."""

from __future__ import annotations

import ast
from pathlib import Path

from umbel.pools import kinds

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "umbel"

#: Names that say nothing, and attract everything.
EMPTY = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers", "tools", "stuff", "core", "lib"}


def test_no_file_has_an_empty_name():
    assert not [str(path.relative_to(ROOT)) for path in SOURCE.rglob("*") if path.stem in EMPTY]


def test_every_module_says_what_it_is():
    silent = [path for path in SOURCE.rglob("*.py") if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert not [str(path.relative_to(ROOT)) for path in silent]


def test_the_project_speaks_of_itself_only():
    """Paths of one developer's machine have no place in a public project."""
    foreign = ("/work" + "/", "../" + "shared", "/root" + "/")
    ours = (".py", ".md", ".toml", ".sh", ".lua", ".sql", "")
    folders = ("src", "tests", "docs", "examples", "scripts", "benchmarks", ".ci")
    found = []
    for path in [*ROOT.glob("*"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]:
        if path.is_file() and path.suffix in ours and "__pycache__" not in path.parts:
            text = path.read_text(encoding="utf-8", errors="replace")
            found += [f"{path.relative_to(ROOT)}: {word}" for word in foreign if word in text]
    assert not found


def test_pools_are_known_by_their_table_only():
    """What a kind of pool can do is asked of `umbel.pools.kinds`, never concluded from its name."""
    names = {name for kind in kinds.KINDS for name in (kind.name, *kind.aliases)}
    found = []
    for path in SOURCE.rglob("*.py"):
        if path == SOURCE / "pools" / "kinds.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Compare, ast.MatchValue)):
                inside = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
                found += [f"{path.relative_to(ROOT)}:{node.lineno}: {value!r}" for value in inside if value in names]
    assert not found
