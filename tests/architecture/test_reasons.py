"""Reasons of dead letters: in one enum, in the guide, and nowhere else as a word of their own."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from umbel.reasons import DeadReason

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "umbel"
GUIDE = ROOT / "docs" / "guide" / "dead-letters.md"
#: Words that name something else as well: an option of a task, attributes, events.
ALSO_OTHER_THINGS = {"time_limit", "refused", "failed", "rejected"}


def test_the_guide_lists_every_reason_once_and_no_other():
    listed = re.findall(r"^\| `(\w+)` \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [reason.value for reason in DeadReason]


def test_no_reason_is_written_as_a_literal():
    words = {reason.value for reason in DeadReason} - ALSO_OTHER_THINGS
    found = []
    for path in SOURCE.rglob("*.py"):
        if path != SOURCE / "reasons.py":
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            found += [f"{path.relative_to(ROOT)}:{node.lineno}" for node in nodes if isinstance(node, ast.Constant) and node.value in words]
    assert not found


def test_dead_letters_have_one_word():
    """The glossary may say which words not to use."""
    other = re.compile(r"\b(bury|buries|buried|grave|graveyard|morgue|revive[sd]?)\b", re.IGNORECASE)
    pages = [
        path
        for folder in ("src", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".lua", ".sql", ".md"} and path.name != "glossary.md"
    ]
    assert not [f"{path.relative_to(ROOT)}: {word[0]}" for path in pages for word in other.finditer(path.read_text(encoding="utf-8"))]
